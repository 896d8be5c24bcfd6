"""The table of clients: the jobs of each, without a flag that names a registry.

A script runs in an empty folder. `$PROJECTS` is tests/clients/projects, `$DIST` a wheel to upload, of the
version `$VERSION`, which nobody has uploaded before. The registry has `hello-connector`, the source of
`needs-building`, and `broken-off`, whose download breaks off unless only a part of it is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from support.checkout import TESTS

PROJECTS = TESTS / "clients" / "projects"


@dataclass(frozen=True, slots=True)
class Job:
    """One client's work."""

    script: str
    lock: str | None = None
    """`requirements/<lock>.txt` pins the client; None: requirements/dev.txt does"""
    needs_place: bool = False
    """It keeps caches, environments or settings of its own, and does not start where it cannot"""
    publishes: str | None = None
    """Beginning of the file names that the registry has afterwards, before the version"""
    asks: str | None = None
    """Another script: it fails, for it asks for `$ABSENT`, which the registry does not have"""


_OTHER = "sed -i s/hello-connector/$ABSENT/ pyproject.toml; "
_COPY = """
cp -r $PROJECTS/{0} project
cd project
sed -i "s/^version = .*/version = \\"$VERSION\\"/" pyproject.toml
"""

JOBS: Mapping[str, Job] = {
    "pip install": Job(
        """
        pip install --target site hello-connector
        PYTHONPATH=site python3 -c 'import hello_connector'
        """,
        asks="pip install --target site $ABSENT",
    ),
    "pip download": Job("pip download --dest files hello-connector; test -e files/hello_connector-1.0-*.whl"),
    "pip resume": Job(
        """
        pip install --target site broken-off 2>&1 | tee said
        grep 'resume' said
        PYTHONPATH=site python3 -c 'import broken_off'
        """
    ),
    "pip --isolated": Job(
        "pip --isolated install --target site hello-connector; test -d site",
        asks="pip --isolated install --target site $ABSENT",
    ),
    # setuptools comes from the registry too
    "pip wheel": Job("pip wheel --wheel-dir files needs-building; test -e files/needs_building-1.0-*.whl"),
    "setup_requires": Job(
        """
        cp -r $PROJECTS/setup-requires project
        cd project
        python3 setup.py --quiet bdist_wheel
        test -d .eggs/hello_connector-1.0-*.egg
        """,
        asks="""
        sed s/hello-connector/$ABSENT/ $PROJECTS/setup-requires/setup.py > setup.py
        python3 setup.py --quiet bdist_wheel
        """,
    ),
    "uv": Job(
        """
        uv pip install --target site hello-connector
        uv tool run needs-building | grep 'built and run'
        cp -r $PROJECTS/by-uv project
        cd project
        uv lock
        cp uv.lock first
        rm uv.lock
        uv lock
        cmp uv.lock first
        uv sync --locked
        .venv/bin/python -c 'import hello_connector, needs_building'
        """,
        needs_place=True,
        asks="uv pip install --target site $ABSENT",
    ),
    "uv publish": Job(
        """
        uv publish $DIST
        uv publish $DIST 2>&1 | grep 'already exists'
        """,
        needs_place=True,
        publishes="by_uv_publish",
    ),
    "twine": Job("twine upload $DIST", publishes="by_twine"),
    "flit": Job(_COPY.format("by-flit") + "flit publish", "client-flit", publishes="by_flit"),
    "hatch": Job(
        _COPY.format("by-hatch")
        + """
        hatch run python -c 'import hello_connector'
        hatch build
        hatch publish
        """,
        "client-hatch",
        needs_place=True,
        publishes="by_hatch",
        asks=_COPY.format("by-hatch") + _OTHER + "hatch run true",
    ),
    "pdm": Job(
        _COPY.format("by-pdm")
        + """
        pdm install
        grep 'hash = "sha256:' pdm.lock
        test -z "$(grep 127.0.0.1 pdm.lock)"
        pdm run python -c 'import hello_connector'
        pdm publish
        """,
        "client-pdm",
        needs_place=True,
        publishes="by_pdm",
        asks=_COPY.format("by-pdm") + _OTHER + "pdm lock",
    ),
    "pipenv": Job(
        """
        pipenv install hello-connector
        grep "$PIP_INDEX_URL" Pipfile
        cp Pipfile.lock first
        pipenv lock
        cmp Pipfile.lock first
        pipenv run python -c 'import hello_connector'
        """,
        "client-pipenv",
        needs_place=True,
        asks="pipenv install $ABSENT",
    ),
    "poetry": Job(
        _COPY.format("by-poetry")
        + """
        poetry source add --priority=primary connectors-pypi "$PIP_INDEX_URL"
        poetry install
        grep "${PIP_INDEX_URL%/}" poetry.lock
        mv poetry.lock first
        poetry lock
        cmp poetry.lock first
        poetry run python -c 'import hello_connector'
        poetry publish --build -r connectors-pypi
        """,
        "client-poetry",
        needs_place=True,
        publishes="by_poetry",
        asks=_COPY.format("by-poetry")
        + _OTHER
        + """
        poetry source add --priority=primary connectors-pypi "$PIP_INDEX_URL"
        poetry lock
        """,
    ),
}
