"""Scope checks for redirects and links: what the registry's credential opens. Pure."""

import re
from urllib.parse import urlsplit

from sidecar.contract.origins import origin_of
from sidecar.errors import Refusal
from sidecar.rules.filenames import archive_of, last_name, parse_project, projects_named
from sidecar.rules.layout import Layout
from sidecar.rules.odd_targets import is_harmless
from sidecar.rules.routes import FOREIGN, is_plain_here, page_route, route, unlisted_route

_PAGE_FILE = re.compile(r"index\.([a-z0-9_]+[._+])?(html?|json)")
"""Where web servers keep a page: index.html, index.v1_json, index.v1_html"""


def is_notable(target: str, layout: Layout) -> bool:
    """Whether a link to an archive has to be remembered, because no other rule lets it pass."""
    path, question, query = target.partition("?")
    plain = is_plain_here(path, query, layout)
    if plain and not path.startswith((*layout.scopes, FOREIGN)):  # nearly all that are notable
        return True
    if not plain:
        return is_harmless(path, query)
    try:
        return unlisted_route(path, question + query, layout) is None
    except Refusal:
        return False


def project_of_page(url: str, layout: Layout, *, may_be_declared: bool = True) -> str | None:
    """The project whose page in the index has this address, in a form that has one meaning; else None.

    `may_be_declared`: the index may keep its pages below a declared prefix instead, as a published Pulp does.
    """
    if not url.startswith(f"{layout.own}/"):
        return None
    path, question, query = url.removeprefix(layout.own).partition("?")
    if not is_plain_here(path, query, layout):
        return None
    if not path.startswith(layout.index_path):
        return _project_of_declared(path, layout) if may_be_declared and not question else None
    if _PAGE_FILE.fullmatch(path.rpartition("/")[2]):
        return _project_of_file(path, layout)
    page = page_route(path, question + query, layout)
    return page.package or None if page else None


def opens_redirect(target: str, layout: Layout, *, is_page: bool) -> bool:
    """Whether a redirect to this path of the registry's origin takes the credential along.

    Only if a client could ask for the path itself, or the Connector declares it, or the index keeps the page
    there. The origin alone is not enough: through an open redirect (Pulp has one by design) a Pod would read
    the registry's API.
    """
    path, _, query = target.partition("?")
    if not is_harmless(path, query) or path.startswith(FOREIGN):
        return False
    if path.startswith(layout.declared) or (is_page and _project_of_file(path, layout)):
        return True
    try:
        return route("GET", target, layout).action in ("index", "file")
    except Refusal:
        return False


def check_redirect(url: str, layout: Layout, *, is_page: bool) -> None:
    """Refuse a redirect to a package that may not pass. `is_page`: the request was for a page.

    A page has its place in the index, and a file its name, in any place. A redirect to storage whose names
    say nothing passes: the request was checked, and the registry may choose the place.
    """
    if layout.policy is None:
        return
    parts = urlsplit(url)
    path = parts.path
    is_in_index = origin_of(parts) == layout.origin and path.startswith(layout.index_path)
    folder, _, last = path.rstrip("/").rpartition("/")
    if _PAGE_FILE.fullmatch(last):  # the page is kept in a folder of its name; the root index has none
        path, last = folder, folder.removesuffix("/").rpartition("/")[2]
        if is_in_index and len(path) < len(layout.index_path):
            return
    archive = archive_of(path)
    project = parse_project(last_name(last))
    if archive is not None and (projects := projects_named(archive)):
        layout.policy.check(projects)
    elif project is not None and is_in_index and len(path) > len(layout.index_path):
        layout.policy.check([project])
    elif project is not None and is_page:
        layout.policy.check_denied(project)  # `check` goes too far: the last segment may be any word


def page_without_file(path: str) -> str:
    """The path of a page, without a slash or file at its end: `/simple/x` of `/simple/x/index.html`."""
    folder, _, file = path.rpartition("/")
    return folder if not file or _PAGE_FILE.fullmatch(file) else path


def _project_of_declared(path: str, layout: Layout) -> str | None:
    """The project of a page below a declared prefix, by the name of its last folder."""
    page = page_without_file(path)
    return parse_project(page.rpartition("/")[2]) if page.startswith(layout.declared) else None


def _project_of_file(path: str, layout: Layout) -> str | None:
    """The project of a file that holds its page, such as `…/simple/requests/index.html`."""
    folder, _, file = path.rpartition("/")
    if not path.startswith(layout.index_path) or not _PAGE_FILE.fullmatch(file):
        return None
    return parse_project(folder.removeprefix(layout.index_path))
