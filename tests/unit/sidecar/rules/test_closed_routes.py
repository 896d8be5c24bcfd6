"""Which requests never reach the registry: every way around the open routes is closed."""

import pytest

from sidecar.errors import Refusal
from sidecar.rules.layout import Layout
from sidecar.rules.routes import route
from support.sidecars.layouts import AT_ROOT, INDEX, LAYOUT, READ_ONLY, SIMPLE, WHEEL

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
