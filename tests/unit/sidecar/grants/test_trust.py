"""What a 401 changes: which request may go, which waits, which is refused, and when the next try is."""

from itertools import pairwise

import pytest

from sidecar.grants.trust import (
    AHEAD_SECONDS,
    FORBIDDEN_NEW,
    RESTS_ACCEPTED,
    RESTS_NEW,
    UNHEARD,
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


class Story:
    """One version's life, told step by step, by a clock that stands still."""

    def __init__(self, *, is_accepted: bool = True) -> None:
        self.trust = Trust()
        self.now = 1000.0
        self.number = 0
        self.subjects: dict[int, str] = {}
        if is_accepted:
            self.get("foo", "accepted")

    def ask(self, subject: str = "foo", *, others: int = 0, is_second: bool = False) -> Go | Wait | Rest:
        self.number += 1
        self.subjects[self.number] = subject
        self.trust, step = ask(self.trust, self.now, self.number, subject, others=others, is_second=is_second)
        return step

    def go(self, subject: str = "foo", *, is_second: bool = False) -> Go:
        step = self.ask(subject, is_second=is_second)
        assert isinstance(step, Go), step
        return step

    def end(self, gone: Go, answer: Verdict) -> None:
        self.trust = end(self.trust, gone, answer, self.now, self.subjects[gone.number])

    def get(self, subject: str, answer: Verdict, *, is_second: bool = False) -> Go:
        gone = self.go(subject, is_second=is_second)
        self.end(gone, answer)
        return gone

    def refused_tries(self, seconds: float, *subjects: str, answer: Verdict = "refused") -> list[float]:
        """When a client that asks twice a second is let go, if all answers are 401 (or 403)."""
        begun, times = self.now, []
        while self.now < begun + seconds:
            for subject in subjects:
                step = self.ask(subject)
                if isinstance(step, Go):
                    times.append(self.now - begun)
                    self.end(step, answer)
            self.now += 0.5
        return times


def test_the_first_request_of_a_fresh_grant_goes_ahead_and_the_others_wait() -> None:
    story = Story(is_accepted=False)
    first = story.go("a")
    assert first.is_lone
    assert story.ask("b") == Wait(story.now + AHEAD_SECONDS)
    story.end(first, "accepted")
    assert not story.go("b").is_lone
    assert not story.go("c").is_lone


def test_the_others_wait_for_a_slow_answer_two_seconds_at_most() -> None:
    story = Story(is_accepted=False)
    story.go("a")
    story.now += AHEAD_SECONDS
    assert [story.go(one).is_lone for one in "bc"] == [False, False]


def test_of_a_crowd_that_was_let_go_the_first_refusal_alone_counts() -> None:
    story = Story(is_accepted=False)
    first = story.go("a")
    story.now += AHEAD_SECONDS
    crowd = [first, *(story.go(str(one)) for one in range(49))]
    for gone in crowd:
        story.end(gone, "refused")
    assert story.trust.refusals == 1
    assert story.ask() == Rest(story.now + RESTS_NEW[0])


def test_a_credential_that_was_never_accepted_rests_at_once_and_is_tried_four_times_in_a_quarter() -> None:
    story = Story(is_accepted=False)
    assert story.refused_tries(QUARTER, "a", "b") == [0.0, 30.0, 150.0, 450.0]


def test_one_that_was_accepted_is_tried_eight_times_in_a_quarter() -> None:
    assert Story().refused_tries(QUARTER, "a", "b") == [0.0, 0.0, 0.5, 10.5, 40.5, 100.5, 220.5, 520.5]


def test_later_it_is_tried_every_ten_minutes() -> None:
    tries = Story().refused_tries(4 * 3600, "a", "b")
    assert {later - earlier for earlier, later in pairwise(tries[7:])} == {600.0}


def test_a_refused_request_may_be_tried_once_more_and_then_others_go_on() -> None:
    story = Story()
    gone = story.get("bad", "refused")
    assert may_try_again(story.trust, gone, story.subjects[gone.number])
    second = story.get("bad", "refused", is_second=True)
    assert second.is_lone
    assert not may_try_again(story.trust, second, "bad")
    story.get("good", "accepted")
    assert story.trust.is_good


def test_a_second_try_goes_alone_while_the_credential_serves_others() -> None:
    """Artifactory answers 401 to some of a cold burst: twenty second tries at once are the next burst."""
    story = Story()
    crowd = [story.go(str(one)) for one in range(50)]
    for gone in crowd[:20]:
        story.end(gone, "refused")
    for gone in crowd[20:]:
        story.end(gone, "accepted")
    assert story.trust.is_good
    assert all(may_try_again(story.trust, gone, story.subjects[gone.number]) for gone in crowd[:20])
    second = story.go("0", is_second=True)
    assert isinstance(story.ask("1", is_second=True), Wait)
    assert not story.go("new").is_lone
    story.end(second, "accepted")
    story.go("1", is_second=True)


def test_after_a_refusal_nobody_goes_before_those_under_way_are_answered_or_two_seconds_are_over() -> None:
    """Else who goes alone would still be part of the burst that the registry did not bear."""
    story = Story()
    story.get("a", "refused")
    for is_second in (True, False):
        assert story.ask("a", others=1, is_second=is_second) == Wait(story.now + AHEAD_SECONDS)
    story.now += AHEAD_SECONDS
    assert isinstance(story.ask("a", others=1), Go)


def test_one_package_that_is_refused_again_and_again_rests_alone() -> None:
    story = Story()
    assert story.refused_tries(QUARTER, "bad") == [0.0, 0.5, 10.5, 40.5, 100.5, 220.5, 520.5]
    assert isinstance(story.ask("bad"), Rest)
    story.get("good", "accepted")
    assert story.trust.is_good


def test_the_third_refusal_in_a_row_rests_the_version_for_ten_seconds() -> None:
    story = Story()
    for subject in ("a", "a", "b"):
        story.get(subject, "refused")
    assert {story.ask(one) for one in ("a", "b", "c", "")} == {Rest(story.now + RESTS_ACCEPTED[0])}


def test_while_it_rests_one_at_a_time_may_try_and_one_success_ends_it() -> None:
    story = Story()
    for subject in "abc":
        story.get(subject, "refused")
    story.now += RESTS_ACCEPTED[0]
    tried = story.go("a")
    assert tried.is_lone
    assert isinstance(story.ask("b"), Rest)
    story.end(tried, "accepted")
    assert [story.go(one).is_lone for one in "abc"] == [False] * 3


@pytest.mark.parametrize("answer", ["unjudged", "left"])
def test_a_try_without_an_answer_is_a_try_all_the_same(answer: Verdict) -> None:
    """Else a client that leaves early would have the registry asked as often as it likes."""
    story = Story()
    for subject in "abc":
        story.get(subject, "refused")
    story.now += RESTS_ACCEPTED[0]
    story.get("a", answer)
    assert isinstance(story.ask("b"), Rest)
    story.now += RESTS_ACCEPTED[0]
    story.go("b")


def test_a_success_that_was_under_way_ends_a_rest_and_a_late_refusal_begins_none() -> None:
    story = Story()
    late = [story.go("x"), story.go("y")]
    for subject in "abc":
        story.get(subject, "refused")
    story.end(late[0], "accepted")
    story.end(late[1], "refused")
    assert story.trust.is_good


@pytest.mark.parametrize("answer", ["unjudged", "forbidden"])
def test_a_403_and_a_gateways_word_change_nothing(answer: Verdict) -> None:
    story = Story()
    story.get("a", "refused")
    before = story.trust
    story.get("b", answer)
    assert story.trust._replace(lone_since=0) == before._replace(lone_since=0)
    fresh = Story(is_accepted=False)
    fresh.get("a", answer)
    assert not fresh.trust.is_accepted


def test_a_403_for_each_of_several_packages_rests_a_credential_that_was_never_accepted() -> None:
    """Some registries (pypiserver) answer 403 to a wrong password."""
    story = Story(is_accepted=False)
    packages = [str(number) for number in range(50)]
    assert story.refused_tries(QUARTER, *packages, answer="forbidden") == [0.0] * 4 + [30.0, 150.0, 450.0]
    story.now += RESTS_NEW[-1]
    story.get("a", "accepted")
    assert story.trust.is_good


def test_a_403_for_one_package_alone_rests_nothing() -> None:
    story = Story(is_accepted=False)
    for _ in range(20):
        story.get("private", "forbidden")
    story.get("a", "accepted")
    for number in range(20):
        story.get(str(number), "forbidden")
    assert story.trust.is_good


def test_a_success_between_them_forgives_every_403() -> None:
    story = Story(is_accepted=False)
    crowd = [story.go("a")]
    story.now += AHEAD_SECONDS
    crowd += [story.go(one) for one in "bcdef"]
    for gone in crowd[:FORBIDDEN_NEW]:
        story.end(gone, "forbidden")
    assert isinstance(story.ask("x"), Rest)
    story.end(crowd[-1], "accepted")
    assert story.trust.is_good


def test_where_an_answer_is_slow_one_more_goes_every_two_seconds() -> None:
    """A directory that is away answers 401 after its own time-out."""
    story = Story()
    story.get("a", "refused")
    story.go("b")
    gone = 0
    for _ in range(100):
        gone += isinstance(story.ask("c"), Go)
        story.now += 0.1
    assert gone == 4


def test_clients_that_leave_before_their_answer_are_followed_by_one_alone() -> None:
    story = Story()
    for _ in range(UNHEARD):
        assert not story.get("a", "left").is_lone
    assert story.go("a").is_awaited
    assert isinstance(story.ask("a"), Wait)
