"""Which requests reach the registry, and where: every route that is open."""

import pytest

from sidecar.contract.origins import Origin
from sidecar.errors import Refusal
from sidecar.rules.layout import Layout
from sidecar.rules.routes import ALIAS, FOREIGN, Route, route
from support.sidecars.layouts import AT_ROOT, BELOW_ALIAS, GRANT, INDEX, LAYOUT, OWN, SIMPLE, WHEEL

ALLOWED = {
    # the alias
    "/simple/": Route("redirect", INDEX),
    "/simple": Route("redirect", INDEX),
    "/simple/requests/": Route("redirect", INDEX + "requests/", "requests"),
    "/simple/requests": Route("redirect", INDEX + "requests", "requests"),
    "/simple/Foo__Bar/": Route("redirect", INDEX + "Foo__Bar/", "foo-bar"),
    "/simple/requests/?format=application/vnd.pypi.simple.v1+json": Route(
        "redirect", INDEX + "requests/?format=application/vnd.pypi.simple.v1+json", "requests"
    ),
    "/simple/?q=//&r=%2f": Route("redirect", INDEX + "?q=//&r=%2f"),
    # the index at the registry's own path
    INDEX: Route("index", OWN + INDEX),
    INDEX[:-1]: Route("index", OWN + INDEX[:-1]),
    INDEX + "requests/": Route("index", OWN + INDEX + "requests/", "requests"),
    INDEX + "requests": Route("index", OWN + INDEX + "requests", "requests"),
    INDEX + "Foo__Bar.baz/?a=b": Route("index", OWN + INDEX + "Foo__Bar.baz/?a=b", "foo-bar-baz"),
    INDEX + "zope%2Dinterface/": Route("index", OWN + INDEX + "zope%2Dinterface/", "zope-interface"),
    # a name that looks like a file's is a project's where a slash says so
    INDEX + "a-1.zip/": Route("index", OWN + INDEX + "a-1.zip/", "a-1-zip"),
    INDEX + "a-1.zip": Route("file", OWN + INDEX + "a-1.zip", "a", "a-1.zip"),
    # files, anywhere on the registry, their paths verbatim
    f"/repository/pypi/packages/requests/2.32.0/{WHEEL}": Route(
        "file", f"{OWN}/repository/pypi/packages/requests/2.32.0/{WHEEL}", "requests", WHEEL
    ),
    f"/{WHEEL}": Route("file", f"{OWN}/{WHEEL}", "requests", WHEEL),
    f"{INDEX}requests/{WHEEL}": Route("file", f"{OWN}{INDEX}requests/{WHEEL}", "requests", WHEEL),
    f"/+f/a1b/{WHEEL}": Route("file", f"{OWN}/+f/a1b/{WHEEL}", "requests", WHEEL),
    f"/files/{WHEEL}?sig=a%2Fb%3D&x=../": Route(
        "file", f"{OWN}/files/{WHEEL}?sig=a%2Fb%3D&x=../", "requests", WHEEL
    ),
    "/p/torch-2.3.0%2Bcpu-cp311-cp311-linux_x86_64.whl": Route(
        "file",
        OWN + "/p/torch-2.3.0%2Bcpu-cp311-cp311-linux_x86_64.whl",
        "torch",
        "torch-2.3.0+cpu-cp311-cp311-linux_x86_64.whl",
    ),
    "/p/torch-2.3.0%2bcpu.tar.gz": Route(
        "file", OWN + "/p/torch-2.3.0%2bcpu.tar.gz", "torch", "torch-2.3.0+cpu.tar.gz"
    ),
    "/p/torch-2.3.0+cpu.tar.gz": Route(
        "file", OWN + "/p/torch-2.3.0+cpu.tar.gz", "torch", "torch-2.3.0+cpu.tar.gz"
    ),
    "/p/epoch-1%212.0.tar.gz": Route("file", OWN + "/p/epoch-1%212.0.tar.gz", "epoch", "epoch-1!2.0.tar.gz"),
    "/p/Foo_Bar-1.0.zip": Route("file", OWN + "/p/Foo_Bar-1.0.zip", "foo-bar", "Foo_Bar-1.0.zip"),
    "/p%20q/@scope/a-1.tgz": Route("file", OWN + "/p%20q/@scope/a-1.tgz", "a", "a-1.tgz"),
    f"/p/{WHEEL}.metadata": Route("file", f"{OWN}/p/{WHEEL}.metadata", "requests", WHEEL + ".metadata"),
    f"/p/{WHEEL}.provenance": Route("file", f"{OWN}/p/{WHEEL}.provenance", "requests", WHEEL + ".provenance"),
    "/p/a-1.tar.gz.asc": Route("file", OWN + "/p/a-1.tar.gz.asc", "a", "a-1.tar.gz.asc"),
    # files of the origins that the Connector declares
    f"/_o/files.example/packages/ab/{WHEEL}": Route(
        "file", f"https://files.example/packages/ab/{WHEEL}", "requests", WHEEL
    ),
    f"/_o/FILES.example/{WHEEL}?a=b": Route("file", f"https://files.example/{WHEEL}?a=b", "requests", WHEEL),
    f"/_o/mirror.example:8443/p/{WHEEL}.metadata": Route(
        "file", f"https://mirror.example:8443/p/{WHEEL}.metadata", "requests", WHEEL + ".metadata"
    ),
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("target", "expected"), ALLOWED.items(), ids=ALLOWED.keys())
def test_what_a_package_client_asks_for_is_served(method: str, target: str, expected: Route) -> None:
    assert route(method, target, LAYOUT) == expected


