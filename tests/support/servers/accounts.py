"""Registries that refuse some requests, all, or only crowds of requests, by a script; and count them."""

from collections.abc import Callable
from threading import Event, Lock

from support.servers.registry import Call, Registry


def welcome(call: Call) -> None:
    call.reply(200, b"<a>", {"Content-Type": "text/html"})


class Account:
    """A registry's account: which requests are refused, and how many were."""

    def __init__(self, registry: Registry, serve: Callable[[Call], None] = welcome) -> None:
        self._serve = serve
        self.is_refused: Callable[[str], bool] = lambda path: False
        self.refused = 0
        self.served = 0
        self._lock = Lock()
        registry.on("*", self._answer)

    def _answer(self, call: Call) -> None:
        path = call.request.target
        is_refused = self.is_refused(path)
        with self._lock:
            self.refused += is_refused
            self.served += not is_refused
        if is_refused:
            call.reply(401, b"who are you?", {"WWW-Authenticate": "Basic"})
        else:
            self._serve(call)


class ColdRegistry:
    """Answers 401 to requests that arrive while it starts a session for many others, as Artifactory does."""

    def __init__(
        self, registry: Registry, serve: Callable[[Call], None] = welcome, *, bears: int = 12
    ) -> None:
        self._serve = serve
        self.refused = 0
        self._bears = bears
        self._under_way = 0
        self._is_warm = False
        self.is_full = Event()
        """Three were refused: until then it answers nobody else, for it warms up"""
        self._lock = Lock()
        registry.on("*", self._answer)

    def _answer(self, call: Call) -> None:
        with self._lock:
            is_refused = not self._is_warm and self._under_way >= self._bears
            self.refused += is_refused
            self._under_way += 1
        if self.refused >= 3:
            self.is_full.set()
        if not is_refused:
            self.is_full.wait(5)
        with self._lock:
            self._under_way -= 1
            self._is_warm |= self._under_way > 1 and not is_refused
        if is_refused:
            call.reply(401, b"", {"WWW-Authenticate": "Basic"})
        else:
            self._serve(call)
