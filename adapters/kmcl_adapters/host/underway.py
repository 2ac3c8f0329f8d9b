"""Messages that a rule keeps back: held until a test lets them go, or delayed for some time.

What was kept back belongs to the life of the guest in which it was: none comes after that is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

__all__ = ["Held", "Later", "Underway", "by_timer"]

Later = Callable[[float, Callable[[], object]], object]
"""Makes a call after so many seconds."""


def by_timer(seconds: float, call: Callable[[], object]) -> None:
    """In a thread of its own."""
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()


class Held(NamedTuple):
    """A message that a rule holds: of the guest, to be handled, or of the host, to be sent."""

    sender: str
    name: str
    fields: Mapping[str, Any]
    go_on: Callable[[], object]


class Underway:
    """``held``: oldest first. Everything is called with the host's lock, ``lock``; what was delayed
    takes it by itself."""

    def __init__(self, later: Later, lock: AbstractContextManager[Any]) -> None:
        self.held: list[Held] = []
        self._later = later
        self._lock = lock
        self._delayed: set[object] = set()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept back."""
        return not self.held and not self._delayed

    @property
    def count(self) -> int:
        """How many messages are kept back."""
        return len(self.held) + len(self._delayed)

    def hold(self, message: Held) -> None:
        """Until ``release``."""
        self.held.append(message)

    def release(self, place: int) -> Held:
        """Let the held message at this place go on. Raises IndexError where there is none."""
        message = self.held.pop(place)
        message.go_on()
        return message

    def delay(self, seconds: float, go_on: Callable[[], object]) -> None:
        """Call it later, if it still counts then."""
        ticket = object()
        self._delayed.add(ticket)

        def due() -> None:
            with self._lock:
                if ticket in self._delayed:
                    self._delayed.remove(ticket)
                    go_on()

        self._later(seconds, due)

    def clear(self) -> None:
        """Nothing of it comes any more."""
        self.held.clear()
        self._delayed.clear()
