"""The state of a guest's connection to its bus, and the questions that its rules ask."""

from __future__ import annotations

from typing import NamedTuple

from kmcl_model.control import version
from kmcl_model.events import Call, Return
from kmcl_model.spec.observer import Move, Quiet

__all__ = [
    "ANSWERS_MODIFY",
    "HIGHEST_OF_LINUX",
    "KNOWS_MODIFY",
    "KNOWS_UNLOAD",
    "NAMES_CONNECTION",
    "Bus",
    "ConnectionState",
    "begin",
    "calling",
    "end",
    "excused",
    "initial",
    "leaves",
    "moves",
]

ANSWERS_MODIFY = version(5, 3)
KNOWS_MODIFY = version(4, 1)
KNOWS_UNLOAD = version(3, 0)
NAMES_CONNECTION = version(5, 0)
HIGHEST_OF_LINUX = version(5, 3)


class Bus(NamedTuple):
    """What channels hear of the connection.

    It is ``up``, ``parting`` (the guest is told to leave, and has not said so yet), ``ending`` (the
    same in a version that has no UNLOAD), ``leaving`` (UNLOAD was sent) or ``down``. Besides:
    whether MODIFYCHANNEL exists in its version, and whether it is answered; ``handover`` to another
    kernel: none (empty), ``begun``, or ``over`` with no contact made since.
    """

    state: str
    modify: bool = False
    answered: bool = False
    handover: str = ""

    def __str__(self) -> str:
        return self.state


class ConnectionState(NamedTuple):
    """``phase``: down, contacting, refused, accepted, requested, unloading or gone.

    ``version``: the one asked for last. ``calls``: loads, unloads and handovers in progress, by
    caller. ``offered``: all offers were delivered. ``strange``: the host has sent what must be
    ignored, and the guest has not fallen silent since. ``succeeded``: another kernel has taken
    over, and has not made contact. ``connection``: where the guest must post, 0 if not known.
    """

    phase: str = "down"
    version: int = 0
    calls: tuple[tuple[str, str], ...] = ()
    offered: bool = False
    strange: frozenset[str] = frozenset()
    succeeded: bool = False
    connection: int = 0
    assumed: tuple[str, ...] = ()


def initial() -> ConnectionState:
    """The driver of the bus is not loaded."""
    return ConnectionState()


def moves(*pairs: str) -> tuple[Move, ...]:
    """Transitions of the region ``connection``."""
    return tuple(Move("connection", *pair.split(">")) for pair in pairs)


def calling(s: ConnectionState, function: str) -> bool:
    """Whether the user has such a call in progress."""
    return any(name == function for _, name in s.calls)


def leaves(s: ConnectionState) -> bool:
    """Whether the guest is told to leave, for good or for another kernel."""
    return calling(s, "unload") or calling(s, "kexec")


def begin(s: ConnectionState, e: Call) -> ConnectionState:
    """A call of the user begins."""
    return s._replace(calls=(*s.calls, (e.by, e.function)))


def end(s: ConnectionState, e: Return) -> ConnectionState:
    """A call of the user is over."""
    return s._replace(calls=tuple(c for c in s.calls if c[0] != e.by))


def excused(q: Quiet) -> bool:
    """Whether the host owes a channel an answer, so that the guest may wait."""
    return "owing" in q.facts
