"""Which requests reach the registry with its credential, and where they go. Pure.

The index, files of distributions and the upload endpoint; everything else of the registry (its API, its
settings, other people's tokens) stays out of the Pod's reach, for the credential could do more than install.
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
"""The index's path as clients are told it, whatever the registry's own is"""
FOREIGN = "/_o/"
"""`/_o/<host>/<path>` stands for a file of another origin that the Connector declares"""
UPLOADS = ("/", "/legacy", "/legacy/")
_REWRITING = 1
"""Counted up with each change of what a page becomes: pages that clients keep are asked for anew"""

Action = Literal["redirect", "index", "file", "upload"]

_PATH = re.compile(
    r"""
    (?:
      / (?!\.\.?(?:/|\Z))  # no dot segments; the segment below has a character at least, so `//` is none
      (?:
        [A-Za-z0-9._~!$&'()*+,=:@-]++  # RFC 3986 without `;`: servlet containers cut "..;" to ".."
        # An encoded slash, backslash, dot, percent sign or control is a path in disguise: some servers decode
        # twice. So are # ; ? where a server in front decodes them and the one behind cuts the path there
        | % (?! 2[EeFf35] | 3[BbFf] | 5[Cc] | [01] | 7[Ff] ) [0-9A-Fa-f]{2}
      )++
    )++
    /?+
    | /
    """,
    re.VERBOSE,
)
"""One pattern, which never goes back, for all that is asked of a path: it is tried on each request"""
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]++|%[0-9A-Fa-f]{2})*+")
_LONGEST = 4096  # half of what nginx takes for a request line


class Layout(NamedTuple):
    """Where one registry keeps what, as a grant tells."""

    origin: Origin
    index_path: str
    """With a slash at both ends"""
    upload_url: str | None
    foreign: Mapping[str, Origin]
    """`host[:port]` → origin"""
    own: str
    """`origin` as a text: to write it takes as long as to look at a path"""
    policy: Policy | None
    """None: every package may pass"""
    mark: bytes
    """Of pages' tags: another one where links are led here in another way"""
    odd: str
    """As much of the index's path as no client could ask for, had the Connector not declared it: to GitLab,
    `group%2Fproject` is a project"""

    @classmethod
    def of(cls, grant: Grant) -> "Layout":
        index = urlsplit(grant.index_url)
        own = origin_of(index)
        foreign = {one.netloc: one for one in map(origin_of, grant.file_origins)}
        policy = Policy(grant.packages) if grant.packages else None
        mark = b"%08x" % crc32(f"{_REWRITING} {grant.index_url} {sorted(foreign)}".encode())
        return cls(own, index.path, grant.upload_url, foreign, str(own), policy, mark, _odd(index.path))

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
    is_below_odd = layout.odd and path.startswith(f"{layout.odd}/")
    check_target(path.removeprefix(layout.odd) if is_below_odd else path, query)
    if method == "POST":
        return _upload(path, layout)
    if method not in ("GET", "HEAD"):
        raise Refusal(
            405, Code.METHOD_NOT_ALLOWED, f"{method} is not passed on: GET, HEAD and uploads by POST are"
        )
    query = question + query
    if path.startswith(FOREIGN):
        found = _foreign_file(path, query, layout)
    else:
        found = _index_page(path, query, layout) or _own_file(path, query, layout)
    if layout.policy is not None and found.package:
        layout.policy.check(_projects(found))
    return found


def _odd(index_path: str) -> str:
    segments = index_path.split("/")
    while segments and (not segments[-1] or _PATH.fullmatch(f"/{segments[-1]}")):
        segments.pop()
    return "/".join(segments)


def check_target(path: str, query: str) -> None:
    """Refuse what servers are known to read in more than one way."""
    if len(path) + len(query) > _LONGEST:
        raise Refusal(414, Code.TARGET_TOO_LONG, f"the address is longer than {_LONGEST} octets")
    is_plain = _PATH.fullmatch(path) and (not query or _QUERY.fullmatch(query))
    if not is_plain or ("%" in path and not _is_utf8(path)):
        raise Refusal(
            400,
            Code.BAD_TARGET,
            "the address must be a plain path: no host, dot segments, empty segments or encoded separators",
        )


def _is_utf8(path: str) -> bool:
    """Lenient decoders read a dot or a slash in octets that are none (overlong forms, RFC 3629 §10)."""
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return True


def check_redirect(url: str, layout: Layout, *, is_page: bool) -> None:
    """Refuse to follow the registry to a package that may not pass; `is_page`: a page was asked for.

    A page is known by its place in the index, a file by its name, wherever it is. Storage whose names tell
    nothing is followed: what was asked for has been looked at, and where it lies is the registry's choice.
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
        layout.policy.check_denied(project)  # not more: elsewhere its last segment may be any word


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
    """The index, one project's page, or the way there from the alias; None for all else."""
    index_path = layout.index_path
    in_alias = path.startswith(ALIAS) or path == ALIAS[:-1]
    if in_alias and index_path == "/":
        pass  # below "/" lies everything
    elif path.startswith(index_path) or path == index_path[:-1]:
        return _page(path, query, layout)
    if not in_alias:
        return None
    rest = path[len(ALIAS) :]
    project = parse_project(rest.removesuffix("/")) or ""
    return Route("redirect", index_path + rest + query, project)


def _page(path: str, query: str, layout: Layout) -> Route | None:
    """The index itself or one project's page, with or without its trailing slash; None for files below it."""
    rest = path[len(layout.index_path) :]
    segment = rest.removesuffix("/")
    project = parse_project(segment) if segment else ""
    if project is None or (not rest.endswith("/") and parse_distribution(segment)):
        return None
    return Route("index", f"{layout.own}{path}{query}", project)


def _distribution(path: str) -> Distribution | None:
    above, _, last = path.rpartition("/")
    if last == "provenance":  # PEP 740; on pypi.org it lies below the file's name
        last = above.rpartition("/")[2]
    return parse_distribution(last)


def _projects(found: Route) -> list[str]:
    if found.file:
        return possible_projects(Distribution(found.package, found.file))
    file = _distribution(urlsplit(found.url).path.removesuffix("/"))  # some servers drop the slash
    return [found.package, *(possible_projects(file) if file else ())]
