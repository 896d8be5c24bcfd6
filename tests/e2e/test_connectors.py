"""An anonymous registry, and the reference system's manifests with an address of ours."""

from collections.abc import Iterator

import pytest

from support.kubernetes.kube import Kube
from support.kubernetes.seed import SECRET, SIMPLE, WITHOUT_SECRET
from support.scenarios.scenes import Registry, connector, deploy_registry, job, run_job

# the page describes this one and does not show it; http with a Secret must be allowed by name
WITH_SECRET = f"""
{WITHOUT_SECRET.rstrip()}
    secretRef:
      name: pypi-secret
  params:
    - name: allowInsecureHTTP
      value: "true"
"""

INSTALL = """
    pip install --target by-pip hello-dependent
    uv pip install --target by-uv hello-dependent
"""


@pytest.fixture(scope="module")
def anonymous(installed: Kube) -> Iterator[Registry]:
    with installed.namespace(prefix="anonymous") as name:
        yield deploy_registry(installed, name, password="")


def of(registry: Registry, manifest: str) -> str:
    """Verbatim but for the address."""
    assert manifest.count("https://pypi.org") == 1
    return manifest.replace("https://pypi.org", registry.address)


def test_an_anonymous_registry_is_installed_from_and_published_to(
    installed: Kube, namespace: str, anonymous: Registry
) -> None:
    installed.create(*connector("team-pypi", anonymous), namespace=namespace)
    installed.wait_for_condition("connector", "team-pypi", "Ready", namespace)
    conditions = installed.get("connector", "team-pypi", namespace)["status"]["conditions"]
    assert {one["reason"] for one in conditions if one["type"] == "SecretReady"} == {"SecretOptional"}
    package = f"published-{namespace}"
    script = f"""
        {INSTALL}
        new-project {package} 1.5
        python3 -m build --no-isolation {package}
        twine upload {package}/dist/*.whl
        uv publish {package}/dist/*.tar.gz
    """
    outcome = run_job(installed, namespace, job("both", script, "team-pypi"))
    assert outcome.succeeded, outcome.log
    # nothing of what the clients say of themselves reaches the registry
    uploads = [line for line in anonymous.requests() if "POST" in line]
    assert len(uploads) == 2
    assert all("user=- " in line for line in uploads)


@pytest.mark.parametrize("manifest", [SIMPLE, WITHOUT_SECRET], ids=["the simple one", "without secretRef"])
def test_the_reference_systems_connectors_serve_as_they_are(
    installed: Kube, namespace: str, anonymous: Registry, manifest: str
) -> None:
    installed.apply(of(anonymous, manifest), namespace=namespace)
    installed.wait_for_condition("connector", "pypi-connector", "Ready", namespace)
    outcome = run_job(installed, namespace, job("install", INSTALL, "pypi-connector"))
    assert outcome.succeeded, outcome.log
    assert "Successfully installed hello-connector-1.0 hello-dependent-2.0" in outcome.log
    assert " + hello-dependent==2.0" in outcome.log


def test_the_reference_systems_secret_is_used_as_it_is(
    installed: Kube, namespace: str, anonymous: Registry
) -> None:
    installed.apply(SECRET, of(anonymous, WITH_SECRET), namespace=namespace)
    installed.wait_for_condition("connector", "pypi-connector", "Ready", namespace)
    outcome = run_job(installed, namespace, job("install", INSTALL, "pypi-connector"))
    assert outcome.succeeded, outcome.log
    used = [line for line in anonymous.requests() if "user=your-pypi-registry-username" in line]
    assert any("GET /packages/hello_dependent-2.0" in line for line in used)
    assert "your-pypi-registry" not in outcome.log + outcome.sidecar_log
