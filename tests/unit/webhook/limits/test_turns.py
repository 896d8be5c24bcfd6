"""Turns for requests: a crowd of one peer delays its own requests, and nobody else's."""

import asyncio
import itertools

from webhook.limits.turns import Turns


def test_a_new_peer_is_next_however_many_requests_of_another_wait() -> None:
    order: list[str] = []

    async def request(turns: Turns, peer: str) -> None:
        await turns.turn(peer)
        order.append(peer)

    async def story() -> None:
        turns = Turns()
        crowd = [asyncio.create_task(request(turns, "attacker")) for _ in range(300)]
        await asyncio.sleep(0)
        victims = [asyncio.create_task(request(turns, f"victim-{number}")) for number in range(3)]
        await asyncio.gather(*crowd, *victims)

    asyncio.run(story())
    assert len(order) == 303
    last = max(order.index(f"victim-{number}") for number in range(3))
    assert last < 12, "each in its turn, and not behind the crowd"


def test_one_request_goes_on_in_a_round_of_the_loop() -> None:
    seen: list[int] = []
    done = 0

    async def request(turns: Turns) -> None:
        nonlocal done
        await turns.turn("attacker")
        done += 1

    async def story() -> None:
        turns = Turns()
        crowd = [asyncio.create_task(request(turns)) for _ in range(50)]
        while not all(task.done() for task in crowd):
            await asyncio.sleep(0)
            seen.append(done)

    asyncio.run(story())
    assert max(after - before for before, after in itertools.pairwise(seen)) == 1


def test_requests_that_end_while_they_wait_take_no_turn_and_stop_nobody() -> None:
    async def story() -> None:
        turns = Turns()
        crowd = [asyncio.create_task(turns.turn("attacker")) for _ in range(50)]
        await asyncio.sleep(0)
        for task in crowd:
            task.cancel()
        await asyncio.wait_for(turns.turn("attacker"), 5)
        await asyncio.gather(*crowd, return_exceptions=True)
        await asyncio.wait_for(turns.turn("victim"), 5)

    asyncio.run(story())
