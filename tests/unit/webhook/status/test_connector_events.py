"""The Events of a Connector: each new cause for which it is not ready."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from kubernetes.aio.client import Configuration

from support.components.controller_stories import OK, connector, run, store_with_class
from support.kubernetes.apistore import ApiStore
from webhook.cluster.kubernetes import KubernetesApi
from webhook.connector.conditions import Observed, Probe, conditions
from webhook.connector.proxy_address import ProxyAddress
from webhook.limits.fair_slots import FairSlots
from webhook.status.report import Report
from webhook.status.reported import Versions
from webhook.status.writer import StatusWriter


@pytest.fixture
def store() -> Iterator[ApiStore]:
    with store_with_class() as made:
        yield made


class Recorder:
    """Records Events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    async def record(
        self, regarding: Mapping[str, str], *, reason: str, message: str, kind: str, **_: Any
    ) -> None:
        self.events.append((kind, reason, message))


def events(store: ApiStore, probes: Sequence[Probe]) -> list[tuple[str, str, str]]:
    """The Events while the registry gives these results in turn."""
    recorder = Recorder()

    async def story() -> None:
        async with KubernetesApi(Configuration(host=store.registry.origin)) as api:
            writer = StatusWriter(api, FairSlots(1), recorder)
            manifest = store.get(connector(store))
            for seen in probes:
                status = conditions(
                    Observed((), False, False, seen, ProxyAddress("http://127.0.0.1:28100/simple/"))
                )
                manifest = await writer.write(manifest, Report(status, "http://127.0.0.1:28100", Versions()))

    run(story())
    return recorder.events


def gone(detail: str) -> Probe:
    return Probe("unreachable", detail)


def test_another_cause_of_the_same_reason_is_an_event(store: ApiStore) -> None:
    """The first cause would stand in `kubectl describe` for an hour, and mislead people."""
    expired = gone("certificate verify failed: certificate has expired")
    unknown = gone("certificate verify failed: self-signed certificate")
    assert events(store, [expired, unknown, unknown, OK]) == [
        ("Warning", "ConnectionFailed", expired.detail),
        ("Warning", "ConnectionFailed", unknown.detail),
        ("Normal", "Ready", "the Connector can be used"),
    ]


def test_an_unchanged_status_is_a_single_event(store: ApiStore) -> None:
    assert len(events(store, [gone("x")] * 3)) == 1
    assert len(events(store, [OK, OK, Probe("ok", "status code 404")])) == 1
