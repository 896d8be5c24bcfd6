"""The collector of an input's problems: its author hears of all of them at once. Pure."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from webhook.errors import InputError, InvalidValue, Problem

T = TypeVar("T")
V = TypeVar("V")
Default = TypeVar("Default")


class Problems(Iterable[Problem]):
    """The problems of one input, in the order in which they were added.

    Each sentence begins with `subject`:

        problems = Problems("Connector team/pypi:")
        problems.add("InvalidAddress", "spec.address is missing", "give the registry's URL")
        problems.raise_any()  # Connector team/pypi: spec.address is missing: give the registry's URL
    """

    def __init__(self, subject: str = "") -> None:
        self._subject = f"{subject} " if subject else ""
        self._problems: list[Problem] = []

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._problems)

    def __bool__(self) -> bool:
        return bool(self._problems)

    def add(self, reason: str, what: str, fix: str = "") -> None:
        self._problems.append(Problem(reason, self._subject + what, fix))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add problems that name their subject themselves."""
        self._problems += problems

    def read(
        self, parse: Callable[[V], T], value: V, *, place: str, reason: str, default: Default
    ) -> T | Default:
        """The parsed value. On `InvalidValue`, add a problem of this place, and return the default."""
        try:
            return parse(value)
        except InvalidValue as error:
            self.add(reason, f"{place} {error.what}", error.fix)
            return default

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """End the block at its first `InputError`, and add the problems of that error."""
        try:
            yield
        except InputError as error:
            self.extend(error.problems)

    def raise_any(self, kind: type[InputError] = InputError) -> None:
        """Raise all problems as one error, if there are any."""
        if self._problems:
            raise kind(self._problems)
