"""`pypi-connector inject` on files of many documents: a stream in, a stream for `kubectl apply -f -` out."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from support.clients.command_line import GOOD, POD, call

CONNECTOR = "connectors.alauda.io/connector"
CONFIG_MAP = """\
# this comment stays, and so does the order
kind: ConfigMap
apiVersion: v1
metadata: {name: settings}   # as it was written
data:
  mode: '0644'
  day: 2024-01-01
"""
DEPLOYMENT = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: team}}
spec:
  template:
    metadata: {{annotations: {{{CONNECTOR}: default/c}}}}
    spec: {{containers: [{{name: app, image: i}}]}}
"""
CRON_JOB = f"""\
kind: CronJob
metadata: {{name: nightly}}
spec:
  jobTemplate:
    spec:
      template:
        metadata: {{annotations: {{{CONNECTOR}: c}}}}
        spec: {{containers: [{{name: app, image: i}}]}}
"""
MACHINES = """\
kind: MachineDeployment
metadata: {name: nodes}
spec: {template: {spec: {version: v1.34.0}}}
"""
REFUSED = POD.replace("spec: {", "spec: {hostNetwork: true, ")
MISPLACED = f"""\
kind: Deployment
metadata: {{name: web, annotations: {{{CONNECTOR}: c}}}}
spec: {{template: {{metadata: {{}}, spec: {{containers: [{{name: app, image: i}}]}}}}}}
"""


def inject(folder: Path, *documents: str, arguments: tuple[str, ...] = ()) -> Any:
    (folder / "app.yaml").write_text("---\n".join(documents))
    return call("inject", "-f", "-", *arguments, "app.yaml", stdin=GOOD, folder=folder)


def applied(stream: str) -> list[Any]:
    """The objects that `kubectl apply -f -` reads: it cuts at lines that begin with `---`."""
    parts = f"\n{stream}".split("\n---")
    assert all(part.partition("\n")[0] == "" for part in parts)
    return [document for part in parts if (document := yaml.safe_load(part)) is not None]


def pod_spec(workload: Any) -> Any:
    spec = workload["spec"]
    return (
        spec["jobTemplate"]["spec"]["template"]["spec"] if "jobTemplate" in spec else spec["template"]["spec"]
    )


def test_each_template_is_injected_and_the_rest_stays_as_it_was_written(tmp_path: Path) -> None:
    result = inject(tmp_path, CONFIG_MAP, DEPLOYMENT, MACHINES, CRON_JOB, POD)
    assert result.returncode == 0
    config_map, deployment, machines, cron_job, pod = applied(result.stdout)
    assert config_map == yaml.safe_load(CONFIG_MAP)
    assert CONFIG_MAP in result.stdout
    assert machines == yaml.safe_load(MACHINES)
    assert MACHINES in result.stdout
    for spec in (pod_spec(deployment), pod_spec(cron_job), pod["spec"]):
        assert spec["initContainers"][0]["name"] == "pypi-connector"
    assert deployment["metadata"] == {"name": "web", "namespace": "team"}
    assert "kind" not in deployment["spec"]["template"]
    messages = [line.partition(": files")[0] for line in result.stderr.splitlines()]
    assert messages == ["Deployment web: Injected", "CronJob nightly: Injected", "Pod p: Injected"]


def test_a_second_pass_over_the_stream_changes_nothing(tmp_path: Path) -> None:
    once = inject(tmp_path, CONFIG_MAP, DEPLOYMENT, CRON_JOB).stdout
    again = inject(tmp_path, once)
    assert again.stdout == once
    assert again.returncode == 0


def test_a_workload_alone_is_printed_as_a_single_document(tmp_path: Path) -> None:
    result = inject(tmp_path, DEPLOYMENT)
    assert result.stderr.startswith("Injected: files in ")
    assert not result.stdout.startswith("---")
    [deployment] = applied(result.stdout)
    assert pod_spec(deployment)["initContainers"][0]["name"] == "pypi-connector"


