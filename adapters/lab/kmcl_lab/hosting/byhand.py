"""Commands for a host by hand: see ``kmcl_adapters.host.manual``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

from kmcl_adapters.host.channel import HostChannel, HostOffer
from kmcl_adapters.host.manual import ByHand

from .program import Hosting
from .resting import come_to_rest

__all__ = ["ByHandCommands"]

_AT_ONCE: Final = 400
"""Entries of the trace in one answer."""
_HALTED_SECONDS: Final = 8.0
_HALTED_SHARE: Final = 0.8
"""A guest that is found at rest by so many of the looks of so many seconds neither boots nor is on
its way to that; it has timers, which wake it all the same."""
_DULL: Final = frozenset({"user_def", "userdata"})


class _Looks:
    """What was seen on the way to another kernel. ``waits``: the guest has halted for long, and has
    said nothing since."""

    def __init__(self) -> None:
        self.waits = False
        self._count = -1
        self._begin(0.0)

    def _begin(self, now: float) -> None:
        self._since, self._made, self._resting = now, 0, 0

    def look(self, rests: bool, count: int, now: float) -> None:
        """Whether it is at rest now; ``count``: of the entries of the trace."""
        if count != self._count:
            self._count, self.waits = count, False
            self._begin(now)
        self._made += 1
        self._resting += rests
        if now - self._since > _HALTED_SECONDS:
            self.waits = self._resting >= _HALTED_SHARE * self._made
            self._begin(now)


class ByHandCommands:
    """The commands by name."""

    def __init__(self, hosting: Hosting, now: Callable[[], float] = time.monotonic) -> None:
        self._hosting = hosting
        self._now = now
        self._host = hosting.host
        self._control = ByHand(hosting.host)
        self._host.control = self._control
        self._leap: int | None = None
        """Where in the trace the guest was told to start another kernel."""
        self._looks = _Looks()

    def table(self) -> dict[str, Callable[..., Any]]:
        """As they are written in a request."""
        return {
            "hand-begin": self.begin,
            "hand-post": self.post,
            "hand-signal": self.signal,
            "hand-busy": self.busy,
            "hand-call": self.call,
            "hand-seen": self.seen,
            "hand-settle": self.settle,
        }

    def begin(self, job: int) -> int:
        """What this job in the guest says belongs to the trace from now on; how long that is."""
        self._hosting.hear(job)
        self._leap = None
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

    def call(self, **order: Any) -> None:
        """An order to the guest's user; see ``kmcl_lab.user``."""
        if order["do"] == "kexec":
            self._hosting.expect_hello()
            self._leap = self._host.trace.count
        self._hosting.tell(json.dumps(order).encode() + b"\n")

    def seen(self, since: int) -> dict[str, Any]:
        """Entries of the trace from that number on, the first of them; ``more``: what is left."""
        with self._host.changed:
            entries = self._host.trace.since(since)
        found = entries[:_AT_ONCE]
        return {
            "entries": [[e.number, e.sender, e.name, _plain(e.fields), e.note] for e in found],
            "more": len(entries) - len(found),
        }

    def _is_leaping(self) -> bool:
        """Whether another kernel is on its way: told to, not there yet, and not for want of our
        answer to UNLOAD. A guest that boots halts its processors now and then, but not for long:
        one that does waits for something else, for a driver that waits for us perhaps."""
        if self._leap is None:
            return False
        waits = False
        for entry in self._host.trace.since(self._leap):
            if entry.name == "HELLO" or (
                entry.name == "SAID" and entry.fields.get("do") == "kexec"
            ):
                return False
            if entry.name in ("UNLOAD", "UNLOAD_RESPONSE") and not entry.note:
                waits = entry.name == "UNLOAD"
        return not waits

    def _is_at_rest(self) -> bool:
        rests = self._hosting.is_at_rest()
        if not self._is_leaping():
            return rests
        self._looks.look(rests, self._host.trace.count, self._now())
        return rests and self._looks.waits

    def settle(self, since: int, seconds: float, looks: int) -> dict[str, Any]:
        """The same as soon as the guest is at rest so many looks in a row and nothing has happened
        meanwhile; or as soon as it has panicked, or so many seconds are over. ``rests`` says
        whether it is at rest."""
        deadline = time.monotonic() + seconds
        crashes = self._host.crashes
        rests = come_to_rest(
            self._is_at_rest,
            lambda: self._host.trace.count,
            looks,
            lambda: self._host.crashes != crashes or time.monotonic() > deadline,
        )
        return self.seen(since) | {"rests": rests}


def _plain(fields: Any) -> dict[str, Any]:
    return {k: v for k, v in fields.items() if k not in _DULL and not isinstance(v, bytes)}
