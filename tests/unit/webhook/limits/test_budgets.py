"""Bytes of reviews: estimated before parsing, limited, and evicted from the peer with the largest share."""

import asyncio
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.limits.budgets import Budget, Overfull, parsed_bytes

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
    # the least of three: what a thread of another test allocates meanwhile is traced as well
    assert min(taken_bytes(DENSE[name]) for _ in range(3)) <= parsed_bytes(DENSE[name]) + TOLERANCE_BYTES


@settings(max_examples=200, deadline=None)
@given(JSON, st.booleans())
def test_the_estimate_holds_for_any_document(document: object, ascii_only: bool) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only, separators=(",", ":")).encode(errors="replace")
    assert taken_bytes(body) <= parsed_bytes(body) + TOLERANCE_BYTES


def ignore() -> None:
    """The interrupt of a holder that no test evicts."""


async def stalled(budget: Budget, *, is_complete: bool = False) -> str:
    """40 bytes of a body; nothing follows for a minute."""
    try:
        async with asyncio.timeout(None) as eviction:
            with budget.hold("attacker", lambda: eviction.reschedule(0)) as hold:
                hold.grow(40)
                if is_complete:
                    hold.settle()
                await asyncio.sleep(60)
    except TimeoutError:
        return "evicted"
    return "over"


def test_a_full_budget_evicts_the_oldest_body_of_the_largest_peer_at_once() -> None:
    async def story() -> None:
        budget = Budget(100, 90)
        attackers = [asyncio.create_task(stalled(budget)) for _ in range(2)]
        await asyncio.sleep(0)
        with budget.hold("api", ignore) as review:
            review.grow(50)
            assert await asyncio.wait_for(attackers[0], 5) == "evicted"
            assert budget.held_bytes == 90
            review.settle()
            review.grow(10)
            assert not attackers[1].done()
        attackers[1].cancel()
        await asyncio.gather(*attackers, return_exceptions=True)
        assert budget.held_bytes == 0

    asyncio.run(story())


def test_complete_bodies_make_room_for_a_peer_that_holds_less() -> None:
    """Two Pods whose reviews wait for an answer must not keep the API server out."""

    async def story() -> None:
        budget = Budget(100, 90)
        attackers = [asyncio.create_task(stalled(budget, is_complete=True)) for _ in range(2)]
        await asyncio.sleep(0)
        with budget.hold("api", ignore) as review:
            review.grow(30)
            assert await asyncio.wait_for(attackers[1], 5) == "evicted", "the newest"
        attackers[0].cancel()
        await asyncio.gather(*attackers, return_exceptions=True)

    asyncio.run(story())


def test_a_peer_never_displaces_its_own_complete_bodies_nor_a_smaller_peer() -> None:
    budget = Budget(100, 90)
    with budget.hold("api", ignore) as review, budget.hold("attacker", ignore) as first:
        review.grow(40)
        review.settle()
        first.grow(50)
        first.settle()
        with budget.hold("attacker", ignore) as second, pytest.raises(Overfull):
            second.grow(11)
        assert (review.is_expelled, first.is_expelled) == (False, False)
    assert budget.held_bytes == 0


def test_an_evicted_body_does_not_grow_any_more() -> None:
    budget = Budget(100, 90)
    with budget.hold("attacker", ignore) as attack, budget.hold("api", ignore) as review:
        attack.grow(80)
        review.grow(50)
        with pytest.raises(Overfull):
            attack.grow(1)
    assert budget.held_bytes == 0


def test_a_review_that_cannot_fit_evicts_no_other() -> None:
    """All tenants' reviews come from the API server, which is one peer."""
    mebibyte = 1024 * 1024
    budget = Budget(96 * mebibyte, 64 * mebibyte)
    evicted: list[str] = []
    with budget.hold("api-server", lambda: evicted.append("large")) as large:
        large.grow(38 * mebibyte)
        large.settle()
        with budget.hold("api-server", lambda: evicted.append("small")) as small:
            small.grow(8 * 1024)
            with budget.hold("api-server", lambda: evicted.append("next")) as another:
                another.grow(2 * mebibyte)
                another.settle()
                with pytest.raises(Overfull):
                    another.grow(38 * mebibyte)
    assert evicted == []
