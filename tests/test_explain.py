"""`explain`, case by case: facts in, what a person reads out.

What each case prints stands in tests/explanations/NAME.txt; `make cases` rewrites them; read the diff.
"""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from certs.authority import create_authority
from webhook import names
from webhook.connectors import parse_connector
from webhook.console import Console
from webhook.controller.conditions import Observed, Probe, conditions
from webhook.decide import decide
from webhook.errors import InputError, Problem
from webhook.explain.command import print_explanation
from webhook.explain.explanation import Explanation, explain
from webhook.explain.facts import Facts, Unread, ago, parse_log
from webhook.explain.sidecar_lines import use_of
from webhook.explain.workloads import parse_target
from webhook.settings import Settings

FOLDER = Path(__file__).parent / "explanations"
NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
SETTINGS = Settings(
    sidecar_image="registry.example/pypi-connector-sidecar:0.1.0",
    allowed_images=("registry.example/pypi-connector-sidecar:0.1.0",),
    broker_ca=(create_authority(datetime.now(UTC)).certificate,),
)

Json = dict[str, Any]


def time(seconds_ago: float) -> str:
    return (NOW - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def connector(name: str = "pypi", namespace: str = "team", **params: str) -> Json:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Connector",
        "metadata": {"name": name, "namespace": namespace, "generation": 2},
        "spec": {
            "connectorClassName": "pypi",
            "address": f"https://{name}.example",
            "auth": {"name": "basicAuth", "secretRef": {"name": "login"}},
            "params": [{"name": key, "value": value} for key, value in params.items()],
        },
    }


def observed(
    one: Json, probe: Probe | None = None, problems: tuple[Problem, ...] = (), generation: int = 2
) -> Json:
    """With the status that the controller writes."""
    seen = Observed(
        problems, has_secret=True, has_ca=False, probe=probe, proxy_url="http://127.0.0.1:1/simple/"
    )
    found = [
        {
            "type": one.type,
            "status": one.status,
            "reason": one.reason,
            "message": one.message,
            "observedGeneration": generation,
        }
        for one in conditions(seen)
    ]
    return {**one, "status": {"conditions": found, "observedGeneration": generation}}


OK = Probe("ok", "status code 200")
READY = observed(connector(), OK)


