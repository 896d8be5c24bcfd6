"""Names of projects and of distribution files, read from the last segment of a path. Pure."""

import re
from typing import NamedTuple
from urllib.parse import unquote

# PEP 427: name-version(-build)?-python-abi-platform.whl
_WHEEL = re.compile(
    r"(?P<project>[A-Za-z0-9][A-Za-z0-9._]*+)-(?P<version>[A-Za-z0-9][A-Za-z0-9._+!]*+)"
    r"(-[0-9][A-Za-z0-9._]*+)?-[A-Za-z0-9._]++-[A-Za-z0-9._]++-[A-Za-z0-9._]+\.whl"
)
# PEP 625: {name}-{version}.tar.gz; older archives have other endings, and dashes in the name
_SDIST = re.compile(
    r"(?P<project>[A-Za-z0-9][A-Za-z0-9._-]*?)-(?P<version>v?[0-9][A-Za-z0-9._+!-]*)"
    r"\.(tar\.gz|zip|tar\.bz2|tgz|tar\.xz)"
)
_ARCHIVES = (
    *(".whl", ".zip", ".egg", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tlz", ".tzst"),
    *(f".tar.{packer}" for packer in ("gz", "bz2", "xz", "lz", "lzma", "zst", "z")),
    "-variants.json",  # PEP 825 (draft)
)
"""Endings of what pip and uv install, and of what older clients did"""
_COMPANIONS = (".metadata", ".provenance", ".asc")  # PEP 658, PEP 740, old signatures
_ENDINGS = (*_ARCHIVES, *_COMPANIONS, "/provenance")
_PROJECT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508
_BEFORE_VERSION = re.compile(r"-(?=[vV]?[0-9])")
_NAME_LIMIT = 512  # arbitrary; the longest name on the public index is below 250


class Distribution(NamedTuple):
    """The name of a file, and the project that it names."""

    project: str
    """Normalised (PEP 503)"""
    file: str
    """The file's name, decoded; a companion's with its ending"""


def parse_distribution(segment: str) -> Distribution | None:
    """Read the last segment of a path, which is percent-encoded; None if it is no distribution's file."""
    name = unquote(segment) if "%" in segment else segment
    if len(name) > _NAME_LIMIT:
        return None
    base = without_companion(name)
    match = (_WHEEL if base.endswith(".whl") else _SDIST).fullmatch(base)
    return Distribution(normalise(match["project"]), name) if match else None


def possible_projects(distribution: Distribution) -> list[str]:
    """All projects, normalised, that the file may belong to: a denied project must not hide behind another.

    Example: `foo-1-2.zip` is version 1-2 of foo, or version 2 of foo-1. A version begins with a digit
    (PEP 440). The name of a wheel has a single reading (PEP 427), unless that has no version.
    """
    return projects_named(without_companion(distribution.file))


def projects_named(base: str) -> list[str]:
    """As `possible_projects`, for any name of an archive."""
    name, _, rest = base.partition("-")
    if not base.endswith(".whl"):
        spellings = [base[: dash.start()] for dash in _BEFORE_VERSION.finditer(base)]
    else:
        version = rest.partition("-")[0]
        spellings = [name] if version.lstrip("vV")[:1].isdigit() else [name, f"{name}-{version}"]
    names = (spelling.rstrip("-._") for spelling in spellings)
    return list(dict.fromkeys(normalise(name) for name in names if _PROJECT.fullmatch(name)))


def parse_project(segment: str) -> str | None:
    """The normalised name of a project's page, or None."""
    name = unquote(segment) if "%" in segment else segment
    return normalise(name) if len(name) <= _NAME_LIMIT and _PROJECT.fullmatch(name) else None


def normalise(name: str) -> str:
    """PEP 503: in lower case, with a dash for each run of `-`, `_` and `.`. A pattern takes longer."""
    dashed = name.lower().replace("_", "-").replace(".", "-")
    while "--" in dashed:
        dashed = dashed.replace("--", "-")
    return dashed


def may_be_archive(link: str) -> bool:
    """Whether a link may lead to an archive or its companion. Quick: it is asked for each link of a page."""
    path = link.partition("#")[0].partition("?")[0]
    return path.lower().endswith(_ENDINGS) or "%" in path


def archive_of(path: str) -> str | None:
    """The archive's name, decoded, that the last segment of a path stands for; None if it is no archive.

    The path of a companion, such as `/foo-1.tar.metadata`, stands for its archive.
    """
    name = last_name(named_segment(path))
    base = without_companion(name)
    is_archive = base.lower().endswith(_ARCHIVES) and len(name) <= _NAME_LIMIT
    return base if is_archive else None


def last_name(segment: str) -> str:
    """Decoded. Some registries keep the path of a file in one segment: `foo%2F1.0%2Ffoo-1.0.zip`."""
    return re.split(r"[/\\]", unquote(unquote(segment)))[-1] if "%" in segment else segment


def named_segment(path: str) -> str:
    """The segment that names a file: the last one, or in PEP 740's spelling of pypi.org the one before."""
    above, _, last = path.rpartition("/")
    return above.rpartition("/")[2] if last == "provenance" else last


def without_companion(name: str) -> str:
    """The name or path of the archive that a companion belongs to; any other text stays."""
    return name.rpartition(".")[0] if name.endswith(_COMPANIONS) else name
