"""The command line as a person meets it: bad input, each with its sentence, and exit codes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import seed
from environments import clean

from webhook.loopback import free_port

PROGRAM = str(Path(sys.executable).with_name("pypi-connector"))

SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: s}
type: kubernetes.io/basic-auth
stringData: {username: robot, password: canary-password}
"""
CONNECTOR = """
apiVersion: connectors.alauda.io/v1alpha1
kind: Connector
metadata: {name: c}
spec:
  connectorClassName: pypi
  address: https://pypi.example.com
  auth: {name: basicAuth, secretRef: {name: s}}
"""
GOOD = f"{SECRET}---{CONNECTOR}"
POD = """
kind: Pod
metadata: {name: p, annotations: {connectors.alauda.io/connector: c}}
spec: {containers: [{name: app, image: i}]}
"""


def call(*arguments: str, stdin: str = "", folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    result = subprocess.run(
        [PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=clean(),
        cwd=folder,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in result.stderr
    assert "canary" not in result.stdout + result.stderr
    return result


BAD_MANIFESTS = {
    "not YAML": ("a: [1,\n  b: 2", "standard input: line 2, column 7"),
    "no object": ("- 1", "standard input: document 1 is no Kubernetes object: it has no kind"),
    "another kind": ("kind: Deployment\nmetadata: {name: d}", "is of kind Deployment; here only Connector"),
    "no name": ("kind: Connector\nspec: {}", "the Connector has no metadata.name"),
    "nothing": ("", "the files hold no Connector: add one with -f"),
    "several": (
        f"{GOOD}---{CONNECTOR.replace('name: c', 'name: d')}",
        "the files hold several Connectors: choose one with --connector (default/c, default/d)",
    ),
    "unknown class": (
        GOOD.replace("Name: pypi", "Name: npm"),
        "'npm' is not known; the only class here is 'pypi'",
    ),
    "userinfo": (GOOD.replace("https://", "https://u:canary@"), "must not hold a user name or password"),
    "query": (GOOD.replace(".com", ".com/?a=b"), "must not have a query"),
    "fragment": (GOOD.replace(".com", ".com/#f"), "must not have a fragment"),
    "another scheme": (GOOD.replace("https://", "ftp://"), "must begin with https:// or http://, not 'ftp'"),
    "no host": (GOOD.replace("https://pypi.example.com", "https:///simple"), "has no host"),
    "no address": (GOOD.replace("address: https://pypi.example.com", "x: y"), "spec.address is missing"),
    "no Secret": (CONNECTOR, 'secrets "s" not found in namespace "default"'),
    "Secret of another type": (
        GOOD.replace("kubernetes.io/basic-auth", "Opaque"),
        'secret "s" is of type Opaque: create it anew with type kubernetes.io/basic-auth',
    ),
    "Secret without username": (GOOD.replace("username: robot, ", ""), 'secret "s" has no key "username"'),
    "Secret without password": (
        GOOD.replace(", password: canary-password", ""),
        'secret "s" has no key "password"',
    ),
    "Secret of another namespace": (
        GOOD.replace("{name: s}\ntype", "{name: s, namespace: other}\ntype"),
        'secret "s" lies in namespace "other"',
    ),
    "bad base64": (
        GOOD.replace(
            "stringData: {username: robot, password: canary-password}", "data: {username: '%', password: '%'}"
        ),
        'secret "s" has a "username" that is not base64: plain text belongs under stringData',
    ),
    "unknown parameter": (
        GOOD + "  params: [{name: acces, value: read}]",
        "has no 'acces'; known are indexPath",
    ),
    "bad parameter": (
        GOOD + "  params: [{name: access, value: write}]",
        """spec.params access must be "read" or "readwrite", not 'write'""",
    ),
}


@pytest.mark.parametrize("name", BAD_MANIFESTS)
def test_a_bad_manifest_ends_with_exit_2_and_its_sentence(name: str) -> None:
    manifest, sentence = BAD_MANIFESTS[name]
    result = call("run", "-f", "-", "--", "true", stdin=manifest)
    assert sentence in result.stderr
    assert result.returncode == 2


def test_all_problems_of_a_manifest_are_reported_at_once() -> None:
    manifest = (
        GOOD.replace("Name: pypi", "Name: npm").replace("https://", "ftp://").replace("basicAuth", "token")
    )
    result = call("run", "-f", "-", "--", "true", stdin=manifest)
    assert result.returncode == 2
    assert [line.partition("spec.")[2].split(" ")[0] for line in result.stderr.splitlines()] == [
        "connectorClassName",
        "address",
        "auth.name",
    ]


def test_a_missing_and_an_unreadable_file_are_named(tmp_path: Path) -> None:
    result = call("run", "-f", "absent.yaml", "-f", str(tmp_path), "--", "true", folder=tmp_path)
    assert "absent.yaml cannot be read: no such file or directory" in result.stderr
    assert f"{tmp_path} cannot be read: is a directory" in result.stderr
    assert result.returncode == 2


def test_a_command_that_is_not_there_gives_127() -> None:
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


def test_an_unreachable_registry_is_told_with_the_fix() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    result = call("check", "-f", "-", stdin=GOOD.replace("https://pypi.example.com", address))
    assert "LivenessReady       False   ConnectionFailed      connection refused" in result.stdout
    assert "nothing answers there: check spec.address" in result.stdout
    assert result.returncode == 1


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
def test_inject_refuses_as_admission_would_and_lists_what_is_allowed(name: str, tmp_path: Path) -> None:
    old, new, sentence = INJECT_REFUSALS[name]
    (tmp_path / "pod.yaml").write_text(POD.replace(old, new))
    result = call("inject", "-f", "-", "pod.yaml", stdin=GOOD, folder=tmp_path)
    assert sentence in result.stderr
    assert result.returncode == 2
    assert result.stdout == ""


def test_inject_prints_the_pod_that_a_job_would_make(tmp_path: Path) -> None:
    template = {
        "metadata": {"annotations": {"connectors.alauda.io/connector": "c"}},
        "spec": {"containers": [{"name": "app", "image": "i"}]},
    }
    (tmp_path / "job.yaml").write_text(json.dumps({"kind": "Job", "spec": {"template": template}}))
    result = call("inject", "-f", "-", "job.yaml", stdin=GOOD, folder=tmp_path)
    assert result.returncode == 0
    assert "kind: Pod" in result.stdout
    assert "name: pypi-connector-token" in result.stdout


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
        timeout=60,
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


def test_inject_tells_a_pod_that_may_not_be_injected_from_bad_input(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD.replace("spec: {", "spec: {hostNetwork: true, "))
    result = call("inject", "-f", "-", "pod.yaml", stdin=GOOD, folder=tmp_path)
    assert "HostNetwork" in result.stderr
    assert result.returncode == 1


def test_the_problems_of_connector_and_secret_come_together() -> None:
    manifest = GOOD.replace("https://", "ftp://").replace(", password: canary-password", "")
    result = call("run", "-f", "-", "--", "true", stdin=manifest)
    assert "must begin with https:// or http://" in result.stderr
    assert 'secret "s" has no key "password"' in result.stderr


@pytest.mark.parametrize(
    "value",
    ["*canaryhunter2", "!!int canaryhunter2", "!canary x", "2024-99-99", "[canary, ", "'canary", "@canary"],
)
def test_a_password_that_yaml_stumbles_over_is_not_printed(value: str) -> None:
    manifest = SECRET.replace("{username: robot, password: canary-password}", f"\n  password: {value}")
    result = call("run", "-f", "-", "--", "true", stdin=manifest)  # looks for the canary and for tracebacks
    assert result.returncode == 2
    assert result.stderr.startswith("pypi-connector: ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("secretRef: {name: s}", "secretRef: s"),
        ("auth: {name: basicAuth, secretRef: {name: s}}", "params: {access: read}"),
        ("auth: {name: basicAuth, secretRef: {name: s}}", "params: [{access: read}]"),
        ("auth: {name: basicAuth, secretRef: {name: s}}", "caCertSecretRef: {name: s, namespace: other}"),
        ("metadata: {name: c}", "metadata: {name: C_}"),
        ("https://pypi.example.com", "https://a..b/"),
        ("https://pypi.example.com", f"https://{'a' * 64}.example/"),
    ],
)
def test_a_connector_of_a_wrong_shape_is_not_taken_for_a_weaker_one(old: str, new: str) -> None:
    manifest = f"{SECRET}---{CONNECTOR.replace(old, new)}"
    result = call("run", "-f", "-", "--", "true", stdin=manifest)
    assert "Connector default/" in result.stderr
    assert result.returncode == 2


def test_odd_but_harmless_fields_are_no_traceback() -> None:
    manifest = GOOD.replace("metadata: {name: c}", "metadata: {name: c, generation: abc}")
    assert call("run", "-f", "-", "--", "true", stdin=manifest).returncode == 0
    assert call("run", "-f", "-", "--", "true", stdin="kind: List\nitems: 5").returncode == 2
