"""Where an observer has got to, and what one observer tells another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kmcl_model.spec import Automaton, Edge, Move, Node, Quiet, Shadow
from kmcl_model.spec.endpoint import phase

__all__ = ["RefusedError", "Track", "endpoint_facts", "quiet_with", "shadow_of"]


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


def endpoint_facts(node: Node) -> frozenset[str]:
    """What excuses silence at an endpoint: ``busy``, ``standing``; or it is ``running``."""
    facts = set()
    states: Iterable[Any] = node.states
    if any(
        s.indicated
        or s.others
        or s.post_running
        or s.early_started == 1
        or s.connection in ("opening", "closing")
        or s.run in ("starting", "suspending")
        for s in states
    ):
        facts.add("busy")
    running = all(
        s.connection == "open" and s.run == "started" and not phase(s).stopping for s in states
    )
    if running:
        facts.add("running")
    if not running or any(s.indicated or s.others for s in states):
        facts.add("standing")
    return frozenset(facts)


_QUIETS: dict[tuple[str, ...], Quiet] = {}


def quiet_with(facts: tuple[str, ...]) -> Quiet:
    """The quiescence event with these facts, always the same object."""
    quiet = _QUIETS.get(facts)
    if quiet is None:
        quiet = _QUIETS[facts] = Quiet("quiescence", facts)
    return quiet


def shadow_of(kind: str, name: str, node: Node) -> Shadow:
    """What a node of ``name`` tells others, kept with the node."""
    shadow: Shadow | None = node.notes.get(kind)
    if shadow is None:
        shadow = node.notes[kind] = Shadow(kind, name, node.summary)
    return shadow
