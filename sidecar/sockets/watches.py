"""The descriptors that the loop watches: by epoll(7) or, where the kernel has no room in it, by poll(2).

The kernel bounds all watches of a user id on a machine (`fs.epoll.max_user_watches`, 4 % of its memory). Any
Pod may choose our user id and take all of them. Then `epoll_ctl` fails with ENOSPC, and this module looks at
every descriptor itself until epoll has room again:

| state    | a look costs                       | events                      | it ends when            |
|----------|------------------------------------|-----------------------------|-------------------------|
| by epoll | one system call                    | edges: once for each change | a registration fails    |
| by poll  | `LOOK_SECONDS`, then a system call | levels: at every look       | all fit in epoll again  |

Levels wake tasks too often, which the loop allows. A socket that can be written to wakes its task at every
look, so this costs CPU. It is for an emergency.
"""

import errno
import select
import time
from collections.abc import Callable

LOOK_SECONDS = 0.005
"""Between two looks without epoll: a request waits for a few of them. Shorter ones cost more CPU"""
RETRY_SECONDS = 10.0
"""Between two tries to return to epoll; arbitrary. A try costs a system call for each descriptor"""

Events = list[tuple[int, int]]
"""Descriptor and mask. The numbers of select.EPOLL* and select.POLL* are the same"""


class Watches:
    """All descriptors with the events that they are watched for."""

    def __init__(self) -> None:
        self._interests: dict[int, int] = {}
        self._epoll: select.epoll | None = select.epoll()
        self._poll = select.poll()
        self._retry_at = 0.0
        self.look: Callable[[float | None], Events] = self._epoll.poll
        """Takes the longest wait in seconds, or None. Returns the events since the last look"""

    def add(self, descriptor: int, events: int) -> None:
        """Raises OSError if the descriptor cannot be watched at all."""
        if self._epoll is None:
            self._poll.register(descriptor, events & ~select.EPOLLET)
        else:
            try:
                self._epoll.register(descriptor, events)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                self._leave_epoll(descriptor, events)
        self._interests[descriptor] = events

    def remove(self, descriptor: int) -> None:
        """It stays open."""
        if self._epoll is not None:
            self._epoll.unregister(descriptor)
        self.forget(descriptor)

    def forget(self, descriptor: int) -> None:
        """Call this before it is closed, which takes it out of epoll."""
        if self._interests.pop(descriptor, None) is not None and self._epoll is None:
            self._poll.unregister(descriptor)

    def _leave_epoll(self, descriptor: int, events: int) -> None:
        if self._epoll is not None:
            self._epoll.close()
        self._epoll = None
        self._poll = select.poll()
        for watched, interest in {**self._interests, descriptor: events}.items():
            self._poll.register(watched, interest & ~select.EPOLLET)
        self._retry_at = time.monotonic() + RETRY_SECONDS
        self.look = self._look_at_all

    def _look_at_all(self, seconds: float | None) -> Events:
        if seconds is None or seconds > 0:
            time.sleep(LOOK_SECONDS if seconds is None else min(seconds, LOOK_SECONDS))
        if time.monotonic() >= self._retry_at:
            self._return_to_epoll()
        return self._poll.poll(0)

    def _return_to_epoll(self) -> None:
        """Every descriptor that is ready at this moment gives an edge by its registration."""
        epoll = select.epoll()
        try:
            for watched, interest in self._interests.items():
                epoll.register(watched, interest)
        except OSError:
            epoll.close()
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return
        self._epoll = epoll
        self.look = epoll.poll
