"""What the world does to the signals that are on their way to one end.

A signal says that there is something to look at, and nothing else: it may come late, and one may
stand for many. A ``SignalGate`` stands where signals come in. While it is shut they wait; when the
test waits for rest it is opened, and every signal comes, or one for all of them. So nothing of what
a fault does is left over when silence is judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

__all__ = ["COALESCED", "DELAYED", "HELD", "MASKED", "Signal", "SignalGate"]

COALESCED: Final = "signal-coalesced"
DELAYED: Final = "signal-delayed"
MASKED: Final = "signal-masked"

HELD: Final = frozenset({COALESCED, DELAYED})
"""The faults for which signals are held back; a masked one never arises."""

Signal: TypeAlias = Callable[[], object]


class SignalGate:
    """``count``: the signals that were held back so far. Not safe for threads: whoever has one
    shares a lock with whoever signals."""

    __slots__ = ("_action", "_held", "count")

    def __init__(self) -> None:
        self._action = ""
        self._held: list[Signal] = []
        self.count = 0

    @property
    def is_shut(self) -> bool:
        """Whether signals wait."""
        return bool(self._action)

    def shut(self, action: str) -> None:
        """Signals wait from now on, for what ``action`` does to them; one of ``HELD``. A gate that
        is shut for another reason stays so."""
        self._action = self._action or action

    def come(self, signal: Signal) -> None:
        """A signal comes: it is given on now, or when the gate is opened."""
        if not self._action:
            signal()
            return
        self.count += 1
        if self._action == DELAYED or signal not in self._held:
            self._held.append(signal)

    def open(self) -> None:
        """Give on what is due, the oldest first; again does nothing."""
        self._action = ""
        held, self._held = self._held, []
        for signal in held:
            signal()
