"""The control protocol of the VMBus as a guest must play it, judged from the host's side alone.

Three observers: the connection, each channel (by its relid) and each GPADL (by its id, which is
unique over the connection). The host is the test: what it sends is never refused, it only changes
what the guest may do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kmcl_model.control import GUEST
from kmcl_model.spec.charts import Chart
from kmcl_model.spec.observer import Automaton, Rules

from . import bus, gpadl
from .bus import Bus
from .channel import CHANNEL
from .connection import CONNECTION, WITHOUT_CONSEQUENCE
from .gpadl import GPADL
from .odd import ODD_OFFERS
from .state import ChannelState, Link, owes
from .state import initial as channel_initial

__all__ = [
    "CONTROL_CHARTS",
    "CONTROL_OBSERVERS",
    "ODD_OFFERS",
    "WITHOUT_CONSEQUENCE",
    "Bus",
    "ChannelState",
    "ControlSpecification",
    "Link",
    "owes",
]

CONTROL_OBSERVERS: Final[tuple[Rules, ...]] = (CONNECTION, CHANNEL, GPADL)
"""The rules of the whole protocol."""

CONTROL_CHARTS: Final = (
    Chart("guest connection", "Connection of the guest", CONNECTION, (("connection", "down"),)),
    Chart(
        "guest channel", "Channel of the guest", CHANNEL, (("offer", "none"), ("link", "closed"))
    ),
    Chart("guest gpadl", "GPADL", GPADL, (("gpadl", "free"),)),
)
"""The charts of the protocol."""


class ControlSpecification:
    """The automata of a run; it shares them between its sequences."""

    def __init__(self, ends: tuple[str, ...] = (GUEST,)) -> None:
        self.ends = ends
        self.connection: Automaton[Any] = Automaton(CONNECTION, bus.initial())
        self.channel: Automaton[Any] = Automaton(CHANNEL, channel_initial())
        self.gpadl: Automaton[Any] = Automaton(GPADL, gpadl.initial())

    def automata(self) -> Iterator[tuple[str, Automaton[Any]]]:
        """Every automaton with the end it belongs to."""
        for automaton in (self.connection, self.channel, self.gpadl):
            yield GUEST, automaton
