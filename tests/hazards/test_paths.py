"""Targets that try to leave the index, the files and the upload: refused here, never seen by the registry."""

from registry import Registry
from sidecars import Sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"


def test_nothing_but_pages_and_files_reaches_the_registry(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("*", lambda call: call.reply(200, b"secrets"))
    for method, target in [
        ("GET", "/service/rest/v1/users"),
        ("GET", "/api/v4/user"),
        ("GET", "/+api"),
        ("GET", "/simple/../api"),
        ("GET", "//evil.example/foo-1.0.tar.gz"),
        ("GET", "http://evil.example/foo-1.0.tar.gz"),
        ("PUT", WHEEL),
        ("DELETE", WHEEL),
        ("PATCH", "/simple/foo/"),
        ("OPTIONS", "*"),
        ("CONNECT", "registry:443"),
    ]:
        assert sidecar.ask(method, target).status in (400, 404, 405, 421), target
    assert registry.connections == 0
