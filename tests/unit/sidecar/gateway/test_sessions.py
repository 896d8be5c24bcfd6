"""Sessions: bounded, those of made-up tokens apart from the others, and over with their tokens."""

from pathlib import Path

from sidecar.contract.secret import Secret
from sidecar.gateway.brokers import GatewayBroker
from sidecar.gateway.sessions import IDLE_SECONDS, LIMIT, YOUNG_LIMIT, YOUNG_SECONDS, Sessions
from sidecar.sockets.threads import Threads
from support.sidecars.loops import JumpingLoop

BROKER = GatewayBroker("https://broker.example", Path("/nowhere"), "/nowhere")


class Place:
    def __init__(self) -> None:
        self.loop = JumpingLoop()
        self.sessions = Sessions(BROKER, self.loop)
        self.threads = Threads(self.loop)

    def open(self, text: str, connector: str = "team/pypi", *, is_known: bool = False) -> None:
        session = self.sessions.open(connector, Secret(text), self.threads)
        if is_known:
            self.sessions.accept(session)

    def has(self, text: str, connector: str = "team/pypi") -> bool:
        return self.sessions.find(connector, Secret(text)) is not None


def test_a_session_is_of_one_token_at_one_connector() -> None:
    place = Place()
    place.open("a")
    assert place.has("a")
    assert not place.has("a", "team/other")
    assert not place.has("b")


def test_made_up_tokens_displace_only_each_other() -> None:
    place = Place()
    place.open("known", is_known=True)
    for number in range(YOUNG_LIMIT + 10):
        place.open(f"made-up-{number}")
    assert place.has("known")
    assert not place.has("made-up-0")
    assert place.has(f"made-up-{YOUNG_LIMIT + 9}")
    assert len(place.sessions) == YOUNG_LIMIT + 1


def test_the_longest_unused_gives_way_and_none_with_a_request_under_way() -> None:
    place = Place()
    for number in range(LIMIT):
        place.open(str(number), is_known=True)
    busy = place.sessions.find("team/pypi", Secret("1"))
    assert busy is not None
    busy.under_way = 1
    for number in range(2, LIMIT):
        assert place.has(str(number))
    place.open("new", is_known=True)
    assert not place.has("0")
    assert place.has("1")
    assert len(place.sessions) == LIMIT


def test_idle_sessions_end_and_made_up_ones_sooner() -> None:
    place = Place()
    place.open("known", is_known=True)
    place.open("young")
    place.loop.now += YOUNG_SECONDS
    place.sessions.sweep()
    assert (place.has("known"), place.has("young")) == (True, False)
    place.loop.now += IDLE_SECONDS
    place.sessions.sweep()
    assert len(place.sessions) == 0


def test_a_session_ends_with_its_token_though_it_is_used() -> None:
    place = Place()
    place.open("a", is_known=True)
    session = place.sessions.find("team/pypi", Secret("a"))
    assert session is not None
    session.expires_at = place.loop.now + 10.0
    place.loop.now += 10.0
    place.sessions.sweep()
    assert not place.has("a")
