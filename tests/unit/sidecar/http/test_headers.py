"""Which headers cross the proxy: to the registry what is listed, to the client all but what is listed."""

from base64 import b64decode

import pytest

from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from sidecar.http.headers import basic_authorization, hops, to_client, to_registry
from sidecar.http.http1 import Headers

PASSED = [
    b"accept",
    b"accept-language",
    b"cache-control",
    b"content-type",
    b"pragma",
    b"user-agent",
]
OF_FILES = [b"accept-encoding", b"if-range", b"range"]
OF_FILES += [b"if-match", b"if-modified-since", b"if-none-match", b"if-unmodified-since"]
MARK = b"0123abcd"
NEVER_TO_REGISTRY = [
    b"authorization",
    b"connection",
    b"content-length",
    b"cookie",
    b"expect",
    b"forwarded",
    b"host",
    b"job-token",
    b"keep-alive",
    b"origin",
    b"private-token",
    b"proxy-authorization",
    b"proxy-connection",
    b"referer",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"via",
    b"x-api-key",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-http-method-override",
    b"x-jfrog-art-api",
    b"x-original-url",
    b"x-rewrite-url",
    b"a-header-nobody-has-heard-of",
]
VIA = (b"via", b"1.1 pypi-connector")


def sent(headers: Headers, *, is_page: bool, authorization: bytes | None = None) -> Headers:
    page_mark = MARK if is_page else None
    return to_registry(
        headers, host="registry.example:8443", authorization=authorization, page_mark=page_mark
    )


@pytest.mark.parametrize("name", PASSED)
@pytest.mark.parametrize("is_page", [True, False], ids=["page", "file"])
def test_what_a_package_client_says_reaches_the_registry_unchanged(name: bytes, is_page: bool) -> None:
    assert (name, b"As It Is; q=0.1") in sent([(name, b"As It Is; q=0.1")], is_page=is_page)


@pytest.mark.parametrize("name", OF_FILES)
def test_ranges_codings_and_conditions_are_of_files_not_of_pages_which_change_on_their_way(
    name: bytes,
) -> None:
    assert (name, b"value") in sent([(name, b"value")], is_page=False)
    assert (name, b"value") not in sent([(name, b"value")], is_page=True)


@pytest.mark.parametrize("name", NEVER_TO_REGISTRY)
@pytest.mark.parametrize("is_page", [True, False], ids=["page", "file"])
def test_nothing_else_reaches_the_registry(name: bytes, is_page: bool) -> None:
    found = sent([(name, b"of-the-client")], is_page=is_page)
    assert b"of-the-client" not in [value for _, value in found]


def test_a_page_is_asked_for_in_gzip_and_a_file_as_it_is() -> None:
    asked = [(b"accept-encoding", b"gzip, deflate, br")]
    assert sent(asked, is_page=True) == [
        (b"host", b"registry.example:8443"),
        (b"accept-encoding", b"gzip"),
        VIA,
    ]
    assert (b"accept-encoding", b"identity") in sent([], is_page=False)
    assert (b"accept-encoding", b"identity") not in sent(asked, is_page=False)


def test_the_credential_replaces_whatever_the_client_sent() -> None:
    client = [(b"authorization", b"Basic ZHVtbXk="), (b"authorization", b"Bearer x")]
    found = sent(client, is_page=False, authorization=b"Basic real")
    assert [value for name, value in found if name == b"authorization"] == [b"Basic real"]


def test_without_a_credential_no_authorization_leaves() -> None:
    found = sent([(b"authorization", b"Basic ZHVtbXk=")], is_page=False)
    assert b"authorization" not in [name for name, _ in found]


def test_there_is_one_host_and_it_is_the_registrys() -> None:
    found = sent([(b"host", b"127.0.0.1:28100")], is_page=True)
    assert [value for name, value in found if name == b"host"] == [b"registry.example:8443"]


def test_what_the_clients_connection_names_ends_here() -> None:
    """RFC 9110 §7.6.1."""
    client = [(b"pragma", b"x"), (b"connection", b"close, Pragma"), (b"user-agent", b"uv")]
    assert sent(client, is_page=True)[1:2] == [(b"user-agent", b"uv")]


def test_passes_through_proxies_of_ours_are_counted_and_nothing_else_is_told() -> None:
    client = [(b"via", b"1.1 secret.example, 1.1 pypi-connector")]
    assert (b"via", b"1.1 pypi-connector, 1.1 pypi-connector") in sent(client, is_page=False)
    assert VIA in sent([(b"via", b"1.1 secret.example")], is_page=False)
    assert hops([(b"via", VIA[1] * 1000)]) < 10


