"""Cases for `explain`: a Pod that is in order, and what its broker, its Connector or the registry says."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from explain_facts import (
    OK,
    SERVED,
    SHARED,
    UNREACHABLE,
    connector,
    event,
    facts,
    fresh,
    injected,
    line,
    observed,
    phase,
)

from sidecar.contract.words import Code
from sidecar.errors import CredentialRefused
from webhook.connector.conditions import Probe
from webhook.errors import Problem
from webhook.explain.facts import Facts, Unread
from webhook.grant.notices import TROUBLES, trouble_reason

DENIED = (
    "ServiceAccount team/builder may not use Connector shared/pypi: bind it to the ClusterRole "
    "pypi-connector-user by a RoleBinding in namespace shared"
)
FORBIDDEN = (
    'the broker may not read secret "login" in namespace "team": bind the ClusterRole '
    "pypi-connector-secret-reader to ServiceAccount pypi-connector-system/pypi-connector-broker by a "
    "RoleBinding in namespace team"
)

MAY_NOT = "you may not read Connectors in namespace shared: ask an administrator"


def denied(**fields: Any) -> Facts:
    refused = event("AccessDenied", DENIED, 12, 4, key="shared/pypi")
    given = {"events": [refused], "log": [], "connectors": {"shared/pypi": SHARED}, **fields}
    return facts(injected(connector="shared/pypi"), **given)


REFUSED = Probe("refused", "status code 401")
UNTRUSTED = Probe("unreachable", "certificate verify failed: self-signed certificate")
NO_SECRET = Problem("SecretNotFound", 'secrets "login" not found in namespace "team"')


def kept_back(package: str) -> dict[str, str]:
    """As the sidecar logs it."""
    sentence = f'package "{package}" is denied by connector team/pypi (denyPackages: {package})'
    return {"reason": "package-denied", "detail": sentence}


def refused_by_registry(code: str) -> Facts:
    """The Connector is Ready, the broker granted, and told what the sidecar had told it."""
    told = event(trouble_reason(code), TROUBLES[code], 9, 9)
    detail = str(CredentialRefused("team/pypi", code, 9.5))
    return facts(
        injected(),
        events=[event("Granted", "install and upload"), told],
        log=[line(60), line(9, status=403, action="index", package="flask", reason=code, detail=detail)],
    )


SERVICE_CASES: Mapping[str, Callable[[], Facts]] = {
    # the broker
    "access-denied": denied,
    "access-denied-connector-unread": lambda: denied(connectors={"shared/pypi": Unread(MAY_NOT)}),
    "access-denied-events-unread": lambda: denied(
        events=Unread("you may not read Events in namespace team: ask an administrator"),
        log=[
            line(
                5,
                key="shared/pypi",
                status=403,
                action=None,
                reason="AccessDenied",
                detail=f"no grant: {DENIED}",
            )
        ],
    ),
    "secret-out-of-reach": lambda: fresh(injected(), events=[event("SecretForbidden", FORBIDDEN)]),
    "api-server-away": lambda: fresh(
        injected(), events=[event("ClusterUnavailable", "the broker cannot ask the API server", 3, 9)]
    ),
    "broker-away": lambda: fresh(
        injected(), log=[line(3, **UNREACHABLE)], broker={"status": {"unavailableReplicas": 2}}
    ),
    "broker-not-reached": lambda: fresh(injected(), log=[line(3, **UNREACHABLE)]),
    "broker-not-installed": lambda: fresh(injected(), log=[line(3, **UNREACHABLE)], broker=None),
    "broker-unread": lambda: fresh(injected(), log=[line(3, **UNREACHABLE)], broker=Unread("no")),
    "nothing-may-be-read": lambda: fresh(
        injected(),
        events=Unread("you may not read Events in namespace team: ask an administrator"),
        log=Unread("you may not read logs of Pods in namespace team: ask an administrator"),
        connectors={
            "team/pypi": Unread("you may not read Connectors in namespace team: ask an administrator")
        },
        registration=Unread("no"),
        broker=Unread("no"),
    ),
    "ended-unserved": lambda: replace(denied(), pod=phase(injected(connector="shared/pypi"), "Failed")),
    # the Connector, and the registry
    "connector-not-found": lambda: fresh(injected(), connectors={"team/pypi": None}),
    "connector-not-looked-at": lambda: fresh(injected(), connectors={"team/pypi": connector()}),
    "connector-changed-since": lambda: fresh(
        injected(), connectors={"team/pypi": observed(connector(), OK, generation=1)}
    ),
    "credential-refused": lambda: facts(
        injected(),
        connectors={"team/pypi": observed(connector(), REFUSED)},
        log=[
            line(9, action="redirect", status=302, reason="redirect"),
            line(
                9,
                status=403,
                action="index",
                reason=Code.CREDENTIAL_REFUSED,
                detail=str(CredentialRefused("team/pypi")),
            ),
        ],
    ),
    "credential-rests": lambda: refused_by_registry(Code.CREDENTIAL_RESTS),
    "request-refused": lambda: refused_by_registry(Code.REQUEST_REFUSED),
    "certificate-not-trusted": lambda: fresh(
        injected(), connectors={"team/pypi": observed(connector(), UNTRUSTED)}
    ),
    "secret-not-found": lambda: fresh(
        injected(), connectors={"team/pypi": observed(connector(), None, (NO_SECRET,))}
    ),
    "not-ready-but-serving": lambda: facts(
        injected(), connectors={"team/pypi": observed(connector(), UNTRUSTED)}
    ),
    "registry-not-reached": lambda: facts(
        injected(),
        connectors={"team/pypi": observed(connector(), UNTRUSTED)},
        log=[
            line(
                9,
                status=502,
                action="index",
                package="flask",
                reason=Code.REGISTRY_UNREACHABLE,
                detail="cannot speak TLS with https://pypi.example: certificate verify failed: unknown CA",
            ),
        ],
    ),
    "upload-not-granted": lambda: facts(
        injected(configurations="pipconf"),
        events=[event("Granted", "install")],
        log=[
            *SERVED,
            line(
                4,
                method="POST",
                status=403,
                action="upload",
                reason="upload-not-granted",
                detail="this Pod may not upload: pypirc, access: readwrite and permission are needed",
            ),
        ],
    ),
    "package-denied": lambda: facts(
        injected(),
        connectors={"team/pypi": observed(connector(allowPackages="flask*", denyPackages="flask-evil"), OK)},
        log=[
            *SERVED,
            *(line(4, status=403, **kept_back(one)) for one in ("flask-evil", "pip", "flask-evil")),
        ],
    ),
    "many-packages-denied": lambda: facts(
        injected(), log=[*SERVED, *(line(4, status=403, **kept_back(f"evil-{one}")) for one in range(7))]
    ),
    "package-not-there": lambda: facts(
        injected(), log=[*SERVED, line(4, action="index", package="flaskk", status=404)]
    ),
}
