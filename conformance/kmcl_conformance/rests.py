"""Silences that are known to change nothing, so that they need not be judged in detail again.

While nothing is under way, what silence means to two ends depends on where their endpoints and
their flows have got to, and on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from kmcl_model.spec import Edge, Node, Quiet

from .track import Track

__all__ = ["Rests", "Situation"]

Situation: TypeAlias = tuple[Node, ...]
"""Where all that stands has got to."""


class Rests:
    """``known`` are the edges that silence took in each situation; judges share it. ``standing``
    are the tracks that make the situation. ``passing`` are groups of tracks, by name, which silence
    concerns only while they are not idle. Without ``standing`` nothing is ever known.
    """

    def __init__(
        self,
        known: dict[Situation, tuple[Edge, ...]],
        standing: Iterable[Track],
        passing: Iterable[Mapping[str, Track]],
    ) -> None:
        self._known = known
        self._standing = tuple(standing)
        self._passing = tuple(passing)

    def situation(self) -> Situation:
        """Where all that stands has got to now."""
        return tuple([track.node for track in self._standing])

    def is_calm(self) -> bool:
        """Whether silence concerns nothing but what stands."""
        for tracks in self._passing:
            for track in tracks.values():
                if not track.node.idle:
                    return False
        return bool(self._standing)

    def repeated(self) -> bool:
        """Take the silence as before, if it is known in this situation. Most are."""
        edges = self._known.get(self.situation())
        if edges is None or not self.is_calm():
            return False
        for edge in edges:
            edge.hits += 1
        return True

    def keep(self, told: Iterable[tuple[Track, Quiet]]) -> None:
        """All tracks stand where they did before each was told this. Kept where none of it leads
        anywhere, and where no move of a chart has to be noted every time."""
        edges = []
        for track, quiet in told:
            edge = track.node.edges.get(quiet)
            if edge is None or edge.target is not track.node or edge.moves:
                return
            edges.append(edge)
        self._known[self.situation()] = tuple(edges)
