"""Several publish targets: each client uploads to the one that it is told to, and else to the default."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.clients.jobs import PROJECTS
from support.machine.environments import environment
from support.pods.pod_runs import Runner
from support.servers import programs
from support.servers.programs import RegistryServer
from webhook.clients.ports import default_port
from webhook.demo.containers import isolation_works
from webhook.demo.stage import Stage, set_stage
from webhook.identifiers import ConnectorKey

pytestmark = pytest.mark.clients

OTHER = f"other-{secrets.token_hex(4)}"
"""In no other run, for the port comes from the name"""
NAME, PORT = f"connectors-pypi-team-a-{OTHER}", default_port(ConnectorKey("team-a", OTHER))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with set_stage() as found:
        yield found


@pytest.fixture(scope="module")
def other(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with programs.pypiserver(tmp_path_factory.mktemp("other")) as server:
        for document in yaml.safe_load_all(server.manifests(OTHER, "team-a")):
            if document["kind"] == "Connector":
                document["spec"]["params"].append({"name": "allowInsecureHTTP", "value": "true"})
            stage.cluster.apply(document)
        yield server


@dataclass(frozen=True)
class Publishing:
    """A Pod with two targets, the registry of the stage and another one."""

    pod: Runner
    stage: Stage
    other: RegistryServer

    def run(
        self, script: str, client: str = "", *, targets: str = f"team-pypi, {OTHER}", **further: Any
    ) -> str:
        """What it printed, after a success. `$OTHER` is the other target's URL, `$NAME` its name."""
        folder = environment(client) if client else None
        lines = [
            "set -eu",
            "export HOME=$PWD",
            f"PATH={folder}/bin:$PATH" if folder else "",
            f"NAME={NAME}; OTHER=http://127.0.0.1:{PORT}/",
            script,
        ]
        outcome = self.pod.run(
            "\n".join(lines),
            further_image=[*([folder] if folder else []), PROJECTS],
            annotations={"publish-connector": targets},
            **further,
        )
        assert outcome.exit_code == 0, self.pod.printed + self.pod.log
        assert outcome.search["found"] == []
        return self.pod.printed

    def where(self, project: str) -> list[str]:
        """The registries that have the project's files."""
        module = project.replace("-", "_")
        assert self.other.packages is not None
        places = {"default": self.stage.packages, "other": self.other.packages}
        return [name for name, folder in places.items() if list(folder.glob(f"{module}-*"))]


@pytest.fixture
def publishing(stage: Stage, other: RegistryServer, tmp_path: Path) -> Publishing:
    if not isolation_works(tmp_path):
        pytest.skip("the files lie at their paths in a namespace only")
    return Publishing(Runner(stage, tmp_path, isolate=True), stage, other)


def built(name: str) -> str:
    build = f"uv build --quiet --wheel {name} --out-dir {name}/dist"
    return f"uv init --quiet --package {name}; {build}; rm {name}/dist/.gitignore\n"


def project(folder: str, name: str) -> str:
    """Copy a project of the tests under another name."""
    underscored, new = folder.replace("-", "_"), name.replace("-", "_")
    return (
        f"cp -r {PROJECTS}/{folder} {name}; chmod -R u+w {name}; cd {name}\n"
        f"grep -rl . . | xargs sed -i 's/{folder}/{name}/g; s/{underscored}/{new}/g'\n"
        f"if test -e {underscored}.py; then mv {underscored}.py {new}.py; fi\n"
        f"if test -d src/{underscored}; then mv src/{underscored} src/{new}; fi\n"
    )


CHOICES = {
    "twine": ("", "twine upload --config-file /etc/pypi-connector/.pypirc -r $NAME {0}/dist/*"),
    "twine-with-a-file-at-home": (
        "",
        "ln -s /etc/pypi-connector/.pypirc ~; twine upload -r $NAME {0}/dist/*",
    ),
    "twine-url": ("", "twine upload --repository-url $OTHER {0}/dist/*"),
    "uv": ("", "uv publish --index $NAME {0}/dist/*"),
    "flit": (
        "client-flit",
        "cd {0}; env -u FLIT_INDEX_URL flit publish --pypirc /etc/pypi-connector/.pypirc --repository $NAME",
    ),
    "flit-url": ("client-flit", "cd {0}; FLIT_INDEX_URL=$OTHER flit publish"),
    "hatch": ("client-hatch", "cd {0}; hatch publish -r $OTHER"),
    "pdm": ("client-pdm", "cd {0}; pdm publish --no-build -r $OTHER"),
    "poetry": (
        "client-poetry",
        "cd {0}; POETRY_REPOSITORIES_CONNECTORS_PYPI_URL=$OTHER poetry publish -r connectors-pypi",
    ),
}
DEFAULTS = {
    "twine": ("", "twine upload --config-file /etc/pypi-connector/.pypirc {0}/dist/*"),
    "twine-with-a-file-at-home": ("", "ln -s /etc/pypi-connector/.pypirc ~; twine upload {0}/dist/*"),
    "twine-alias": ("", "twine upload --config-file /etc/pypi-connector/.pypirc -r pypi {0}/dist/*"),
    "uv": ("", "uv publish {0}/dist/*"),
    "uv-without-variables": ("", "env -i PATH=$PATH HOME=$PWD uv publish --token unused {0}/dist/*"),
    "flit": ("client-flit", "cd {0}; flit publish"),
    "hatch": ("client-hatch", "cd {0}; hatch publish"),
    "pdm": ("client-pdm", "cd {0}; pdm publish --no-build"),
    "poetry": ("client-poetry", "cd {0}; poetry publish -r connectors-pypi"),
}


