"""The main container finds the packages that init containers have installed."""

from typing import Any

from support.kubernetes.kube import Kube
from support.scenarios.scenes import WORKLOAD, Registry, connector, container_status, job, run_job
from webhook import names


def installing(name: str, command: str, volume: str) -> dict[str, Any]:
    """An ordinary init container that installs into a volume at /site."""
    mounts = [{"name": volume, "mountPath": "/site"}]
    return {"name": name, "image": WORKLOAD, "command": ["sh", "-exc", command], "volumeMounts": mounts}


def test_init_containers_install_before_the_main_one_starts(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    installed.create(*connector("team-pypi", registry), namespace=namespace)
    script = "for site in by-pip by-uv; do PYTHONPATH=/$site python3 -m hello_connector; done"
    manifest = job(
        "use",
        script,
        "team-pypi",
        initContainers=[
            installing("pip", "pip install --target /site hello-connector", "by-pip"),
            installing("uv", "uv pip install --target /site hello-connector", "by-uv"),
        ],
        volumes=[{"name": name, "emptyDir": {}} for name in ("by-pip", "by-uv")],
    )
    main = manifest["spec"]["template"]["spec"]["containers"][0]
    main["volumeMounts"] = [{"name": name, "mountPath": f"/{name}"} for name in ("by-pip", "by-uv")]
    outcome = run_job(installed, namespace, manifest)
    assert outcome.succeeded, outcome.log
    assert outcome.log.count("hello from 1.0") == 2
    # the sidecar comes first, and is still there when the others are over
    assert [one["name"] for one in outcome.pod["spec"]["initContainers"]] == [names.SIDECAR, "pip", "uv"]
    started = container_status(outcome.pod, "main")["state"]["terminated"]["startedAt"]
    for name in ("pip", "uv"):
        assert container_status(outcome.pod, name)["state"]["terminated"]["finishedAt"] <= started
    assert container_status(outcome.pod, names.SIDECAR)["restartCount"] == 0
