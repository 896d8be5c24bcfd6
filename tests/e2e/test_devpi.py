"""Devpi, whose index has a path of its own and hands out files of another index."""

from collections.abc import Iterator

import pytest

from support.kubernetes.kube import Kube
from support.scenarios.scenes import Registry, connector, deploy_registry, job, run_job


@pytest.fixture(scope="module")
def devpi(installed: Kube) -> Iterator[Registry]:
    with installed.namespace(prefix="devpi") as name:
        yield deploy_registry(installed, name, kind="devpi")


def test_what_twine_uploads_to_devpi_is_installed_by_pip_and_uv(
    installed: Kube, namespace: str, devpi: Registry
) -> None:
    installed.create(*connector("team-devpi", devpi), namespace=namespace)
    installed.wait_for_condition("connector", "team-devpi", "Ready", namespace)
    package = f"published-{namespace}"
    script = f"""
        new-project {package} 1.5
        python3 -m build --no-isolation {package}
        twine upload {package}/dist/*
    """
    published = run_job(installed, namespace, job("publish", script, "team-devpi"))
    assert published.succeeded, published.log
    # hello-dependent and what it needs lie in root/base, from which root/team inherits
    script = f"""
        pip install --target by-pip {package} hello-dependent
        uv pip install --target by-uv {package} hello-dependent
        ls by-pip by-uv
    """
    outcome = run_job(installed, namespace, job("install", script, "team-devpi"))
    assert outcome.succeeded, outcome.log
    assert f"Successfully installed hello-connector-1.0 hello-dependent-2.0 {package}-1.5" in outcome.log
    assert f" + {package}==1.5" in outcome.log
