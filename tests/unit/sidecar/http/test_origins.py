"""Origins that a registry means: its own by another name, and never one that is reached without TLS."""

from urllib.parse import quote, urlsplit

import pytest

from sidecar.contract.grant import Credential
from sidecar.contract.origins import declared_as, origin_of
from sidecar.contract.secret import Secret
from sidecar.http.origins import login_of

DECLARED = [
    origin_of(url)
    for url in (
        "https://registry.example",
        "https://files.example:8443",
        "http://plain.example:8080",
        "https://rooted.example.",
        "https://[fd00::1]:8443",
        "http://registry.example",
        "https://both.example:8000",
        "http://both.example:8000",
    )
]
MEANT = {
    "http://registry.example": "https://registry.example",
    "http://registry.example:80": "https://registry.example",
    "http://registry.example:443": "https://registry.example",
    "HTTP://Registry.Example:": "https://registry.example",
    "http://user:password@registry.example": "https://registry.example",
    "http://registry.example.": "https://registry.example",
    "https://registry.example.": "https://registry.example",
    "https://registry.example:443": "https://registry.example",
    "http://files.example:8443": "https://files.example:8443",
    "http://rooted.example": "https://rooted.example.",
    "https://rooted.example": "https://rooted.example.",
    "http://[fd00::1]:8443": "https://[fd00::1]:8443",
    "http://[FD00:0:0::0001]:8443": "https://[fd00::1]:8443",
    "http://plain.example.:8080": "http://plain.example:8080",
    "http://both.example:8000": "http://both.example:8000",
}
THEMSELVES = [
    "http://registry.example:8080",
    "https://registry.example:80",
    "http://registry.example..",
    "http://www.registry.example",
    "http://registry.example@evil.example",
    "http://files.example",
    "http://files.example:443",
    "http://files.example:80",
    "https://plain.example:8080",
    "https://plain.example",
    "http://[fd00::2]:8443",
    "http://fd00:8443",
]


@pytest.mark.parametrize(("url", "meant"), MEANT.items())
def test_a_declared_origin_is_known_by_its_other_names(url: str, meant: str) -> None:
    assert str(declared_as(origin_of(url), DECLARED)) == meant


@pytest.mark.parametrize("url", THEMSELVES)
def test_any_other_origin_is_itself(url: str) -> None:
    origin = origin_of(url)
    assert declared_as(origin, DECLARED) is origin


@pytest.mark.parametrize("url", [*MEANT, *THEMSELVES])
def test_no_name_leads_away_from_tls(url: str) -> None:
    origin = origin_of(url)
    meant = declared_as(origin, DECLARED)
    assert meant.scheme == "https" or origin.scheme == "http"


@pytest.mark.parametrize("username", ["", "reader", "a@b", "a:b", "\u00e9 /?#[]%&=+"])
@pytest.mark.parametrize("password", ["", "canary", "a@b:c", "\u00e9 /?#[]%&=+", "\u20ac\t"])
def test_a_login_is_what_was_quoted(username: str, password: str) -> None:
    parts = urlsplit(f"https://{quote(username, safe='')}:{quote(password, safe='')}@host.example/a@b")
    expected = Credential(username, Secret(password)) if username or password else None
    assert login_of(parts) == expected
    assert str(origin_of(parts)) == "https://host.example"


@pytest.mark.parametrize(
    ("url", "login"),
    [
        ("https://host.example/a:b@c", None),
        ("https://@host.example/", None),
        ("https://:@host.example/", None),
        ("https://token@host.example/", ("token", "")),
        ("https://token:@host.example/", ("token", "")),
        ("https://:token@host.example/", ("", "token")),
        ("https://a@b:c@d:e@host.example/", ("a@b", "c@d:e")),
        ("https://%zz:%@host.example/", ("%zz", "%")),
    ],
)
def test_a_login_may_lack_a_part_or_its_quoting(url: str, login: tuple[str, str] | None) -> None:
    assert login_of(urlsplit(url)) == (login and Credential(login[0], Secret(login[1])))
