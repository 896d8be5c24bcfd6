"""The injected Pod, run as the patch says: real clients through it, and proofs that the proofs can fail."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.clients.foreign_index import foreign_index
from support.pods.pod_runs import Runner, set_variable
from support.servers.programs import RegistryServer
from webhook.demo.containers import IMAGE_PATH, Container, Mount, isolation_works, start
from webhook.demo.kubelet import GateClosed
from webhook.demo.stage import Stage, example, set_stage

pytestmark = pytest.mark.clients
INSTALL = "pip install --no-cache-dir --retries 0 --target site hello-connector"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with set_stage() as found:
        yield found


@pytest.fixture(scope="module")
def isolate(tmp_path_factory: pytest.TempPathFactory) -> bool:
    return isolation_works(tmp_path_factory.mktemp("probe"))


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[str]:
    """URL of an index that has a higher version of `hello-connector`."""
    with foreign_index(tmp_path, "hello-connector", "9.9") as registry:
        yield f"{registry.origin}/simple/"


@pytest.fixture
def pod(stage: Stage, isolate: bool, tmp_path: Path) -> Runner:
    return Runner(stage, tmp_path, isolate=isolate)


def test_pip_uv_and_twine_work_and_no_password_is_in_reach(pod: Runner, stage: Stage) -> None:
    outcome = pod.run(example("pod.yaml")[0]["spec"]["containers"][0]["args"][0])
    assert outcome.exit_code == 0, pod.printed + pod.log
    assert outcome.search["found"] == []
    assert outcome.search["variables"] > 20
    assert outcome.search["files"] > 3
    assert list(stage.packages.glob("hello_upload-*.whl"))
    assert stage.password.reveal() not in pod.printed + pod.log


def test_the_oldest_and_the_newest_pip_install(pod: Runner, pip: Path) -> None:
    script = f"{pip} install --no-cache-dir --target site hello-connector"
    outcome = pod.run(script, further_image=[pip.parents[1]])
    assert outcome.exit_code == 0, pod.printed + pod.log
    assert outcome.search["found"] == []


def test_devpi_takes_an_upload_and_serves_it(pod: Runner, stage: Stage, devpi: RegistryServer) -> None:
    for document in yaml.safe_load_all(devpi.manifests("devpi", "team-a")):
        if document["kind"] == "Connector":
            document["spec"]["params"].append({"name": "allowInsecureHTTP", "value": "true"})
        stage.cluster.apply(document)
    outcome = pod.run(
        "uv init --quiet --package to-devpi; uv build --quiet --wheel to-devpi --out-dir dist\n"
        "twine upload dist/*.whl\n"
        "pip install --no-cache-dir --target site to-devpi\n"
        "uv pip install --no-cache --target site-of-uv to-devpi\n",
        connector="devpi",
    )
    assert outcome.exit_code == 0, pod.printed + pod.log
    assert devpi.password not in pod.printed + pod.log


def test_clients_without_environment_find_the_files(pod: Runner, isolate: bool) -> None:
    if not isolate:
        pytest.skip("the system's paths are real in a namespace only")
    outcome = pod.run(
        "env -i PATH=$PATH pip install --no-cache-dir --target a hello-connector\n"
        "env -i PATH=$PATH uv pip install --no-cache --target b hello-connector\n"
    )
    assert outcome.exit_code == 0, pod.printed + pod.log


def test_the_systems_files_of_the_image_name_no_further_index(
    pod: Runner, isolate: bool, foreign: str
) -> None:
    """Ours lie before them: uv reads the first that it finds, and pip's options are emptied."""
    if not isolate:
        pytest.skip("the system's paths are real in a namespace only")
    outcome = pod.run(
        f"printf '[global]\\nextra-index-url = {foreign}\\n' > /etc/pip.conf; mkdir -p /etc/uv\n"
        f"printf '[[index]]\\nurl = \"{foreign}\"\\n' > /etc/uv/uv.toml\n"
        "pip install --no-cache-dir --target a hello-connector; grep 1.0 a/hello_connector.py\n"
        "uv pip install --no-cache --target b hello-connector; grep 1.0 b/hello_connector.py\n"
    )
    assert outcome.exit_code == 0, pod.printed + pod.log


def test_a_variable_of_the_authors_may_refer_to_ours(pod: Runner) -> None:
    """Kubernetes expands `$(NAME)` only where NAME stands further up."""
    script = 'test "$BUILD_INDEX" = "$PIP_INDEX_URL/"; test "$LATER" = \'$(NOWHERE)\''
    outcome = pod.run(script, BUILD_INDEX="$(PIP_INDEX_URL)/", LATER="$(NOWHERE)")
    assert outcome.exit_code == 0, pod.printed


def test_an_index_that_the_author_names_is_asked(pod: Runner, foreign: str) -> None:
    script = "pip install --no-cache-dir --target a hello-connector; grep 9.9 a/hello_connector.py"
    assert pod.run(script, PIP_EXTRA_INDEX_URL=foreign).exit_code == 0, pod.printed


def test_a_volume_does_not_hide_what_of_the_image_lies_below_it(isolate: bool, tmp_path: Path) -> None:
    if not isolate:
        pytest.skip("without namespaces there is no image")
    image, volume, scratch = (tmp_path / name for name in ("image", "volume", "scratch"))
    for folder in (image, volume, scratch):
        folder.mkdir()
    (image / "file").touch()
    mount = Mount(volume, str(tmp_path), is_read_only=False)
    command = ["test", "-e", f"{image}/file"]
    container = Container("one", command, {"PATH": IMAGE_PATH}, [mount], further_image=[image])
    assert start(container, scratch, isolate=True).wait() == 0


