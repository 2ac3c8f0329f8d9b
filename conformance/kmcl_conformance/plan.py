"""The sequences of a campaign, by their numbers: first the directed ones, then seeded walks.

Certification and the hunts in mutants and variants run the same ones, because both ask here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kmcl_adapters import Adapter
from kmcl_model.spec import Specification

from .generate.tours import TOURS
from .oracle import Pair
from .sequence import Outcome, replay, walk

__all__ = ["FAULTS", "LENGTH", "Plan"]

LENGTH: Final = 80
"""Steps of a walk."""

FAULTS: Final = ("crash", "malformed", "spurious")
"""Environment actions that walks may use, as far as the implementation offers them."""

SEEDS: Final = 1_000_003
"""Walks of a campaign have consecutive seeds, and no two campaigns share one in practice."""


class Plan(NamedTuple):
    """What the sequences are made of; ``faults`` are wished for, the adapter may lack them."""

    seed: int
    length: int = LENGTH
    faults: tuple[str, ...] = FAULTS

    @property
    def directed(self) -> int:
        """How many sequences are directed: the first ones."""
        return len(TOURS)

    def run(
        self,
        number: int,
        adapter: Adapter,
        specification: Specification,
        pairs: set[Pair] | None = None,
    ) -> tuple[Outcome, str]:
        """Run one sequence: its outcome and its name."""
        if number < self.directed:
            tour = TOURS[number]
            return replay(adapter, specification, tour.stimuli, pairs=pairs), tour.name
        offset = number - self.directed
        capabilities = adapter.describe().capabilities
        faults = tuple(f for f in self.faults if f in capabilities)
        outcome = walk(
            adapter,
            specification,
            self.seed * SEEDS + offset,
            self.length,
            # Faults hide much of what would come after them: most walks do without.
            faults=faults if offset % 4 == 0 else (),
            holds="hold" in capabilities,
            pairs=pairs,
        )
        return outcome, f"walk {offset}"
