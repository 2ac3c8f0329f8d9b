"""The machine of the reference guest: threads that take turns, and the wire to the host.

A thread is a Python generator. It yields where it may be preempted: nothing, or a condition without
which it cannot go on. Messages of the host wait in an inbox until the guest looks at the next one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import Any, TypeAlias

from kmcl_adapters.control import Field, Returned, Seen, Sent, Signalled
from kmcl_model.control import GUEST

__all__ = ["Condition", "Machine", "Thread"]

Condition: TypeAlias = Callable[[], bool]
Thread: TypeAlias = Generator[Condition | None, None, Any]

INBOX = 0
"""The number of the thread that looks at the host's messages."""

MOST_STEPS = 100_000
"""A guest that takes so many steps without coming to rest never will."""


class Machine:
    """Runs one step at a time. ``handle`` takes the next message of the inbox."""

    def __init__(self) -> None:
        self.handle: Callable[[str, dict[str, Field], str], None] = lambda *_: None
        self.seen: list[Seen] = []
        self.inbox: deque[tuple[str, dict[str, Field], str]] = deque()
        self.refusals = 0
        """So many of the next posts find no room at the host."""
        self.rests = 0
        """How often everything has come to rest: the only time that passes here."""
        self._threads: dict[int, tuple[Thread, Condition | None]] = {}
        self._last = self._current = INBOX
        self._is_frozen = False

    def start(self, thread: Thread) -> None:
        """Begin a thread; its first step is taken later."""
        if not self._is_frozen:
            self._last += 1
            self._threads[self._last] = (thread, None)

    def ready(self) -> tuple[int, ...]:
        """The threads that could take a step."""
        able = [INBOX] if self.inbox else []
        able += [n for n, (_, needs) in self._threads.items() if needs is None or needs()]
        return tuple(able)

    def step(self, choice: int) -> None:
        """One step of a thread."""
        able = self.ready()
        if not able:
            return
        number = able[choice % len(able)]
        if number == INBOX:
            self.handle(*self.inbox.popleft())
            return
        thread, _ = self._threads[number]
        self._current = number
        try:
            condition = next(thread)
            if number in self._threads:  # else the machine was stopped by this very step
                self._threads[number] = (thread, condition)
        except StopIteration:
            self._threads.pop(number, None)

    def rest(self) -> bool:
        """Go on until no thread can; False where that never happens."""
        for _ in range(MOST_STEPS):
            if not self.ready():
                self.rests += 1
                return True
            self.step(0)
        return False

    def freeze(self) -> None:
        """No thread goes on but the one whose step this is, and none begins."""
        self._is_frozen = True
        self._threads = {n: thread for n, thread in self._threads.items() if n == self._current}

    def stop(self) -> None:
        """All threads and all messages under way are gone."""
        self._threads.clear()
        self.inbox.clear()
        self.refusals = 0

    # The wire -----------------------------------------------------------------------------

    def accepts(self) -> bool:
        """Whether the host has room for a message."""
        if self.refusals:
            self.refusals -= 1
            return False
        return True

    def send(self, message: str, fields: dict[str, Field]) -> None:
        """Put a message on the wire."""
        self.seen.append(Sent(GUEST, message, fields))

    def signal(self, relid: int) -> None:
        """Signal a channel."""
        self.seen.append(Signalled(GUEST, relid))

    def returned(self, by: str, function: str, errno: int) -> None:
        """A call of the user is over."""
        self.seen.append(Returned(by, function, errno))
