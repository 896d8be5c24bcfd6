"""The grant of one connector, a broker that answers by a script, and a clock that stands still or jumps."""

from collections.abc import Callable, Coroutine
from typing import NamedTuple, TypeVar

from sidecar.contract.grant import Credential, Grant
from sidecar.contract.secret import Secret
from sidecar.contract.words import Code
from sidecar.errors import BrokerRefused, BrokerUnreachable, UpstreamUnreachable
from sidecar.grants.store import Grants
from sidecar.sockets.loop import Loop
from sidecar.sockets.threads import Threads
from support.sidecars.loops import JumpingLoop, run, sleep

SOFT, HARD = 300.0, 3600.0
REQUESTS = 50  # what uv opens

Result = TypeVar("Result")


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
    """Monotonic seconds that stand still until a test moves them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Broker:
    """Answers by its script; the last answer repeats. It records the rejected versions and their causes."""

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


class SlowThreads(Threads):
    """No threads: a call lasts for `seconds` of the loop's time, and happens at their end."""

    def __init__(self, loop: Loop) -> None:
        super().__init__(loop)
        self.loop = loop
        self.seconds = 0.0
        self.shortage: UpstreamUnreachable | None = None
        """The error that a real one raises if it can start no thread"""

    async def run(self, function: Callable[[], Result]) -> Result:
        if self.shortage is not None:
            raise self.shortage
        await sleep(self.loop, self.seconds)
        return function()


class Outcome(NamedTuple):
    result: str | Exception | None
    """The grant's version"""
    seconds: float
    """How long the request waited"""


Work = Callable[[], Coroutine[None, None, Grant | None]]


class Run:
    """Grants, broker and loop of one test. Hours pass in a moment."""

    def __init__(self, *script: str | Exception) -> None:
        self.loop = JumpingLoop()
        self.threads = SlowThreads(self.loop)
        self.broker = Broker(*script)
        self.grants = Grants(self.broker, self.loop, self.threads)

    @property
    def now(self) -> float:
        return self.loop.now

    def pass_time(self, seconds: float) -> None:
        run(self.loop, sleep(self.loop, seconds))

    def play(self, *requests: tuple[float, Work]) -> list[Outcome]:
        """Play requests, each after so many seconds. The outcomes, in the same order, when all have ended."""
        outcomes: dict[int, Outcome] = {}

        async def request(number: int, after: float, work: Work) -> None:
            await sleep(self.loop, after)
            came = self.loop.now
            result: str | Exception | None
            try:
                given = await work()
                result = given and given.version
            except Exception as error:  # noqa: BLE001 (an outcome like any other)
                result = error
            outcomes[number] = Outcome(result, self.loop.now - came)

        run(self.loop, *[request(number, *planned) for number, planned in enumerate(requests)])
        return [outcomes[number] for number in range(len(requests))]

    def get(self) -> Coroutine[None, None, Grant]:
        return self.grants.get()

    def renewal(
        self, version: str = "1", cause: str = Code.CREDENTIAL_REFUSED, *, is_urgent: bool = False
    ) -> Work:
        return lambda: self.grants.renew(grant(version), cause, is_urgent=is_urgent)

    def version(self) -> str | None:
        return _version(self.play((0.0, self.get))[0])

    def renewed(self, version: str = "1", cause: str = Code.CREDENTIAL_REFUSED) -> str | None:
        return _version(self.play((0.0, self.renewal(version, cause)))[0])


def _version(outcome: Outcome) -> str | None:
    if isinstance(outcome.result, Exception):
        raise outcome.result
    return outcome.result
