"""Commands for a host by hand: see ``kmcl_adapters.host.manual``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from kmcl_adapters.host.channel import HostChannel, HostOffer
from kmcl_adapters.host.manual import ByHand

from .control import CommandError
from .program import Hosting

__all__ = ["ByHandCommands"]

_AT_ONCE: Final = 400
"""Entries of the trace in one answer."""
_DULL: Final = frozenset({"user_def", "userdata", "interrupt_page"})


class ByHandCommands:
    """The commands by name."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._host = hosting.host
        self._control = ByHand(hosting.host)
        self._host.control = self._control

    def table(self) -> dict[str, Callable[..., Any]]:
        """As they are written in a request."""
        return {
            "hand-begin": self.begin,
            "hand-post": self.post,
            "hand-signal": self.signal,
            "hand-busy": self.busy,
            "hand-seen": self.seen,
            "hand-await": self.wait,
        }

    def begin(self, job: int) -> int:
        """What this job in the guest says belongs to the trace from now on; how long that is."""
        self._hosting.hear(job)
        with self._host.changed:
            return self._host.trace.count

    def post(self, name: str, fields: dict[str, Any], flaw: str = "") -> None:
        """Send a message."""
        with self._host.changed:
            self._control.post(name, fields, flaw)

    def signal(self, relid: int) -> None:
        """Raise the event flag of a relid, whether or not there is a channel."""
        self._host.signal(HostChannel(HostOffer().complete(), relid))

    def busy(self) -> None:
        """There is no room for one more of the guest's next posts."""
        with self._host.changed:
            self._host.busy += 1

    def seen(self, since: int) -> dict[str, Any]:
        """Entries of the trace from that number on, the first of them; ``more``: what is left, and
        how many messages the guest's slot has not taken."""
        with self._host.changed:
            entries = self._host.trace.since(since)
            waiting = self._host.slot.waiting
        found = entries[:_AT_ONCE]
        return {
            "entries": [[e.number, e.sender, e.name, _plain(e.fields), e.note] for e in found],
            "more": len(entries) - len(found),
            "waiting": waiting,
        }

    def wait(self, since: int, rest: int, limit: float = 20.0) -> dict[str, Any]:
        """The same when the job has said that it rests, in answer to that question. Raises
        CommandError where it does not."""
        deadline, place = time.monotonic() + limit, since
        while True:
            self._hosting.said.clear()  # before we look: what comes later sets it again
            with self._host.changed:
                entries = self._host.trace.since(place)
            for entry in entries:
                place = entry.number + 1
                if entry.name == "SAID" and entry.fields.get("rest") == rest:
                    return self.seen(since)
            if not self._hosting.said.wait(max(0.0, deadline - time.monotonic())):
                raise CommandError(f"the guest's user does not rest within {limit:g} s")


def _plain(fields: Any) -> dict[str, Any]:
    return {k: v for k, v in fields.items() if k not in _DULL and not isinstance(v, bytes)}
