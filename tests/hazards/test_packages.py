"""A policy of packages: no request, in any spelling, gets a denied package from the registry."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.contract.grant import PackagePolicy
from support.servers.registry import Call, Registry
from support.sidecars.grant_servers import Broker
from support.sidecars.running import CONNECTOR, Sidecar, grant, running_sidecar, sidecar_of_broker

WHEEL = "evil-1.0-py3-none-any.whl"
DENIED = f'package "evil" is denied by connector {CONNECTOR} (denyPackages: evil*)'
POLICY = PackagePolicy(CONNECTOR, allow=(), deny=("evil*",))


def host_of(registry: Registry) -> str:
    return registry.origin.removeprefix("https://")


def answers(call: Call) -> None:
    call.reply(200, b"served", {"Content-Type": "application/octet-stream"})


@pytest.fixture
def kept(registry: Registry, elsewhere: Registry, tmp_path: Path) -> Iterator[Sidecar]:
    """A sidecar whose grant has a policy; both registries have everything."""
    registry.on("*", answers)
    elsewhere.on("*", answers)
    with running_sidecar(
        tmp_path, grant(registry, packages=POLICY, file_origins=(elsewhere.origin,))
    ) as found:
        yield found


TARGETS = [
    "/simple/evil/",
    "/simple/E%76il",
    f"/files/{WHEEL}",
    f"/files/{WHEEL}.metadata",
    f"/files/{WHEEL}.provenance",
    "/files/evil-1.0.tar.gz.asc",
    "/simple/good/evil-1.0.zip",
    "/_o/ELSEWHERE/evil-1.0.zip",
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_denied_is_403_with_a_sentence_and_never_asked_for(
    registry: Registry, elsewhere: Registry, kept: Sidecar, method: str
) -> None:
    for target in TARGETS:
        reply = kept.ask(method, target.replace("ELSEWHERE", host_of(elsewhere)))
        assert (reply.status, reply.reason) == (403, DENIED), target
        assert reply.body.decode() == (f"{DENIED}\n" if method == "GET" else "")
    assert (registry.connections, elsewhere.connections) == (0, 0)
    line = kept.wait_line(message="request", status=403)
    assert (line["level"], line["reason"], line["detail"]) == ("warning", "package-denied", DENIED)


def test_what_is_not_denied_passes_and_the_index_lists_its_names(
    registry: Registry, elsewhere: Registry, kept: Sidecar
) -> None:
    for target in (
        "/simple/",
        "/simple/good/",
        "/files/good-1.0.zip",
        f"/_o/{host_of(elsewhere)}/good-1.0.zip",
    ):
        assert kept.get(target).body == b"served", target


def test_an_upload_is_not_looked_at(registry: Registry, kept: Sidecar) -> None:
    """Its package stands in the body, which is passed on unread; who may not upload has access read."""
    registry.on("/upload/", lambda call: (call.read_body(), call.reply(200, b"taken")))
    assert kept.upload(b"name=evil").body == b"taken"


def test_a_policy_that_comes_later_holds_from_the_next_grant_on(registry: Registry, tmp_path: Path) -> None:
    registry.on("*", answers)
    before, after = (
        grant(registry, soft_seconds=0),
        grant(registry, soft_seconds=0, packages=POLICY, version="v2"),
    )
    with Broker(before, after) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        assert sidecar.get(f"/files/{WHEEL}").status == 200
        assert sidecar.get(f"/files/{WHEEL}").reason == DENIED


PAGE_OF_EVIL, FILE_OF_EVIL = "/simple/evil/", f"/files/{WHEEL}"


@pytest.mark.parametrize(
    ("asked", "to"),
    [
        ("/simple/good/", PAGE_OF_EVIL),
        ("/simple/good/", "../evil"),
        ("/simple/good/", "/simple/good/../EVIL/"),
        ("/simple/good/", FILE_OF_EVIL),
        ("/simple/", PAGE_OF_EVIL),
        ("/files/good-1.0.zip", FILE_OF_EVIL),
        ("/files/good-1.0.zip", f"{FILE_OF_EVIL}?signed=yes"),
        ("/files/good-1.0.zip", PAGE_OF_EVIL),
        ("/files/good-1.0.zip", f"https://ELSEWHERE/{WHEEL}"),
        ("/simple/good/", "https://ELSEWHERE/content/evil/"),
        ("/_o/ELSEWHERE/good-1.0.zip", f"https://ELSEWHERE/{WHEEL}"),
    ],
)
def test_no_redirect_leads_to_a_package_that_is_kept_back(
    registry: Registry, elsewhere: Registry, kept: Sidecar, asked: str, to: str
) -> None:
    asked, to = (one.replace("ELSEWHERE", host_of(elsewhere)) for one in (asked, to))
    source = elsewhere if asked.startswith("/_o/") else registry
    place = asked.removeprefix(f"/_o/{host_of(elsewhere)}")
    source.on(place, lambda call: call.reply(302, b"", {"Location": to}))
    for method in ("GET", "HEAD"):
        reply = kept.ask(method, asked)
        assert (reply.status, reply.reason) == (403, DENIED)
    assert kept.wait_line(message="request", status=403)["reason"] == "package-denied"
    assert [one.target for one in (*registry.requests, *elsewhere.requests)] == [place, place]


def test_a_redirect_to_storage_with_meaningless_names_is_followed(
    registry: Registry, elsewhere: Registry, kept: Sidecar
) -> None:
    registry.on(
        "/files/good-1.0.zip",
        lambda call: call.reply(302, b"", {"Location": f"{elsewhere.origin}/blobs/4f1c?signed=yes"}),
    )
    assert kept.get("/files/good-1.0.zip").body == b"served"
    assert [one.target for one in elsewhere.requests] == ["/blobs/4f1c?signed=yes"]
