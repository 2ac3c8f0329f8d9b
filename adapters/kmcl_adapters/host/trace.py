"""All that passed between guest and host, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["GUEST", "HOST", "Entry", "Trace"]

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
    """Grows at its end. ``clock``: seconds that only go forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.entries: list[Entry] = []
        self._clock = clock

    def add(self, sender: str, name: str, fields: Mapping[str, Any], note: str = "") -> Entry:
        """One more."""
        entry = Entry(len(self.entries), self._clock(), sender, name, fields, note)
        self.entries.append(entry)
        return entry

    def find(self, name: str, since: int = 0, **fields: Any) -> Entry | None:
        """The first entry of that name and those fields, from number ``since`` on."""
        for entry in self.entries[since:]:
            if entry.name == name and fields.items() <= entry.fields.items():
                return entry
        return None
