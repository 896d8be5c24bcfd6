"""Real servers of static files and of folders."""

from pathlib import Path

import pytest

from support.clients.client_runs import assert_served, grant_of
from support.registries.kinds import METADATA, SDIST, WHEEL, Kind, facts, files, fill, kinds
from support.registries.registry_kinds import running_for_clients
from support.servers import mirrors
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients


def test_simpleindex_whose_index_is_its_root(tmp_path: Path) -> None:
    (tmp_path / "packages" / "hello-router").mkdir(parents=True)
    make_wheel(tmp_path / "packages" / "hello-router", "hello-router", "1.0")
    with mirrors.simpleindex(tmp_path, tmp_path / "packages") as server:
        assert_served(server, "hello-router", tmp_path)


def test_nginx_with_the_files_of_a_mirror(tmp_path: Path) -> None:
    """The static mirror of `kinds/` as files on disk, with metadata beside the wheels."""
    write_tree(kinds()["static-mirror"], tmp_path / "tree")
    with mirrors.nginx(tmp_path, tmp_path / "tree") as server:
        assert_served(server, "hello-shape", tmp_path)
        with running_for_clients(tmp_path, grant_of(server)) as (sidecar, _):
            reply = sidecar.get(f"/packages/5e/61/d3/{WHEEL}", Range="bytes=5-9")
            assert (reply.status, reply.body) == (206, files()[WHEEL][5:10])
            etag = reply.header("etag") or ""
            assert sidecar.get(f"/packages/5e/61/d3/{WHEEL}", If_None_Match=etag).status == 304
            assert sidecar.get(f"/packages/5e/61/d3/{METADATA}").body == files()[METADATA]


def write_tree(kind: Kind, root: Path) -> None:
    contents = {
        "simple/index.html": kind.text("root.html").encode(),
        "simple/hello-shape/index.html": fill(kind.text("page.html"), facts()).encode(),
        f"packages/5e/61/d3/{WHEEL}": files()[WHEEL],
        f"packages/5e/61/d3/{METADATA}": files()[METADATA],
        f"packages/a0/17/ff/{SDIST}": files()[SDIST],
    }
    for path, body in contents.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(body)
