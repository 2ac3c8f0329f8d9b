"""Cutting a failing case down: what is left fails the same way and has nothing to spare.

Delta debugging over the stimuli: chunks of half the case, then of a quarter, down to single
ones, until no single stimulus can be left out (1-minimal). Reactions lose their steps one by one.
Failing *the same way* means that the same rule was broken, so that a case does not slip
from one defect to another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kmcl_model.stimuli import Arm, Stimulus

__all__ = ["minimise"]


def minimise(
    stimuli: Sequence[Stimulus],
    fails: Callable[[Sequence[Stimulus]], bool],
    attempts: int = 2000,
) -> tuple[tuple[Stimulus, ...], bool]:
    """The reduced case, and whether it is 1-minimal (False: ``attempts`` ran out first).

    ``fails`` runs a candidate on a fresh implementation; it must hold for ``stimuli``.
    """
    budget = _Budget(fails, attempts)
    case = list(stimuli)
    while True:
        shorter = _without_steps(_fewer(case, budget), budget)
        if shorter == case:
            return tuple(case), not budget.spent
        case = shorter


def _fewer(case: list[Stimulus], budget: _Budget) -> list[Stimulus]:
    """Leave out chunks that get smaller and smaller, until no single stimulus can go."""
    size = max(1, len(case) // 2)
    while size:
        shorter = _without_chunks(case, size, budget)
        if len(shorter) < len(case):
            case = shorter
            size = min(size, max(1, len(case) // 2))
        else:
            size //= 2
    return case


class _Budget:
    def __init__(self, fails: Callable[[Sequence[Stimulus]], bool], attempts: int) -> None:
        self._fails = fails
        self._left = attempts
        self.spent = False

    def fails(self, case: Sequence[Stimulus]) -> bool:
        if self._left == 0:
            self.spent = True
            return False
        self._left -= 1
        return self._fails(case)


def _without_chunks(case: list[Stimulus], size: int, budget: _Budget) -> list[Stimulus]:
    """Leave out every chunk of ``size`` that is not needed, the last first."""
    end = len(case)
    while end > 0:
        start = max(0, end - size)
        candidate = case[:start] + case[end:]
        if candidate and budget.fails(candidate):
            case = candidate
        end = start
    return case


def _without_steps(case: list[Stimulus], budget: _Budget) -> list[Stimulus]:
    for i in range(len(case)):
        arm = case[i]
        if not isinstance(arm, Arm):
            continue
        for k in reversed(range(len(arm.reaction.steps))):
            steps = arm.reaction.steps
            reaction = arm.reaction._replace(steps=steps[:k] + steps[k + 1 :])
            shorter = arm._replace(reaction=reaction)
            candidate = [*case[:i], shorter, *case[i + 1 :]]
            if budget.fails(candidate):
                case, arm = candidate, shorter
    return case
