"""Kinds of registries as data: a directory each, with its Connector, its pages and its answers.

`kind.yaml` says what the kind's documentation and source say; pages are files beside it, written as that
registry writes them. In both, `$registry` and the names of other origins stand for addresses, `$wheel_sha256`
and its like for what only the run knows. `registry_kinds.py` plays them.
"""

import functools
import hashlib
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import yaml

from support.checkout import TESTS
from webhook.demo.packages import make_wheel

FOLDER = TESTS / "registries" / "kinds"
PROJECT, VERSION = "hello-shape", "1.0"
WHEEL, SDIST = "hello_shape-1.0-py3-none-any.whl", "hello_shape-1.0.tar.gz"
METADATA = WHEEL + ".metadata"
INDEX_TYPES = {
    "html": "text/html; charset=utf-8",
    "v1+html": "application/vnd.pypi.simple.v1+html",
    "json": "application/vnd.pypi.simple.v1+json",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a kind. The first answer whose path matches is given."""

    path: str
    """A pattern as of `fnmatch`, without the query"""
    origin: str = "registry"
    methods: tuple[str, ...] = ("GET", "HEAD")
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    page: Mapping[str, str] = field(default_factory=dict)
    """Form (a key of INDEX_TYPES) → file beside kind.yaml"""
    is_strict: bool = False
    """Whether an Accept that fits no form is answered 406, and not with the first form all the same"""
    file: str | None = None
    redirect: str | None = None
    body: str = ""
    is_upload: bool = False
    is_signed: bool = False
    """Whether it asks for no credential, for the address itself is one"""


@dataclass(frozen=True, slots=True)
class Origin:
    """A further origin of a kind."""

    is_declared: bool = False
    """Whether the kind's Connector names it; a redirect to another one must not lead to loopback"""
    wants: str = "nothing"
    """`credential`, `nothing`, or `no-authorization`: S3 and Azure answer 400 to a signed address with one"""


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    title: str
    special: str
    example: str
    """Address that a Connector names"""
    auth: str
    """User name and password that it wants; these four are README's words"""
    source: tuple[str, ...]
    """Where its shape was read"""
    connector: Mapping[str, Any]
    """`spec` of a Connector; Secret and CA are added"""
    username: str
    answers: tuple[Answer, ...]
    heads: Mapping[str, int]
    """`wheel` and `sdist` → status of HEAD, as the kind's source or its users' reports have it"""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    root: str | None = None
    """Project that its root index links to; None: it has no root index"""
    is_root_elsewhere: bool = False
    """Whether the root index is found on another origin: its links lead to pages that are not served"""
    spellings: tuple[str, ...] = ()
    """Below the index: what else than the normalised name and a slash leads to the project's page"""
    real: str | None = None
    """The tests that run it really; None: its shape is all there is"""
    private: tuple[str, ...] = ()
    """Paths that the credential opens, and that no Pod may reach"""
    secrets: tuple[str, ...] = ()
    """Texts that must be in no log line, besides the credential"""

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms of its project page."""
        return tuple(dict.fromkeys(form for one in self.answers if PROJECT in one.path for form in one.page))

    @property
    def root_forms(self) -> tuple[str, ...]:
        """The forms of its root index."""
        roots = (form for one in self.answers for form, file in one.page.items() if file.startswith("root."))
        return tuple(dict.fromkeys(roots))

    @property
    def takes_uploads(self) -> bool:
        return any(one.is_upload for one in self.answers)

    def text(self, file: str) -> str:
        return (FOLDER / self.name / file).read_text()


@functools.cache
def kinds() -> Mapping[str, Kind]:
    """Name → kind."""
    return {path.parent.name: load(path.parent.name) for path in sorted(FOLDER.glob("*/kind.yaml"))}


def load(name: str) -> Kind:
    row: dict[str, Any] = yaml.safe_load((FOLDER / name / "kind.yaml").read_text())
    answers = [Answer(**{**one, **_tuples(one)}) for one in row.pop("answers")]
    origins = {key: Origin(**one) for key, one in row.pop("origins", {}).items()}
    return Kind(name=name, answers=tuple(answers), origins=origins, **{**row, **_tuples(row)})


def _tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) for key, value in row.items() if isinstance(value, list)}


@functools.cache
def files() -> Mapping[str, bytes]:
    """File name → bytes: a wheel, its metadata (PEP 658), and an archive of sources."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = make_wheel(Path(folder), PROJECT, VERSION, filler=bytes(range(256)) * 64).read_bytes()
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        metadata = archive.read(f"hello_shape-{VERSION}.dist-info/METADATA")
    sdist = io.BytesIO()
    with tarfile.open(fileobj=sdist, mode="w:gz") as tar:
        info = tarfile.TarInfo(f"hello_shape-{VERSION}/PKG-INFO")
        info.size = len(metadata)
        tar.addfile(info, io.BytesIO(metadata))
    return {WHEEL: wheel, METADATA: metadata, SDIST: sdist.getvalue()}


def facts() -> dict[str, str]:
    """The facts about the files that pages hold."""
    found = {}
    for name, body in zip(("wheel", "metadata", "sdist"), files().values(), strict=True):
        found[f"{name}_sha256"] = hashlib.sha256(body).hexdigest()
        found[f"{name}_md5"] = hashlib.md5(body, usedforsecurity=False).hexdigest()
        found[f"{name}_size"] = str(len(body))
    return found


def fill(text: str, names: Mapping[str, str]) -> str:
    """KeyError for a name that means nothing."""
    return Template(text).substitute(names)
