"""Clients without HOME, without any variable, as another user and on a read-only root.

The users are known to the image: pip itself does not start for one without HOME that no file knows. They
find the connector all the same, and where they do not they fail: none of them asks pypi.org.
"""

from typing import Any

import pytest

from support.kubernetes.kube import Kube
from support.scenarios.scenes import Registry, connector, job, run_job
from webhook.clients import ports
from webhook.identifiers import ConnectorKey

NOBODY = 65534  # of Debian's own list of users
PUBLIC = ("pypi.org", "pythonhosted.org")


@pytest.fixture
def index(installed: Kube, namespace: str, registry: Registry) -> str:
    """The index that every client must use."""
    installed.create(*connector("team-pypi", registry), namespace=namespace)
    return f"http://127.0.0.1:{ports.default_port(ConnectorKey(namespace, 'team-pypi'))}/simple/"


def test_without_home_clients_install_and_publish(
    installed: Kube, namespace: str, registry: Registry, index: str
) -> None:
    package = f"published-{namespace}"
    script = f"""
        unset HOME
        pip install --target by-pip hello-dependent
        uv pip install --no-cache --target by-uv hello-dependent
        new-project {package} 1.5
        python3 -m build --no-isolation {package}
        twine upload {package}/dist/*.whl
        uv publish --no-cache {package}/dist/*.tar.gz
    """
    as_root = {"runAsUser": 0}  # as most images of Python run
    manifest = job("homeless", script, "team-pypi", securityContext=as_root)
    outcome = run_job(installed, namespace, manifest)
    assert outcome.succeeded, outcome.log
    assert f"Looking in indexes: {index}\n" in outcome.log
    assert " + hello-dependent==2.0" in outcome.log
    assert sum("POST" in line for line in registry.requests()) >= 2
    assert_asks_nobody_else(outcome.log, index)


def test_without_any_variable_clients_install_and_publish_as_another_user_on_a_read_only_root(
    installed: Kube, namespace: str, index: str
) -> None:
    package = f"published-{namespace}"
    script = f"""
        cd /tmp
        alone="env -i /usr/local/bin/python3 -m"
        $alone pip config list
        $alone pip install --no-cache-dir --target by-pip hello-dependent
        $alone pip --isolated install --no-cache-dir --target isolated hello-connector
        env -i PIP_CONFIG_FILE=/nowhere /usr/local/bin/pip download --no-cache-dir -d files hello-connector
        env -i /usr/local/bin/uv pip install --no-cache --python /usr/local/bin/python3 \
          --target by-uv hello-dependent
        new-project {package} 1.5
        python3 -m build --wheel --no-isolation {package}
        $alone twine upload --config-file /etc/pypi-connector/.pypirc {package}/dist/*
    """
    outcome = run_job(installed, namespace, as_another_user(job("alone", script, "team-pypi")))
    assert outcome.succeeded, outcome.log
    assert f"global.index-url='{index}'" in outcome.log
    assert outcome.log.count(f"Looking in indexes: {index}\n") == 3
    assert " + hello-dependent==2.0" in outcome.log
    assert_asks_nobody_else(outcome.log, index)


def test_what_the_connector_does_not_have_is_asked_for_nowhere_else(
    installed: Kube, namespace: str, index: str
) -> None:
    script = """
        if pip install --target site requests; then exit 9; fi
        if env -i /usr/local/bin/python3 -m pip install --target site requests; then exit 9; fi
        if uv -v pip install --target site requests; then exit 9; fi
        if env -i PATH=$PATH HOME=$HOME uv -v pip install --target site requests; then exit 9; fi
    """
    manifest = job("elsewhere", script, "team-pypi", securityContext={"runAsUser": NOBODY})
    outcome = run_job(installed, namespace, manifest)
    assert outcome.succeeded, outcome.log
    assert outcome.log.count("No matching distribution found for requests") == 2
    assert outcome.log.count("requests was not found in the package registry") == 2
    assert_asks_nobody_else(outcome.log, index)


def as_another_user(manifest: dict[str, Any]) -> dict[str, Any]:
    """The Job as `nobody`, whose home does not exist, and with nothing to write on but /tmp."""
    spec = manifest["spec"]["template"]["spec"]
    spec["securityContext"] = {"runAsUser": NOBODY, "runAsGroup": NOBODY}
    spec["volumes"] = [{"name": "tmp", "emptyDir": {}}]
    main = spec["containers"][0]
    main["securityContext"] = {"readOnlyRootFilesystem": True}
    main["volumeMounts"] = [{"name": "tmp", "mountPath": "/tmp"}]
    return manifest


def assert_asks_nobody_else(log: str, index: str) -> None:
    lines = [line for line in log.splitlines() if "Looking in indexes" in line]
    assert set(lines) == {f"Looking in indexes: {index}"}
    assert [line for line in log.splitlines() if any(host in line for host in PUBLIC)] == []
