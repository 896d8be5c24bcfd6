"""Places at the registry: never more than allowed, given in the order of asking, given up by who leaves."""

from collections.abc import Callable, Coroutine

import pytest

from sidecar.errors import ClientGone, Refusal
from sidecar.sockets.loop import Loop, Task
from sidecar.sockets.places import Places


class Client:
    is_gone = False


class Scene:
    """Visitors of one loop, each with a name, and what became of them in order."""

    def __init__(self, limit: int, wait_seconds: float = 20.0) -> None:
        self.loop = Loop()
        self.places = Places(self.loop, wait_seconds)
        self.limit = limit
        self.events: list[str] = []
        self.leave_now: dict[str, bool] = {}
        self.clients: dict[str, Client] = {}
        self.tasks: dict[str, Task] = {}

    def visit(self, name: str) -> None:
        self.clients[name] = Client()
        self.tasks[name] = self.loop.spawn(self._visit(name))

    def end(self, name: str) -> None:
        self.leave_now[name] = True
        self.loop.wake(self.tasks[name])

    def go(self, name: str) -> None:
        """The client leaves, which wakes its task as an event of its socket does."""
        self.clients[name].is_gone = True
        self.loop.wake(self.tasks[name])

    def turn(self, done: Callable[[], bool] = lambda: True) -> list[str]:
        """What happens until nothing more does at once, or until something is so."""
        before = len(self.events)

        async def stop() -> None:
            for _ in range(20):
                await self.loop.pause()
            while not done():
                await self.loop.suspend(self.loop.now + 0.01)
            self.loop.stop()

        self.loop._is_stopped = False
        self.loop.spawn(stop())
        self.loop.run()
        return self.events[before:]

    async def _visit(self, name: str) -> None:
        try:
            if not self.places.take_free(self.limit):
                await self.places.take(self.clients[name])
        except (ClientGone, Refusal) as error:
            self.events.append(f"{name} {type(error).__name__}")
            return
        self.events.append(f"{name} in")
        while name not in self.leave_now:
            await self.loop.suspend()
        self.places.leave()


def test_as_many_as_allowed_are_in_and_the_others_come_in_the_order_of_asking() -> None:
    scene = Scene(2)
    for name in "abcdef":
        scene.visit(name)
    assert scene.turn() == ["a in", "b in"]
    scene.end("b")
    assert scene.turn() == ["c in"]
    scene.visit("g")
    scene.end("a")
    scene.end("c")
    assert scene.turn() == ["d in", "e in"]
    scene.end("d")
    scene.end("e")
    assert scene.turn() == ["f in", "g in"]


def test_whoever_asks_later_does_not_overtake_who_waits() -> None:
    scene = Scene(1)
    scene.visit("a")
    scene.visit("b")
    scene.turn()
    scene.limit = 2
    scene.visit("c")  # of a newer grant, which allows two
    assert scene.turn() == []
    scene.end("a")
    assert scene.turn() == ["b in", "c in"]


def test_who_leaves_the_line_costs_nobody_a_place() -> None:
    scene = Scene(1)
    for name in "abc":
        scene.visit(name)
    scene.turn()
    scene.go("b")
    assert scene.turn() == ["b ClientGone"]
    scene.end("a")
    assert scene.turn() == ["c in"]
    scene.end("c")
    scene.visit("d")
    assert scene.turn() == ["d in"]


def test_who_leaves_in_the_moment_of_the_turn_gives_the_place_back() -> None:
    scene = Scene(1)
    for name in "ab":
        scene.visit(name)
    scene.turn()
    scene.end("a")
    scene.go("b")
    scene.leave_now["b"] = True
    scene.turn()
    scene.visit("c")
    assert scene.turn() == ["c in"]


def test_a_wait_has_an_end_and_says_what_to_do() -> None:
    scene = Scene(1, wait_seconds=0.05)
    for name in "abc":
        scene.visit(name)
    scene.turn()
    assert sorted(scene.turn(lambda: len(scene.events) >= 3)) == ["b Refusal", "c Refusal"]
    scene.end("a")
    scene.visit("d")
    assert scene.turn() == ["d in"]


def test_the_end_of_a_wait_is_a_503_that_names_the_parameter() -> None:
    loop = Loop()
    places = Places(loop, wait_seconds=0.0)
    assert places.take_free(1)
    wait: Coroutine[None, None, None] = places.take(Client())
    loop.current = loop.spawn(wait)
    with pytest.raises(Refusal, match="maxConnections") as refused:
        wait.send(None)
    assert (refused.value.status, refused.value.code) == (503, "registry-busy")
    assert refused.value.retry_after
