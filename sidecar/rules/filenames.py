"""Names of projects and of distribution files: which last segment of a path is one. Pure."""

import re
from typing import NamedTuple
from urllib.parse import unquote

# PEP 427: name-version(-build)?-python-abi-platform.whl
_WHEEL = re.compile(
    r"(?P<project>[A-Za-z0-9][A-Za-z0-9._]*+)-(?P<version>[A-Za-z0-9][A-Za-z0-9._+!]*+)"
    r"(-[0-9][A-Za-z0-9._]*+)?-[A-Za-z0-9._]++-[A-Za-z0-9._]++-[A-Za-z0-9._]+\.whl"
)
# PEP 625 names today's {name}-{version}.tar.gz; older archives have other endings and dashes in the name
_SDIST = re.compile(
    r"(?P<project>[A-Za-z0-9][A-Za-z0-9._-]*?)-(?P<version>v?[0-9][A-Za-z0-9._+!-]*)"
    r"\.(tar\.gz|zip|tar\.bz2|tgz|tar\.xz)"
)
_COMPANIONS = (".metadata", ".provenance", ".asc")  # PEP 658, PEP 740, signatures of old
_PROJECT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508
_BEFORE_VERSION = re.compile(r"-(?=[vV]?[0-9])")
_LONGEST = 512  # arbitrary; the longest name on the public index is below 250


class Distribution(NamedTuple):
    """What a file's name tells."""

    project: str
    """Normalised (PEP 503)"""
    file: str
    """The file's name, decoded, its companion's ending included"""


def parse_distribution(segment: str) -> Distribution | None:
    """Read the last segment of a path, still percent-encoded; None if it is no distribution's file."""
    name = unquote(segment) if "%" in segment else segment
    if len(name) > _LONGEST:
        return None
    found = _without_companion(name)
    match = (_WHEEL if found.endswith(".whl") else _SDIST).fullmatch(found)
    return Distribution(normalise(match["project"]), name) if match else None


def possible_projects(distribution: Distribution) -> list[str]:
    """Every project, normalised, whose file it could be: `foo-1-2.zip` is version 1-2 of foo, or 2 of foo-1.

    Where a file must not be another project's, the most likely reading is not enough. A version begins with
    a digit (PEP 440); a wheel's name is read in one way (PEP 427), save where that finds no version.
    """
    found = _without_companion(distribution.file)
    if not found.endswith(".whl"):
        spellings = [found[: dash.start()] for dash in _BEFORE_VERSION.finditer(found)]
    else:
        name, version, _ = found.split("-", 2)
        spellings = [name] if version.lstrip("vV")[:1].isdigit() else [name, f"{name}-{version}"]
    names = (one.rstrip("-._") for one in spellings)
    return list(dict.fromkeys(normalise(one) for one in names if _PROJECT.fullmatch(one)))


def parse_project(segment: str) -> str | None:
    """The normalised name of a project's page, or None."""
    name = unquote(segment) if "%" in segment else segment
    return normalise(name) if len(name) <= _LONGEST and _PROJECT.fullmatch(name) else None


def normalise(name: str) -> str:
    """PEP 503: lower case, each run of `-`, `_` and `.` one dash. A regular expression takes longer."""
    found = name.lower().replace("_", "-").replace(".", "-")
    while "--" in found:
        found = found.replace("--", "-")
    return found


def _without_companion(name: str) -> str:
    return name.rpartition(".")[0] if name.endswith(_COMPANIONS) else name
