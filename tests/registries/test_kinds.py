"""Every kind of registry of `kinds/`, through a real sidecar: its pages, its files, its credential."""

import asyncio
import hashlib
import json
from urllib.parse import urlsplit

import pytest

from support.pages.listings import Link, links, without_links
from support.registries.kinds import INDEX_TYPES, METADATA, PROJECT, SDIST, VERSION, WHEEL, files, kinds
from support.registries.registry_kinds import SIMPLE, Scene
from webhook.status.probe import probe

PAGE = f"{SIMPLE}{PROJECT}/"
EACH = pytest.mark.parametrize("name", kinds())
EACH_FORM = pytest.mark.parametrize(
    ("name", "form"), [(name, form) for name, kind in kinds().items() for form in kind.forms]
)
EACH_ROOT_FORM = pytest.mark.parametrize(
    ("name", "form"), [(name, form) for name, kind in kinds().items() for form in kind.root_forms]
)
EACH_SPELLING = pytest.mark.parametrize(
    ("name", "spelling"), [(name, one) for name, kind in kinds().items() for one in kind.spellings]
)
WITHOUT_ROOT = pytest.mark.parametrize("name", [name for name, kind in kinds().items() if kind.root is None])
WITH_OTHERS = pytest.mark.parametrize("name", [name for name, kind in kinds().items() if kind.origins])


def read(scene: Scene, target: str, form: str) -> list[Link]:
    """The links of a page, in that form, all of which lead back to the proxy."""
    reply = scene.get(target, INDEX_TYPES[form].partition(";")[0])
    assert reply.status == 200, reply
    content_type = reply.header("content-type")
    assert content_type is not None
    assert content_type.partition(";")[0] == INDEX_TYPES[form].partition(";")[0]
    found = links(reply.body, content_type, scene.url_of(target))
    for link in found:
        assert link.url.startswith(f"{scene.local}/"), link
        assert "?" not in link.url  # pip puts `.metadata` at the very end, uv at the end of the path
    return found


def path_of(link: Link) -> str:
    return urlsplit(link.url).path


@EACH_FORM
def test_every_link_leads_back_through_the_proxy_to_the_very_file(scene: Scene, form: str) -> None:
    """Rules 1, 2 and 3."""
    found = read(scene, PAGE, form)
    assert [link.file for link in found] == [WHEEL, SDIST]
    for link in found:
        reply = scene.get(path_of(link))
        assert (reply.status, reply.body) == (200, files()[link.file])
        for algorithm, digest in link.hashes.items():
            assert hashlib.new(algorithm, reply.body).hexdigest() == digest


@EACH_FORM
def test_metadata_is_where_the_page_says(scene: Scene, form: str) -> None:
    for link in read(scene, PAGE, form):
        reply = scene.get(path_of(link) + ".metadata")
        assert reply.status == (200 if link.has_metadata else 404), reply
        if link.has_metadata:
            assert reply.body == files()[METADATA]


@EACH_FORM
def test_nothing_of_a_page_changes_but_its_links(scene: Scene, form: str) -> None:
    """Rule 4."""
    reply = scene.get(PAGE, INDEX_TYPES[form].partition(";")[0])
    kind = INDEX_TYPES[form]
    page = next(one.page[form] for one in scene.kind.answers if PROJECT in one.path and form in one.page)
    assert without_links(reply.body, kind) == without_links(scene.page(form, page), kind)


@EACH_SPELLING
def test_another_spelling_of_the_name_ends_at_the_same_page(scene: Scene, spelling: str) -> None:
    """Rule 9: a redirect to the normalised name is followed inside, and its links lead back all the same."""
    for form in scene.kind.forms:
        assert read(scene, SIMPLE + spelling, form) == read(scene, PAGE, form)
    assert [one for one in scene.origins["registry"].requests if one.target.endswith(f"/{spelling}")]


@EACH_ROOT_FORM
def test_the_root_index_leads_to_the_projects_page(scene: Scene, form: str) -> None:
    """Rule 16."""
    (link,) = read(scene, SIMPLE, form)
    assert path_of(link).rstrip("/").rpartition("/")[2] == scene.kind.root
    assert scene.get(path_of(link)).status == (404 if scene.kind.is_root_elsewhere else 200)


@WITHOUT_ROOT
def test_where_there_is_no_root_index_that_is_what_the_client_hears(scene: Scene) -> None:
    """Rule 16."""
    assert scene.kind.root_forms == ()
    assert scene.get(SIMPLE).status == 404


@EACH
def test_a_check_finds_it_ready(scene: Scene) -> None:
    """Rule 16: without a root index it needs the name of a package, the Connector's `probePackage`."""
    assert asyncio.run(probe(scene.declaration.registry, is_loopback_allowed=True)).outcome == "ok"


@EACH
def test_what_is_not_there_is_not_found_and_looked_for_nowhere_else(scene: Scene) -> None:
    """Rule 9: a fallback to pypi.org, where anybody may own a private name, is not followed."""
    undeclared = [scene.origins[name] for name, one in scene.kind.origins.items() if not one.is_declared]
    before = [len(one.requests) for one in undeclared]
    assert scene.get(f"{SIMPLE}no-such-thing/").status == 404
    assert [len(one.requests) for one in undeclared] == before


@WITH_OTHERS
def test_the_credential_is_for_the_registrys_own_origin_alone(scene: Scene) -> None:
    """Rule 3; and rule 9: signed addresses answer 400 to a second credential."""
    for form in scene.kind.forms:
        for link in read(scene, PAGE, form):
            assert scene.get(path_of(link)).status == 200
    own = [one for one in scene.origins["registry"].requests if one.header("authorization")]
    assert bool(own) == bool(scene.kind.username)
    scene.assert_credential_stays()


@pytest.mark.parametrize(
    "name", [name for name, kind in kinds().items() if kind.origins.keys() - {"upload", "pypi_org"}]
)
def test_the_other_origins_are_asked_indeed(scene: Scene) -> None:
    """Otherwise the test above would show nothing."""
    for link in read(scene, PAGE, scene.kind.forms[0]):
        scene.get(path_of(link))
    assert list(scene.strangers())


@EACH
def test_no_path_but_pages_and_files_is_opened_by_the_credential(scene: Scene) -> None:
    """Rule 13."""
    before = len(scene.origins["registry"].requests)
    for path in scene.kind.private:
        assert scene.get(path).status == 404, path
    assert len(scene.origins["registry"].requests) == before


@EACH
def test_head_of_a_file_is_answered_as_the_registry_answers_it(scene: Scene) -> None:
    """Rule 8: uv asks so for wheels without metadata, and falls back on 403 and 405."""
    for link in read(scene, PAGE, scene.kind.forms[0]):
        reply = scene.get(path_of(link), method="HEAD")
        assert reply.status == scene.kind.heads["wheel" if link.file == WHEEL else "sdist"], reply
        assert reply.body == b""
        if reply.status == 200:
            assert reply.header("content-length") == str(len(files()[link.file]))


@EACH
def test_nothing_secret_is_logged(scene: Scene) -> None:
    """At debug level, with addresses that hold a token, and signed ones."""
    for link in read(scene, PAGE, scene.kind.forms[0]):
        scene.get(path_of(link))
    scene.get(f"{SIMPLE}no-such-thing/")
    scene.sidecar.ask("GET", f"{SIMPLE}{PROJECT}/{VERSION}/?token=canary-query")
    scene.sidecar.wait_line(message="request", package="no-such-thing", status=404)
    log = json.dumps(scene.sidecar.lines)
    assert [secret for secret in [*scene.secrets, "canary-query"] if secret in log] == []
