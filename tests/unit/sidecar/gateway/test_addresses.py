"""Which connector a request is for: the truth table of Host and path, and their odd spellings."""

import pytest

from sidecar.errors import Refusal
from sidecar.gateway.addresses import address_of
from sidecar.http.http1 import RequestHead

HOST = b"c-pypi.team.svc.cluster.local"
PREFIX = "/namespaces/team/connectors/pypi"


def head(target: str, *hosts: bytes) -> RequestHead:
    return RequestHead("GET", target, "1.1", [(b"host", host) for host in hosts], 0)


@pytest.mark.parametrize(
    ("host", "connector"),
    [
        (HOST, "team/pypi"),
        (HOST + b".", "team/pypi"),
        (HOST + b" \t", "team/pypi"),
        (b"C-PYPI.Team.SVC:8080", "team/pypi"),
        (b"c-pypi.team", "team/pypi"),
        (b"c-pypi.team:80", "team/pypi"),
        (b"c-pypi.team.svc.corp.example", "team/pypi"),
        (b"c-1.0", "0/1"),
        (b"c-" + b"a" * 61 + b".team.svc", "team/" + "a" * 61),
        (b"c-c-pypi.team.svc", "team/c-pypi"),
    ],
)
def test_a_host_names_a_connector(host: bytes, connector: str) -> None:
    found = address_of(head("/simple/", host))
    assert (found.connector, found.prefix, found.target) == (connector, "", "/simple/")


@pytest.mark.parametrize(
    ("path", "connector", "target"),
    [
        ("/namespaces/team/connectors/pypi/simple/", "team/pypi", "/simple/"),
        ("/namespaces/team/connectors/pypi/", "team/pypi", "/"),
        ("/namespaces/team/connectors/pypi", "team/pypi", "/"),
        ("/namespaces/team/connectors/pypi?a=b", "team/pypi", "/?a=b"),
        ("/namespaces/team/connectors/pypi//x", "team/pypi", "//x"),
        ("/namespaces/team/connectors/my.pypi.1/x", "team/my.pypi.1", "/x"),
        ("/namespaces/team/connectors/" + "a" * 63 + "/x", "team/" + "a" * 63, "/x"),
        (f"{PREFIX}{PREFIX}/x", "team/pypi", f"{PREFIX}/x"),
    ],
)
@pytest.mark.parametrize("host", [b"pypi.example", b"127.0.0.1:1", b"[::1]:1", b"c-pypi.team.example"])
def test_a_path_names_a_connector_for_any_other_host(
    path: str, connector: str, target: str, host: bytes
) -> None:
    found = address_of(head(path, host))
    assert (found.connector, found.target) == (connector, target)
    assert path.startswith(found.prefix)


def test_both_may_name_the_same() -> None:
    assert address_of(head(f"{PREFIX}/x", HOST)).prefix == PREFIX


@pytest.mark.parametrize(
    ("target", "hosts", "status"),
    [
        (f"{PREFIX}/x", [b"c-other.team.svc"], 421),
        (f"{PREFIX}/x", [b"c-pypi.other.svc"], 421),
        (f"{PREFIX}/x", [b"c-other.team"], 421),
        ("/simple/", [b"pypi.example"], 404),
        ("/simple/", [b"pypi.team.svc"], 404),
        ("/simple/", [b"c-my.pypi.team.svc"], 404),
        ("/simple/", [b"c-.team.svc"], 404),
        ("/simple/", [b"c-pypi-.team.svc"], 404),
        ("/simple/", [b"c-pypi..svc"], 404),
        ("/simple/", [b"c-pypi.team..svc"], 404),
        ("/simple/", [b"c-" + b"a" * 62 + b".team.svc"], 404),
        ("/namespaces/TEAM/connectors/pypi/x", [b"h"], 404),
        ("/namespaces/te.am/connectors/pypi/x", [b"h"], 404),
        ("/namespaces/team/connectors/pypi%2e/x", [b"h"], 404),
        ("/namespaces/team/connectors/pypi%2fx", [b"h"], 404),
        ("/namespaces/team/connectors/pypi;a/x", [b"h"], 404),
        ("/namespaces/team/connectors//x", [b"h"], 404),
        ("/namespaces/team/connectors/a..b/x", [b"h"], 404),
        ("/namespaces/team/connectors/" + "a." * 126 + "aaa/x", [b"h"], 404),
        ("//namespaces/team/connectors/pypi/x", [b"h"], 404),
        ("/x/../namespaces/team/connectors/pypi/x", [b"h"], 404),
        ("http://c-pypi.team.svc/simple/", [HOST], 400),
        ("*", [HOST], 400),
        ("c-pypi.team:443", [HOST], 400),
        (f"{PREFIX}/x", [], 400),
        (f"{PREFIX}/x", [b""], 400),
        (f"{PREFIX}/x", [HOST, HOST], 400),
        (f"{PREFIX}/x", [b"a b"], 400),
        (f"{PREFIX}/x", [b"a,b"], 400),
        (f"{PREFIX}/x", [b"user@host"], 400),
        (f"{PREFIX}/x", [b'"><script>'], 400),
        (f"{PREFIX}/x", [b"host:80:80"], 400),
        (f"{PREFIX}/x", [b"host:"], 400),
        (f"{PREFIX}/x", [b"host/path"], 400),
        (f"{PREFIX}/x", [b"\xe9"], 400),
    ],
)
def test_anything_else_is_refused(target: str, hosts: list[bytes], status: int) -> None:
    with pytest.raises(Refusal) as caught:
        address_of(head(target, *hosts))
    assert caught.value.status == status