@pytest.mark.parametrize("target", ["/", "/legacy", "/legacy/"])
def test_an_upload_goes_to_the_upload_address(target: str) -> None:
    assert route("POST", target, LAYOUT) == Route("upload", "https://registry.example/repository/pypi/")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/simple/", Route("index", OWN + "/simple/")),
        ("/simple", Route("index", OWN + "/simple")),
        ("/simple/requests/", Route("index", OWN + "/simple/requests/", "requests")),
        ("/simple/requests?a=b", Route("index", OWN + "/simple/requests?a=b", "requests")),
        (f"/simple/requests/{WHEEL}", Route("file", f"{OWN}/simple/requests/{WHEEL}", "requests", WHEEL)),
    ],
)
def test_an_index_that_lies_at_the_alias_is_served_directly(target: str, expected: Route) -> None:
    assert route("GET", target, SIMPLE) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/simple/", Route("redirect", "/")),
        ("/simple", Route("redirect", "/")),
        ("/simple/requests/", Route("redirect", "/requests/", "requests")),
        ("/simple/requests", Route("redirect", "/requests", "requests")),
        ("/", Route("index", OWN + "/")),
        ("/requests/", Route("index", OWN + "/requests/", "requests")),
    ],
)
def test_an_index_at_the_root_of_its_host_is_reached_through_the_alias(target: str, expected: Route) -> None:
    """Regression: everything lies below `/`, so the alias was taken for a page and answered with 404."""
    assert route("GET", target, AT_ROOT) == expected


def test_an_index_below_the_alias_is_no_loop_of_redirects() -> None:
    first = route("GET", "/simple/requests/", BELOW_ALIAS)
    assert first == Route("redirect", "/simple/main/requests/", "requests")
    assert route("GET", first.url, BELOW_ALIAS).action == "index"


def test_every_redirect_leads_to_a_path_of_this_proxy_never_to_another_host() -> None:
    for layout in (LAYOUT, AT_ROOT, BELOW_ALIAS):
        for target in ("/simple/", "/simple", "/simple/evil.example/", "/simple/@evil.example/a"):
            chosen = route("GET", target, layout)
            assert chosen.action != "redirect" or (chosen.url.startswith("/") and chosen.url[:2] != "//")


def test_a_layout_is_read_from_a_grant_with_its_ports() -> None:
    found = Layout.of(
        GRANT._replace(
            index_url="http://Registry.example:8081/a%20b/simple/", file_origins=("https://F.example:443",)
        )
    )
    assert found.origin == Origin("http", "registry.example", 8081)
    assert found.index_path == "/a%20b/simple/"
    assert found.foreign == {"f.example": Origin("https", "f.example", 443)}
    assert route("GET", "/simple/a/", found).url == "/a%20b/simple/a/"
    assert route("GET", "/a%20b/simple/a/", found).url == "http://registry.example:8081/a%20b/simple/a/"


@pytest.mark.parametrize(
    ("origin", "trusted"),
    [
        (Origin("https", "registry.example", 443), True),
        (Origin("https", "files.example", 443), True),
        (Origin("https", "mirror.example", 8443), True),
        (Origin("http", "registry.example", 80), False),
        (Origin("https", "registry.example", 8443), False),
        (Origin("http", "files.example", 443), False),
        (Origin("https", "pypi.org", 443), False),
    ],
)
def test_only_declared_origins_are_trusted_scheme_and_port_included(origin: Origin, trusted: bool) -> None:
    assert LAYOUT.trusts(origin) is trusted


def test_the_two_paths_of_our_own_do_not_overlap() -> None:
    assert not ALIAS.startswith(FOREIGN)
    assert not FOREIGN.startswith(ALIAS)


ENCODED = "/api/v4/projects/group%2Fproject/packages/pypi/"


def test_an_encoded_slash_that_the_connector_itself_declares_is_asked_for() -> None:
    """GitLab takes a project's full path for its id."""
    layout = Layout.of(GRANT._replace(index_url=f"{OWN}{ENCODED}simple/"))
    assert route("GET", "/simple/foo/", layout).url == f"{ENCODED}simple/foo/"
    assert route("GET", f"{ENCODED}simple/foo/", layout) == Route(
        "index", f"{OWN}{ENCODED}simple/foo/", "foo"
    )
    file = f"{ENCODED}files/ab/{WHEEL}"
    assert route("GET", file, layout) == Route("file", OWN + file, "requests", WHEEL)


@pytest.mark.parametrize(
    "target",
    [
        f"{ENCODED}..%2f..%2f{WHEEL}",
        f"{ENCODED}../{WHEEL}",
        f"{ENCODED}/{WHEEL}",
        f"/api/v4/projects/group%2Fproject%2F../{WHEEL}",
        f"/api/v4/projects/other%2Fproject/{WHEEL}",
        f"/api/v4/projects/group%2fproject/{WHEEL}",
        f"/api%2Fv4/{WHEEL}",
    ],
)
def test_no_other_encoded_slash_is(target: str) -> None:
    with pytest.raises(Refusal, match="plain path"):
        route("GET", target, Layout.of(GRANT._replace(index_url=f"{OWN}{ENCODED}simple/")))
