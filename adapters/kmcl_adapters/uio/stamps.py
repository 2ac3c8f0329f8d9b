"""Events of several ends in one order: each carries the time of a clock that all of them read.

The time is taken inside the interval in which the event happened: a call before it enters, a return
after it left, a handler's entry first and its exit last. So events that are sorted by it are in an
order in which they can have happened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from kmcl_model.events import Event

__all__ = ["Answer", "Recorder"]


class Answer(NamedTuple):
    """What a request to an end brought: stamped events, a time after which all later ones lie, and
    figures that tell whether something is on its way."""

    events: list[tuple[int, Event]]
    until: int
    traffic: tuple[int, ...]


class Recorder:
    """Stamps events with strictly increasing times of ``clock``; ``count`` counts them."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0
        self._events: list[tuple[int, Event]] = []
        self.count = 0

    def __call__(self, event: Event) -> None:
        """Record the event. That one end is at rest says nothing about the others."""
        if event.kind == "quiescence":
            return
        with self._lock:
            self._events.append((self._now(), event))
            self.count += 1

    def _now(self) -> int:
        self._last = max(self._clock(), self._last + 1)
        return self._last

    def drain(self) -> tuple[list[tuple[int, Event]], int]:
        """The events since the last time, and a time after which all later ones lie."""
        with self._lock:
            events, self._events = self._events, []
            return events, self._now()