@pytest.mark.parametrize("how", CHOICES)
def test_a_client_uploads_to_the_target_that_it_is_told(publishing: Publishing, how: str) -> None:
    name = f"chosen-by-{how}"
    client, script = CHOICES[how]
    begin = project("by-flit", name) + "cd ..\n" if client == "client-flit" else built(name)
    publishing.run(begin + script.format(name), client)
    assert publishing.where(name) == ["other"], publishing.pod.printed + publishing.pod.log


@pytest.mark.parametrize("how", DEFAULTS)
def test_a_client_that_is_told_nothing_uploads_to_the_first_target(publishing: Publishing, how: str) -> None:
    name = f"default-of-{how}"
    client, script = DEFAULTS[how]
    begin = project("by-flit", name) + "cd ..\n" if client == "client-flit" else built(name)
    publishing.run(begin + script.format(name), client)
    assert publishing.where(name) == ["default"], publishing.pod.printed + publishing.pod.log


@pytest.mark.parametrize(
    ("client", "script", "said"),
    [
        ("", "twine upload {0}/dist/*", "Missing 'connectors-pypi' section"),
        ("", "twine upload -r $NAME {0}/dist/*", f"Missing '{NAME}'"),
        ("", "env UV_NO_CONFIG=1 uv publish {0}/dist/*", "No indexes were found"),
        (
            "client-flit",
            "ln -s /etc/pypi-connector/.pypirc ~; cd {0}; flit publish --repository $NAME",
            "not both",
        ),
        ("client-hatch", "cd {0}; hatch publish -r $NAME", "missing an 'http://'"),
        ("client-pdm", "cd {0}; pdm publish --no-build -r $NAME", f"Missing repository config of {NAME}"),
        ("client-poetry", "cd {0}; poetry publish -r $NAME", f"{NAME} is not defined"),
    ],
)
def test_a_name_that_a_client_does_not_know_leads_nowhere(
    publishing: Publishing, client: str, script: str, said: str
) -> None:
    name = f"nowhere-{secrets.token_hex(3)}"
    begin = project("by-flit", name) + "cd ..\n" if client == "client-flit" else built(name)
    printed = publishing.run(f"{begin}if ({script.format(name)}); then exit 1; fi", client)
    assert said in re.sub(r"\s+", " ", printed)
    assert publishing.where(name) == []
    assert '"action":"upload"' not in publishing.pod.log


def test_uv_skips_what_the_chosen_target_has(publishing: Publishing) -> None:
    twice = "uv publish --index $NAME one-time/dist/*\nuv publish --index $NAME one-time/dist/* 2>&1"
    assert "already exists" in publishing.run(built("one-time") + twice)


def test_no_target_is_asked_for_packages(publishing: Publishing) -> None:
    """The index is the first connector of the other annotation."""
    script = """
    if uv pip install --no-cache --target site absent; then exit 1; fi
    mkdir project; cd project
    printf '[project]\\nname = "p"\\nversion = "0"\\ndependencies = ["absent"]\\n' > pyproject.toml
    if uv lock --no-cache; then exit 1; fi
    if uv tool run --no-cache absent; then exit 1; fi
    """
    publishing.run(script)
    lines = [line for line in publishing.pod.log.splitlines() if '"action":"index"' in line]
    assert len(lines) >= 3
    assert not [line for line in lines if OTHER in line]


def test_a_connector_to_install_from_takes_no_upload(publishing: Publishing) -> None:
    """It is the second of the order, and no target."""
    name = "to-an-index"
    upload = f"twine upload --repository-url http://127.0.0.1:{PORT}/ {name}/dist/*"
    outcome = publishing.pod.run(
        f"{built(name)}if {upload}; then exit 1; fi", connector=f"team-pypi, {OTHER}"
    )
    assert outcome.exit_code == 0, publishing.pod.printed
    assert '"reason":"upload-not-granted"' in publishing.pod.log
    assert publishing.where(name) == []
