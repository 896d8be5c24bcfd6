"""The requests that reach the registry with its credential, and their URLs. Pure.

The index, files of distributions and the upload endpoint may be requested. The rest of the registry (its API,
its settings, other users' tokens) stays out of the Pod's reach: the credential may allow more than installs.
"""

import re
from binascii import crc32
from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from sidecar.contract.grant import Grant
from sidecar.contract.words import Code
from sidecar.errors import Refusal
from sidecar.http.origins import Origin, origin_of
from sidecar.rules.filenames import (
    Distribution,
    parse_distribution,
    parse_project,
    possible_projects,
)
from sidecar.rules.policy import Policy

ALIAS = "/simple/"
"""The path of the index in the configuration of clients, for every registry"""
FOREIGN = "/_o/"
"""`/_o/<host>/<path>` stands for a file of a further origin that the Connector declares"""
UPLOADS = ("/", "/legacy", "/legacy/")
_REWRITING = 2
"""Version of the rewriting of pages. A change of it makes clients fetch the pages of their caches anew"""

Action = Literal["redirect", "index", "file", "upload"]

_PATH = re.compile(
    r"""
    (?:
      / (?!\.\.?(?:/|\Z))  # no dot segments; a segment has a character at least, so there is no `//`
      (?:
        [A-Za-z0-9._~!$&'()*+,=:@-]++  # RFC 3986 without `;`: servlet containers cut "..;" to ".."
        # An encoded slash, backslash, dot, percent sign or control is a path in disguise: some servers decode
        # twice. So are # ; ? if a server in front decodes them, and the server behind it cuts the path there
        | % (?! 2[EeFf35] | 3[BbFf] | 5[Cc] | [01] | 7[Ff] ) [0-9A-Fa-f]{2}
      )++
    )++
    /?+
    | /
    """,
    re.VERBOSE,
)
"""All rules of a path in a pattern that never backtracks: it is tried on each request"""
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]++|%[0-9A-Fa-f]{2})*+")
_TARGET_LIMIT = 4096  # half of what nginx takes for a request line


class Layout(NamedTuple):
    """The addresses of a registry, from a grant."""

    origin: Origin
    index_path: str
    """With a slash at both ends"""
    upload_url: str | None
    foreign: Mapping[str, Origin]
    """`host[:port]` → origin"""
    own: str
    """`origin` as text: to compose it takes as long as to check a path"""
    policy: Policy | None
    """None: every package may pass"""
    mark: bytes
    """Marks the ETags of pages. It differs if links are rewritten in another way"""
    declared_prefix: str
    """A prefix of the index's path that `check_target` would refuse, if the Connector did not declare it.
    Example: `/api/v4/projects/group%2Fproject` of GitLab. Mostly empty"""

    @classmethod
    def of(cls, grant: Grant) -> "Layout":
        index = urlsplit(grant.index_url)
        own = origin_of(index)
        foreign = {origin.netloc: origin for origin in map(origin_of, grant.file_origins)}
        policy = Policy(grant.packages) if grant.packages else None
        mark = b"%08x" % crc32(f"{_REWRITING} {grant.index_url} {sorted(foreign)}".encode())
        return cls(
            own, index.path, grant.upload_url, foreign, str(own), policy, mark, _refused_prefix(index.path)
        )

    def trusts(self, origin: Origin) -> bool:
        """Whether the Connector itself declares this origin."""
        return origin == self.origin or origin in self.foreign.values()


class Route(NamedTuple):
    action: Action
    url: str
    """The registry's URL; for `redirect`, a path of our own origin"""
    package: str = ""
    """Normalised name, for the log"""
    file: str = ""


def route(method: str, target: str, layout: Layout) -> Route:
    """The route of a request line. Raises the `Refusal` that answers it."""
    path, question, query = target.partition("?")
    declared = layout.declared_prefix
    is_declared = declared and path.startswith(f"{declared}/")
    check_target(path.removeprefix(declared) if is_declared else path, query)
    if method == "POST":
        return _upload(path, layout)
    if method not in ("GET", "HEAD"):
        raise Refusal(
            405, Code.METHOD_NOT_ALLOWED, f"{method} is not passed on: GET, HEAD and uploads by POST are"
        )
    query = question + query
    if path.startswith(FOREIGN):
        chosen = _foreign_file(path, query, layout)
    else:
        chosen = _index_page(path, query, layout) or _own_file(path, query, layout)
    if layout.policy is not None and chosen.package:
        layout.policy.check(_projects(chosen))
    return chosen


def _refused_prefix(index_path: str) -> str:
    """The prefix of a path that ends with the last segment that `check_target` would refuse."""
    segments = index_path.split("/")
    while segments and (not segments[-1] or _PATH.fullmatch(f"/{segments[-1]}")):
        segments.pop()
    return "/".join(segments)


