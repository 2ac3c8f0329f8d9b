"""Schedules by priority: probabilistic concurrency testing (PCT).

Every thread of work gets a random priority when it is first met, and the one with the highest
always goes first. At a few steps chosen beforehand the thread whose turn it is falls below all
others. A bug that needs d orderings among n threads and k steps shows with a probability of at
least 1/(n k^(d-1)) in each walk (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010), where
choosing at random among those that are ready starves nobody for long.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

__all__ = ["DEPTH", "Priorities"]

DEPTH: Final = 3
"""The orderings a bug may need; one change point less is made."""


class Priorities:
    """The priorities of one walk. ``steps``: about how many steps will be chosen."""

    def __init__(self, rng: Random, steps: int, depth: int = DEPTH) -> None:
        self._rng = rng
        self._changes = set(rng.sample(range(max(steps, depth - 1)), depth - 1))
        self._priority: dict[int, float] = {}
        self._taken = 0

    def choose(self, ready: Sequence[int]) -> int:
        """The place in line of the thread whose turn it is; ``ready`` must not be empty."""
        place = self._highest(ready)
        if self._taken in self._changes:
            self._priority[ready[place]] = -1.0 - self._taken
            place = self._highest(ready)
        self._taken += 1
        return place

    def _highest(self, ready: Sequence[int]) -> int:
        priority = self._priority
        for thread in ready:
            if thread not in priority:
                priority[thread] = self._rng.random()
        return max(range(len(ready)), key=lambda i: priority[ready[i]])
