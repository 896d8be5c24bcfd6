"""Real pip and uv against pages with odd links, and archives with rare endings: as without the proxy."""

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from support.clients.client_runs import UV, assert_installed, pip_install, run_client
from support.registries.kinds import PROJECT, WHEEL, files
from support.registries.registry_kinds import running_for_clients
from support.servers.registry import Call, Registry
from support.sidecars.running import AUTHORIZATION, grant

pytestmark = pytest.mark.clients

PAGE = f"/repo/simple/{PROJECT}/"
BACKEND = f"""
import os
def prepare_metadata_for_build_wheel(folder, settings=None):
    name = "hello_shape-1.0.dist-info"
    os.makedirs(os.path.join(folder, name))
    with open(os.path.join(folder, name, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: {PROJECT}\\nVersion: 1.0\\n")
    return name
def build_wheel(*arguments, **options):
    raise SystemExit("nobody builds this")
"""
SOURCES = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "back"\nbackend-path = ["."]\n',
    "PKG-INFO": f"Metadata-Version: 2.1\nName: {PROJECT}\nVersion: 1.0\n",
    "back.py": BACKEND,
}


def sources(mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w{mode}") as archive:  # type: ignore[call-overload]
        for path, text in SOURCES.items():
            entry = tarfile.TarInfo(f"hello_shape-1.0/{path}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


class Place:
    """A registry with one page, and the variables of a Pod whose Connector names its folder /repo."""

    def __init__(self, registry: Registry, environment: Mapping[str, str]) -> None:
        self.registry = registry
        self.environment = environment

    def lists(self, link: str, body: bytes) -> None:
        name = link.rpartition("/")[2]
        link = link.replace("REGISTRY", self.registry.origin)

        def answer(call: Call) -> None:
            if call.request.header("authorization") != AUTHORIZATION:
                call.reply(401, b"who are you?")
            elif call.request.target.endswith(name):
                call.reply(200, body)
            else:
                call.reply(404, b"not here")

        self.registry.on("*", answer)
        self.registry.page(PAGE, f'<a href="{link}">{name}</a>'.encode())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Registry() as registry:
        address = f"{registry.origin}/repo"
        document = grant(registry, index_url=f"{address}/simple/", address=address, ca=None)
        with running_for_clients(tmp_path, document) as (_, environment):
            yield Place(registry, environment)


@pytest.mark.parametrize(
    "folder",
    [
        "/repo/f[1]",
        "/repo//f//",
        "../../f//",
        "REGISTRY/repo//f",
        "REGISTRY/repo/f[1]/g",
        "/repo/g%2Fp",
        "/repo/a;v=1",
        "/repo/a|b",
        "/repo/f%20g/h i",
        "/repo/\u00fc",
        "/elsewhere/f",
        "REGISTRY/elsewhere/f[1]",
        "../../../elsewhere/%5B1%5D",
    ],
)
@pytest.mark.parametrize("client", ["pip", "uv"])
def test_a_link_with_an_odd_path_is_installed(place: Place, client: str, folder: str, tmp_path: Path) -> None:
    place.lists(f"{folder}/{WHEEL}", files()[WHEEL])
    command = pip_install(PROJECT) if client == "pip" else [*UV, PROJECT]
    result = run_client(place.environment, command, tmp_path)
    assert_installed(result, "hello_shape.py", tmp_path)


@pytest.mark.parametrize(
    ("ending", "mode"),
    [(".tar", ""), (".txz", ":xz"), (".tbz", ":bz2"), (".tar.lzma", ":xz"), (".tgz", ":gz")],
)
def test_pip_downloads_an_archive_with_a_rare_ending(
    place: Place, ending: str, mode: str, tmp_path: Path
) -> None:
    """uv takes none of them from an index: their names break PEP 625."""
    place.lists(f"../../f/hello_shape-1.0{ending}", sources(mode))
    command = ["pip", "download", "--no-cache-dir", "--no-deps", "--quiet", PROJECT]
    result = run_client(place.environment, command, tmp_path)
    assert result.returncode == 0, result.stderr
    assert place.registry.seen(f"/repo/f/hello_shape-1.0{ending}")
