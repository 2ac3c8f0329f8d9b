"""Whether the suite proves itself: every mutant is killed, no legal variant is blamed."""

from __future__ import annotations

from typing import NamedTuple

from kmcl_adapters import Adapter
from kmcl_model.spec import Specification

from .campaign import BUDGETS, FAULTS, LENGTH
from .failure import Failure
from .generate.tours import TOURS
from .sequence import replay, walk

__all__ = ["Hunt", "hunt"]


class Hunt(NamedTuple):
    """What was run until the first failure, or in all; ``failure`` None: nothing was found."""

    sequences: int
    steps: int
    failure: Failure | None


def hunt(
    adapter: Adapter,
    seed: int = 1,
    sequences: int = BUDGETS["default"],
    length: int = LENGTH,
    specification: Specification | None = None,
) -> Hunt:
    """Run the sequences of a certification until one fails.

    A ``specification`` that other hunts have used already makes this one faster.
    """
    specification = specification or Specification()
    steps = done = 0
    capabilities = adapter.describe().capabilities
    faults = tuple(f for f in FAULTS if f in capabilities)
    for tour in TOURS:
        outcome = replay(adapter, specification, tour.stimuli)
        done, steps = done + 1, steps + outcome.steps
        if outcome.failure is not None:
            return Hunt(done, steps, outcome.failure)
    for offset in range(sequences):
        outcome = walk(
            adapter,
            specification,
            seed * 1_000_003 + offset,
            length,
            faults=faults if offset % 4 == 0 else (),
            holds="hold" in capabilities,
        )
        done, steps = done + 1, steps + outcome.steps
        if outcome.failure is not None:
            return Hunt(done, steps, outcome.failure)
    return Hunt(done, steps, None)
