"""The life of a grant: fetched once for all who wait, renewed on use, ended by a refusal, never hammered."""

import threading
from collections.abc import Callable, Iterator

import pytest

from sidecar.contract import Credential, Grant, Secret
from sidecar.errors import BrokerRefused, BrokerUnreachable, CredentialRefused
from sidecar.grants import (
    BACK_OFF_SECONDS,
    PATIENCE_SECONDS,
    REFUSED_SECONDS,
    RENEW_SECONDS,
    WAIT_SECONDS,
    GrantStore,
)

SOFT, HARD = 300.0, 3600.0
PATIENCE = 10.0  # seconds that a thread of a test may take at most; arbitrary
THREADS = 50  # what uv opens


def grant(version: str) -> Grant:
    return Grant(
        version=version,
        index_url="https://registry.example/simple/",
        upload_url=None,
        file_origins=(),
        ca=None,
        credential=Credential("user", Secret(version)),
        soft_seconds=SOFT,
        hard_seconds=HARD,
        broker_ca=(),
    )


REFUSED = BrokerRefused("NotAllowed", "the ServiceAccount may not use this Connector")
UNREACHABLE = BrokerUnreachable("the broker cannot be reached")


class Clock:
    """Monotonic seconds that stand still until told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Broker:
    """Answers what its script says, the last line for ever; keeps which versions were called rejected."""

    def __init__(self, *script: str | Exception) -> None:
        self.script = list(script)
        self.asked: list[str | None] = []

    def __call__(self, rejected: str | None) -> Grant:
        self.asked.append(rejected)
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return grant(answer)


class Slow(Broker):
    """Answers only when told to."""

    def __init__(self, *script: str | Exception) -> None:
        super().__init__(*script)
        self.entered = threading.Event()
        self.may_answer = threading.Event()

    def __call__(self, rejected: str | None) -> Grant:
        self.entered.set()
        assert self.may_answer.wait(PATIENCE)
        return super().__call__(rejected)


class Run:
    """Store, broker and clock of one test."""

    def __init__(self, broker: Broker, patience_seconds: float = 0.0) -> None:
        self.clock = Clock()
        self.broker = broker
        self.store = GrantStore("team/pypi", broker, self.clock, patience_seconds=patience_seconds)

    def version(self, action: str = "install") -> str:
        return self.store.get(action).version

    def renewed(self, version: str, action: str = "install", *, is_rejected: bool = True) -> str | None:
        found = self.store.renew(grant(version), action, is_rejected=is_rejected)
        return found and found.version


def run(*script: str | Exception) -> Run:
    return Run(Broker(*script))


def in_threads(count: int, work: Callable[[], object]) -> Iterator[list[object]]:
    """Start threads; yield their results, which are complete when the generator goes on. Exceptions count."""
    results: list[object] = []

    def call() -> None:
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001 (a result like any other)
            results.append(error)

    threads = [threading.Thread(target=call, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield results
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads), "somebody still waits"
    yield results


def all_waiting(store: GrantStore, count: int) -> None:
    """Until so many threads wait for the fetch of another one."""
    deadline = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        with store._changed:
            if len(store._changed._waiters) >= count:  # type: ignore[attr-defined]
                return
        deadline.wait(0.01)
    raise AssertionError("the threads do not wait")


def pass_time(test: Run, seconds: float) -> None:
    with test.store._changed:
        test.clock.now += seconds
        test.store._changed.notify_all()


def test_a_young_grant_is_used_without_asking() -> None:
    test = run("1", "2")
    assert test.version() == "1"
    test.clock.now += SOFT - 0.1
    assert (test.version(), test.version("upload")) == ("1", "1")
    assert test.broker.asked == [None]


def test_after_its_soft_life_the_next_use_asks() -> None:
    test = run("1", "2")
    test.version()
    test.clock.now += SOFT
    assert (test.version(), test.version()) == ("2", "2")
    assert test.broker.asked == [None, None]


def test_the_same_version_fetched_again_is_young_again() -> None:
    test = run("1")
    test.version()
    for _ in range(3):
        test.clock.now += SOFT
        assert (test.version(), test.version()) == ("1", "1")
    assert test.broker.asked == [None] * 4


def test_while_the_broker_is_away_a_grant_serves_until_its_hard_life_ends() -> None:
    test = run("1", UNREACHABLE)
    test.version()
    test.clock.now += SOFT
    assert test.version() == "1"
    test.clock.now += HARD - SOFT - 0.1
    assert test.version() == "1"
    test.clock.now += 0.1
    with pytest.raises(BrokerUnreachable):
        test.version()


def test_the_hard_life_counts_from_the_last_grant_not_from_the_first() -> None:
    test = run("1", "1", UNREACHABLE)
    test.version()
    test.clock.now += SOFT
    test.version()
    test.clock.now += HARD - 1
    assert test.version() == "1"


def test_a_refusal_ends_the_grant_at_once() -> None:
    test = run("1", REFUSED)
    test.version()
    test.clock.now += SOFT
    for _ in range(2):
        with pytest.raises(BrokerRefused, match="may not use"):
            test.version()
    assert test.broker.asked == [None, None]


def test_a_refusal_stands_for_a_while_and_then_the_broker_is_asked_again() -> None:
    test = run(REFUSED, "1")
    for step in (0.0, REFUSED_SECONDS - 0.1):
        test.clock.now += step
        with pytest.raises(BrokerRefused):
            test.version()
    assert len(test.broker.asked) == 1
    test.clock.now += 0.1
    assert test.version() == "1"


def test_a_broker_that_comes_back_after_a_refusal_does_not_bring_the_old_grant_back() -> None:
    test = run("1", REFUSED, UNREACHABLE)
    test.version()
    test.clock.now += SOFT
    with pytest.raises(BrokerRefused):
        test.version()
    test.clock.now += REFUSED_SECONDS
    with pytest.raises(BrokerUnreachable):
        test.version()


@pytest.mark.parametrize("has_grant", [True, False], ids=["with an old grant", "without one"])
def test_the_pauses_between_fetches_grow_while_the_broker_is_away(has_grant: bool) -> None:
    test = run(*(["1"] if has_grant else []), UNREACHABLE)
    if has_grant:
        test.version()
        test.clock.now += SOFT

    def use() -> None:
        try:
            assert test.version() == "1"
            assert has_grant
        except BrokerUnreachable:
            assert not has_grant

    asked = len(test.broker.asked)
    for pause in (*BACK_OFF_SECONDS, BACK_OFF_SECONDS[-1], BACK_OFF_SECONDS[-1]):
        use()
        asked += 1
        assert len(test.broker.asked) == asked
        test.clock.now += pause - 0.01
        use()
        assert len(test.broker.asked) == asked, f"asked again before {pause} s"
        test.clock.now += 0.01


def test_a_request_without_a_grant_waits_for_a_broker_that_comes_back() -> None:
    """Regression: pip repeats a 503 five times, and had given up after six seconds."""
    test = Run(Broker(UNREACHABLE, UNREACHABLE, "1"), PATIENCE_SECONDS)
    threads = in_threads(THREADS, test.version)
    next(threads)
    for pause in BACK_OFF_SECONDS[:2]:
        all_waiting(test.store, THREADS)
        pass_time(test, pause)
    assert next(threads) == ["1"] * THREADS
    assert test.broker.asked == [None] * 3


def test_its_patience_has_an_end() -> None:
    test = Run(Broker(UNREACHABLE), PATIENCE_SECONDS)
    threads = in_threads(1, test.version)
    next(threads)
    all_waiting(test.store, 1)
    pass_time(test, PATIENCE_SECONDS)
    assert next(threads) == [UNREACHABLE]


def test_nobody_waits_for_a_broker_that_says_no() -> None:
    test = Run(Broker(REFUSED), PATIENCE_SECONDS)
    with pytest.raises(BrokerRefused):
        test.version()


def test_nobody_who_has_a_grant_waits_for_a_broker_that_is_away() -> None:
    test = Run(Broker("1", UNREACHABLE), PATIENCE_SECONDS)
    test.version()
    test.clock.now += SOFT
    assert [test.version() for _ in range(3)] == ["1"] * 3


def test_an_answer_ends_the_back_off() -> None:
    test = run(UNREACHABLE, UNREACHABLE, "1", UNREACHABLE, "2")
    for pause in BACK_OFF_SECONDS[:2]:
        with pytest.raises(BrokerUnreachable):
            test.version()
        test.clock.now += pause
    assert test.version() == "1"
    test.clock.now += SOFT
    assert test.version() == "1"
    test.clock.now += BACK_OFF_SECONDS[0]
    assert test.version() == "2"


def test_many_who_wait_for_the_first_grant_share_one_fetch() -> None:
    test = Run(slow := Slow("1"))
    threads = in_threads(THREADS, test.version)
    next(threads)
    all_waiting(test.store, THREADS - 1)
    slow.may_answer.set()
    assert next(threads) == ["1"] * THREADS
    assert test.broker.asked == [None]


@pytest.mark.parametrize("failure", [REFUSED, UNREACHABLE], ids=["refused", "unreachable"])
def test_many_who_wait_are_woken_by_a_failure_and_none_asks_again(failure: Exception) -> None:
    test = Run(slow := Slow(failure))
    threads = in_threads(THREADS, test.version)
    next(threads)
    all_waiting(test.store, THREADS - 1)
    slow.may_answer.set()
    assert next(threads) == [failure] * THREADS
    assert test.broker.asked == [None]


def test_a_fault_in_the_brokers_client_wakes_who_waits_too() -> None:
    test = Run(slow := Slow(ZeroDivisionError()))
    threads = in_threads(5, test.version)
    next(threads)
    all_waiting(test.store, 4)
    slow.may_answer.set()
    kinds = sorted(type(result).__name__ for result in next(threads))
    assert kinds == ["BrokerUnreachable"] * 4 + ["ZeroDivisionError"]


def test_nobody_waits_for_a_refresh_while_the_old_grant_serves() -> None:
    test = Run(slow := Slow("1", "2"))
    slow.may_answer.set()
    test.version()
    slow.may_answer.clear()
    slow.entered.clear()
    test.clock.now += SOFT
    threads = in_threads(1, test.version)
    next(threads)
    assert slow.entered.wait(PATIENCE)
    assert [test.version() for _ in range(5)] == ["1"] * 5
    slow.may_answer.set()
    assert next(threads) == ["2"]
    assert len(test.broker.asked) == 2


def test_a_wait_for_the_first_grant_has_an_end() -> None:
    test = Run(slow := Slow("1"))
    threads = in_threads(2, test.version)
    results = next(threads)
    all_waiting(test.store, 1)
    test.clock.now += WAIT_SECONDS
    with test.store._changed:
        test.store._changed.notify_all()
    for _ in range(1000):
        if results:
            break
        threading.Event().wait(0.01)
    assert [str(result) for result in results] == ["the broker has not answered yet"]
    slow.may_answer.set()
    assert "1" in next(threads)


def test_after_a_401_a_newer_version_is_fetched_and_used() -> None:
    test = run("1", "2")
    test.version()
    assert test.renewed("1") == "2"
    assert (test.version(), test.version("upload")) == ("2", "2")
    assert test.broker.asked == [None, "1"]


@pytest.mark.parametrize("action", ["install", "upload"])
def test_a_version_is_never_tried_twice_for_one_action_but_serves_the_other(action: str) -> None:
    other = {"install": "upload", "upload": "install"}[action]
    test = run("1")
    test.version(action)
    assert test.renewed("1", action) is None
    for _ in range(3):
        with pytest.raises(CredentialRefused, match="team/pypi"):
            test.version(action)
        assert test.version(other) == "1"
        test.clock.now += SOFT


def test_the_broker_is_asked_for_a_newer_version_at_a_limited_rate() -> None:
    test = run("1")
    test.version()
    for round_number in range(1, 4):
        for _ in range(5):
            assert test.renewed("1") is None
            with pytest.raises(CredentialRefused):
                test.version()
        assert test.broker.asked == [None] + ["1"] * round_number
        test.clock.now += RENEW_SECONDS


def test_a_corrected_secret_is_found_by_the_next_request_after_the_pause() -> None:
    test = run("1", "1", "2")
    test.version()
    assert test.renewed("1") is None
    test.clock.now += RENEW_SECONDS - 0.1
    with pytest.raises(CredentialRefused):
        test.version()
    test.clock.now += 0.1
    assert test.version() == "2"


def test_a_second_refused_version_is_asked_about_at_once() -> None:
    test = run("1", "2", "3")
    test.version()
    assert test.renewed("1") == "2"
    assert test.renewed("2") == "3"
    assert test.broker.asked == [None, "1", "2"]


def test_a_version_that_comes_back_is_still_refused() -> None:
    test = run("1", "2", "1")
    test.version()
    assert test.renewed("1") == "2"
    assert test.renewed("2") is None
    with pytest.raises(CredentialRefused):
        test.version()


def test_a_request_that_began_with_an_older_grant_gets_the_current_one_without_asking() -> None:
    test = run("1", "2")
    test.version()
    assert test.renewed("1") == test.renewed("1") == "2"
    assert len(test.broker.asked) == 2


def test_a_403_keeps_the_version_in_use_for_it_may_be_about_one_package() -> None:
    test = run("1")
    test.version()
    assert test.renewed("1", is_rejected=False) is None
    assert (test.version(), test.version("upload")) == ("1", "1")


def test_after_a_403_too_a_newer_version_is_asked_for_at_a_limited_rate() -> None:
    test = run("1", "1", "2")
    test.version()
    assert [test.renewed("1", is_rejected=False) for _ in range(4)] == [None] * 4
    assert test.broker.asked == [None, "1"]
    test.clock.now += RENEW_SECONDS
    assert test.renewed("1", is_rejected=False) == "2"
    assert test.version() == "2"


def test_many_who_are_refused_at_once_share_one_question() -> None:
    test = Run(slow := Slow("1", "2"))
    slow.may_answer.set()
    test.version()
    slow.may_answer.clear()
    threads = in_threads(THREADS, lambda: test.renewed("1"))
    next(threads)
    all_waiting(test.store, THREADS - 1)
    slow.may_answer.set()
    assert next(threads) == ["2"] * THREADS
    assert test.broker.asked == [None, "1"]


def test_many_who_are_refused_while_there_is_nothing_newer_share_one_question() -> None:
    test = Run(slow := Slow("1"))
    slow.may_answer.set()
    test.version()
    slow.may_answer.clear()
    threads = in_threads(THREADS, lambda: test.renewed("1"))
    next(threads)
    all_waiting(test.store, THREADS - 1)
    slow.may_answer.set()
    assert next(threads) == [None] * THREADS
    assert test.broker.asked == [None, "1"]


def test_many_who_are_refused_while_the_broker_is_away_share_one_question() -> None:
    """Regression: each of them asked in its turn, and waited for the time-outs of all before it."""
    test = Run(slow := Slow("1", UNREACHABLE))
    slow.may_answer.set()
    test.version()
    slow.may_answer.clear()
    threads = in_threads(THREADS, lambda: test.renewed("1"))
    next(threads)
    all_waiting(test.store, THREADS - 1)
    slow.may_answer.set()
    assert next(threads) == [UNREACHABLE] * THREADS
    assert test.broker.asked == [None, "1"]


def test_a_broker_that_was_away_is_asked_again_after_the_back_off_not_after_the_long_pause() -> None:
    test = run("1", UNREACHABLE, "2")
    test.version()
    for _ in range(2):
        with pytest.raises(BrokerUnreachable):
            test.renewed("1")
    assert len(test.broker.asked) == 2
    test.clock.now += BACK_OFF_SECONDS[0]
    assert test.renewed("1") == "2"


def test_a_refusal_on_renewal_ends_the_grant_for_every_action() -> None:
    test = run("1", REFUSED)
    test.version()
    with pytest.raises(BrokerRefused):
        test.renewed("1")
    for action in ("install", "upload"):
        with pytest.raises(BrokerRefused):
            test.version(action)
    assert len(test.broker.asked) == 2


def test_a_grant_that_was_renewed_is_as_young_as_any_other() -> None:
    test = run("1", "2", "3")
    test.version()
    test.clock.now += SOFT - 1
    test.renewed("1")
    test.clock.now += SOFT - 1
    assert test.version() == "2"
    test.clock.now += 1
    assert test.version() == "3"


def test_a_grant_of_the_store_shows_no_credential() -> None:
    found = run("canary-3f9a").store.get("install")
    assert found.credential is not None
    assert found.credential.password.reveal() == "canary-3f9a"
    assert "canary-3f9a" not in repr(found.credential)
