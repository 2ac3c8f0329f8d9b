"""All observers together: one automaton for each kind of thing and end of the channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol

from . import configuration, endpoint, flow, incoming, packet
from .host import MakeHost
from .observer import Automaton, Edge, Node, Rules

__all__ = ["ENDPOINTS", "OBSERVERS", "Automata", "Specification", "peer_of"]

ENDPOINTS: Final = ("client", "server")

OBSERVERS: Final[tuple[Rules, ...]] = (
    endpoint.ENDPOINT,
    packet.PACKET,
    flow.FLOW,
    incoming.INCOMING,
    configuration.CONFIGURATION,
)
"""The rules of the whole specification."""


def peer_of(name: str) -> str:
    """The other end."""
    return "server" if name == "client" else "client"


class Automata(Protocol):
    """What every specification has: the ends that are observed, and its automata."""

    @property
    def ends(self) -> tuple[str, ...]: ...

    def automata(self) -> Iterator[tuple[str, Automaton[Any]]]:
        """Every automaton with the end it belongs to."""


class Specification:
    """The automata of a run. They grow with what is seen, so a run shares one specification.

    ``ends`` are those that are observed. Of the other one nothing is known: whatever its role
    allows may explain what this one shows, as far as no ``host`` tells more.
    """

    def __init__(self, ends: tuple[str, ...] = ENDPOINTS, host: MakeHost | None = None) -> None:
        self.ends = ends
        self.host = host
        self.endpoint: dict[str, Automaton[Any]] = {}
        self.packet: dict[str, Automaton[Any]] = {}
        self.flow: dict[str, Automaton[Any]] = {}
        self.incoming: dict[str, Automaton[Any]] = {}
        self.configuration: dict[str, Automaton[Any]] = {}
        self.rests: dict[tuple[Node, ...], tuple[Edge, ...]] = {}
        """Room for a judge to keep silences that it knows to change nothing, by the nodes of those
        concerned."""
        steady = host is not None and host().stays
        for name in ends:
            alone = peer_of(name) not in ends
            self.endpoint[name] = Automaton(
                endpoint.ENDPOINT, endpoint.initial(name, alone, steady)
            )
            self.packet[name] = Automaton(packet.PACKET, packet.initial(name, alone))
            self.flow[name] = Automaton(flow.FLOW, flow.initial(peer_of(name), name, alone))
            self.incoming[name] = Automaton(incoming.INCOMING, incoming.initial(name))
            self.configuration[name] = Automaton(
                configuration.CONFIGURATION, configuration.initial(name)
            )

    def automata(self) -> Iterator[tuple[str, Automaton[Any]]]:
        """Every automaton with the end it belongs to; a flow belongs to its receiver."""
        for name in self.ends:
            for group in (self.endpoint, self.packet, self.flow, self.incoming, self.configuration):
                yield name, group[name]
