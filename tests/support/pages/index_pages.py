"""A registry that declares two further origins, links as its pages may spell them, and where each leads."""

from itertools import pairwise

from sidecar.contract.grant import Credential, Grant
from sidecar.links.rewriting import PageLinks, PageRewriter
from sidecar.rules.layout import Layout

OWN = "https://registry.example"
LOCAL = "http://127.0.0.1:28100"
ASKED = OWN + "/repository/pypi/simple/requests/"
MOVED = OWN + "/elsewhere/simple/requests/index.html"
FOREIGN_MOVED = "https://files.example/mirror/requests/"
GRANT = Grant(
    version="1",
    index_url=OWN + "/repository/pypi/simple/",
    upload_url=None,
    file_origins=("https://files.example", "http://mirror.example:8080"),
    ca=None,
    credential=None,
    soft_seconds=1.0,
    hard_seconds=1.0,
    broker_ca=(),
    address="https://registry.example/",
)
LAYOUT = Layout.of(GRANT)


def links(final: str = ASKED, credential: Credential | None = None, local: str = LOCAL) -> PageLinks:
    return PageLinks(LAYOUT, ASKED, final, local, credential)


def rewrite(
    page: bytes,
    *,
    is_json: bool = False,
    final: str = ASKED,
    cuts: list[int] | None = None,
    credential: Credential | None = None,
    local: str = LOCAL,
) -> bytes:
    rewriter = PageRewriter(links(final, credential, local), is_json=is_json)
    edges = [0, *sorted(min(cut, len(page)) for cut in cuts or []), len(page)]
    return b"".join(rewriter.feed(page[start:end]) for start, end in pairwise(edges)) + rewriter.finish()


def rewrite_html(page: str, final: str = ASKED) -> str:
    return rewrite(page.encode(), final=final).decode()


def rewrite_json(page: str, final: str = ASKED) -> str:
    return rewrite(page.encode(), is_json=True, final=final).decode()


FOREIGN = {
    "https://files.example/p/a-1.whl": "/_o/files.example/p/a-1.whl",
    "https://files.example:443/p/a-1.whl": "/_o/files.example/p/a-1.whl",
    "https://FILES.Example/p/a-1.whl": "/_o/files.example/p/a-1.whl",
    "http://mirror.example:8080/p/a-1.whl": "/_o/mirror.example:8080/p/a-1.whl",
    "//files.example/p/a-1.whl": "/_o/files.example/p/a-1.whl",
    "http://files.example/p/a-1.whl": "/_o/files.example/p/a-1.whl",
    "HTTP://Files.Example.:80/p/a-1.whl": "/_o/files.example/p/a-1.whl",
    "https://files.example./p/a-1.whl": "/_o/files.example/p/a-1.whl",
}
UNDECLARED = [
    "https://pypi.org/p/a-1.whl",
    "https://files.example:8443/p/a-1.whl",
    "http://files.example:8080/p/a-1.whl",
    "http://registry.example:8080/p/a-1.whl",
    "https://registry.example:80/p/a-1.whl",
    "http://registry.example../p/a-1.whl",
    "https://registry.example:8443/p/a-1.whl",
    "https://registry.example.evil.example/p/a-1.whl",
    "https://registry.example@evil.example/p/a-1.whl",
    "https://mirror.example:8080/p/a-1.whl",
    "ftp://registry.example/p/a-1.whl",
    "mailto:somebody@registry.example",
    "javascript:void(0)",
    "data:text/plain,https://registry.example/",
    "https://registry.example:port/p",
    "https://registry.example:0/p",
    "https://[broken/p",
    "",
    "#fragment",
]
OWN_LINKS = {
    OWN + "/p/a-1.whl": "/p/a-1.whl",
    OWN + "/p/a-1.whl#sha256=ab12": "/p/a-1.whl#sha256=ab12",
    OWN + "/p/a-1%2Bcpu.whl?x=1%2F2#sha256=ab": "/p/a-1%2Bcpu.whl?x=1%2F2#sha256=ab",
    OWN + "/": "/",
    OWN: "/",
    OWN + "?q": "/?q",
    OWN + "#f": "/#f",
    "HTTPS://Registry.EXAMPLE/p/A-1.whl": "/p/A-1.whl",
    OWN + ":443/p/a-1.whl": "/p/a-1.whl",
    "https://user:secret@registry.example/p/a-1.whl": "/p/a-1.whl",
    "//registry.example/p/a-1.whl": "/p/a-1.whl",
    "http://registry.example/p/a-1.whl#sha256=ab12": "/p/a-1.whl#sha256=ab12",
    "http://registry.example": "/",
    "http://registry.example:80/p/a-1.whl": "/p/a-1.whl",
    "http://registry.example:443/p/a-1.whl": "/p/a-1.whl",
    "HTTP://Registry.EXAMPLE/p/A-1.whl": "/p/A-1.whl",
    "http://user:secret@registry.example/p/a-1.whl": "/p/a-1.whl",
    "http://registry.example./p/a-1.whl": "/p/a-1.whl",
    "https://registry.example./p/a-1.whl": "/p/a-1.whl",
    "//registry.example./p/a-1.whl": "/p/a-1.whl",
    "http://registry.example//evil.example/a-1.whl": LOCAL + "//evil.example/a-1.whl",
    OWN + "//evil.example/a-1.whl": LOCAL + "//evil.example/a-1.whl",
    "https://registry.example:443//evil.example/a": LOCAL + "//evil.example/a",
    "https://files.example//evil.example/a": "/_o/files.example//evil.example/a",
}
RELATIVE = {  # link → where it leads from a page that has moved to `MOVED`
    "a-1.whl": "/elsewhere/simple/requests/a-1.whl",
    "./a-1.whl#sha256=ab": "/elsewhere/simple/requests/a-1.whl#sha256=ab",
    "../../packages/a-1.whl": "/elsewhere/packages/a-1.whl",
    "../../../../../a-1.whl": "/a-1.whl",
    "/root/pypi/+f/a-1.whl": "/root/pypi/+f/a-1.whl",
    "?page=2": "/elsewhere/simple/requests/index.html?page=2",
}
