"""CA bundles as people write them: the certificates are found in any text, and nothing else is passed on."""

import base64
import re
import ssl

import pytest

from support.certificates.authority import authority, ca
from support.connectors.grant_facts import connector
from webhook.connector.credentials import parse_ca
from webhook.connector.secret import SecretManifest, parse_secret
from webhook.errors import InvalidSecret

ONE, OTHER = ca(), ca("theirs")
DER = ssl.PEM_cert_to_DER_cert(ONE)
BODY = base64.b64encode(DER).decode()
COMMENT = """Certificate:
    Data:
        Version: 3 (0x2)
        Issuer: O=Müller & Söhne GmbH, CN=Größe
"""
BAGS = """Bag Attributes
    friendlyName: firma
    localKeyID: 54 69 6D 65
subject=CN = Müller
"""


def secret(octets: bytes) -> SecretManifest:
    data = {"ca.crt": base64.b64encode(octets).decode()}
    return parse_secret({"metadata": {"name": "ca", "uid": "u", "resourceVersion": "1"}, "data": data})


def parsed(octets: bytes) -> list[bytes]:
    """The certificates that a client would trust, as DER."""
    bundle = parse_ca(connector(caCertSecretRef={"name": "ca"}), secret(octets))
    assert bundle is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=bundle)
    assert "PRIVATE" not in bundle
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", bundle, re.DOTALL)
    assert len(blocks) == len(context.get_ca_certs())
    return [ssl.PEM_cert_to_DER_cert(block) for block in blocks]


def trusted(text: str) -> str:
    """The certificate under another label."""
    return ONE.replace("CERTIFICATE", text)


ONE_EACH = {
    "plain": ONE.encode(),
    "without an end of line": ONE.strip().encode(),
    "CRLF": ONE.replace("\n", "\r\n").encode(),
    "old Macintosh": ONE.replace("\n", "\r").encode(),
    "UTF-8 comment": (COMMENT + ONE).encode(),
    "latin-1 comment": (COMMENT + ONE).encode("latin-1"),
    "windows-1252 comment": ("“CA” €\n" + ONE).encode("cp1252"),
    "latin-1 bag attributes after it": (ONE + BAGS).encode("latin-1"),
    "byte order mark": b"\xef\xbb\xbf" + ONE.encode(),
    "UTF-16 of PowerShell": ONE.encode("utf-16"),
    "UTF-16 with a comment": (COMMENT + ONE).encode("utf-16"),
    "UTF-16, big-endian, without a mark": ONE.encode("utf-16-be"),
    "binary noise": bytes(range(256)) + b"\n" + ONE.encode() + b"\xff\xfe\x00",
    "indented": "".join(f"    {line}\n" for line in ONE.splitlines()).encode(),
    "trailing blanks": ONE.replace("\n", "  \n").encode(),
    "one line of base64": f"-----BEGIN CERTIFICATE-----\n{BODY}\n-----END CERTIFICATE-----\n".encode(),
    "lines of 76": (
        "-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(DER).decode() + "-----END CERTIFICATE-----\n"
    ).encode(),
    "old label": trusted("X509 CERTIFICATE").encode(),
    "twice": (ONE + ONE).encode(),
    "twice, in two spellings": (ONE + COMMENT + ONE.replace("\n", "\r\n")).encode("latin-1"),
    "with its private key": (authority().key + ONE).encode(),
    "a block that was cut": (ONE[:400] + "\n" + ONE).encode(),
    "beside a request for a certificate": (trusted("CERTIFICATE REQUEST") + ONE).encode(),
    "beside distrust": (trusted("TRUSTED CERTIFICATE").replace("MII", "MIJ", 1) + ONE).encode(),
}


@pytest.mark.parametrize("octets", ONE_EACH.values(), ids=ONE_EACH.keys())
def test_text_around_a_certificate_is_read_past(octets: bytes) -> None:
    assert parsed(octets) == [DER]


def test_several_certificates_keep_their_order() -> None:
    both = (COMMENT + OTHER + BAGS + ONE + OTHER).encode("latin-1")
    assert parsed(both) == [ssl.PEM_cert_to_DER_cert(OTHER), DER]


@pytest.mark.parametrize(
    ("octets", "sentence"),
    [
        (b"", "is not a bundle of PEM certificates"),
        (COMMENT.encode("latin-1"), "is not a bundle of PEM certificates"),
        (DER, "is not a bundle of PEM certificates"),
        (ONE[:400].encode(), "is not a bundle of PEM certificates"),
        (trusted("TRUSTED CERTIFICATE").encode(), "holds TRUSTED CERTIFICATE and no CERTIFICATE"),
        (trusted("PKCS7").encode(), "holds PKCS7 and no CERTIFICATE"),
        (authority().key.encode(), "holds PRIVATE KEY and no CERTIFICATE"),
        (trusted("CERTIFICATE REQUEST").encode(), "holds CERTIFICATE REQUEST and no CERTIFICATE"),
        (ONE.replace("MII", "MIJ", 1).encode(), "is not a bundle of PEM certificates"),
    ],
)
def test_what_holds_no_certificate_is_refused_with_its_cause(octets: bytes, sentence: str) -> None:
    with pytest.raises(InvalidSecret) as refused:
        parsed(octets)
    assert [problem.reason for problem in refused.value.problems] == ["InvalidPEM"]
    assert f'secret "ca": "ca.crt" {sentence}' in str(refused.value)
    assert BODY[:40] not in str(refused.value)
