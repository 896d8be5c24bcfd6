"""Which requests reach the registry, and where: every route that is open, every way around that is closed."""

import pytest

from sidecar.contract import Grant
from sidecar.errors import Refusal
from sidecar.origins import Origin
from sidecar.routes import ALIAS, FOREIGN, Layout, Route, route

GRANT = Grant(
    version="1",
    index_url="https://registry.example/repository/pypi/simple/",
    upload_url="https://registry.example/repository/pypi/",
    file_origins=("https://files.example", "https://mirror.example:8443"),
    ca=None,
    credential=None,
    soft_seconds=300.0,
    hard_seconds=3600.0,
    broker_ca=(),
)
LAYOUT = Layout.of(GRANT)
SIMPLE = Layout.of(GRANT._replace(index_url="https://registry.example/simple/"))
AT_ROOT = Layout.of(GRANT._replace(index_url="https://registry.example/"))
BELOW_ALIAS = Layout.of(GRANT._replace(index_url="https://registry.example/simple/main/"))
READ_ONLY = Layout.of(GRANT._replace(upload_url=None))
OWN, INDEX = "https://registry.example", "/repository/pypi/simple/"
WHEEL = "requests-2.32.0-py3-none-any.whl"

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


BAD_TARGETS = {
    "dot segment": f"/a/./{WHEEL}",
    "dot segments": f"/a/../{WHEEL}",
    "dot segments at the start": f"/../{WHEEL}",
    "dot segment at the end": "/simple/..",
    "dot segment below the index": INDEX + "../../../service/rest/v1/users",
    "encoded dots": f"/a/%2e%2e/{WHEEL}",
    "an encoded dot": f"/a/.%2E/{WHEEL}",
    "an encoded dot in a name": "/p/a-1%2E0.zip",
    "encoded slash": f"/a%2f..%2f{WHEEL}",
    "encoded slash in capitals": f"/a%2F{WHEEL}",
    "encoded backslash": f"/a%5c{WHEEL}",
    "encoded backslash in capitals": f"/a%5C..%5C{WHEEL}",
    "encoded percent": f"/a%252e%252e/{WHEEL}",
    "encoded number sign": f"/api/v4/user%23/{WHEEL}",
    "encoded semicolon": f"/api/v4/user%3b/{WHEEL}",
    "encoded question mark": f"/api/v4/user%3F/{WHEEL}",
    "encoded NUL": f"/a%00/{WHEEL}",
    "encoded NUL in the name": "/p/a-1.zip%00.whl",
    "encoded CR LF": f"/a%0d%0aHost:%20x/{WHEEL}",
    "encoded control": f"/%1f/{WHEEL}",
    "encoded DEL": f"/%7F/{WHEEL}",
    "two slashes at the start": f"//evil.example/{WHEEL}",
    "two slashes": f"/a//{WHEEL}",
    "two slashes at the end": INDEX + "requests//",
    "two slashes after the alias": "/simple//evil.example/",
    "parameter": f"/a/..;/{WHEEL}",
    "parameter in a segment": f"/a;jsessionid=1/{WHEEL}",
    "backslash": f"/a\\..\\{WHEEL}",
    "backslash at the start": f"/\\evil.example/{WHEEL}",
    "absolute form": f"https://registry.example/{WHEEL}",
    "absolute form elsewhere": f"http://evil.example/{WHEEL}",
    "authority form": "registry.example:443",
    "asterisk": "*",
    "empty": "",
    "query only": "?a=b",
    "no slash": WHEEL,
    "userinfo": f"@evil.example/{WHEEL}",
    "accented": f"/é/{WHEEL}",
    "fullwidth dots": f"/\uff0e\uff0e/{WHEEL}",
    "blank": f"/a b/{WHEEL}",
    "line feed": f"/a\n/{WHEEL}",
    "line feed at the end": f"/{WHEEL}\n",
    "NUL": f"/a\0/{WHEEL}",
    "fragment": f"/{WHEEL}#a",
    "angle bracket": f"/<a>/{WHEEL}",
    "quote": f'/"/{WHEEL}',
    "bracket": f"/[a]/{WHEEL}",
    "percent without digits": f"/%/{WHEEL}",
    "percent with one digit": f"/%2/{WHEEL}",
    "percent with a letter": f"/%zz/{WHEEL}",
    "IIS percent": f"/%u002e/{WHEEL}",
    "blank in the query": f"/{WHEEL}?a b",
    "line feed in the query": f"/{WHEEL}?a\r\nHost: x",
    "fragment in the query": f"/{WHEEL}?a#b",
    "accent in the query": f"/{WHEEL}?é",
}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
@pytest.mark.parametrize("layout", [LAYOUT, SIMPLE, AT_ROOT], ids=["below", "at the alias", "at the root"])
@pytest.mark.parametrize("target", BAD_TARGETS.values(), ids=BAD_TARGETS.keys())
def test_what_servers_read_in_more_than_one_way_is_refused(target: str, layout: Layout, method: str) -> None:
    assert refusal(method, target, layout) == (400, "bad-target")