def test_the_pods_of_a_list_are_injected_in_their_places(tmp_path: Path) -> None:
    items = [yaml.safe_load(text) for text in (CONFIG_MAP, DEPLOYMENT, POD)]
    result = inject(tmp_path, yaml.safe_dump({"kind": "List", "items": items}, sort_keys=False))
    [manifest] = applied(result.stdout)
    config_map, deployment, pod = manifest["items"]
    assert config_map == items[0]
    assert "initContainers" in pod_spec(deployment)
    assert "initContainers" in pod["spec"]


def test_several_files_make_a_single_stream(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD)
    result = inject(tmp_path, CONFIG_MAP, arguments=("pod.yaml",))
    assert [document["kind"] for document in applied(result.stdout)] == ["Pod", "ConfigMap"]


@pytest.mark.parametrize(
    "document",
    [
        "--- {kind: ConfigMap, data: {a: b}}\n",
        "%YAML 1.1\n---\nkind: ConfigMap\ndata: {a: b}\n",
        "kind: ConfigMap\ndata:\n  Makefile: |\n    all:\n    \ttrue\n",
        "kind: ConfigMap\r\ndata: {a: b}\r\n",
        "kind: ConfigMap\ndata: {a: '\u202e'}\n",
        "# above\n--- # beside\nkind: ConfigMap\ndata: {a: b}\n...\n",
        '{"kind": "ConfigMap", "data": {"a": "b"}}\n',
    ],
)
def test_a_document_that_kubectl_or_the_console_would_not_pass_on_keeps_its_values(
    document: str, tmp_path: Path
) -> None:
    result = inject(tmp_path, document, f"\n{POD}")
    [manifest, _] = applied(result.stdout)
    assert manifest == yaml.safe_load(document)


def test_nothing_is_printed_if_a_pod_of_the_stream_is_refused(tmp_path: Path) -> None:
    result = inject(tmp_path, DEPLOYMENT, REFUSED)
    assert "Pod p: HostNetwork: hostNetwork is set" in result.stderr
    assert (result.stdout, result.returncode) == ("", 1)
    unusable = inject(tmp_path, REFUSED, CRON_JOB.replace(": c", ": gone"))
    assert "CronJob nightly: ConnectorNotFound" in unusable.stderr
    assert (unusable.stdout, unusable.returncode) == ("", 2)


def test_the_diff_has_the_changed_documents_only(tmp_path: Path) -> None:
    result = inject(tmp_path, CONFIG_MAP, DEPLOYMENT, POD, arguments=("--diff",))
    assert "ConfigMap" not in result.stdout
    removed = [line for line in result.stdout.splitlines() if line.startswith("-")]
    assert removed == ["--- before: Deployment web", "--- before: Pod p"]


def test_the_namespace_of_a_workload_is_that_of_its_pods(tmp_path: Path) -> None:
    result = inject(tmp_path, DEPLOYMENT.replace("default/c", "c"))
    assert "connector c not found in namespace team" in result.stderr
    assert inject(tmp_path, DEPLOYMENT.replace("default/c", "c"), arguments=("-n", "x")).returncode == 0


