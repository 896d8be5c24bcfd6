"""The requests that reach the registry with its credential, and their URLs. Pure.

The index, files of distributions and the upload endpoint may be requested. The rest of the registry (its API,
its settings, other users' tokens) stays out of the Pod's reach: the credential may allow more than installs.
Of the registry's files, the Connector opens those below its address, and those that its pages list.
"""

from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from sidecar.contract.origins import Origin
from sidecar.contract.words import Code
from sidecar.errors import NotListed, Refusal
from sidecar.rules.filenames import (
    Distribution,
    archive_of,
    named_segment,
    parse_distribution,
    parse_project,
    possible_projects,
    projects_named,
    without_companion,
)
from sidecar.rules.layout import Layout
from sidecar.rules.targets import is_plain

ALIAS = "/simple/"
"""The path of the index in the configuration of clients, for every registry"""
FOREIGN = "/_o/"
"""`/_o/<host>/<path>` stands for a file of a further origin that the Connector declares"""
UPLOADS = ("/", "/legacy", "/legacy/")

PAGE_STATUSES = (200, 203)
"""Of an index page. 203: a proxy before us has changed it (RFC 9110 §15.3.4)"""

Action = Literal["redirect", "index", "file", "upload"]


class Route(NamedTuple):
    action: Action
    url: str
    """The registry's URL; for `redirect`, a path of our own origin"""
    package: str = ""
    """Normalised name, for the log"""
    file: str = ""


def route(method: str, target: str, layout: Layout) -> Route:
    """The route of a request line. Raises the `Refusal` that answers it; `NotListed`, a look may help."""
    path, question, query = target.partition("?")
    plain = is_plain_here(path, query, layout)
    if method not in ("GET", "HEAD"):
        if not plain:
            raise _not_plain()
        if method == "POST":
            return _upload(path, layout)
        raise Refusal(
            405, Code.METHOD_NOT_ALLOWED, f"{method} is not passed on: GET, HEAD and uploads by POST are"
        )
    query = question + query
    chosen = unlisted_route(path, query, layout) if plain else None
    is_alias = chosen is not None and chosen.action == "redirect"
    if chosen is None or (is_alias and _is_listed(path, query, layout)):
        chosen = _listed(path, query, layout, is_plain=plain)
    if layout.policy is not None and (chosen.package or chosen.file):
        layout.policy.check(_projects(chosen))
    return chosen


def is_plain_here(path: str, query: str, layout: Layout) -> bool:
    """Whether a path has one meaning, or begins with the prefix that the Connector declares."""
    declared = layout.declared_prefix
    is_declared = declared and path.startswith(f"{declared}/")
    return is_plain(path.removeprefix(declared) if is_declared else path, query)


def unlisted_route(path: str, query: str, layout: Layout) -> Route | None:
    """The route of a plain path that passes by its own form, whatever the pages list."""
    if path.startswith(FOREIGN):
        return _foreign_file(path, query, layout)
    page = _index_page(path, query, layout)
    if page is not None or not path.startswith(layout.scopes):
        return page
    distribution = parse_distribution(named_segment(path))
    return Route("file", f"{layout.own}{path}{query}", *distribution) if distribution else None


def _listed(path: str, query: str, layout: Layout, *, is_plain: bool) -> Route:
    """The route of a file that a page of this index has listed. Raises the refusal of any other path."""
    from sidecar.rules.odd_targets import is_harmless

    archive = archive_of(path)
    if archive is None or not is_harmless(path, query[1:]):
        raise _not_served() if is_plain else _not_plain()
    origin, rest = _foreign(path, layout) if path.startswith(FOREIGN) else (layout.own, path)
    projects = projects_named(archive)
    if layout.policy is not None:
        layout.policy.check(projects)  # before anybody looks at the page of a denied project
    if not _is_listed(path, query, layout):
        refusal = _not_listed(path, layout) if is_plain else _not_plain()
        raise NotListed(refusal, projects, _listing_targets(path, query))
    if layout.policy is not None and not projects:
        raise _nameless()
    url = f"{origin}{rest}{query}"
    return Route("file", url, projects[0] if projects else "", unquote(named_segment(path)))


