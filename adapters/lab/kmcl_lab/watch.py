"""Recognising what has become of the guests, from what their consoles say and from time.

No clock in here: whoever watches passes the time, so that a recorded log can be judged.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

__all__ = [
    "AGAIN",
    "LIMITS",
    "OUTER_READY",
    "STANDS_STILL",
    "Limits",
    "Lost",
    "Stage",
    "Watch",
]

AGAIN: Final = "kmcl-lab: the guest begins again"
"""What our own host writes into the guest's console between two lives of it."""

STANDS_STILL: Final = "kmcl-lab: the guest stands still:"
"""What our own host writes there where the guest cannot begin again, in front of why."""

OUTER_READY: Final = "kmcl-lab: outer guest ready"
_HOST_ENDED: Final = "kmcl-lab: the host has ended"
_FATAL: Final = (
    (re.compile(r"Kernel panic - not syncing: (.*)"), "panic"),
    (re.compile(r"BUG: (unable to handle .*|kernel NULL pointer .*)"), "kernel fault"),
    (re.compile(r"Oops: (.*)"), "kernel fault"),
    (re.compile(r"watchdog: BUG: (soft lockup.*)"), "lockup"),
    (re.compile(r"INFO: (rcu\S* (?:self-)?detected stall.*)"), "stall"),
    (re.compile(r"INFO: (task \S+ blocked for more than .*)"), "blocked task"),
)
_LONGEST_LINE: Final = 1000
_UPTIME: Final = re.compile(r"\[\s*(\d+\.\d+)\]")
_LATE_SECONDS: Final = 30.0
"""After a reset; what comes later than that is not late."""
_CLOCKS_SECONDS: Final = 2.0
"""The guest's clock may be ahead of ours by so much meanwhile."""


class Stage(Enum):
    """How far the lab has come."""

    OUTER_BOOTS = "the outer guest boots"
    INNER_BOOTS = "the inner guest boots"
    READY = "the inner guest is ready"


class Limits(NamedTuple):
    """The longest times, in seconds: for either boot, and without an answer when ready."""

    outer_boot: float = 90.0
    inner_boot: float = 150.0
    silence: float = 30.0


LIMITS: Final = Limits()


class Lost(NamedTuple):
    """What has happened. ``is_hang``: something fell silent, and nothing says why. ``is_inner``: no
    more than the inner guest is lost."""

    what: str
    is_hang: bool
    is_inner: bool = False


class Watch:
    """Follows one boot. ``now`` is any clock in seconds that only goes forward."""

    def __init__(self, *, nested: bool, now: float, limits: Limits = LIMITS) -> None:
        self.stage = Stage.OUTER_BOOTS if nested else Stage.INNER_BOOTS
        self._limits = limits
        self._since = now
        self._partial: dict[str, str] = {}
        self._lost: Lost | None = None
        self._paused = False
        self._born: float | None = None
        self._marks = 0

    def console(self, source: str, data: bytes, now: float) -> None:
        """Bytes of a console: ``host`` (the outer guest's) or ``console`` (the inner one's)."""
        text = self._partial.get(source, "") + data.decode("utf-8", "replace")
        *lines, rest = text.split("\n")
        self._partial[source] = rest[-_LONGEST_LINE:]
        for line in lines:
            self._line(source, line.rstrip("\r"), now)

    def alive(self, now: float) -> None:
        """The agent in the inner guest has said something."""
        self.stage, self._since = Stage.READY, now

    def reset(self, now: float, *, marked: bool = False) -> None:
        """The inner guest was told to boot again, or is taken back: what has become of it does not
        matter any more, nor what its console still says of that. ``marked``: until ``AGAIN`` comes;
        else it is known by the kernel's time stamps, which begin anew."""
        self.stage, self._since = Stage.INNER_BOOTS, now
        self._marks += marked
        self._born = None if marked else now
        self._partial.pop("console", None)
        if self._lost is not None and self._lost.is_inner:
            self._lost = None

    def pause(self, paused: bool, now: float) -> None:
        """The host was told to stop the inner guest, or to let it go on."""
        self._paused, self._since = paused, now

    def ended(self, code: int) -> None:
        """The emulator itself has ended."""
        if self._lost is None:
            self._lost = Lost(f"the emulator has ended with code {code}", False)

    def verdict(self, now: float) -> Lost | None:
        """What has become of the guests; None while nothing is wrong."""
        if self._lost is not None:
            return self._lost
        limit = {
            Stage.OUTER_BOOTS: self._limits.outer_boot,
            Stage.INNER_BOOTS: self._limits.inner_boot,
            Stage.READY: self._limits.silence,
        }[self.stage]
        if self._paused or now - self._since <= limit:
            return None
        if self.stage is Stage.READY:
            return Lost(f"the inner guest has not answered for {limit:g} s", True)
        return Lost(f"not done within {limit:g} s: {self.stage.value}", True)

    def _line(self, source: str, line: str, now: float) -> None:
        if source == "host":
            if line.startswith(OUTER_READY) and self.stage is Stage.OUTER_BOOTS:
                self.stage, self._since = Stage.INNER_BOOTS, now
            elif line.startswith(_HOST_ENDED):
                self._lose("the VMBus host has ended: " + line.removeprefix(_HOST_ENDED).strip())
        elif line.startswith(STANDS_STILL):
            self._lose(line.removeprefix("kmcl-lab: "), is_hang=True)
        elif self._is_late(line, now):
            return
        guest = "outer" if source == "host" else "inner"
        for pattern, name in _FATAL:
            if match := pattern.search(line):
                what = f"{name} of the {guest} guest: {match[1]}"
                self._lose(what, is_inner=guest == "inner")

    def _is_late(self, line: str, now: float) -> bool:
        """Whether the inner guest said it in an earlier life."""
        if line == AGAIN:
            self._marks = max(0, self._marks - 1)
        if self._marks or self._born is None or now - self._born > _LATE_SECONDS:
            return self._marks > 0
        uptime = _UPTIME.match(line)
        return uptime is not None and float(uptime[1]) > now - self._born + _CLOCKS_SECONDS

    def _lose(self, what: str, *, is_hang: bool = False, is_inner: bool = False) -> None:
        if self._lost is None:
            self._lost = Lost(what, is_hang, is_inner)
