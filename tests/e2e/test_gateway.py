"""The gateway: clients without a sidecar, by the recorded address and the two documented files."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from support.kubernetes.kube import Kube
from support.scenarios import product, scenes
from support.scenarios.scenes import Registry, connector, run_in, unwrapped, wait_for_phase
from webhook import names

SETTINGS = "export PIP_CONFIG_FILE=/files/pip.conf PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 UV_NO_CACHE=1; "
PIP = "pip install --quiet --target $(mktemp -d)"
TWINE = "twine upload --config-file /files/.pypirc -r connectors-pypi"
BUILD = "new-project {0} 7.5; python3 -m build --wheel --no-isolation {0}"
DOWNLOADS = 50
UNDER_WAY = 5
"""Downloads of the replica that is killed: a tenth, for many of the clients still start up then"""
STREAMS = 8
SLOW_INDEX = Path(__file__).with_name("programs") / "slow_index.py"
ONE = """
one() {  # NUMBER REQUIREMENT, by pip or by uv
  case $(($1 % 2)) in
    0) program="pip install" ;;
    1) program="uv pip install --no-config --default-index $index" ;;
  esac
  rm -rf /work/of-$1
  $program --quiet --no-deps --no-compile --target /work/of-$1 $2 2> /work/said-$1 &&
    echo ok || tr '\\n' ' ' < /work/said-$1
}
index=$(sed -n 's/^index-url = //p' /files/pip.conf)
"""
TWO_SIGNALS = "import os, time; os.kill(1, 15); time.sleep(0.2); os.kill(1, 15)"
"""The second ends the gateway at once. No process of a container can send SIGKILL to its first."""
TOGETHER = f"""set +x {ONE}
for number in $(seq {DOWNLOADS}); do one $number heavy & done; wait"""
UNTIL_THE_END = f"""set +x {ONE}
stream() {{ until test -e /work/end; do one $1 hello-connector; touch /work/ok; done; }}
for number in $(seq {STREAMS}); do stream $number & done; wait"""


@pytest.fixture(scope="module")
def gateway(installed: Kube) -> Iterator[Kube]:
    with product.gateway(installed):
        yield installed


@pytest.fixture(scope="module")
def owner(gateway: Kube, registry: Registry) -> Iterator[str]:
    """A namespace with a Connector, whose address is served."""
    with gateway.namespace(prefix="owner") as name:
        gateway.create(*connector("shared", registry), namespace=name)
        gateway.wait_for_condition("connector", "shared", "ProxyServiceReady", name)
        yield name


class Client:
    """A Pod without annotations and without a sidecar, and the files of `configure`."""

    def __init__(self, kube: Kube, namespace: str, name: str) -> None:
        self._kube = kube
        self.namespace = namespace
        self._name = name

    def run(self, script: str) -> CompletedProcess[str]:
        return run_in(self._kube, self.namespace, self._name, SETTINGS + script)

    def done(self, script: str) -> str:
        """Its output: it must succeed."""
        result = self.run(script)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout


def configure(kube: Kube, namespace: str, folder: Path, *options: str) -> dict[str, str]:
    """File name → text, for the ServiceAccount `default` of this namespace."""
    for chosen in ([], ["--file", "uv.toml"]):
        arguments = ("-n", namespace, "--output", str(folder), *options, *chosen)
        made = product.command(kube, "configure", *arguments)
        assert made.returncode == 0, made.stderr
    return {path.name: path.read_text() for path in folder.iterdir()}


def start_client(kube: Kube, namespace: str, folder: Path, *options: str, **spec: Any) -> Client:
    """`options` of `configure`."""
    authority = kube.get("secret", names.GATEWAY_TLS_SECRET, names.NAMESPACE)["data"]["ca.crt"]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "files"},
        "stringData": configure(kube, namespace, folder, *options),
        "data": {"ca.crt": authority},
    }
    volumes = [{"name": "files", "secret": {"secretName": "files"}}]
    manifest = scenes.pod(
        "client", "sleep 3600", None, terminationGracePeriodSeconds=1, volumes=volumes, **spec
    )
    manifest["spec"]["containers"][0]["volumeMounts"] = [{"name": "files", "mountPath": "/files"}]
    kube.create(secret, manifest, namespace=namespace)
    found = wait_for_phase(kube, namespace, "client", "Running")
    assert not found["spec"].get("initContainers")
    return Client(kube, namespace, "client")


@pytest.fixture(scope="module")
def client(gateway: Kube, owner: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    """In the Connector's own namespace."""
    return start_client(gateway, owner, tmp_path_factory.mktemp("files"), "shared")