def check_target(path: str, query: str) -> None:
    """Refuse an address that some servers read in another way than others."""
    if len(path) + len(query) > _TARGET_LIMIT:
        raise Refusal(414, Code.TARGET_TOO_LONG, f"the address is longer than {_TARGET_LIMIT} bytes")
    is_plain = _PATH.fullmatch(path) and (not query or _QUERY.fullmatch(query))
    if not is_plain or ("%" in path and not _is_utf8(path)):
        raise Refusal(
            400,
            Code.BAD_TARGET,
            "the address must be a plain path: no host, dot segments, empty segments or encoded separators",
        )


def _is_utf8(path: str) -> bool:
    """False for overlong forms too: lenient decoders read dots and slashes in them (RFC 3629 §10)."""
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return True


def check_redirect(url: str, layout: Layout, *, is_page: bool) -> None:
    """Refuse a redirect to a package that may not pass. `is_page`: the request was for a page.

    A page has its place in the index, and a file its name, in any place. A redirect to storage whose names
    say nothing passes: the request was checked, and the registry may choose the place.
    """
    if layout.policy is None:
        return
    parts = urlsplit(url)
    is_in_index = origin_of(parts) == layout.origin and parts.path.startswith(layout.index_path)
    segment = parts.path.rstrip("/").rpartition("/")[2]
    distribution = _distribution(parts.path)
    project = parse_project(segment)
    if distribution is not None:
        layout.policy.check(possible_projects(distribution))
    elif project is not None and is_in_index and len(parts.path) > len(layout.index_path):
        layout.policy.check([project])
    elif project is not None and is_page:
        layout.policy.check_denied(project)  # `check` goes too far: the last segment may be any word


def _upload(path: str, layout: Layout) -> Route:
    if path not in UPLOADS:
        raise Refusal(405, Code.METHOD_NOT_ALLOWED, "uploads go to / or /legacy/, not to this path")
    if layout.upload_url is None:
        raise Refusal(
            403,
            Code.UPLOAD_NOT_GRANTED,
            "this Pod may not upload: that needs the configuration pypirc, a Connector with access "
            "readwrite, and permission for the Pod's ServiceAccount",
        )
    return Route("upload", layout.upload_url)


def _foreign_file(path: str, query: str, layout: Layout) -> Route:
    host, _, rest = path[len(FOREIGN) :].partition("/")
    origin = layout.foreign.get(unquote(host).lower())  # pip writes the colon before a port as %3A
    distribution = _distribution(rest)
    if origin is None or distribution is None:
        raise Refusal(404, Code.PATH_NOT_SERVED, "the Connector declares no such origin of files")
    return Route("file", f"{origin}/{rest}{query}", *distribution)


def _own_file(path: str, query: str, layout: Layout) -> Route:
    distribution = _distribution(path)
    if distribution is None:
        raise Refusal(
            404,
            Code.PATH_NOT_SERVED,
            f"this is a package proxy: the index is at {ALIAS}, and only index pages and files of "
            "distributions are served",
        )
    return Route("file", f"{layout.own}{path}{query}", *distribution)


def _index_page(path: str, query: str, layout: Layout) -> Route | None:
    """The index, a project's page, or the redirect from the alias to either; None for any other path."""
    index_path = layout.index_path
    in_alias = path.startswith(ALIAS) or path == ALIAS[:-1]
    if in_alias and index_path == "/":
        pass  # every path is below "/"
    elif path.startswith(index_path) or path == index_path[:-1]:
        return _page(path, query, layout)
    if not in_alias:
        return None
    rest = path[len(ALIAS) :]
    project = parse_project(rest.removesuffix("/")) or ""
    return Route("redirect", index_path + rest + query, project)


def _page(path: str, query: str, layout: Layout) -> Route | None:
    """The index or a project's page, with or without its trailing slash; None for files below it."""
    rest = path[len(layout.index_path) :]
    segment = rest.removesuffix("/")
    project = parse_project(segment) if segment else ""
    if project is None or (not rest.endswith("/") and parse_distribution(segment)):
        return None
    return Route("index", f"{layout.own}{path}{query}", project)


def _distribution(path: str) -> Distribution | None:
    above, _, last = path.rpartition("/")
    if last == "provenance":  # PEP 740; on pypi.org it is a segment below the file's name
        last = above.rpartition("/")[2]
    return parse_distribution(last)


def _projects(chosen: Route) -> list[str]:
    if chosen.file:
        return possible_projects(Distribution(chosen.package, chosen.file))
    file = _distribution(urlsplit(chosen.url).path.removesuffix("/"))  # some servers drop the slash
    return [chosen.package, *(possible_projects(file) if file else ())]