def _is_listed(path: str, query: str, layout: Layout) -> bool:
    listed, index_url = layout.listed, layout.index_url
    return any(listed.holds(index_url, target) for target in _listing_targets(path, query))


def _listing_targets(path: str, query: str) -> list[str]:
    """The links that open a file. A companion belongs to its archive.

    pip appends `.metadata` to the query, if the link has one.
    """
    bare = without_companion(query)
    targets = (path + query, without_companion(path) + query, path + bare if bare != "?" else path + query)
    return list(dict.fromkeys(targets))


def _not_listed(path: str, layout: Layout) -> Refusal:
    if path.startswith((*layout.scopes, FOREIGN)):
        sentence = "no page of the index lists this file, and its name is not that of a distribution"
    else:
        sentence = (
            "this file lies outside the Connector's address, and no page of its index lists it; to open more "
            "of the registry, declare the path of its files as addressExtensions files"
        )
    return Refusal(404, Code.FILE_NOT_LISTED, sentence)


def _nameless() -> Refusal:
    sentence = "the name of this file tells no package, and the Connector lets only named packages pass"
    return Refusal(403, Code.PACKAGE_DENIED, sentence)


def _not_plain() -> Refusal:
    sentence = "the address must be a plain path: no host, dot segments, empty segments or encoded separators"
    return Refusal(400, Code.BAD_TARGET, sentence)


def _not_served() -> Refusal:
    sentence = (
        f"this is a package proxy: the index is at {ALIAS}, and only index pages and files of distributions "
        "are served"
    )
    return Refusal(404, Code.PATH_NOT_SERVED, sentence)


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


def _foreign_file(path: str, query: str, layout: Layout) -> Route | None:
    origin, rest = _foreign(path, layout)
    distribution = parse_distribution(named_segment(rest))
    return Route("file", f"{origin}{rest}{query}", *distribution) if distribution else None


def _foreign(path: str, layout: Layout) -> tuple[Origin, str]:
    """The further origin that a path stands for, and the path there. Raises Refusal."""
    host, slash, rest = path[len(FOREIGN) :].partition("/")
    origin = layout.foreign.get(unquote(host).lower())  # pip writes the colon before a port as %3A
    if origin is None:
        raise Refusal(404, Code.PATH_NOT_SERVED, "the Connector declares no such origin of files")
    return origin, slash + rest


def _index_page(path: str, query: str, layout: Layout) -> Route | None:
    """The index, a project's page, or the redirect from the alias to either; None for any other path."""
    index_path = layout.index_path
    in_alias = path.startswith(ALIAS) or path == ALIAS[:-1]
    if in_alias and index_path == "/":
        pass  # every path is below "/"
    elif path.startswith(index_path) or path == index_path[:-1]:
        return page_route(path, query, layout)
    if not in_alias:
        return None
    rest = path[len(ALIAS) :]
    project = parse_project(rest.removesuffix("/")) or ""
    return Route("redirect", index_path + rest + query, project)


def page_route(path: str, query: str, layout: Layout) -> Route | None:
    """The index or a project's page, with or without its trailing slash; None for files below it."""
    rest = path[len(layout.index_path) :]
    segment = rest.removesuffix("/")
    project = parse_project(segment) if segment else ""
    if project is None or (not rest.endswith("/") and parse_distribution(segment)):
        return None
    return Route("index", f"{layout.own}{path}{query}", project)


def _projects(chosen: Route) -> list[str]:
    if chosen.file:
        return possible_projects(Distribution(chosen.package, chosen.file))
    path = urlsplit(chosen.url).path.removesuffix("/")  # some servers drop the slash
    file = parse_distribution(named_segment(path))
    return [chosen.package, *(possible_projects(file) if file else ())]