def test_a_password_planted_in_the_environment_is_found(pod: Runner, stage: Stage) -> None:
    outcome = pod.run("true", LEAK=f"x{stage.password.reveal()}x")
    assert "variable LEAK" in outcome.search["found"]


def test_a_password_planted_in_a_file_is_found(pod: Runner, stage: Stage) -> None:
    encoded = stage.needles()[1].decode()
    outcome = pod.run(f"mkdir -p deep; echo machine {encoded} > deep/.netrc")
    assert any(place.endswith("deep/.netrc") for place in outcome.search["found"])


@pytest.mark.parametrize("where", ["cmdline", "environ", "memory"])
def test_a_password_planted_in_another_process_is_found(
    pod: Runner, stage: Stage, isolate: bool, where: str
) -> None:
    if not isolate:
        pytest.skip("without namespaces the search leaves processes out, and says so")
    password = stage.password.reveal()
    halves = f"{password[:9]} {password[9:]}"
    joined = 'import sys, time; x = "".join(sys.argv[1:]); time.sleep(60)'
    hide = {
        "cmdline": f"sh -c 'sleep 60; exit' {password}",
        "environ": f"LEAK={password} sleep 60",
        # joined at run time: neither the arguments nor the environment hold it whole
        "memory": f"python3 -c '{joined}' {halves}",
    }[where]
    hide += " & sleep 1"  # until the other process has begun
    outcome = pod.run(hide)
    assert any(place.startswith("process ") and place.endswith(where) for place in outcome.search["found"])


BREAKING = {
    "SIDECAR_BROKER_URL": ("https://localhost:9", "no grant yet: the broker cannot be reached"),
    "SIDECAR_BROKER_CA": (Path("tests/shapes/ca.crt").resolve().read_text(), "broker-untrusted"),
    "SIDECAR_TOKEN_FILE": ("/nowhere/token", "the Pod's token cannot be read"),
    "SIDECAR_LISTEN": ("team-a/another=PORT", "no grant: "),
    "PIP_INDEX_URL": ("http://127.0.0.1:9/simple/", "No matching distribution"),
}
"""Variable → another value, and what is said then."""


@pytest.fixture(scope="module")
def broken(
    stage: Stage, isolate: bool, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[int, str]]:
    """Exit code and what was said. Side by side, for without a grant each waits ten seconds for one."""

    def run(name: str) -> tuple[int, str]:
        runner = Runner(stage, tmp_path_factory.getbasetemp() / f"broken-{name}", isolate=isolate)
        outcome = runner.run(INSTALL, set_variable(name, BREAKING[name][0]), name=name.lower())
        return outcome.exit_code, runner.printed + runner.log

    with ThreadPoolExecutor(len(BREAKING)) as pool:
        return dict(zip(BREAKING, pool.map(run, BREAKING), strict=True))


@pytest.mark.parametrize("name", BREAKING)
def test_one_variable_of_the_patch_changed_breaks_the_run(
    broken: dict[str, tuple[int, str]], name: str
) -> None:
    exit_code, said = broken[name]
    assert exit_code != 0
    assert BREAKING[name][1] in said


def test_a_package_that_the_connector_keeps_back_does_not_reach_the_pod(pod: Runner, stage: Stage) -> None:
    """Broker and sidecar of one release understand one another; else the Pod would hear SidecarTooOld."""
    connector = asyncio.run(stage.cluster.connector("team-a", "team-pypi"))
    assert connector
    params = [*connector["spec"].get("params", []), {"name": "denyPackages", "value": "hello-con*"}]
    stage.cluster.apply(
        {
            **connector,
            "metadata": {"name": "careful", "namespace": "team-a"},
            "spec": {**connector["spec"], "params": params},
        }
    )
    outcome = pod.run(INSTALL, connector="careful")
    assert outcome.exit_code != 0
    assert "No matching distribution found for hello-connector" in pod.printed
    refused = [line for line in map(json.loads, pod.log.splitlines()) if line.get("status") == 403]
    assert {line["reason"] for line in refused} == {"package-denied"}
    assert "denied by connector team-a/careful (denyPackages: hello-con*)" in refused[0]["detail"]


def test_the_gate_stays_closed_where_nothing_listens(pod: Runner) -> None:
    def change(found: dict[str, Any]) -> None:
        sidecar: Mapping[str, Any] = found["spec"]["initContainers"][0]
        hook = sidecar["lifecycle"]["postStart"]["exec"]["command"]
        hook[-2:] = ["1", "9"]

    with pytest.raises(GateClosed, match="does not listen on 127"):
        pod.run("true", change)


def test_a_pod_without_pypirc_cannot_upload(pod: Runner, stage: Stage) -> None:
    def change(found: dict[str, Any]) -> None:
        found["metadata"]["annotations"]["connectors.alauda.io/configurations"] = "pipconf"

    script = (
        "port=$(echo $PIP_INDEX_URL | tr -dc 0-9: | cut -d: -f3); curl -si -F a=b http://127.0.0.1:$port/"
    )
    outcome = pod.run(script, change)
    assert outcome.exit_code == 0
    assert "403 this Pod may not upload" in pod.printed
