"""`python -m benchmarks.links`: the CPU time to rewrite the links of a page, by the size of its pieces."""

import json
from time import process_time

from benchmarks.content import PAGE_LINKS, long_page
from sidecar.contract.grant import Grant
from sidecar.links.rewriting import PageLinks, PageRewriter
from sidecar.rules.layout import Layout

REGISTRY = "https://127.0.0.1:8443"
PAGE = REGISTRY + "/simple/many/"
PIECES_KIB = (16, 64, 256)
ROUNDS = 15
"""The shortest time counts: other programs can only add to it"""


def pages() -> dict[str, bytes]:
    plain = long_page(REGISTRY).encode()
    common = {"hashes": {"sha256": "0123456789abcdef" * 4}, "requires-python": ">=3.9", "yanked": False}
    names = [f"many-1.0.{number}.tar.gz" for number in range(PAGE_LINKS)]
    files = [{"filename": name, "url": f"{REGISTRY}/p/{name}", **common} for name in names]
    spaced = json.dumps({"meta": {"api-version": "1.1"}, "name": "many", "files": files}).encode()
    return {
        "HTML": plain,
        "HTML, relative": plain.replace(REGISTRY.encode(), b"../.."),
        "HTML, tag by tag": plain.replace(b'"', b"'"),
        "JSON": spaced,
        "JSON, escaped": spaced.replace(b"/", rb"\/"),
    }


def milliseconds(page: bytes, size: int) -> float:
    """CPU time for 5 MB of this page, fed in pieces of `size` bytes."""
    layout = Layout.of(Grant("1", PAGE, None, (), None, None, 1.0, 1.0, ()))
    pieces = [page[start : start + size] for start in range(0, len(page), size)]
    times = []
    for _ in range(ROUNDS):
        rewriter = PageRewriter(
            PageLinks(layout, PAGE, PAGE, "http://127.0.0.1:28100"), is_json=page.startswith(b"{")
        )
        start = process_time()
        for piece in pieces:
            rewriter.feed(piece)
        rewriter.finish()
        times.append(process_time() - start)
    return min(times) * 1e3 / len(page) * 5e6


if __name__ == "__main__":
    print("ms of CPU per 5 MB, pieces of", ", ".join(f"{size} KiB" for size in PIECES_KIB))
    for name, page in pages().items():
        print(f"{name:18}", *(f"{milliseconds(page, size * 1024):8.1f}" for size in PIECES_KIB))
