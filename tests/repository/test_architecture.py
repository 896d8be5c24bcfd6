"""docs/architecture.md draws the rooms as they are: as folders, and as layers in pyproject.toml.

The folders of unit tests are rooms, too: a test of a room stands in the room's folder.
"""

import re
import tomllib
from pathlib import Path

import pytest

from support.checkout import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
PACKAGES = ("webhook", "sidecar", "certs")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
UNIT_TESTS = ROOT / "tests" / "unit"
HEADINGS = {"webhook": "Rooms of `webhook`", "sidecar": "Rooms of `sidecar`", "certs": "Modules of `certs`"}
WALKS = (
    "A Pod through admission",
    "A token through the broker",
    "A request through the sidecar",
    "A request through the gateway",
    "A Connector into its status",
    "A certificate and its renewal",
)


def section(heading: str, page: str = PAGE) -> str:
    """The text below a heading, up to the next one."""
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def picture(page: str = PAGE) -> dict[str, list[set[str]]]:
    """The layers of each package, top first. A package is a column, below its name."""
    lines = section("Rooms and arrows", page).split("```")[1].strip("\n").splitlines()
    starts = {package: re.search(rf"\b{package}\b", lines[0]).start() for package in PACKAGES}  # type: ignore[union-attr]
    edges = [*sorted(starts.values()), None]
    drawn: dict[str, list[set[str]]] = {}
    for package, start in starts.items():
        end = edges[edges.index(start) + 1]
        cells = [line[start:end].strip() for line in lines[2:] if "→" not in line]
        drawn[package] = [set(cell.split(" | ")) for cell in cells if cell and cell != "↓"]
    return drawn


def layers() -> dict[str, list[set[str]]]:
    """The same, of the contracts that `make check` holds."""
    return {
        contract["containers"][0]: [set(layer.split(" | ")) for layer in contract["layers"]]
        for contract in CONTRACTS
        if contract["type"] == "layers"
    }


def pure_rooms() -> set[str]:
    """The rooms of the contract that forbids input and output."""
    (contract,) = (contract for contract in CONTRACTS if contract["name"].startswith("Pure rooms"))
    return set(contract["source_modules"])


def rooms(package: str) -> set[str]:
    """Folders and modules directly in a package."""
    paths = [path for path in (ROOT / package).iterdir() if path.suffix == ".py" or any(path.glob("*.py"))]
    return {path.stem for path in paths} - {"__init__", "__pycache__"}


def rows(package: str, page: str = PAGE) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", section(HEADINGS[package], page), re.MULTILINE)


def folders_of_tests(folder: Path) -> set[str]:
    """Folders directly in `folder` that hold tests, at any depth."""
    return {path.name for path in folder.iterdir() if path.is_dir() and any(path.rglob("test_*.py"))}


def missing_files(text: str) -> list[str]:
    named = re.findall(r"`((?:webhook|sidecar|certs)/[\w/]+(?:\.py|/))`", text)
    return [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_picture_has_the_layers_that_are_checked(package: str) -> None:
    assert picture()[package] == layers()[package]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_picture_has_every_room(package: str) -> None:
    assert set().union(*picture()[package]) == rooms(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_each_room_has_a_line_in_the_order_of_the_picture(package: str) -> None:
    order = {room: number for number, layer in enumerate(picture()[package]) for room in layer}
    assert sorted(rows(package)) == sorted(order)
    assert [order[room] for room in rows(package)] == sorted(order.values())


@pytest.mark.parametrize("package", PACKAGES)
def test_each_room_that_the_page_calls_pure_is_checked_as_pure(package: str) -> None:
    called_pure = re.findall(r"^\| `(\w+)` \|[^|]* Pure \|", section(HEADINGS[package]), re.MULTILINE)
    assert called_pure
    assert {f"{package}.{room}" for room in called_pure} <= pure_rooms()


@pytest.mark.parametrize("package", PACKAGES)
def test_each_folder_of_unit_tests_is_a_room(package: str) -> None:
    assert folders_of_tests(UNIT_TESTS / package) - rooms(package) == set()


def test_unit_tests_have_a_folder_for_each_package_and_one_between_packages() -> None:
    assert folders_of_tests(UNIT_TESTS) == {*PACKAGES, "seams"}


@pytest.mark.parametrize("walk", WALKS)
def test_a_walk_names_files(walk: str) -> None:
    assert len(re.findall(r"`[\w/]+\.py`", section(walk))) >= 4


def test_the_files_that_the_page_names_exist() -> None:
    assert missing_files(PAGE) == []


def test_a_picture_that_is_wrong_is_noticed() -> None:
    renamed = PAGE.replace("\nstatus  ", "\nstates  ", 1)
    assert picture(renamed)["webhook"] != layers()["webhook"]
    swapped = PAGE.replace("store  ", "keeper ", 1)
    assert picture(swapped)["certs"] != layers()["certs"]
    assert rows("webhook", PAGE.replace("| `status` |", "| `stati` |")) != rows("webhook")
    assert missing_files("`webhook/pod/nothing.py` and `sidecar/nowhere/`") == [
        "webhook/pod/nothing.py",
        "sidecar/nowhere/",
    ]
