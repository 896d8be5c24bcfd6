"""Which requests reach the registry with its credential, and where they go. Pure.

The index, files of distributions and the upload endpoint; everything else of the registry (its API, its
settings, other people's tokens) stays out of the Pod's reach, for the credential could do more than install.
"""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from sidecar.contract import Grant
from sidecar.errors import Refusal
from sidecar.filenames import parse_distribution, parse_project
from sidecar.origins import Origin, origin_of

ALIAS = "/simple/"
"""The index's path as clients are told it, whatever the registry's own is"""
FOREIGN = "/_o/"
"""`/_o/<host>/<path>` stands for a file of another origin that the Connector declares"""
UPLOADS = ("/", "/legacy", "/legacy/")

Action = Literal["redirect", "index", "file", "upload"]

# RFC 3986 characters of a path, without `;`: servlet containers cut "..;" to ".."
_PATH = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})*)+")
_QUERY = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
# An encoded slash, backslash, dot, percent sign or control is a path in disguise: some servers decode twice.
# So are # ; ? where a server in front decodes them and the one behind cuts the path there
_DISGUISED = re.compile(r"%(2[EeFf35]|3[BbFf]|5[Cc]|[01][0-9A-Fa-f]|7[Ff])")
_LONGEST = 4096  # half of what nginx takes for a request line


class Layout(NamedTuple):
    """Where one registry keeps what, as a grant tells."""

    origin: Origin
    index_path: str
    """With a slash at both ends"""
    upload_url: str | None
    foreign: Mapping[str, Origin]
    """`host[:port]` → origin"""

    @classmethod
    def of(cls, grant: Grant) -> "Layout":
        index = urlsplit(grant.index_url)
        origins = [origin_of(one) for one in grant.file_origins]
        return cls(origin_of(index), index.path, grant.upload_url, {one.netloc: one for one in origins})

    def trusts(self, origin: Origin) -> bool:
        """Whether the Connector itself declares this origin."""
        return origin == self.origin or origin in self.foreign.values()


class Route(NamedTuple):
    action: Action
    url: str
    """Where to; for `redirect` a path of our own origin"""
    package: str = ""
    """Normalised name, for the log"""
    file: str = ""


def route(method: str, target: str, layout: Layout) -> Route:
    """Decide about a request line, or raise the `Refusal` that answers it."""
    path, question, query = target.partition("?")
    check_target(path, query)
    if method == "POST":
        return _upload(path, layout)
    if method not in ("GET", "HEAD"):
        raise Refusal(
            405, "method-not-allowed", f"{method} is not passed on: GET, HEAD and uploads by POST are"
        )
    if path.startswith(FOREIGN):
        return _foreign_file(path, question + query, layout)
    in_alias = path == ALIAS[:-1] or path.startswith(ALIAS)
    in_index = path.startswith(layout.index_path) or path == layout.index_path[:-1]
    if in_index and not (in_alias and layout.index_path == "/"):  # below "/" lies everything
        page = _index_page(path, question + query, layout)
        if page:
            return page
    elif in_alias:
        rest = path[len(ALIAS) :]
        project = parse_project(rest.removesuffix("/")) or ""
        return Route("redirect", layout.index_path + rest + question + query, project)
    distribution = parse_distribution(path.rpartition("/")[2])
    if distribution is None:
        raise Refusal(
            404,
            "path-not-served",
            f"this is a package proxy: the index is at {ALIAS}, and only index pages and files of "
            "distributions are served",
        )
    return Route("file", f"{layout.origin}{path}{question}{query}", *distribution)


def check_target(path: str, query: str) -> None:
    """Refuse what servers are known to read in more than one way."""
    if len(path) + len(query) > _LONGEST:
        raise Refusal(414, "target-too-long", f"the address is longer than {_LONGEST} octets")
    segments = path.split("/")
    if (
        not _PATH.fullmatch(path)
        or not _QUERY.fullmatch(query)
        or _DISGUISED.search(path)
        or any(segment in (".", "..") for segment in segments)
        or "" in segments[1:-1]
    ):
        raise Refusal(
            400,
            "bad-target",
            "the address must be a plain path: no host, dot segments, empty segments or encoded separators",
        )


def _upload(path: str, layout: Layout) -> Route:
    if path not in UPLOADS:
        raise Refusal(405, "method-not-allowed", "uploads go to / or /legacy/, not to this path")
    if layout.upload_url is None:
        raise Refusal(
            403,
            "upload-not-granted",
            "this Pod may not upload: that needs the configuration pypirc, a Connector with access "
            "readwrite, and permission for the Pod's ServiceAccount",
        )
    return Route("upload", layout.upload_url)


def _foreign_file(path: str, query: str, layout: Layout) -> Route:
    host, _, rest = path[len(FOREIGN) :].partition("/")
    origin = layout.foreign.get(host.lower())
    distribution = parse_distribution(rest.rpartition("/")[2])
    if origin is None or distribution is None:
        raise Refusal(404, "path-not-served", "the Connector declares no such origin of files")
    return Route("file", f"{origin}/{rest}{query}", *distribution)


def _index_page(path: str, query: str, layout: Layout) -> Route | None:
    """The index itself or one project's page, with or without its trailing slash; None for files below it."""
    rest = path[len(layout.index_path) :]
    segment = rest.removesuffix("/")
    project = parse_project(segment) if segment else ""
    if project is None or (not rest.endswith("/") and parse_distribution(segment)):
        return None
    return Route("index", f"{layout.origin}{path}{query}", project)
