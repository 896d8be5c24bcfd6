"""Checks once, before all measurements, that the subjects do the same job."""

import http.client
import re
from pathlib import Path

from benchmarks.content import PAGE, PAGE_LINKS, SMALL
from benchmarks.registry import Registry
from benchmarks.subjects import REWRITING, UVICORN
from benchmarks.traffic import Endpoint

_WHEEL = "/files/cold_00-1.0-py3-none-any.whl"
_UPLOADED = 1024**2


def check_subject(name: str, endpoint: Endpoint, registry: Registry, root: Path) -> None:
    """AssertionError if a subject alters a file, misses a link, or needs the client's credential."""
    for path in (SMALL, _WHEEL):
        assert _fetch(endpoint, path) == (root / path.lstrip("/")).read_bytes(), f"{name} alters a file"
    page = _fetch(endpoint, PAGE)
    if name in REWRITING:
        links = re.findall(rb'href="(?:http://127\.0\.0\.1:%d)?/files/many/' % endpoint.port, page)
        assert len(links) == PAGE_LINKS, f"{name} rewrites {len(links)} links of {PAGE_LINKS}"
        assert registry.origin.encode() not in page, f"{name} leaves links to the registry"
    else:
        assert page == (root / PAGE.strip("/") / "index.html").read_bytes(), f"{name} alters a page"
    if name != UVICORN:  # it takes no uploads
        with endpoint.connect() as client:
            assert client.post(_UPLOADED) == _UPLOADED, f"{name} loses a part of an upload"


def _fetch(endpoint: Endpoint, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=30)
    given = {"Host": endpoint.host, "Authorization": endpoint.authorization}
    try:
        connection.request("GET", path, headers={name: value for name, value in given.items() if value})
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        return answer.read()
    finally:
        connection.close()
