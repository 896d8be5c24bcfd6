"""The API server's own list of fields: a new field without a decision fails here, and not in a cluster."""

import json

from support.kubernetes.kube import Kube
from support.pods.pod_fields import decided

LATER = {"bindMountOptions", "evictionResponders", "hostnameOverride", "resources", "restartPolicyRules"}
LATER |= {"schedulingGroup", "stopSignal"}
"""Fields that an older cluster does not have"""


def test_every_field_that_could_matter_to_our_container_is_decided_about(kube: Kube) -> None:
    definitions = json.loads(kube.run("get", "--raw", "/openapi/v2").stdout)["definitions"]
    for schema, names in decided().items():
        served = set(definitions[schema]["properties"])
        assert served - names == set(), f"{schema}: decide about them in tests/tables/pod_fields.yaml"
        assert names - served <= LATER, f"{schema}: misspelt, or gone"