@pytest.mark.parametrize("arguments", [(), ("--diff",)])
def test_an_annotation_on_the_workload_itself_gets_a_warning_with_its_place(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    result = inject(tmp_path, MISPLACED, arguments=arguments)
    warning, message = result.stderr.splitlines()
    assert f"annotation {CONNECTOR} stands on Deployment web itself, where nobody reads it" in warning
    assert warning.endswith(": move it to spec.template.metadata.annotations")
    assert message == f"NotRequested: there is no annotation {CONNECTOR}, and no volume of connectors-csi"
    assert result.stdout == ("" if arguments else MISPLACED)
    assert result.returncode == 0


def test_an_annotation_on_the_jobs_of_a_cron_job_gets_a_warning_as_well(tmp_path: Path) -> None:
    job = CRON_JOB.replace(
        "  jobTemplate:\n", f"  jobTemplate:\n    metadata: {{annotations: {{{CONNECTOR}: c}}}}\n"
    )
    result = inject(tmp_path, job)
    assert "move it to spec.jobTemplate.spec.template.metadata.annotations" in result.stderr


@pytest.mark.parametrize(
    ("documents", "sentence"),
    [
        ((MACHINES,), "app.yaml is of kind MachineDeployment; inject takes a Pod"),
        ((CONFIG_MAP, MACHINES), "app.yaml holds ConfigMap, MachineDeployment; inject takes a Pod"),
        (("- 1\n",), "app.yaml is of kind no kind; inject takes a Pod"),
        (("# nothing\n",), "app.yaml holds nothing; inject takes a Pod"),
    ],
)
def test_files_without_a_pod_are_bad_input(documents: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    result = inject(tmp_path, *documents)
    assert sentence in result.stderr
    assert (result.stdout, result.returncode) == ("", 2)


LIMIT_RANGE = """\
kind: LimitRange
metadata: {name: bounds, namespace: NAMESPACE}
spec: {limits: [{type: Container, min: {cpu: 100m}}]}
"""
QUOTA = """\
kind: ResourceQuota
metadata: {name: quota}
spec: {hard: {limits.cpu: 4}}
"""


@pytest.mark.parametrize("is_beside", [True, False])
def test_limit_ranges_and_quotas_of_the_files_are_met(tmp_path: Path, is_beside: bool) -> None:
    here, elsewhere = LIMIT_RANGE.replace("NAMESPACE", "default"), LIMIT_RANGE.replace("NAMESPACE", "other")
    elsewhere = elsewhere.replace("100m", "900m")
    demands = [here, elsewhere, QUOTA]
    if is_beside:
        result = inject(tmp_path, *demands, POD)
    else:
        (tmp_path / "demands.yaml").write_text("---\n".join(demands))
        result = inject(tmp_path, POD, arguments=("-f", "demands.yaml"))
    assert result.returncode == 0, result.stderr
    sidecar = applied(result.stdout)[-1]["spec"]["initContainers"][0]
    assert sidecar["resources"]["requests"]["cpu"] == "100m"
    assert sidecar["resources"]["limits"]["cpu"] == "500m"


@pytest.mark.parametrize("depth", [1, 2])
def test_limit_ranges_and_quotas_in_a_list_beside_their_pod_are_met(tmp_path: Path, depth: int) -> None:
    """`kubectl get limitrange,resourcequota,pod -o yaml` prints a List."""
    document: Any = [yaml.safe_load(text) for text in (LIMIT_RANGE, QUOTA, POD)]
    document[0]["metadata"]["namespace"] = "default"
    for _ in range(depth):
        document = [{"kind": "List", "items": document}]
    result = inject(tmp_path, yaml.safe_dump(document[0], sort_keys=False))
    assert result.returncode == 0, result.stderr
    [manifest] = applied(result.stdout)
    for _ in range(depth):
        *_, manifest = manifest["items"]
    resources = manifest["spec"]["initContainers"][0]["resources"]
    assert (resources["requests"]["cpu"], resources["limits"]["cpu"]) == ("100m", "500m")


def test_items_of_a_list_that_are_no_objects_are_passed_on(tmp_path: Path) -> None:
    items = [None, "text", [], {"kind": "LimitRange", "metadata": None}, yaml.safe_load(POD)]
    result = inject(tmp_path, yaml.safe_dump({"kind": "List", "items": items}, sort_keys=False))
    assert result.returncode == 0, result.stderr
    [manifest] = applied(result.stdout)
    assert manifest["items"][:-1] == items[:-1]


def test_other_commands_take_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "demands.yaml").write_text(QUOTA)
    result = call("check", "-f", "-", "-f", "demands.yaml", stdin=GOOD, folder=tmp_path)
    assert "UnexpectedKind" not in result.stderr + result.stdout
