"""What an adapter is: a thin way to make an implementation act and to see what it does.

An adapter judges nothing. ``Adapter.open`` gives a *fresh* implementation with both ends of one
channel not yet allocated; ``Session.apply`` starts a stimulus and never waits for a blocking
call; events are taken from ``Session.take`` in the order in which they were recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

from kmcl_model.events import Event
from kmcl_model.stimuli import Stimulus

__all__ = [
    "Adapter",
    "AdapterError",
    "Create",
    "Description",
    "Doubted",
    "Housed",
    "Machines",
    "Refusing",
    "Schedulable",
    "Session",
    "Tallying",
    "nearest",
]


class AdapterError(Exception):
    """The adapter cannot be used: one line for the user that says what to do."""


def nearest(wanted: str, known: Iterable[str]) -> str:
    """In words, the few of the known names that a wrong one was most likely meant to be."""
    return f"the nearest: {', '.join(get_close_matches(wanted, known, n=5, cutoff=0))}"


class Doubted(AdapterError):
    """What has happened is no verdict on the implementation, because something below it may be the
    cause: the session has to be played again. What comes back then is shown as events."""


class Description(NamedTuple):
    """What an adapter says about the implementation behind it.

    ``capabilities``: ``server``, ``client`` (the ends it can play), ``schedulable`` (the tester
    picks what runs next), ``hold`` (a callback may be held), ``crash``, ``malformed``,
    ``spurious``, ``signal-delayed``, ``signal-coalesced``, ``signal-masked`` (environment actions,
    see ``kmcl_model.stimuli.Environ``), and the optional parts of the header: ``mmio``, ``vtl``,
    ``save-restore``, ``gpadl``, ``external-data``, ``synchronous-request``, ``irql``.
    ``exact_quiescence``: the implementation can tell when nothing more will happen; otherwise
    ``idle_seconds`` without an event count as quiescence. ``surroundings``: a kernel, a host, in
    words with their versions, where the implementation runs between such; then whatever else is
    known of them. ``not_offered``: functions of the interface that it is known not to have; what
    else it lacks shows where it is asked for and never called.
    """

    name: str
    version: str
    adapter: str
    capabilities: frozenset[str]
    exact_quiescence: bool
    idle_seconds: float = 0.0
    surroundings: tuple[str, ...] = ()
    not_offered: frozenset[str] = frozenset()


class Session(Protocol):
    """One fresh implementation, from nothing to ``close``."""

    def apply(self, stimulus: Stimulus) -> None:
        """Start the stimulus. ``Settle`` returns after the quiescence event was recorded.

        What an implementation does wrong is never raised: it appears as an event, at worst
        ``Lost``. After ``Lost`` every further stimulus is ignored.
        """

    def runnable(self) -> int:
        """How many internal steps a ``Run`` could choose from; 0 where not schedulable."""

    def take(self) -> list[Event]:
        """The events recorded since the last call, oldest first. Like ``apply`` it raises Doubted
        where a loss is no verdict on the implementation.
        """

    def close(self) -> None:
        """Give everything back; idempotent, never raises, never hangs."""


@runtime_checkable
class Schedulable(Session, Protocol):
    """A session that also tells who could take the next step, so that schedules can be chosen."""

    def ready(self) -> tuple[int, ...]:
        """The threads of work that could take a step, in the order in which ``Run`` counts them.

        A number stands for the same thread for the whole session.
        """


class Adapter(Protocol):
    """A kind of implementation, found by name."""

    def describe(self) -> Description:
        """Who it is and what it can do; cheap, and the same every time."""

    def open(self) -> Session:
        """A fresh implementation; raises AdapterError where none can be had."""

    def close(self) -> None:
        """Give back what sessions share (a child process, a library)."""


class Machines(Protocol):
    """What was set up for an implementation to run in."""

    def last_words(self) -> bytes:
        """The log of the system it runs in, since the present or the last session began; never
        raises."""


@runtime_checkable
class Housed(Protocol):
    """An adapter whose implementation runs in machines that were set up for it."""

    @property
    def lab(self) -> Machines:
        """They."""


@runtime_checkable
class Refusing(Protocol):
    """What is served by the line protocol, where it refuses functions of the header, also such
    that no call of a test can name."""

    def refusal(self, function: str) -> str | None:
        """The status with which this function is refused, and why, in one line; None where it
        is not. Never raises."""


@runtime_checkable
class Tallying(Protocol):
    """An adapter, or what is served by the line protocol, that counts what no event shows."""

    def tally(self) -> Mapping[str, int]:
        """What its sessions have met, of the machine beneath them above all, in words, and how
        often so far; never raises."""


Create: TypeAlias = Callable[[str], Adapter]
"""An entry point of group ``kmcl.adapters``: takes what stands behind the colon."""
