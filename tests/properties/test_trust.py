"""Whatever clients ask and registries answer: never more refused tries than an account bears."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.grants.trust import (
    AHEAD_SECONDS,
    FORBIDDEN_NEW,
    Go,
    Rest,
    Trust,
    Verdict,
    Wait,
    ask,
    end,
    may_try_again,
)

QUARTER = 900.0
MOST_ACCEPTED, MOST_NEW = 8, 4

SUBJECTS = st.sampled_from(["a", "b", "c", ""])
PLACES = st.integers(0, 7)
HAMMER = st.tuples(st.just("hammer"), SUBJECTS)
STEPS = st.one_of(
    HAMMER,
    HAMMER,
    HAMMER,
    st.tuples(st.just("ask"), SUBJECTS),
    st.tuples(st.just("second"), PLACES),
    st.tuples(st.sampled_from(["refused", "refused", "refused", "unjudged", "left"]), PLACES),
    st.tuples(st.just("pass"), st.sampled_from([0.1, 1.0, AHEAD_SECONDS, 9.0, 30.0, 120.0])),
)
LIFE = st.lists(STEPS, min_size=30, max_size=60)
"""Without a success"""
LIVES = st.tuples(st.booleans(), st.lists(LIFE, min_size=1, max_size=2))
"""Whether the first answer was good, and lives with a success between them"""


class World:
    """Clients and a registry around one version, which serve a list of steps as far as it makes sense."""

    def __init__(self, *, is_accepted: bool) -> None:
        self.trust = Trust()
        self.now = 1000.0
        self.number = 0
        self.subjects: dict[int, str] = {}
        self.under_way: list[tuple[Go, int]] = []
        """With how many refusals were known when it went"""
        self.refused: list[Go] = []
        self.known = 0
        self.counted: list[float] = []
        """When each refusal came that was not under way with one before it; since the last success"""
        self.was_accepted = False
        if is_accepted:
            self.ask("a")
            self.answer("accepted", 0)

    def ask(self, subject: str, *, is_second: bool = False) -> Go | Wait | Rest:
        self.number += 1
        self.subjects[self.number] = subject
        self.trust, step = ask(
            self.trust, self.now, self.number, subject, others=len(self.under_way), is_second=is_second
        )
        if isinstance(step, Go):
            self.under_way.append((step, self.known))
        return step

    def answer(self, answer: Verdict, place: int) -> None:
        if not self.under_way:
            return
        gone, known = self.under_way.pop(place % len(self.under_way))
        self.trust = end(self.trust, gone, answer, self.now, self.subjects[gone.number])
        if answer == "accepted":
            self.counted, self.was_accepted = [], True
            self.known += 1  # what went before this success is under way with it
        elif answer == "refused":
            if known == self.known:
                self.counted.append(self.now)
                self.known += 1
            if may_try_again(self.trust, gone, self.subjects[gone.number]):
                self.refused.append(gone)

    def hammer(self, subject: str) -> None:
        """Ask at the first moment that it helps, and be refused."""
        step = self.ask(subject)
        if not isinstance(step, Go):
            self.now = max(self.now, step.until)
            step = self.ask(subject)
        if isinstance(step, Go):
            self.answer("refused", len(self.under_way) - 1)

    def take(self, step: tuple[str, object]) -> None:
        kind, value = step
        if kind == "ask":
            self.ask(str(value))
        elif kind == "hammer":
            self.hammer(str(value))
        elif kind == "second" and self.refused:
            gone = self.refused.pop(int(str(value)) % len(self.refused))
            self.ask(self.subjects[gone.number], is_second=True)
        elif kind == "pass":
            self.now += float(str(value))
        elif kind in ("accepted", "refused", "unjudged", "left"):
            self.answer(kind, int(str(value)))  # type: ignore[arg-type]


@given(LIVES)
def test_never_more_refused_tries_in_a_quarter_than_the_bound(
    life: tuple[bool, list[list[tuple[str, object]]]],
) -> None:
    world = World(is_accepted=life[0])
    steps = [step for part in life[1] for step in (*part, ("accepted", 0))][:-1]
    for step in steps:
        world.take(step)
        most = MOST_ACCEPTED if world.was_accepted else MOST_NEW
        assert sum(one > world.now - QUARTER for one in world.counted) <= most


@given(LIVES)
def test_at_rest_at_most_one_try_is_under_way(life: tuple[bool, list[list[tuple[str, object]]]]) -> None:
    world = World(is_accepted=life[0])
    steps = [step for part in life[1] for step in (*part, ("accepted", 0))][:-1]
    tries: set[int] = set()
    for step in steps:
        is_resting = world.trust.rests("")
        before = {gone.number for gone, _ in world.under_way}
        world.take(step)
        under_way = {gone.number for gone, _ in world.under_way}
        tries = (tries | (under_way - before)) & under_way if is_resting else set()
        assert len(tries) <= 1


@given(LIVES, SUBJECTS)
def test_from_every_state_a_patient_client_is_served_once_the_registry_is_well(
    life: tuple[bool, list[list[tuple[str, object]]]], subject: str
) -> None:
    """Nobody is left behind: not even if those who went alone were never heard of again."""
    world = World(is_accepted=life[0])
    steps = [step for part in life[1] for step in (*part, ("accepted", 0))][:-1]
    for step in steps:
        world.take(step)
    while world.under_way:
        world.answer("left", 0)
    for _ in range(1000):
        found = world.ask(subject)
        if isinstance(found, Go):
            world.answer("accepted", len(world.under_way) - 1)
            assert world.trust.is_good
            return
        world.now = max(world.now + 0.1, found.until)
    raise AssertionError("never served")


@given(
    st.lists(
        st.tuples(st.sampled_from(["refused", "forbidden"]), st.sampled_from([0.0, 0.1, 9.0, 120.0])),
        min_size=20,
    )
)
def test_never_accepted_a_403_for_each_package_is_bounded_as_a_401(
    steps: list[tuple[Verdict, float]],
) -> None:
    """Where a registry answers 403 to a wrong password. Each try is about another package."""
    trust, now, tries = Trust(), 1000.0, []
    for number, (answer, pause) in enumerate(steps, start=1):
        trust, step = ask(trust, now, number, str(number))
        if not isinstance(step, Go):
            now = max(now, step.until)
            trust, step = ask(trust, now, number, str(number))
        assert isinstance(step, Go)
        trust = end(trust, step, answer, now, str(number))
        tries.append(now)
        assert sum(one > now - QUARTER for one in tries) <= FORBIDDEN_NEW - 1 + MOST_NEW
        now += pause
