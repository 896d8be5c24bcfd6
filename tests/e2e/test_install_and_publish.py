"""A Job installs from a registry with a password, another publishes to it."""

from support.kubernetes.kube import Kube
from support.scenarios.scenes import Registry, connector, container_status, job, run_job, unix
from webhook import names


def test_a_job_installs_and_is_over_within_seconds_of_its_work(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    installed.create(*connector("team-pypi", registry), namespace=namespace)
    outcome = run_job(
        installed,
        namespace,
        job("install", "pip install --target site hello-dependent; ls site", "team-pypi"),
    )
    assert outcome.succeeded, outcome.log
    assert "Successfully installed hello-connector-1.0 hello-dependent-2.0" in outcome.log
    main = container_status(outcome.pod, "main")["state"]["terminated"]
    sidecar = container_status(outcome.pod, names.SIDECAR)["state"]["terminated"]
    assert sidecar["exitCode"] == 0
    ended = next(
        one["lastTransitionTime"]
        for one in installed.get("job", "install", namespace)["status"]["conditions"]
        if one["type"] == "Complete"
    )
    # both are whole seconds
    assert unix(ended) - unix(main["finishedAt"]) <= 5


def test_a_job_publishes_and_another_installs_what_it_published(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    installed.create(*connector("team-pypi", registry), namespace=namespace)
    package = f"published-{namespace}"
    script = f"""
        new-project {package} 1.5
        python3 -m build --no-isolation {package}
        twine upload {package}/dist/*
    """
    published = run_job(installed, namespace, job("publish", script, "team-pypi"))
    assert published.succeeded, published.log
    script = f"pip install --target site {package}; pip list --path site"
    outcome = run_job(installed, namespace, job("install", script, "team-pypi"))
    assert outcome.succeeded, outcome.log
    assert f"Successfully installed {package}-1.5" in outcome.log
    # for the registry it was the Connector's user who did it
    assert any("POST" in line and "user=ci-robot" in line for line in registry.requests())
