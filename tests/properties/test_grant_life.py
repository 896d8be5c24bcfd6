"""Whatever requests and answers come: no grant serves beyond its life, and no question is hasty."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.grant import Grant
from sidecar.contract.words import Code
from sidecar.grants.life import (
    PATIENCE_SECONDS,
    WAIT_SECONDS,
    Ask,
    Life,
    asked,
    failed,
    fetched,
    next_renewal,
    next_step,
    unasked,
)
from sidecar.grants.trust import Wait
from support.sidecars.grant_stores import HARD, REFUSED, SOFT, UNREACHABLE, grant

VERSIONS = st.sampled_from(["1", "2"])
CAUSES = st.sampled_from([Code.CREDENTIAL_REFUSED, Code.REGISTRY_UNREACHABLE])
STEPS = st.one_of(
    st.tuples(st.just("request"), st.sampled_from([0.0, 3.0, 30.0])),
    st.tuples(st.just("renewal"), VERSIONS, CAUSES),
    st.tuples(st.just("grant"), VERSIONS),
    st.tuples(st.sampled_from(["no", "away", "no thread"])),
    st.tuples(st.just("pass"), st.sampled_from([0.25, 1.0, 7.0, SOFT, HARD])),
)


class World:
    """A broker and requests around a grant. It checks each decision by the events before it."""

    def __init__(self) -> None:
        self.life = Life()
        self.now = 1000.0
        self.question: tuple[str | None, str | None] | None = None
        self.last: tuple[Grant, float] | None = None
        """The grant that may serve, and its time: the last, unless the broker said no after it"""
        self.quiet_until = 0.0
        """Time of the earliest question after a failure"""

    def take(self, kind: str, *values: object) -> None:
        if kind == "request":
            self.check(next_step(self.life, self.now, self.now - float(str(values[0]))))
        elif kind == "renewal":
            version, cause = map(str, values)
            step = next_renewal(self.life, self.now, version, cause)
            assert not isinstance(step, Grant) or step.version != version
            self.check(step, version, cause, is_renewal=True)
        elif kind == "pass":
            self.now += float(str(values[0]))
        elif self.question is not None:
            self.answer(kind, *map(str, values))

    def check(
        self, step: object, rejected: str | None = None, cause: str | None = None, *, is_renewal: bool = False
    ) -> None:
        if isinstance(step, Grant):
            assert self.last is not None
            given, since = self.last
            assert step == given
            assert is_renewal or self.now - since < HARD
        elif isinstance(step, Ask):
            assert self.question is None, "two questions at once"
            assert self.now >= self.quiet_until
            self.question = rejected, cause
            self.life = asked(self.life, self.now, rejected, cause)
        elif isinstance(step, Wait):
            assert self.now < step.until
            assert is_renewal or step.until <= self.now + WAIT_SECONDS
            assert self.question is not None or step.until <= self.now + PATIENCE_SECONDS

    def answer(self, kind: str, version: str = "") -> None:
        assert self.question is not None
        if kind == "grant":
            self.life = fetched(self.life, self.now, grant(version))
            self.last = grant(version), self.now
            self.quiet_until = 0.0
        elif kind == "no thread":
            self.life = unasked(self.life, *self.question)
        else:
            self.life = failed(self.life, self.now, REFUSED if kind == "no" else UNREACHABLE)
            self.last = None if kind == "no" else self.last
            self.quiet_until = self.now + 0.5
        self.question = None


@given(st.lists(STEPS, min_size=20, max_size=40))
def test_no_grant_serves_beyond_its_life_and_no_question_is_hasty(steps: list[tuple[object, ...]]) -> None:
    world = World()
    for kind, *values in steps:
        world.take(str(kind), *values)
