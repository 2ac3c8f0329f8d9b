"""Whether the suite proves itself: every mutant is killed, no legal variant is blamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

from kmcl_adapters import Adapter
from kmcl_adapters.variants import Variant, compatible
from kmcl_model.spec import Automata
from kmcl_model.stimuli import Stimulus

from .campaign import BUDGETS
from .examining import NEEDED, came_back, is_same_as, is_steady
from .failure import Failure
from .plan import LENGTH, Plan
from .profiles import profile_for
from .sequence import Outcome, replay

__all__ = ["JOINED", "Hunt", "combinations_of", "hunt"]

JOINED: Final = 3
"""Variants in a random combination."""


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
    specification: Automata | None = None,
    plan: Plan | None = None,
    most: int | None = None,
) -> Hunt:
    """Run the sequences of a certification until one fails, ``most`` of them if that is said. As in
    a certification, a failure counts only when it comes back; of an implementation that always does
    the same it is known that it would.

    A ``specification`` that other hunts have used already makes this one faster. ``plan``: that of
    another profile than the full one.
    """
    profile = profile_for(told := adapter.describe())
    fresh = profile.specification()

    def again(stimuli: Sequence[Stimulus]) -> Outcome:
        return replay(adapter, fresh, stimuli, slowly=True)

    specification = specification or profile.specification()
    subject = profile.subject
    what = (profile.ends, subject, profile.host)
    plan = plan or Plan(seed, length, subject.faults, False, *what)
    total, steps = plan.directed + sequences, 0
    total = total if most is None else min(total, most)
    for number in range(total):
        outcome, _ = plan.run(number, adapter, specification)
        steps += outcome.steps
        if outcome.failure is None:
            continue
        is_same = is_same_as(outcome)
        if (
            is_steady(told)
            or came_back(outcome, again, is_same, steady=False, briefly=True)[0] >= NEEDED
        ):
            return Hunt(number + 1, steps, outcome.failure)
    return Hunt(total, steps, None)


def combinations_of(variants: Mapping[str, Variant], seed: int, wanted: int) -> list[str]:
    """Names of so many different random combinations of variants that do not exclude each other;
    the same seed gives the same."""
    rng = Random(seed)
    found: dict[str, None] = {}
    while len(found) < wanted:
        names = tuple(sorted(rng.sample(list(variants), JOINED)))
        if compatible(names, variants):
            found["+".join(names)] = None
    return list(found)
