"""The facts of a grant: a token's review, a Pod, a Connector and its Secrets, all valid."""

import base64
from typing import Any

from sidecar.contract.grant import Grant
from webhook.connector.credentials import MaybeSecret
from webhook.connector.manifest import Connector, parse_connector
from webhook.connector.registry import Secrets
from webhook.connector.secret import SecretManifest, parse_secret
from webhook.grant import gateway_rules, rules
from webhook.grant.cluster import parse_token_review
from webhook.identifiers import ConnectorKey

PASSWORD = "canary-9d1f-pass"
KEY = ConnectorKey("team", "pypi")


def status(**changes: Any) -> dict[str, Any]:
    user = {
        "username": "system:serviceaccount:team:builder",
        "uid": "sa-uid",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:team", "system:authenticated"],
        "extra": {
            "authentication.kubernetes.io/pod-name": ["job"],
            "authentication.kubernetes.io/pod-uid": ["pod-uid"],
        },
    }
    return {"authenticated": True, "audiences": ["pypi-connector"], "user": user, **changes}


def user(**changes: Any) -> dict[str, Any]:
    return {"user": {**status()["user"], **changes}}


def caller() -> rules.Caller:
    return rules.authenticate(parse_token_review(status()), "pypi-connector")


def pod(uid: str = "pod-uid", phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "job", "namespace": "team", "uid": uid, **metadata},
        "spec": {},
        "status": {"phase": phase},
    }


def annotated(**annotations: str) -> dict[str, Any]:
    prefix = "connectors.alauda.io/"
    return pod(annotations={prefix + key.replace("_", "-"): value for key, value in annotations.items()})


def connector_manifest(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "pypi", "namespace": "team", "generation": 3},
        "spec": {
            "connectorClassName": "pypi",
            "address": "https://registry.example",
            "auth": {"name": "basicAuth", "secretRef": {"name": "login"}},
            **spec,
        },
    }


def connector(**spec: Any) -> Connector:
    return parse_connector(connector_manifest(**spec))


def with_policy(**params: str) -> Connector:
    return connector(params=[{"name": name, "value": value} for name, value in params.items()])


def encode(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def secret(**changes: Any) -> SecretManifest:
    manifest = {
        "metadata": {"name": "login", "namespace": "team", "uid": "s-uid", "resourceVersion": "41"},
        "type": "kubernetes.io/basic-auth",
        "data": {"username": encode("reader"), "password": encode(PASSWORD)},
    }
    return parse_secret({**manifest, **changes}, digest_key=b"of the tests")


def data(**changes: Any) -> SecretManifest:
    values = {"username": encode("reader"), "password": encode(PASSWORD), **changes}
    return secret(data={key: value for key, value in values.items() if value is not None})


def ca(**values: Any) -> SecretManifest:
    return parse_secret({"metadata": {"name": "ca", "uid": "c", "resourceVersion": "7"}, "data": values})


def authenticate(**changes: Any) -> rules.Caller:
    return rules.authenticate(parse_token_review(status(**changes)), "pypi-connector")


def authenticate_client(**changes: Any) -> rules.Account:
    review = parse_token_review(status(**{"audiences": ["pypi-connector-gateway"], **changes}))
    return gateway_rules.authenticate_client(review)


def caller_of(namespace: str, service_account: str = "pypi-connector-gateway") -> rules.Caller:
    return authenticate(**user(username=f"system:serviceaccount:{namespace}:{service_account}"))


def compose(given: MaybeSecret = None, ca_secret: MaybeSecret = None, **spec: Any) -> Grant:
    return rules.compose(connector(**spec), Secrets(given, ca_secret), upload=True)


WITH_CA = {"caCertSecretRef": {"name": "ca"}}
