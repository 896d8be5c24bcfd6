"""Grants of Pods with CSI volumes: a volume names a connector as the annotation does."""

import pytest

from sidecar.contract.grant import Grant
from support.components.broker_requests import cluster, connector, injected, request, token
from webhook import names

VOLUME = {"name": "v", "emptyDir": {}}


def ask(key: str, **annotations: str) -> Grant | str:
    """The grant, or the reason of the refusal."""
    pod = injected([VOLUME], **annotations)
    given = cluster(connector("other"), connector("unnamed"), pod=pod)
    answer = request(given, bearer=token(given), key=key)
    return Grant.parse(answer.content) if answer.status_code == 200 else str(answer.json()["reason"])


@pytest.mark.parametrize(
    ("configurations", "own", "key", "may_upload"),
    [
        ("pypirc", {}, "team/other", True),
        ("pipconf", {}, "team/other", False),
        ("pipconf", {}, "team/pypi", True),
        ("pipconf,pypirc", {"configurations": "pipconf"}, "team/other", True),
        ("pipconf", {"configurations": "pipconf"}, "team/pypi", False),
    ],
)
def test_uploading_is_granted_to_the_connectors_of_volumes_with_pypirc(
    configurations: str, own: dict[str, str], key: str, may_upload: bool
) -> None:
    record = f'{{"v": {{"connectors": "team/other", "configuration.names": "{configurations}"}}}}'
    grant = ask(key, csi_volumes=record, **own)
    assert isinstance(grant, Grant)
    assert (grant.upload_url is not None) is may_upload


def test_a_connector_that_neither_annotation_nor_volume_names_is_refused() -> None:
    assert ask("team/unnamed", csi_volumes='{"v": {"connectors": "team/other"}}') == "ConnectorNotNamed"
    assert ask("team/other", csi_volumes=f'{{"v": "{names.LEFT_TO_DRIVER}"}}') == "ConnectorNotNamed"


def test_a_record_without_the_annotation_by_which_guards_know_the_pod_opens_nothing() -> None:
    """Neither admission nor guard 8 judges such a Pod, and only these two see privileged neighbours."""
    pod = injected([VOLUME], csi_volumes='{"v": {"connectors": "team/pypi"}}')
    del pod["metadata"]["annotations"][names.CONNECTOR]
    given = cluster(pod=pod)
    answer = request(given, bearer=token(given), key="team/pypi")
    assert (answer.status_code, answer.json().get("reason")) == (403, "AnnotationInvalid")