def bare(**annotations: str) -> Json:
    """As a person writes it; the name of a variable is that of the annotation."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "build-7",
            "namespace": "team",
            "uid": "u-1",
            "creationTimestamp": time(300),
            "annotations": {
                f"{names.GROUP}/{key.replace('_', '-')}": text for key, text in annotations.items()
            },
        },
        "spec": {"containers": [{"name": "main", "image": "python"}], "serviceAccountName": "builder"},
        "status": {"phase": "Running"},
    }


def injected(
    *, state: Json | None = None, last: Json | None = None, restarts: int = 0, **annotations: str
) -> Json:
    """As admission leaves it, with the state of its sidecar."""

    def lookup(key: str) -> Any:
        namespace, name = key.split("/")
        return parse_connector(connector(name, namespace))

    decision = decide(
        bare(**{"connector": "pypi", **annotations}), namespace="team", lookup=lookup, settings=SETTINGS
    )
    assert decision.pod, decision.message
    status = {
        "name": names.SIDECAR,
        "restartCount": restarts,
        "started": True,
        "state": state or {"running": {"startedAt": time(290)}},
        "lastState": last or {},
    }
    return {**decision.pod, "status": {"phase": "Running", "initContainerStatuses": [status]}}


def event(reason: str, text: str, seconds_ago: float = 60, count: int = 1, key: str = "team/pypi") -> Json:
    """As the broker writes it."""
    namespace, name = key.split("/")
    return {
        "type": "Normal" if reason == "Granted" else "Warning",
        "reason": reason,
        "message": f"Connector {key}: {text}",
        "count": count,
        "lastTimestamp": time(seconds_ago),
        "source": {"component": "pypi-connector"},
        "related": {"kind": "Connector", "namespace": namespace, "name": name},
    }


def kubelet(reason: str, message: str) -> Json:
    source = {"component": "kubelet"}
    return {
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": time(20),
        "source": source,
    }


def line(seconds_ago: float, *, key: str = "team/pypi", status: int = 200, **fields: Any) -> Json:
    """As the sidecar logs a request."""
    common = {"message": "request", "connector": key, "method": "GET", "status": status}
    return {"time": time(seconds_ago), **common, "action": "file", **fields}


GRANTED = event("Granted", "install and upload")
SERVED = [line(50, action="index", package="flask"), line(49, file="flask-3.0-py3-none-any.whl")]


def facts(pod: Json | None, **fields: Any) -> Facts:
    defaults: Json = {
        "events": [GRANTED],
        "log": SERVED,
        "connectors": {"team/pypi": READY},
        "registration": {"metadata": {"creationTimestamp": time(9000)}},
        "broker": {"status": {"readyReplicas": 2}},
    }
    name = "build-7" if fields.get("workload") is None else fields["workload"]["metadata"]["name"]
    return Facts("team", name, NOW, pod, **{**defaults, **fields})


# -- the cases


def fresh(pod: Json, **fields: Any) -> Facts:
    """Nothing has been asked for yet."""
    return facts(pod, **{"events": [], "log": [], **fields})


def owned(kind: str, name: str, *, misplaced: bool) -> Json:
    annotations = {names.CONNECTOR: "pypi"} if misplaced else {}
    return {
        "kind": kind,
        "metadata": {"name": name, "uid": f"u-{name}", "annotations": annotations},
        "spec": {},
    }


def ended(detail: str, **fields: Any) -> Json:
    last_line = json.dumps({"level": "error", "message": "cannot start", "detail": detail})
    return {"terminated": {"exitCode": 2, "reason": "Error", "message": last_line, **fields}}


PORT_TAKEN = (
    "port 28100 on 127.0.0.1, for connector team/pypi, cannot be taken: address already in use; choose "
    "another one: for a Pod with the annotation connectors.alauda.io/port, for `run` with --port"
)
DENIED = (
    "ServiceAccount team/builder may not use Connector shared/pypi: bind it to the ClusterRole "
    "pypi-connector-user by a RoleBinding in namespace shared"
)
FORBIDDEN = (
    'the broker may not read secret "login" in namespace "team": bind the ClusterRole '
    "pypi-connector-secret-reader to ServiceAccount pypi-connector-system/pypi-connector-broker by a "
    "RoleBinding in namespace team"
)
UNREACHABLE = {
    "status": 503,
    "action": None,
    "reason": "broker-unreachable",
    "detail": "no grant yet: the broker cannot be reached: cannot connect to https://pypi-connector-broker."
    "pypi-connector-system.svc: connection refused",
}
MAY_NOT = "you may not read Connectors in namespace shared: ask an administrator"
SHARED = observed(connector(namespace="shared"), OK)


def denied(**fields: Any) -> Facts:
    refused = event("AccessDenied", DENIED, 12, 4, key="shared/pypi")
    given = {"events": [refused], "log": [], "connectors": {"shared/pypi": SHARED}, **fields}
    return facts(injected(connector="shared/pypi"), **given)


def creation(kind: str, name: str, message: str) -> Json:
    reference = {"kind": kind, "name": name}
    return {
        "reason": "FailedCreate",
        "involvedObject": reference,
        "message": message,
        "lastTimestamp": time(8),
    }


REFUSED_JOB = creation(
    "Job",
    "build",
    'Error creating: admission webhook "pods.connectors.alauda.io" denied the request: connector pip not '
    "found in namespace team: create it, or name another",
)


def job(*, misplaced: bool = False, name: str = "build", **annotations: str) -> Json:
    return {
        **owned("Job", name, misplaced=misplaced),
        "spec": {"template": {"metadata": bare(**annotations)["metadata"], "spec": {}}},
    }


def without_restart_policy() -> Json:
    pod = injected()
    del pod["spec"]["initContainers"][0]["restartPolicy"]
    return pod


def phase(pod: Json, phase: str) -> Json:
    return {**pod, "status": {**pod["status"], "phase": phase}}


def labelled() -> Json:
    pod = bare()
    pod["metadata"]["labels"] = {names.CONNECTOR: "pypi"}
    return pod


def unscheduled() -> Json:
    cause = "0/3 nodes are available: 3 Insufficient memory."
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": cause}
    return {**injected(), "status": {"phase": "Pending", "conditions": [unscheduled]}}


def created(pod: Json, seconds_ago: float) -> Json:
    return {**pod, "metadata": {**pod["metadata"], "creationTimestamp": time(seconds_ago)}}


def deleted(pod: Json) -> Json:
    return {**pod, "metadata": {**pod["metadata"], "deletionTimestamp": time(4)}}


def starting(*, started: bool) -> Json:
    pod = injected(state=None if started else {"waiting": {"reason": "PodInitializing"}})
    pod["status"]["initContainerStatuses"][0]["started"] = False
    return pod


def static() -> Json:
    pod = bare(connector="pypi")
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "x"
    return pod


REFUSED = Probe("refused", "status code 401")
UNTRUSTED = Probe("unreachable", "certificate verify failed: self-signed certificate")
NO_SECRET = Problem("SecretNotFound", 'secrets "login" not found in namespace "team"')

CASES: Mapping[str, Callable[[], Facts]] = {
    # served
    "served": lambda: facts(injected()),
    "nothing-asked-for-yet": lambda: fresh(injected()),
    "several-connectors": lambda: facts(
        injected(connector="pypi,shared/mirror", publish_connector="shared/up", containers="main"),
        events=[
            event("Granted", "install"),
            event("Granted", "install", key="shared/mirror"),
            event("Granted", "install and upload", key="shared/up"),
        ],
        connectors=dict.fromkeys(("team/pypi", "shared/mirror", "shared/up"), READY),
    ),
    "read-only-connector": lambda: facts(
        injected(),
        events=[event("Granted", "install")],
        connectors={"team/pypi": observed(connector(access="read"), OK)},
    ),
    "no-right-to-upload": lambda: facts(
        injected(connector="shared/pypi"),
        events=[event("Granted", "install", key="shared/pypi")],
        log=[],
        connectors={"shared/pypi": SHARED},
    ),
    "ended": lambda: facts(
        phase(injected(), "Succeeded"), events=[GRANTED, event("PodFinished", "it has ended", 1)]
    ),
    "old-pod-without-events": lambda: fresh(created(injected(), 9000)),
    "old-pod-served-without-events": lambda: facts(created(injected(), 9000), events=[]),
    "refused-then-served": lambda: facts(injected(), events=[event("SecretNotFound", "no Secret", 100)]),
    "broker-was-away": lambda: facts(
        injected(), log=[line(80, **UNREACHABLE), line(70, **UNREACHABLE), *SERVED]
    ),
    # it was not created
    "job-refused": lambda: facts(
        None, workload=job(connector="pip"), creations=[REFUSED_JOB], connectors={"team/pip": None}
    ),
    "job-refused-webhook-away": lambda: facts(
        None,
        workload=job(connector="pypi"),
        creations=[
            creation(
                "Job",
                "build",
                'Error creating: Internal error occurred: failed calling webhook "pods.connectors.alauda.io"'
                ": connection refused",
            )
        ],
    ),
    "job-without-pod": lambda: facts(None, workload=job(connector="pypi"), creations=[]),
    "job-events-unread": lambda: facts(
        None,
        workload=job(connector="pypi"),
        creations=Unread("you may not read Events in namespace team: ask an administrator"),
    ),
    "statefulsets-pod-refused": lambda: replace(
        facts(
            None, creations=[creation("StatefulSet", "web", "create Pod web-0 failed: denied the request: x")]
        ),
        name="web-0",
    ),
    "newest-pod-of-a-job": lambda: facts(injected(), workload=job(connector="pypi")),
    # it does not ask
    "no-annotation": lambda: fresh(bare()),
    "no-annotation-in-a-template": lambda: fresh(bare(), owners=[job()]),
    "annotation-on-the-job": lambda: fresh(bare(), owners=[job(misplaced=True)]),
    "annotation-on-the-deployment": lambda: fresh(
        bare(),
        owners=[owned("ReplicaSet", "web-5d9", misplaced=True), owned("Deployment", "web", misplaced=True)],
    ),
    "annotation-on-the-cronjob": lambda: facts(None, workload=owned("CronJob", "nightly", misplaced=True)),
    "a-label-instead": lambda: fresh(labelled()),
    "a-misspelt-annotation": lambda: fresh(bare(conector="pypi")),
    "an-invalid-annotation": lambda: fresh(bare(connector="Team/PyPI", port="80")),
    "opted-out": lambda: fresh(bare(connector="pypi", inject="false")),
    # it was not injected
    "webhook-not-registered": lambda: fresh(bare(connector="pypi"), registration=None),
    "webhook-registration-unread": lambda: fresh(
        bare(connector="pypi"),
        registration=Unread("you may not read webhook registrations: ask an administrator"),
    ),
    "older-than-the-webhook": lambda: fresh(created(bare(connector="pypi"), 9001)),
    "annotated-later": lambda: fresh(bare(connector="pypi")),
    "in-kube-system": lambda: replace(fresh(bare(connector="pypi")), namespace="kube-system"),
    "a-static-pod": lambda: fresh(static()),
    # its sidecar does not run
    "restart-policy-dropped": lambda: fresh(without_restart_policy()),
    "not-scheduled": lambda: fresh(unscheduled()),
    "not-mounted": lambda: fresh(
        starting(started=False), events=[kubelet("FailedMount", 'MountVolume.SetUp failed for volume "data"')]
    ),
    "gate-not-open": lambda: fresh(starting(started=True)),
    "image-not-pulled": lambda: fresh(
        injected(state={"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}})
    ),
    "port-taken": lambda: fresh(
        injected(
            state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}},
            last=ended(PORT_TAKEN),
            restarts=3,
        )
    ),
    "out-of-memory": lambda: facts(
        injected(last={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, restarts=1)
    ),
    "killed-a-moment-ago": lambda: fresh(
        injected(state={"terminated": {"exitCode": 137, "reason": "Error"}})
    ),
    "restarted-for-a-reason": lambda: facts(injected(last=ended(PORT_TAKEN), restarts=2)),
    "out-of-memory-again-and-again": lambda: fresh(
        injected(
            state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
            last={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            restarts=4,
        )
    ),
    "start-gate-failed": lambda: fresh(
        injected(
            state={"waiting": {"reason": "PostStartHookError", "message": "pypi-connector does not listen"}},
            last={"terminated": {"exitCode": 137}},
            restarts=1,
        )
    ),
    "being-deleted": lambda: facts(deleted(injected(state={"terminated": {"exitCode": 0}}))),
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
                reason="credential-refused",
                detail="the registry refused the credential of connector team/pypi (status 401)",
            ),
        ],
    ),
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
                reason="registry-unreachable",
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


def kept_back(package: str) -> dict[str, str]:
    """As the sidecar logs it."""
    sentence = f'package "{package}" is denied by connector team/pypi (denyPackages: {package})'
    return {"reason": "package-denied", "detail": sentence}


def printed(explanation: Explanation) -> str:
    stream = io.StringIO()
    print_explanation(explanation, Console(stream, is_coloured=False))
    return stream.getvalue() + f"exit code {0 if explanation.is_served else 1}\n"


@pytest.mark.parametrize("name", CASES)
def test_what_a_person_reads(name: str, request: pytest.FixtureRequest) -> None:
    text = printed(explain(CASES[name]()))
    path = FOLDER / f"{name}.txt"
    if request.config.getoption("--rewrite-cases"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_every_expectation_belongs_to_a_case() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_whatever_is_wrong_ends_in_exit_1_and_says_what_to_do(name: str) -> None:
    explanation = explain(CASES[name]())
    wrong = [one for one in explanation.statements if one.level == "wrong"]
    assert explanation.is_served == (
        not wrong and "waiting" not in [one.level for one in explanation.statements]
    )
    for one in wrong:
        assert one.fix or ":" in one.text, "a fix, or a sentence of ours that holds it"


# -- the parts


def test_the_terminal_of_the_reader_is_not_the_pods_authors() -> None:
    escape = "\x1b]0;owned\x07\x9b31m"
    given = facts(injected(), log=[*SERVED, line(4, action="index", package=f"x{escape}", status=404)])
    text = printed(explain(given))
    assert "owned" in text
    assert all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (90000, "25 h"),
        (200000, "2 d"),
    ],
)
def test_ages_are_in_the_unit_that_a_person_would_use(seconds: int, text: str) -> None:
    assert ago(NOW, NOW - timedelta(seconds=seconds)) == f"{text} ago"


def test_lines_that_are_no_json_are_left_out() -> None:
    text = 'pypi-connector does not listen\n{"message": "request"}\n[1]\n{"cut": "li'
    assert parse_log(text) == [{"message": "request"}]


def test_an_installs_success_does_not_hide_a_refused_upload() -> None:
    refused = line(9, method="POST", status=403, reason="upload-not-granted", detail="x")
    [refusal] = use_of([refused, line(1)], "team/pypi").refusals
    assert refusal.is_last_word
    [refusal] = use_of([refused, line(1, method="POST")], "team/pypi").refusals
    assert not refusal.is_last_word


@pytest.mark.parametrize("reason", ["path-not-served", "bad-target", "too-busy", "credential-renewed"])
def test_what_clients_mend_by_themselves_is_no_refusal(reason: str) -> None:
    status = 503 if reason in ("too-busy", "credential-renewed") else 404
    assert use_of([line(1, status=status, reason=reason)], "team/pypi").refusals == ()


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("build-7", None, "build-7"),
        ("pod/build-7", None, "build-7"),
        ("pods/build-7", None, "build-7"),
        ("job/build", "Job", "build"),
        ("jobs.batch/build", "Job", "build"),
        ("deploy/web", "Deployment", "web"),
        ("cronjobs/nightly", "CronJob", "nightly"),
        ("STS/db", "StatefulSet", "db"),
    ],
)
def test_targets_are_written_as_for_kubectl(text: str, kind: str | None, name: str) -> None:
    target = parse_target(text)
    assert (target.kind.name if target.kind else None, target.name) == (kind, name)


@pytest.mark.parametrize("text", ["", "job/", "/x", "node/n", "a/b/c"])
def test_other_targets_are_bad_input(text: str) -> None:
    with pytest.raises(InputError):
        parse_target(text)
