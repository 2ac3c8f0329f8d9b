"""What the benchmark says of the suite itself: mutants that it kills, variants that it blames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from kmcl_adapters.mutants import MUTANTS
from kmcl_adapters.variants import VARIANTS
from kmcl_model.spec import Specification

from .adapters import find
from .campaign import BUDGETS
from .figure import Figure
from .mutation import Hunt, combinations_of, hunt

__all__ = ["Proof", "proof_figures"]

MOST_STEPS: Final = 2_000
"""The target of the median mutant: steps until it is killed."""


class Proof(NamedTuple):
    """How much is run: one in ``every`` mutants and one in ``every`` variants, so many random
    ``combinations`` of variants, each variant and combination with so many ``seeds``, and the
    ``budget`` of those by its name. Mutants always get the budget of a certification: most are
    killed long before it is used up."""

    every: int
    combinations: int
    seeds: int
    budget: str


def proof_figures(proof: Proof) -> list[Figure]:
    """Hunt in mutants and variants, one after the other in this process."""
    names = list(MUTANTS)[:: proof.every]
    hunted = list(_hunts((f"mutant:{name}" for name in names), (1,), BUDGETS["default"]))
    steps = tuple(float(found.steps) for _, found in hunted if found.failure is not None)
    alive = tuple(name for name, found in hunted if found.failure is None)
    chosen = list(VARIANTS)[:: proof.every]
    joined = combinations_of(VARIANTS, 1, proof.combinations)
    legal = [f"variant:{name}" for name in (*chosen, *joined)]
    seeds = range(1, proof.seeds + 1)
    played = _hunts(legal, seeds, BUDGETS[proof.budget])
    blamed = tuple(name for name, found in played if found.failure is not None)
    what = f"{len(chosen)} variants and {len(joined)} combinations, seeds: {proof.seeds}"
    return [
        Figure(
            f"killed of {len(names)} mutants",
            "mutants",
            (float(len(steps)),),
            len(names),
            culprits=alive,
        ),
        *([Figure("steps to a kill", "steps", steps, MOST_STEPS, True)] if steps else []),
        Figure(f"false alarms of {what}", "alarms", (float(len(blamed)),), 0, True, blamed),
    ]


def _hunts(
    names: Iterable[str], seeds: Iterable[int], sequences: int
) -> Iterator[tuple[str, Hunt]]:
    """A hunt in each for each seed, with what it was in; what one has computed the next looks
    up."""
    specification = Specification()
    for name in names:
        adapter = find(name)
        for seed in seeds:
            found = hunt(adapter, seed, sequences, specification=specification)
            yield f"{name}, seed {seed}", found
        adapter.close()