def test_order_and_repetition_are_kept() -> None:
    client = [(b"user-agent", b"uv"), (b"accept", b"a"), (b"accept", b"b")]
    assert [header for header in sent(client, is_page=True) if header in client] == client


NEVER_TO_CLIENT = [
    b"access-control-allow-credentials",
    b"access-control-allow-origin",
    b"alt-svc",
    b"authentication-info",
    b"clear-site-data",
    b"connection",
    b"content-length",
    b"content-location",
    b"keep-alive",
    b"link",
    b"location",
    b"proxy-authenticate",
    b"proxy-authentication-info",
    b"proxy-authorization",
    b"proxy-connection",
    b"refresh",
    b"set-cookie",
    b"set-cookie2",
    b"strict-transport-security",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"www-authenticate",
]
KEPT = [
    b"age",
    b"cache-control",
    b"content-disposition",
    b"content-range",
    b"content-type",
    b"date",
    b"etag",
    b"expires",
    b"last-modified",
    b"retry-after",
    b"vary",
    b"warning",
    b"x-pypi-last-serial",
    b"a-header-nobody-has-heard-of",
]
OF_UNCHANGED_BODIES = [
    b"accept-ranges",
    b"content-digest",
    b"content-encoding",
    b"content-md5",
    b"digest",
    b"repr-digest",
]


@pytest.mark.parametrize("name", NEVER_TO_CLIENT)
@pytest.mark.parametrize("is_rewritten", [True, False], ids=["page", "file"])
def test_sessions_challenges_framing_and_ways_past_the_proxy_never_reach_the_client(
    name: bytes, is_rewritten: bool
) -> None:
    assert to_client([(name, b"x"), (b"etag", b'"1"'), (name, b"y")], is_rewritten=is_rewritten) == [
        (b"etag", b'"1"')
    ]


@pytest.mark.parametrize("is_rewritten", [True, False], ids=["page", "file"])
def test_everything_else_reaches_the_client_in_its_order(is_rewritten: bool) -> None:
    headers = [(name, b"1") for name in KEPT] + [(name, b"2") for name in KEPT]
    assert to_client(headers, is_rewritten=is_rewritten) == headers


@pytest.mark.parametrize("name", OF_UNCHANGED_BODIES)
def test_what_describes_the_octets_goes_with_the_octets_only(name: bytes) -> None:
    assert to_client([(name, b"x")], is_rewritten=False) == [(name, b"x")]
    assert to_client([(name, b"x")], is_rewritten=True) == []


@pytest.mark.parametrize(
    "connection",
    [
        [b"x-one, X-Two"],
        [b"x-one", b"x-two"],
        [b" X-ONE ,,x-two,"],
        [b"close, x-one,\tx-two"],
    ],
)
def test_what_connection_names_ends_here(connection: list[bytes]) -> None:
    headers = [(b"x-one", b"1"), *((b"connection", value) for value in connection), (b"x-two", b"2")]
    assert to_client([*headers, (b"x-three", b"3")], is_rewritten=False) == [(b"x-three", b"3")]


@pytest.mark.parametrize(
    ("username", "password", "pair"),
    [
        ("user", "secret", b"user:secret"),
        ("müller", "pässwörd€", "müller:pässwörd€".encode()),
        ("__token__", "pypi-AgEI", b"__token__:pypi-AgEI"),
        ("", "token", b":token"),
        ("user", "", b"user:"),
        ("user", "a:b:c", b"user:a:b:c"),
        ("user", "line\nbreak", b"user:line\nbreak"),
        ("user", "x" * 4000, b"user:" + b"x" * 4000),
    ],
)
def test_basic_authorization_is_one_line_in_utf_8(username: str, password: str, pair: bytes) -> None:
    value = basic_authorization(Credential(username, Secret(password)))
    assert value is not None
    scheme, _, encoded = value.partition(b" ")
    assert scheme == b"Basic"
    assert b64decode(encoded, validate=True) == pair


def test_the_example_of_the_standard() -> None:
    """RFC 7617 §2 and §2.1."""
    assert basic_authorization(Credential("Aladdin", Secret("open sesame"))) == (
        b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    )
    assert basic_authorization(Credential("test", Secret("123£"))) == b"Basic dGVzdDoxMjPCow=="


def test_an_anonymous_registry_gets_none() -> None:
    assert basic_authorization(None) is None