def refusal(method: str, target: str, layout: Layout = LAYOUT) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        route(method, target, layout)
    return caught.value.status, caught.value.code


API_PATHS = [
    "/",
    "/index.html",
    "/repository/pypi/",
    "/repository/pypi/simpleton/",
    "/repository/other/simple/requests/",
    "/service/rest/v1/users",
    "/service/rest/v1/security/users",
    "/api/v4/user",
    "/api/v4/personal_access_tokens",
    "/artifactory/api/security/token",
    "/+api",
    "/+login",
    "/root/pypi/+api",
    "/pypi/requests/json",
    "/.git/config",
    "/metrics",
    "/packages/readme.txt",
    "/packages/tool-1.0.exe",
    "/packages/a-1.0.tar.gz.sha256",
    "/packages/.metadata",
    "/packages/a-1.0.tar.gz/",
    f"/packages/{WHEEL}/download",
    "/login?next=a-1.0.tar.gz",
    "/api/users?file=/a-1.0.zip",
    INDEX + "requests/json",
    INDEX + "requests/1.0/",
    INDEX + "+api",
    INDEX + "-hidden/",
    INDEX + "hidden-/",
    INDEX + "a" * 600 + "/",
]


@pytest.mark.parametrize("target", API_PATHS)
def test_the_registry_beside_its_packages_is_out_of_reach(target: str) -> None:
    assert refusal("GET", target) == (404, "path-not-served")


@pytest.mark.parametrize("target", [one for one in API_PATHS if one.count("/") > 2 or "+" in one])
def test_an_index_at_the_root_opens_nothing_below_its_projects(target: str) -> None:
    assert refusal("GET", target, AT_ROOT) == (404, "path-not-served")


@pytest.mark.parametrize(
    "target",
    [
        f"/_o/evil.example/{WHEEL}",
        f"/_o/files.example:443/{WHEEL}",
        f"/_o/files.example:8443/{WHEEL}",
        f"/_o/mirror.example/{WHEEL}",
        f"/_o/files.example.evil.example/{WHEEL}",
        f"/_o/files.example@evil.example/{WHEEL}",
        f"/_o/user:secret@files.example/{WHEEL}",
        f"/_o/registry.example/{WHEEL}",
        f"/_o/169.254.169.254/{WHEEL}",
        f"/_o/files%2dexample/{WHEEL}",
        f"/_o/{WHEEL}",
        "/_o/files.example/",
        "/_o/files.example",
        "/_o/files.example/simple/requests/",
        "/_o/files.example/latest/meta-data/",
        "/_o/",
    ],
)
def test_a_foreign_address_is_open_only_if_declared_and_only_for_files(target: str) -> None:
    assert refusal("GET", target) == (404, "path-not-served")


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "MOVE", "QUERY", "get"]
)
@pytest.mark.parametrize(
    "target", [f"/{WHEEL}", INDEX, "/simple/", "/", "/legacy/", "/service/rest/v1/users"]
)
def test_no_other_method_passes(method: str, target: str) -> None:
    assert refusal(method, target) == (405, "method-not-allowed")


@pytest.mark.parametrize(
    "target",
    ["/legacy/x", "/Legacy/", "/legacy/legacy/", "/simple/", INDEX, f"/{WHEEL}", "/service/rest/v1/users",
     f"/_o/files.example/{WHEEL}"],
)  # fmt: skip
@pytest.mark.parametrize("layout", [LAYOUT, READ_ONLY], ids=["may upload", "may not"])
def test_an_upload_to_another_path_is_refused(target: str, layout: Layout) -> None:
    assert refusal("POST", target, layout) == (405, "method-not-allowed")


@pytest.mark.parametrize("target", ["/", "/legacy", "/legacy/"])
def test_an_upload_without_the_right_is_refused(target: str) -> None:
    assert refusal("POST", target, READ_ONLY) == (403, "upload-not-granted")


@pytest.mark.parametrize(("path", "query"), [(4096, 0), (2000, 2096)])
def test_the_longest_address_is_taken_and_the_next_is_not(path: int, query: int) -> None:
    def address(longer: int) -> str:
        stem = "/" + "a" * (path - len(WHEEL) - 2 + longer) + "/" + WHEEL
        return stem + ("?" + "q" * query if query else "")

    assert route("GET", address(0), LAYOUT).action == "file"
    assert refusal("GET", address(1)) == (414, "target-too-long")


def test_an_overlong_address_is_refused_before_it_is_looked_at() -> None:
    assert refusal("GET", "/" + "//" * 1_000_000) == (414, "target-too-long")


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
