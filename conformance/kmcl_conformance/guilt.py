"""Did the fault do it? A failure that came right after one may come without it as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kmcl_model.stimuli import Environ, Post, Stimulus

from .examining import CONFIRMATIONS, Again
from .sequence import Outcome, signature

__all__ = ["guilt", "without_fault"]

_LASTING = "busy"
"""A fault that more may be done after, before its consequence could show."""


def without_fault(stimuli: Sequence[Stimulus], fault: str) -> tuple[Stimulus, ...]:
    """All but the fault that a case ends with: the last thing that host or world have done."""
    for place in reversed(range(len(stimuli))):
        stimulus = stimuli[place]
        is_act = isinstance(stimulus, Post | Environ)
        if is_act and (fault != _LASTING or stimulus[-1] == _LASTING):
            return (*stimuli[:place], *stimuli[place + 1 :])
    return tuple(stimuli)


def guilt(ids: frozenset[str], again: Again, *, steady: bool) -> Callable[[Outcome], bool]:
    """Whether a failure came right after a fault that endangers these requirements, and the same
    does not come without it. ``steady``: an implementation that always does the same. What is
    returned raises TimeIsUp."""

    def is_guilty(outcome: Outcome) -> bool:
        failure = outcome.failure
        if failure is None or not ids or not ids <= failure.doubtful:
            return False
        less = without_fault(outcome.stimuli, failure.fault)
        key = signature(outcome)
        return all(signature(again(less)) != key for _ in range(1 if steady else CONFIRMATIONS))

    return is_guilty
