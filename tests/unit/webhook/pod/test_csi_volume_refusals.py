"""CSI volumes that cannot be served, and Pods that are not served: each gets a sentence."""

import json
from collections.abc import Mapping

import pytest

from support.pods.csi_pods import (
    Pod,
    admitted,
    annotations,
    attributed,
    decision,
    files,
    pod_of,
    volume,
)
from support.pods.isolation_edits import injected
from webhook import names
from webhook.pod.reasons import Reason
from webhook.pod.shape import MIRROR_ANNOTATION

# -- what is not served


REFUSED: Mapping[str, tuple[Pod, str]] = {
    "no name": (attributed(), "volume v has no attribute connector.name"),
    "an empty name": (attributed(connector_name=""), "has no attribute connector.name"),
    "no name, but a namespace": (attributed(connector_namespace="x"), "has no attribute connector.name"),
    "a bad name": (attributed(connector_name="A"), "which must read name or namespace/name in lower case"),
    "a bad namespace": (attributed(connector_name="a", connector_namespace="A"), "which is no namespace"),
    "an empty namespace": (attributed(connector_name="a", connector_namespace=""), "which is no namespace"),
    "a name with its namespace": (attributed(connector_name="a/b"), "into connector.namespace"),
    "an empty list": (attributed(connectors=""), "with an empty member"),
    "a bad list": (attributed(connectors="a,b/c/d"), "attribute connectors, which must read"),
    "a list and a name": (attributed(connectors="a", connector_name="a"), "beside connector.name"),
    "a list and a namespace": (attributed(connectors="a", connector_namespace="a"), "connector.namespace"),
    "an endless list": (attributed(connectors=",".join(f"c{n}" for n in range(17))), "at most 16"),
    "no configuration": (volume("v", configurations=""), "with an empty member"),
    "an unknown configuration": (volume("v", configurations="npmrc"), "names the configuration npmrc"),
    "a misspelt attribute": (attributed(connector_nam="a"), "did you mean connector.name?"),
    "an unknown attribute": (attributed(connector_name="a", x="y"), "known are connector.name"),
    "writable": (volume("v", readOnly=False), "set csi.readOnly to true"),
    "a file system": (volume("v", fsType="ext4"), "has csi.fsType"),
    "a Secret": (volume("v", nodePublishSecretRef={"name": "s"}), "has csi.nodePublishSecretRef"),
    "the sidecar's name": (volume("pypi-connector-token"), "has the name of a volume of the sidecar"),
    "another source": ({**volume("v"), "emptyDir": {}}, "has emptyDir beside csi"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("own", [{}, {names.CONNECTOR: "pypi"}], ids=["alone", "annotated"])
def test_what_cannot_be_served_is_refused_with_a_sentence(case: str, own: dict[str, str]) -> None:
    wrong, sentence = REFUSED[case]
    made = decision(pod_of(wrong, mounted=False, annotations=own))
    assert (made.reason, made.pod) == (Reason.INVALID_VOLUME, None)
    assert f"volume {wrong['name']}" in made.message
    assert sentence in made.message


def test_volumes_are_counted_and_their_names_are_compared() -> None:
    many = [volume(f"v{number}") for number in range(9)]
    assert "9 volumes are of the CSI driver" in decision(pod_of(*many)).message
    admitted(pod_of(*many[:8]))
    twice = decision(pod_of(volume("v"), {"name": "v", "emptyDir": {}}))
    assert "volume v has the name of another volume" in twice.message
    lists = [attributed(connectors=",".join(f"c{number}-{n}" for n in range(16))) for number in range(2)]
    lists[1]["name"] = "w"
    assert "annotations and volumes name 32 connectors" in decision(pod_of(*lists)).message


def test_a_pod_has_one_order_of_connectors() -> None:
    ordered = attributed(connectors="a,b", configuration_names="pipconf")
    refused = decision(pod_of(ordered, annotations={names.CONNECTOR: "pypi"}))
    assert "volume v names team/a, team/b, and the Pod asks team/pypi" in refused.message
    admitted(pod_of(ordered, annotations={names.CONNECTOR: "a,b"}))


@pytest.mark.parametrize("part", ["pip.config", "x/../pip.conf.x", "$(FILE)"])
def test_a_part_of_a_volume_must_be_one_of_its_files(part: str) -> None:
    pod = pod_of(volume("pip"))
    mount = pod["spec"]["containers"][0]["volumeMounts"][0]
    mount["subPathExpr" if "$" in part else "subPath"] = part
    assert f"mounts {part!r} of volume pip, which holds pip.conf" in decision(pod).message
    mount.pop("subPathExpr", None)
    mount["subPath"] = "./pip.conf"
    admitted(pod)


# -- Pods that are not served


def test_a_pod_that_opts_out_is_warned() -> None:
    made = decision(pod_of(volume("pip"), annotations={names.INJECT: "false"}))
    assert (made.reason, made.pod) == (Reason.OPTED_OUT, None)
    assert "waits in ContainerCreating" in made.warnings[0]


def test_a_static_pod_is_left_alone() -> None:
    made = decision(pod_of(volume("pip"), annotations={MIRROR_ANNOTATION: "x"}))
    assert made.allowed
    assert made.pod is None


def test_an_installed_driver_keeps_its_volumes_and_those_of_earlier_passes_stay_ours() -> None:
    left = decision(pod_of(volume("pip", "absent", "strange")), has_csi_driver=True)
    assert left.reason is Reason.LEFT_TO_DRIVER
    assert left.pod is not None
    assert annotations(left.pod) == {names.CSI_VOLUMES: '{"pip": "driver"}'}
    assert decision(left.pod, has_csi_driver=True).pod == left.pod
    many = decision(pod_of(*(volume(f"v{number}") for number in range(20))), has_csi_driver=True)
    assert (many.reason, len(many.warnings)) == (Reason.LEFT_TO_DRIVER, 20)
    served = admitted(pod_of(volume("pip")))
    served["spec"]["volumes"].append(volume("late"))
    both = decision(served, has_csi_driver=True)
    assert both.pod is not None
    assert list(files(both.pod)) == ["pip"]
    assert json.loads(annotations(both.pod)[names.CSI_VOLUMES])["late"] == "driver"
    assert both.pod["spec"]["volumes"][-1] == volume("late")
    again = decision(left.pod)  # the driver has been removed since
    assert (again.reason, "absent" in again.message) == (Reason.INVALID_VOLUME, False)


def test_volumes_of_other_drivers_ask_for_nothing() -> None:
    other = volume("pip", driver="secrets-store.csi.k8s.io")
    claim = {
        "name": "c",
        "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "connectors-csi"}}},
    }
    made = decision(pod_of(other, claim))
    assert made.reason is Reason.NOT_REQUESTED
    assert injected(volumes=[other])["spec"]["volumes"][0] == other
