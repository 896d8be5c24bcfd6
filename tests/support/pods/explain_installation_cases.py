"""Cases for `explain`: a Pod whose installation was removed, installed again, or has an impostor."""

import base64
from collections.abc import Callable, Mapping

from certs.authority import create_authority
from sidecar.answers import answer_of
from sidecar.broker import _REINSTALLED
from sidecar.errors import BrokerUntrusted
from support.pods.explain_facts import (
    GRANTED,
    NOW,
    SERVED,
    SETTINGS,
    UNREACHABLE,
    Json,
    event,
    facts,
    fresh,
    injected,
    line,
    phase,
    time,
)
from webhook.explain.facts import Facts, Unread

_ANSWER = answer_of(BrokerUntrusted(_REINSTALLED))
UNTRUSTED = {"status": _ANSWER.status, "action": None, "reason": _ANSWER.code, "detail": _ANSWER.sentence}
"""As the sidecar logs it: its own code and words"""


def registration(*bundle: str) -> Json:
    encoded = base64.b64encode("".join(bundle).encode()).decode()
    hooks = [{"name": "pods.connectors.alauda.io", "clientConfig": {"caBundle": encoded}}]
    return {"metadata": {"creationTimestamp": time(120)}, "webhooks": hooks}


ANOTHER = registration(create_authority(NOW).certificate)
SAME = registration(create_authority(NOW).certificate, *SETTINGS.broker_ca)
"""With a successor beside it"""
REFUSED_BEFORE = event("ConnectorNotFound", 'connectors "team/pypi" not found', 600)

INSTALLATION_CASES: Mapping[str, Callable[[], Facts]] = {
    "reinstalled": lambda: fresh(injected(), log=[line(3, **UNTRUSTED)], registration=ANOTHER),
    "reinstalled-registration-unread": lambda: fresh(
        injected(), log=[line(3, **UNTRUSTED)], registration=Unread("no")
    ),
    "reinstalled-nothing-asked": lambda: fresh(injected(), registration=ANOTHER),
    "reinstalled-log-unread": lambda: fresh(injected(), log=Unread("no"), registration=ANOTHER),
    "reinstalled-refused-before": lambda: fresh(
        injected(), events=[REFUSED_BEFORE], log=[line(3, **UNTRUSTED)], registration=ANOTHER
    ),
    "reinstalled-served-still": lambda: facts(injected(), log=SERVED, registration=ANOTHER),
    "reinstalled-served-before": lambda: facts(
        injected(), events=[GRANTED], log=[*SERVED, line(3, **UNTRUSTED)], registration=ANOTHER
    ),
    "reinstalled-after-its-end": lambda: facts(phase(injected(), "Succeeded"), registration=ANOTHER),
    "reinstalled-starting": lambda: fresh(
        injected(), log=[line(3, **UNREACHABLE)], registration=ANOTHER, broker={"status": {}}
    ),
    "reinstalled-without-a-certificate-yet": lambda: fresh(injected(), registration=registration()),
    "broker-of-another": lambda: fresh(injected(), log=[line(3, **UNTRUSTED)], registration=SAME),
    "removed": lambda: fresh(
        injected(),
        log=[line(3, **UNREACHABLE)],
        registration=None,
        broker=None,
        connectors={"team/pypi": None},
    ),
    "removed-served-still": lambda: facts(
        injected(), registration=None, broker=None, connectors={"team/pypi": None}
    ),
}
