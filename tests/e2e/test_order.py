"""A Pod with two connectors in order, which are both publish targets."""

from support.kubernetes.kube import Kube
from support.scenarios.scenes import Registry, connector, deploy_registry, job, run_job
from webhook import names


def test_jobs_publish_to_two_registries_and_install_in_order(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    with installed.namespace(prefix="mirror") as place:
        mirror = deploy_registry(installed, place)
        installed.create(*connector("private", registry), *connector("mirror", mirror), namespace=namespace)
        private_only, in_both = f"private-{namespace}", f"both-{namespace}"
        mirrored = f"mirrored-{namespace}"
        section = f"connectors-pypi-{namespace}-mirror"
        script = f"""
            new-project {in_both} 1.5; python3 -m build --no-isolation {in_both}
            new-project {private_only} 1.5; python3 -m build --no-isolation {private_only}
            twine upload --config-file /etc/pypi-connector/.pypirc {in_both}/dist/* {private_only}/dist/*
            rm -r {in_both}; new-project {in_both} 9.9; python3 -m build --no-isolation {in_both}
            twine upload --config-file /etc/pypi-connector/.pypirc -r {section} {in_both}/dist/*
            new-project {mirrored} 1.5; python3 -m build --no-isolation {mirrored}
            uv publish --index {section} {mirrored}/dist/*
        """
        targets = {names.PUBLISH_CONNECTOR: "private, mirror"}
        published = run_job(installed, namespace, job("publish", script, "private", annotations=targets))
        assert published.succeeded, published.log
        packages = f"{private_only} {in_both} {mirrored}"
        script = f"""
            pip install --target by-pip {packages}
            uv pip install --target by-uv {packages}
        """
        outcome = run_job(installed, namespace, job("install", script, "private, mirror"))
        assert outcome.succeeded, outcome.log
        for package in (private_only, in_both, mirrored):
            assert f"{package}-1.5" in outcome.log
            assert f" + {package}==1.5" in outcome.log
        assert '"reason":"next-connector"' in outcome.sidecar_log
        asked = [line for line in mirror.requests() if "GET /simple/" in line]
        assert any(mirrored in line for line in asked)
        assert not any(private_only in line for line in asked)
