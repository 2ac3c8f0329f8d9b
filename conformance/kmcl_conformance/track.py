"""Where an observer has got to, and what one observer tells another."""

from __future__ import annotations

from typing import Any

from kmcl_model.spec import Automaton, Edge, Move, Node, Shadow

__all__ = ["RefusedError", "Track", "shadow_of"]


class Track:
    """Where one observer has got to; ``last`` has its last transitions in each chart region."""

    __slots__ = ("automaton", "chart", "last", "name", "node")

    def __init__(self, name: str, automaton: Automaton[Any]) -> None:
        self.name = name
        self.chart = " ".join(name.split()[:2])
        self.automaton = automaton
        self.node: Node = automaton.initial
        self.last: dict[str, list[tuple[str, Move]]] = {}


class RefusedError(Exception):
    """An observer has no explanation left."""

    def __init__(self, track: Track, edge: Edge) -> None:
        self.track = track
        self.edge = edge


def shadow_of(kind: str, name: str, node: Node) -> Shadow:
    """What a node of ``name`` tells others, kept with the node."""
    shadow: Shadow | None = node.notes.get(kind)
    if shadow is None:
        shadow = node.notes[kind] = Shadow(kind, name, node.summary)
    return shadow
