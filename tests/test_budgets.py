"""Bytes of reviews: estimated before they are parsed, held in bounds, and taken from the greediest."""

import asyncio
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.budgets import Budget, Hold, Overfull, parsed_bytes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
TOLERANCE_BYTES = 1024
"""Of a document that is nearly empty: the result's own places"""


def taken_bytes(body: bytes) -> int:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        document = json.loads(body)
        taken = tracemalloc.get_traced_memory()[0] - before
        del document
        return taken
    finally:
        tracemalloc.stop()


DENSE = {
    "empty lists": b"[" + b",".join([b"[]"] * 20_000) + b"]",
    "empty objects": b"[" + b",".join([b"{}"] * 20_000) + b"]",
    "objects of one key": b"[" + b",".join(b'{"k%d":%d}' % (n, n) for n in range(20_000)) + b"]",
    "managed fields": b"[" + b",".join(b'{"f:%d":{}}' % n for n in range(20_000)) + b"]",
    "one object of many keys": b"{" + b",".join(b'"%d":%d' % (n, n + 999) for n in range(20_000)) + b"}",
    "texts": b"[" + b",".join(b'"%d"' % n for n in range(20_000)) + b"]",
    "emoji": ("[" + ",".join(f'{{"\U0001f600{n}":"\U0001f601"}}' for n in range(20_000)) + "]").encode(),
    "a long text with one emoji": ('"' + "a" * 200_000 + '\U0001f600"').encode(),
    "nested": b'{"a":[' * 400 + b"1" + b"]}" * 400,
}


@pytest.mark.parametrize("name", DENSE)
def test_the_estimate_is_never_below_what_python_takes(name: str) -> None:
    assert taken_bytes(DENSE[name]) <= parsed_bytes(DENSE[name]) + TOLERANCE_BYTES


@settings(max_examples=200, deadline=None)
@given(JSON, st.booleans())
def test_nor_for_any_document(document: object, ascii_only: bool) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only, separators=(",", ":")).encode(errors="replace")
    assert taken_bytes(body) <= parsed_bytes(body) + TOLERANCE_BYTES


async def stalled(hold: Hold) -> str:
    """A body of which 40 bytes came, and no more will."""
    with hold:
        try:
            async with asyncio.timeout(60) as deadline:
                hold.while_receiving(lambda: deadline.reschedule(0))
                hold.grow(40)
                await asyncio.sleep(60)
        except TimeoutError:
            return "expelled" if hold.is_expelled else "late"
    return "over"


def test_when_it_is_used_up_the_oldest_body_of_the_greediest_goes_at_once() -> None:
    async def story() -> None:
        budget = Budget(100, 90)
        attackers = [asyncio.create_task(stalled(budget.hold("attacker"))) for _ in range(2)]
        await asyncio.sleep(0)
        with budget.hold("api") as review:
            review.grow(50)
            assert await asyncio.wait_for(attackers[0], 5) == "expelled"
            assert budget.held_bytes == 90
            review.settle()
            review.grow(10)
            assert not attackers[1].done()
        attackers[1].cancel()
        await asyncio.gather(*attackers, return_exceptions=True)
        assert budget.held_bytes == 0

    asyncio.run(story())


def test_what_is_complete_stays_and_the_greediest_is_refused() -> None:
    budget = Budget(100, 90)
    with budget.hold("attacker") as first, budget.hold("attacker") as second, budget.hold("api") as review:
        first.grow(80)
        first.settle()
        with pytest.raises(Overfull):
            second.grow(11)
        review.grow(20)
        with pytest.raises(Overfull):
            review.grow(1)
        assert (review.is_expelled, first.is_expelled) == (True, False)
        assert budget.held_bytes == 80
    assert budget.held_bytes == 0


def test_a_body_that_was_expelled_does_not_grow_any_more() -> None:
    budget = Budget(100, 90)
    with budget.hold("attacker") as attack, budget.hold("api") as review:
        attack.grow(80)
        review.grow(50)
        with pytest.raises(Overfull):
            attack.grow(1)
    assert budget.held_bytes == 0
