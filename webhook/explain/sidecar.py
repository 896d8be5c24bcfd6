"""`explain`: the state of the injected sidecar, from the Pod's status and the kubelet's Events. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook import names
from webhook.explain.dropped import explain_dropped
from webhook.explain.facts import Facts, Unread, ago, condition, last_seen, metadata, parse_log, time_of
from webhook.explain.statements import Statement
from webhook.pod.shape import FINISHED_PHASES

_IMAGE_REASONS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
)
_STARTING = ("PodInitializing", "ContainerCreating")
_KUBELET_REASONS = ("FailedMount", "FailedPostStartHook", "FailedCreatePodSandBox", "FailedScheduling")
"""Reasons of Events that say why a container does not start (Kubernetes' pkg/kubelet/events/event.go)"""


def sidecar_of(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    containers = (pod.get("spec") or {}).get("initContainers") or []
    return next((entry for entry in containers if entry.get("name") == names.SIDECAR), None)


def is_finished(pod: Mapping[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") in FINISHED_PHASES


def explain_sidecar(
    facts: Facts, pod: Mapping[str, Any], container: Mapping[str, Any]
) -> Iterator[Statement]:
    if container.get("restartPolicy") != "Always":
        yield from explain_dropped(facts, "injected", "the Pod waits for its end")
        return
    status = _status(pod)
    image = container.get("image")
    if is_finished(pod):
        yield Statement("injected", "ok", f"sidecar {image}; the Pod has ended, and the sidecar with it")
        yield from _restarts(status)
        return
    if metadata(pod).get("deletionTimestamp"):
        yield Statement("injected", "ok", f"sidecar {image}; the Pod is being deleted")
        return
    state = (status or {}).get("state") or {}
    if status is None or not state:
        yield from _not_started(facts, pod)
    elif "running" in state:
        yield _running(facts, image, state["running"], is_started=status.get("started") is not False)
        yield from _restarts(status)
    else:
        yield from _not_running(facts, image, status)


def _status(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or []
    return next((entry for entry in statuses if entry.get("name") == names.SIDECAR), None)


def _running(facts: Facts, image: object, running: Mapping[str, Any], *, is_started: bool) -> Statement:
    since = ago(facts.now, time_of(running.get("startedAt")))
    if not is_started:
        text = f"sidecar {image}, started {since}; its start gate is not open yet: the Pod's containers wait"
        return Statement("injected", "waiting", text, f"see `{_log_command(facts)}`")
    return Statement("injected", "ok", f"sidecar {image}, started {since}, listens")


def _not_started(facts: Facts, pod: Mapping[str, Any]) -> Iterator[Statement]:
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        text = f"the Pod is not on a node yet: {scheduled.get('message') or scheduled.get('reason')}"
        yield Statement("injected", "waiting", text)
        return
    yield Statement("injected", "waiting", "the sidecar is injected, and its node has not started it yet")
    yield from _kubelet_events(facts)


def _not_running(facts: Facts, image: object, status: Mapping[str, Any]) -> Iterator[Statement]:
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    if reason in _IMAGE_REASONS:
        fix = "set the image's name, mirror and pull secrets where the product is installed (docs/install.md)"
        yield Statement("injected", "wrong", f"the sidecar's image {image} cannot be pulled: {message}", fix)
    elif reason in _STARTING or not (reason or _end(status)):
        yield Statement("injected", "waiting", "the sidecar is about to start")
        yield from _kubelet_events(facts)
    elif not reason and not status.get("restartCount"):
        text = f"the sidecar has ended ({_cause(_end(status))}), and is being restarted"
        yield Statement("injected", "waiting", text)
    else:
        ended = _end(status)
        # the kubelet's message about a back-off says how long it takes, not why
        is_cause = message and reason != "CrashLoopBackOff" and not _own_words(ended)
        cause = message if is_cause else _cause(ended)
        how = f"{reason or 'ended'}, {status.get('restartCount') or 0} restarts"
        text = f"the sidecar does not stay up ({how}): {cause}"
        yield Statement("injected", "wrong", text, _fix(ended) or f"see `{_log_command(facts)} --previous`")


def _restarts(status: Mapping[str, Any] | None) -> Iterator[Statement]:
    count = int((status or {}).get("restartCount") or 0)
    if status is None or not count:
        return
    ended = (status.get("lastState") or {}).get("terminated") or {}
    times = "once" if count == 1 else f"{count} times, the last time"
    text = f"it was restarted {times}: {_cause(ended)}"
    yield Statement("injected", "note", text, _fix(ended))


def _end(status: Mapping[str, Any]) -> Mapping[str, Any]:
    for state in (status.get("state") or {}, status.get("lastState") or {}):
        if state.get("terminated"):
            terminated: Mapping[str, Any] = state["terminated"]
            return terminated
    return {}


def _cause(ended: Mapping[str, Any]) -> str:
    if ended.get("reason") == "OOMKilled":
        return "it needed more memory than its limit (OOMKilled)"
    return _own_words(ended) or f"exit code {ended.get('exitCode')}"


def _own_words(ended: Mapping[str, Any]) -> str:
    """The sidecar's last sentence, which the kubelet keeps (`FallbackToLogsOnError`)."""
    lines = parse_log(str(ended.get("message") or ""))
    details = [line.get("detail") for line in lines if line.get("level") == "error"]
    return str(details[-1]) if details and details[-1] else ""


def _fix(ended: Mapping[str, Any]) -> str:
    if ended.get("reason") == "OOMKilled":
        return f"raise the annotation {names.MEMORY_LIMIT}"
    return ""


def _kubelet_events(facts: Facts) -> Iterator[Statement]:
    if isinstance(facts.events, Unread):
        return
    events = [event for event in facts.events if event.get("reason") in _KUBELET_REASONS]
    for event in sorted(events, key=lambda event: str(last_seen(event)))[-1:]:
        text = f"{event.get('reason')}, {ago(facts.now, last_seen(event))}: {event.get('message')}"
        yield Statement("injected", "note", text)


def _log_command(facts: Facts) -> str:
    name = metadata(facts.pod or {}).get("name")
    return f"kubectl logs -n {facts.namespace} {name} -c {names.SIDECAR}"