def test_pip_and_twine_work_with_the_documented_files(gateway: Kube, owner: str, client: Client) -> None:
    url = gateway.get("connector", "shared", owner)["status"]["proxy"]["httpAddress"]["url"]
    assert url == f"http://c-shared.{owner}.svc.cluster.local"
    client.done(f"{PIP} hello-connector")
    client.done(BUILD.format("widget"))
    client.done(f"{TWINE} widget/dist/*")
    client.done(f"{PIP} widget==7.5")


def test_without_a_token_the_client_is_asked_for_one(owner: str, client: Client) -> None:
    script = (
        "from urllib.error import HTTPError; from urllib.request import urlopen\n"
        f"try: urlopen('http://c-shared.{owner}.svc.cluster.local/simple/')\n"
        "except HTTPError as e: print(e.code, e.headers['WWW-Authenticate'])"
    )
    assert client.done(f'python3 -c "{script}"').startswith("401 Basic realm=")


def test_another_namespace_needs_a_binding(gateway: Kube, owner: str, namespace: str, tmp_path: Path) -> None:
    stranger = start_client(gateway, namespace, tmp_path, f"{owner}/shared")
    stranger.done(BUILD.format("gadget"))
    refused = stranger.run(f"{TWINE} gadget/dist/*")
    assert refused.returncode != 0
    sentence = f"ServiceAccount {namespace}/default may not use Connector {owner}/shared"
    assert sentence in unwrapped(refused.stdout + refused.stderr)
    by_pip = stranger.run(f"{PIP} hello-connector")
    assert by_pip.returncode != 0
    assert "No matching distribution found for hello-connector" in by_pip.stderr
    assert sentence in stranger.run(f"{PIP} -vvv hello-connector").stdout
    account = f"--serviceaccount={namespace}:default"

    def bind(role: str) -> None:
        gateway.run("create", "rolebinding", role, "-n", owner, f"--clusterrole={role}", account)

    bind(names.USER_ROLE)
    gateway.wait_for(lambda: stranger.run(f"{PIP} hello-connector").returncode == 0, what="an install")
    refused = stranger.run(f"{TWINE} gadget/dist/*")
    assert "this ServiceAccount may not upload" in unwrapped(refused.stdout)
    bind(names.PUBLISHER_ROLE)
    # the older token has a grant without uploads for five minutes; a newer one has none yet
    newer = configure(gateway, namespace, tmp_path / "newer", f"{owner}/shared")[".pypirc"]
    stranger.done(f"cat > .pypirc << 'END'\n{newer}END\n{TWINE.replace('/files', '/work')} gadget/dist/*")


