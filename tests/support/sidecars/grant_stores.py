"""A store of one grant, a broker that answers by a script, a clock that stands still, and many who wait."""

import threading
from collections.abc import Callable, Iterator

from sidecar.contract.grant import Credential, Grant
from sidecar.contract.secret import Secret
from sidecar.contract.words import Code
from sidecar.errors import BrokerRefused, BrokerUnreachable
from sidecar.grants.store import GrantStore

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
        self.causes: list[str | None] = []

    def __call__(self, rejected: str | None, cause: str | None) -> Grant:
        self.asked.append(rejected)
        self.causes.append(cause)
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

    def __call__(self, rejected: str | None, cause: str | None) -> Grant:
        self.entered.set()
        assert self.may_answer.wait(PATIENCE)
        return super().__call__(rejected, cause)


class Run:
    """Store, broker and clock of one test."""

    def __init__(self, broker: Broker, patience_seconds: float = 0.0) -> None:
        self.clock = Clock()
        self.broker = broker
        self.store = GrantStore(broker, self.clock, patience_seconds=patience_seconds)

    def version(self) -> str:
        return self.store.get().version

    def renewed(self, version: str, cause: str = Code.CREDENTIAL_REFUSED) -> str | None:
        found = self.store.renew(grant(version), cause)
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
