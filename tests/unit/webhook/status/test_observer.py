"""A look at a Connector: its reads and its probes. It writes nothing."""

import asyncio
import base64
from typing import Any

import pytest

from webhook import names
from webhook.cluster import paths, trim
from webhook.cluster.cache import Cache
from webhook.cluster.class_lookup import ClassLookup
from webhook.connector.conditions import Probe
from webhook.connector.registry import RegistryAccess
from webhook.limits.fair_slots import FairSlots
from webhook.status.gateway import Gateway
from webhook.status.observer import Look, Observer
from webhook.status.prober import Prober, Turn
from webhook.status.report import Report, status_patch

OK = Probe("ok", "status code 200")
Json = dict[str, Any]


class ReadOnlyApi:
    """Has no verb but `get`."""

    def __init__(self, objects: dict[str, Json]) -> None:
        self.objects = objects

    async def get(self, path: str, **_: object) -> Json | None:
        return self.objects.get(path)


def login() -> Json:
    data = {"username": "robot", "password": "canary-observed"}
    return {
        "metadata": {"namespace": "team", "name": "login", "uid": "s", "resourceVersion": "7"},
        "type": names.SECRET_TYPE,
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }


def connector(**metadata: Any) -> Json:
    return {
        "metadata": {"namespace": "team", "name": "pypi", "uid": "c", "generation": 1, **metadata},
        "spec": {
            "connectorClassName": "pypi",
            "address": "https://registry.test",
            "auth": {"secretRef": {"name": "login"}},
        },
    }


class Looks:
    """Looks at a Connector, each with the probe that the previous look returned."""

    def __init__(self) -> None:
        self.api = ReadOnlyApi({paths.secret("team", "login"): login()})
        self.probed = 0
        self.manifest = connector()
        prober = Prober(self._probe, lambda: 1000.0)
        gateway = Gateway(self.api, namespace="system", domain="cluster.local")  # type: ignore[arg-type]
        classes = ClassLookup(Cache(self.api, "", trim.whole))  # type: ignore[arg-type]
        self._observer = Observer(self.api, FairSlots(1), prober, gateway, classes)  # type: ignore[arg-type]
        self._last = None

    def look(self, turn: Turn | None = None) -> Look | None:
        look = asyncio.run(self._observer.look(self.manifest, self._last, turn))
        self._last = look.last_probe if look and look.last_probe else self._last
        return look

    def report(self, turn: Turn | None = None) -> Report:
        look = self.look(turn)
        assert look is not None
        assert look.report is not None
        return look.report

    def store(self, report: Report) -> None:
        patch = status_patch(self.manifest, report, "2026-01-01T00:00:00Z")
        assert patch is not None
        self.manifest = {**self.manifest, "status": patch["status"]}

    async def _probe(self, _registry: RegistryAccess) -> Probe:
        self.probed += 1
        return OK


def ready(report: Report) -> str:
    return report.conditions[-1].status


def test_a_new_connector_is_reported_before_its_probe_and_after_it() -> None:
    looks = Looks()
    first = looks.look()
    assert first is not None
    assert (first.due, first.last_probe, looks.probed) == ("first", None, 0)
    assert first.report is not None
    assert ready(first.report) == "Unknown"
    second = looks.look("first")
    assert second is not None
    assert (second.due, looks.probed) == (None, 1)
    assert second.report is not None
    assert ready(second.report) == "True"


def test_a_complete_status_stays_as_it_is_until_the_probe() -> None:
    looks = Looks()
    looks.store(looks.report())
    look = looks.look()
    assert look is not None
    assert (look.report, look.due) == (None, "first")


def test_a_known_probe_is_reported_without_another() -> None:
    looks = Looks()
    looks.report("first")
    assert ready(looks.report()) == "True"
    assert looks.probed == 1


def test_another_password_needs_a_first_turn_again() -> None:
    looks = Looks()
    looks.report("first")
    looks.api.objects[paths.secret("team", "login")]["data"]["password"] = base64.b64encode(
        b"canary"
    ).decode()
    for turn in (None, "repeated"):
        look = looks.look(turn)
        assert look is not None
        assert look.due == "first"
    assert looks.probed == 1


def test_a_missing_secret_is_reported_and_nothing_is_probed() -> None:
    looks = Looks()
    looks.api.objects.clear()
    assert ready(looks.report("first")) == "False"
    assert looks.probed == 0


@pytest.mark.parametrize(
    "manifest", [connector(deletionTimestamp="2026-01-01T00:00:00Z"), {**connector(), "abridged": True}]
)
def test_a_connector_that_is_being_deleted_or_whose_watch_is_behind_is_left_alone(manifest: Json) -> None:
    looks = Looks()
    looks.manifest = manifest
    assert looks.look("first") is None
    assert looks.probed == 0


def test_a_look_holds_no_secret() -> None:
    looks = Looks()
    for turn in (None, "first"):
        assert "RegistryAccess" not in repr(looks.look(turn))