def test_a_pod_of_the_hosts_network_uses_the_path_form_over_https(
    gateway: Kube, owner: str, namespace: str, tmp_path: Path
) -> None:
    host = f"https://{names.GATEWAY}.{names.NAMESPACE}.svc"
    spec = {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    gateway.run(
        "create",
        "rolebinding",
        "of-the-host",
        "-n",
        owner,
        f"--clusterrole={names.PUBLISHER_ROLE}",
        f"--serviceaccount={namespace}:default",
    )
    client = start_client(gateway, namespace, tmp_path, f"{owner}/shared", "--url", host, **spec)
    assert f"{host.removeprefix('https://')}/namespaces/{owner}/connectors/shared/" in client.done(
        "cat /files/pip.conf"
    )
    assert (
        client.run(f"{PIP} --retries 0 hello-connector").returncode != 0
    )  # the authority is not the system's
    client.done(f"export PIP_CERT=/files/ca.crt; {PIP} hello-connector")
    client.done(BUILD.format("of-the-host"))
    client.done(f"export TWINE_CERT=/files/ca.crt; {TWINE} of-the-host/dist/*")


@pytest.fixture(scope="module")
def slow(gateway: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client in a namespace with a registry whose downloads take six seconds."""
    with gateway.namespace(prefix="slow") as name:
        server = scenes.pod("index", "", None, terminationGracePeriodSeconds=1)
        server["metadata"]["labels"] = {"app": "index"}
        server["spec"]["containers"][0]["command"] = ["python3", "-c", SLOW_INDEX.read_text()]
        ports = [{"port": 80, "targetPort": 8080}]
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "index"}}
        registry = Registry(gateway, name, "index", f"http://index.{name}.svc", password="")
        objects = {**service, "spec": {"selector": {"app": "index"}, "ports": ports}}
        gateway.create(server, objects, *connector("slow", registry), namespace=name)
        wait_for_phase(gateway, name, "index", "Running")
        gateway.wait_for_condition("connector", "slow", "ProxyServiceReady", name)
        yield start_client(gateway, name, tmp_path_factory.mktemp("files"), "slow")


def test_no_download_fails_when_a_replica_is_killed(gateway: Kube, slow: Client) -> None:
    at_home = ("-n", names.NAMESPACE)
    with ThreadPoolExecutor(1) as pool:
        clients = pool.submit(slow.done, TOGETHER)
        victim = gateway.wait_for(lambda: busy_replica(gateway), what="downloads under way")
        gateway.run("exec", victim, *at_home, "--", "python3", "-c", TWO_SIGNALS, check=False)
        gateway.run("delete", f"pod/{victim}", *at_home, "--grace-period=0", "--force")
        assert clients.result().splitlines() == ["ok"] * DOWNLOADS
    begun = gateway.logs("index", slow.namespace).count("download")
    assert begun > DOWNLOADS  # some were broken off, and began again
    both_ready(gateway)


def test_no_install_fails_while_both_replicas_are_rolled(gateway: Kube, client: Client) -> None:
    before = {one["metadata"]["name"] for one in product.pods(gateway, names.GATEWAY)}
    with ThreadPoolExecutor(1) as pool:
        clients = pool.submit(client.done, UNTIL_THE_END)
        try:
            gateway.wait_for(lambda: client.run("test -e /work/ok").returncode == 0, what="an install")
            gateway.run("rollout", "restart", f"deployment/{names.GATEWAY}", "-n", names.NAMESPACE)
            gateway.wait_for(lambda: before.isdisjoint(names_of_replicas(gateway)), what="the old to end")
            both_ready(gateway)
        finally:
            client.done("touch /work/end")
        outcomes = clients.result().splitlines()
    assert set(outcomes) == {"ok"}
    assert len(outcomes) > STREAMS


def names_of_replicas(kube: Kube) -> set[str]:
    return {one["metadata"]["name"] for one in product.pods(kube, names.GATEWAY)}


def both_ready(kube: Kube) -> None:
    kube.wait_for(
        lambda: len(product.ready_pods(kube, names.GATEWAY)) == product.REPLICAS, what="both replicas"
    )


def busy_replica(kube: Kube) -> str | None:
    """The name of a replica in the middle of downloads."""
    return next((one for one in names_of_replicas(kube) if requests_under_way(kube, one) >= UNDER_WAY), None)


def requests_under_way(kube: Kube, pod: str) -> int:
    path = f"/api/v1/namespaces/{names.NAMESPACE}/pods/{pod}:9090/proxy/metrics"
    lines = kube.run("get", "--raw", path).stdout.splitlines()
    name = "pypi_connector_gateway_requests_under_way "
    return int(float(next(line for line in lines if line.startswith(name)).removeprefix(name)))
