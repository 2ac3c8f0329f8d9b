"""What a sequence needs to know to go on: which stimuli there are, and which are allowed now.

A *course* belongs to one sequence. It hears of every stimulus and every event, and says what can
come next. Each subject has a course of its own; whoever runs sequences knows none of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any, Final, Protocol

from kmcl_conformance.oracle import Judge
from kmcl_model.book import kmcl
from kmcl_model.events import Event
from kmcl_model.stimuli import Environ, Stimulus

from .driver import follows_freely, is_enabled
from .explorer import Chooser, epilogue
from .names import Names
from .setup import prelude

__all__ = ["Choosing", "Course", "DriverCourse"]

_OF_SIGNALS: Final = "signal-"


class Choosing(Protocol):
    """Picks the stimuli of a walk."""

    def choose(self, runnable: int) -> Stimulus:
        """The next stimulus; ``runnable`` as the session tells."""


class Course(Protocol):
    """Where one sequence can go."""

    def limit(self, capabilities: frozenset[str]) -> None:
        """The implementation declares no others."""

    def prelude(self, rng: Random) -> Iterable[Stimulus]:
        """The stimuli that every walk begins with; asked one by one, as the walk goes on."""

    def chooser(
        self,
        rng: Random,
        *,
        holds: bool,
        faults: tuple[str, ...],
        expected: bool,
        strategy: str,
    ) -> Choosing:
        """Who picks the stimuli of a walk."""

    def epilogue(self) -> Stimulus | None:
        """The next stimulus that brings a walk to its end; None when nothing is left to do."""

    def is_enabled(self, stimulus: Stimulus) -> bool:
        """Whether a test may do this now."""

    def follows_freely(self, stimulus: Stimulus, after: Stimulus) -> bool:
        """Whether ``after`` may be done whatever ``stimulus``, which is allowed now, shows."""

    def note(self, stimulus: Stimulus) -> None:
        """A stimulus is about to be applied."""

    def see(self, event: Event) -> None:
        """The judge has accepted an event."""


class DriverCourse:
    """The course of two drivers of the library."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.names = Names()
        self._lacks: frozenset[str] = frozenset()

    def limit(self, capabilities: frozenset[str]) -> None:
        """Functions that a library does not declare are asked for all the same: they must be
        refused. Faults of signals are not: an adapter may not know the words."""
        known = (f for f in kmcl().faults.values() if f.name.startswith(_OF_SIGNALS))
        self._lacks = frozenset(f.name for f in known if f.capability not in capabilities)

    def prelude(self, rng: Random) -> Iterable[Stimulus]:
        """Both channels configured, as far as their ends are driven."""
        return [s for s in prelude(rng) if s.endpoint in self.judge.ends]

    def chooser(
        self,
        rng: Random,
        *,
        holds: bool,
        faults: tuple[str, ...],
        expected: bool,
        strategy: str,
    ) -> Chooser:
        """The explorer."""
        return Chooser(
            self.judge,
            self.names,
            rng,
            holds=holds,
            faults=faults,
            expected=expected,
            strategy=strategy,
        )

    def epilogue(self) -> Stimulus | None:
        """Everything given back, both ends disabled."""
        return epilogue(self.judge)

    def is_enabled(self, stimulus: Stimulus) -> bool:
        """Whether the stimulus keeps the rules of drivers, and the adapter can do it."""
        if isinstance(stimulus, Environ) and stimulus.action in self._lacks:
            return False
        return is_enabled(self.judge, self.names, stimulus)

    def follows_freely(self, stimulus: Stimulus, after: Stimulus) -> bool:
        """Whether they are about one packet."""
        return follows_freely(self.judge, self.names, stimulus, after)

    def note(self, stimulus: Stimulus) -> None:
        """Remember what a reaction or a call sets aside."""
        if stimulus[0] == "arm":
            self.names.arm(stimulus)
        elif stimulus[0] == "invoke":
            self.names.ask(stimulus)

    def see(self, event: Any) -> None:
        """Remember what has begun and ended."""
        kind = event[0]
        if kind == "call":
            self.names.call(event[1], event[2])
        elif kind == "enter":
            self.names.enter(event[1], event[2], event[3])
        elif kind == "exit":
            self.names.exit(event[1], event[2])
