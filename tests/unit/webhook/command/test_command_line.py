"""The command line as a person meets it: exit codes, and the output of `run`, `check` and `inject`."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.clients.command_line import CONNECTOR, GOOD, POD, PROGRAM, call
from support.kubernetes import seed
from support.machine.environments import clean
from support.machine.ports import closed_port


def test_an_absent_command_gives_127() -> None:
    result = call("run", "-f", "-", "--", "no-such-program", stdin=GOOD)
    assert "no-such-program: command not found" in result.stderr
    assert result.returncode == 127


def test_a_file_that_cannot_be_executed_gives_126(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    result = call("run", "-f", "-", "--", "./data", stdin=GOOD, folder=tmp_path)
    assert "./data: permission denied" in result.stderr
    assert result.returncode == 126


def test_no_command_is_a_sentence() -> None:
    result = call("run", "-f", "-", stdin=GOOD)
    assert "give a command after --" in result.stderr
    assert result.returncode == 2


def test_the_exit_code_is_the_commands() -> None:
    assert call("run", "-f", "-", "--", "sh", "-c", "exit 7", stdin=GOOD).returncode == 7
    assert call("run", "-f", "-", "--", "sh", "-c", "kill -TERM $$", stdin=GOOD).returncode == 128 + 15


def test_a_taken_port_is_named_with_the_fix() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = call("run", "-f", "-", "--port", port, "--", "true", stdin=GOOD)
    assert f"port {port} on 127.0.0.1, for connector default/c, cannot be taken" in result.stderr
    assert "--port" in result.stderr
    assert result.returncode == 2


def test_an_unreachable_registry_is_reported_with_the_fix() -> None:
    address = f"http://127.0.0.1:{closed_port()}"
    given = GOOD.replace("https://pypi.example.com", address).replace(
        "name: c", "name: c, annotations: {cpaas.io/display-name: Team PyPI}"
    )
    result = call("check", "-f", "-", stdin=given)
    assert result.stdout.splitlines()[1] == "  Team PyPI"
    assert "LivenessReady       False   ConnectionFailed      connection refused" in result.stdout
    assert "nothing answers there: check spec.address" in result.stdout
    assert result.returncode == 1


def test_an_address_that_may_be_the_secret_is_not_printed() -> None:
    """Cloudsmith's entitlement token stands in the path; there is no Secret."""
    address = f"http://127.0.0.1:{closed_port()}/canary-entitlement/python"
    anonymous = CONNECTOR.replace("https://pypi.example.com", address)
    result = call(
        "check", "-f", "-", stdin=anonymous.replace("  auth: {name: basicAuth, secretRef: {name: s}}", "")
    )
    assert "ConnectionFailed" in result.stdout
    assert f"{address.split('/canary')[0]}/…: nothing answers there" in result.stdout


INJECT_REFUSALS = {
    "unknown connector": ("connector: c", "connector: d", "connector d not found in namespace default"),
    "unknown configuration": (
        "connector: c",
        "connector: c, connectors.alauda.io/configurations: pip",
        "pipconf",
    ),
    "bad log level": (
        "connector: c",
        "connector: c, connectors.alauda.io/log-level: loud",
        "debug, info, warning, error",
    ),
}


@pytest.mark.parametrize("name", INJECT_REFUSALS)
def test_inject_refuses_as_admission_would_and_lists_the_allowed_values(name: str, tmp_path: Path) -> None:
    old, new, sentence = INJECT_REFUSALS[name]
    (tmp_path / "pod.yaml").write_text(POD.replace(old, new))
    result = call("inject", "-f", "-", "pod.yaml", stdin=GOOD, folder=tmp_path)
    assert sentence in result.stderr
    assert result.returncode == 2
    assert result.stdout == ""


def test_inject_shows_a_diff(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD)
    result = call("inject", "-f", "-", "--diff", "pod.yaml", stdin=GOOD, folder=tmp_path)
    lines = result.stdout.splitlines()
    assert lines[0] == "--- before"
    # the last line of a flow list may move; nothing else of the Pod's own goes
    assert [line for line in lines[2:] if line.startswith("-")] == []


def test_inject_takes_pods_only(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("kind: Service\nmetadata: {name: x}")
    result = call("inject", "-f", "-", "x.yaml", stdin=GOOD, folder=tmp_path)
    assert "x.yaml is of kind Service; inject takes a Pod" in result.stderr
    assert result.returncode == 2


def test_the_seeds_own_manifests_are_taken_as_they_are() -> None:
    for connector in (seed.SIMPLE, seed.WITHOUT_SECRET):
        documents = f"{seed.SECRET}---{connector}"
        result = call("run", "-f", "-", "--", "sh", "-c", "echo $PIP_INDEX_URL", stdin=documents)
        assert result.returncode == 0
        assert result.stdout.startswith("http://127.0.0.1:")


def test_a_reader_that_has_enough_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD)
    (tmp_path / "c.yaml").write_text(GOOD)
    # a pipe whose reader is gone before the first line
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [PROGRAM, "inject", "-f", "c.yaml", "pod.yaml"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        env=clean(),
        cwd=tmp_path,
        timeout=300,
        check=False,
    )
    os.close(writing)
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr
    assert result.returncode == 141


def test_inject_warns_of_an_address_without_tls_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD)
    result = call("inject", "-f", "-", "pod.yaml", stdin=GOOD.replace("https:", "http:"), folder=tmp_path)
    assert "a cluster would refuse this Connector" in result.stderr
    assert "name: pypi-connector-token" in result.stdout
    assert result.returncode == 0


def test_inject_distinguishes_a_refused_pod_from_bad_input(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD.replace("spec: {", "spec: {hostNetwork: true, "))
    result = call("inject", "-f", "-", "pod.yaml", stdin=GOOD, folder=tmp_path)
    assert "HostNetwork" in result.stderr
    assert result.returncode == 1


def test_inject_prints_each_problem_on_a_line_of_its_own(tmp_path: Path) -> None:
    broken = POD.replace("spec: {", "spec: {hostNetwork: true, hostPID: true, ").replace(
        "connector: c", "connector: d"
    )
    (tmp_path / "pod.yaml").write_text(broken)
    result = call("inject", "-f", "-", "pod.yaml", stdin=GOOD, folder=tmp_path)
    starts = [
        line.strip().partition(" is set")[0].partition(" not ")[0] for line in result.stderr.splitlines()
    ]
    assert starts == ["HostNetwork: hostNetwork", "hostPID", "connector d"]


@pytest.mark.parametrize("missing", ["webhook.demo", "jwt", "pypiserver"])
def test_the_demo_says_that_it_is_not_installed(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from webhook.__main__ import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", program, "demo"],
        capture_output=True,
        text=True,
        env=clean(),
        timeout=300,
        check=False,
    )
    assert "`make demo` in a checkout" in result.stderr
    assert missing in result.stderr
    assert "Traceback" not in result.stderr
    assert result.returncode == 2


def test_kubectl_has_the_command_as_a_plugin() -> None:
    """kubectl runs `kubectl-pypi_connector` for `kubectl pypi-connector`."""
    plugin = str(Path(PROGRAM).with_name("kubectl-pypi_connector"))
    result = subprocess.run(
        [plugin, "explain", "-h"], capture_output=True, text=True, env=clean(), check=False
    )
    assert result.stdout.startswith("usage: pypi-connector explain")
    assert result.returncode == 0
