"""Logins of links: for the file that the page names, in each of its spellings, and for no other."""

import pytest

from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from sidecar.links.logins import LinkLogins

LOGIN = Credential("reader", Secret("canary"))
FILE = "https://files.example/p/a-1.0+cpu-py3-none-any.whl"


@pytest.mark.parametrize(
    "asked",
    [
        FILE,
        FILE.replace("+", "%2B"),
        FILE.replace("+", "%2b"),
        FILE + "?x=y",
        FILE + ".metadata",
        FILE + ".metadata?x=y",
        FILE + ".asc",
        FILE + ".provenance",
        FILE.replace("https://files.example", "HTTPS://Files.Example:443"),
    ],
)
def test_a_file_and_its_companions_have_the_login_of_their_link(asked: str) -> None:
    logins = LinkLogins()
    logins.remember(FILE + "#sha256=ab", LOGIN)
    assert logins.of(asked) == LOGIN


@pytest.mark.parametrize(
    "asked",
    [
        FILE.replace("a-1", "a-2"),
        FILE.replace("/p/", "/q/"),
        FILE.replace("files", "registry"),
        FILE.replace("https:", "http:"),
        FILE.replace(".example", ".example:8443"),
        "https://files.example/p/",
        "https://files.example/",
        FILE + ".zip",
    ],
)
def test_no_other_address_has_it(asked: str) -> None:
    logins = LinkLogins()
    assert logins.of(asked) is None
    logins.remember(FILE, LOGIN)
    assert logins.of(asked) is None


def test_the_newest_link_counts() -> None:
    logins = LinkLogins()
    for number in range(3):
        logins.remember(FILE, Credential("reader", Secret(str(number))))
    assert logins.of(FILE) == Credential("reader", Secret("2"))


def test_as_many_are_remembered_as_there_is_room_for() -> None:
    logins = LinkLogins()
    for number in range(3000):
        logins.remember(f"https://files.example/{number}.zip", Credential("u", Secret(str(number // 10))))
    found = [number for number in range(3000) if logins.of(f"https://files.example/{number}.zip")]
    assert found == list(range(2000, 3000))


def test_a_login_that_is_no_login_but_a_burden_is_not_remembered() -> None:
    logins = LinkLogins()
    logins.remember(FILE, Credential("u", Secret("x" * 2000)))
    assert logins.of(FILE) is None
