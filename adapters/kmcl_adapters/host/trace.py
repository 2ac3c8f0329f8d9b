"""All that passed between guest and host, in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from sys import getsizeof
from typing import Any, Final, NamedTuple

__all__ = ["GUEST", "HOST", "LIMIT", "Entry", "Trace"]

LIMIT: Final = 12 << 20
"""Bytes: some seven thousand page lists, or four times as many signals."""
_PLAIN: Final = 200
"""Bytes of an entry without its fields."""

GUEST = "guest"
HOST = "host"


class Entry(NamedTuple):
    """A message of the guest when it was posted, of the host when it was put into the guest's slot.

    ``name``: a channel message, ``SIGNAL`` (``child_relid`` says of which channel), or what
    happened to the guest: ``CRASH``, ``REWIND``. ``note``: what the host thought of it, or what the
    test's rules did to it; empty for the ordinary. ``number`` counts from 0, ``time`` is seconds.
    """

    number: int
    time: float
    sender: str
    name: str
    fields: Mapping[str, Any]
    note: str = ""


class Trace:
    """Grows at its end, and forgets its beginning when it holds more than ``limit`` bytes, so that
    a full one stays as large as it is, whatever is said: a guest that binds a device says some four
    hundred things, most of them lists of pages. ``count``: of all there ever were; ``clock``:
    seconds that only go forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, limit: int = LIMIT) -> None:
        self._entries: deque[Entry] = deque()
        self._clock = clock
        self._limit = limit
        self._bytes = 0
        self.count = 0

    @property
    def is_full(self) -> bool:
        """Whether it has begun to forget."""
        return self.count > len(self._entries)

    def add(self, sender: str, name: str, fields: Mapping[str, Any], note: str = "") -> Entry:
        """One more."""
        entry = Entry(self.count, self._clock(), sender, name, fields, note)
        entries = self._entries
        entries.append(entry)
        self._bytes += _size(fields)
        while self._bytes > self._limit and len(entries) > 1:
            self._bytes -= _size(entries.popleft().fields)
        self.count += 1
        return entry

    def since(self, number: int) -> list[Entry]:
        """The entries from this number on, as far as they are kept; a negative one counts from the
        end."""
        wanted = self.count - number if number >= 0 else -number
        found = list(islice(reversed(self._entries), max(0, wanted)))
        found.reverse()
        return found

    def find(self, name: str, since: int = 0, **fields: Any) -> Entry | None:
        """The first entry of that name and those fields, from number ``since`` on."""
        for entry in self.since(since):
            if entry.name == name and fields.items() <= entry.fields.items():
                return entry
        return None


def _size(fields: Mapping[str, Any]) -> int:
    """The bytes of an entry with these fields, about."""
    return _PLAIN + getsizeof(fields) + sum(map(getsizeof, fields.values()))
