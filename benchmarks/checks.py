"""That the subjects do the same job: looked at once, before anything is timed."""

import http.client
import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.content import PAGE, PAGE_LINKS, SMALL
from benchmarks.figures import Target
from benchmarks.registry import Registry
from benchmarks.subjects import NGINX, NGINX_TUNED, SIDECAR


def check_subjects(standing: Mapping[str, Target], registry: Registry, root: Path) -> None:
    """AssertionError if a subject alters a file, misses a link, or needs the client's credential."""
    small = (root / SMALL.lstrip("/")).read_bytes()
    for name in (SIDECAR, NGINX, NGINX_TUNED):
        port = standing[name].endpoint.port
        assert _fetch(port, SMALL) == small, f"{name} alters a file"
        page = _fetch(port, PAGE)
        links = re.findall(rb'href="(?:http://127\.0\.0\.1:%d)?/files/many/' % port, page)
        assert len(links) == PAGE_LINKS, f"{name} rewrites {len(links)} links of {PAGE_LINKS}"
        assert registry.origin.encode() not in page, f"{name} leaves links to the registry"


def _fetch(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        return answer.read()
    finally:
        connection.close()
