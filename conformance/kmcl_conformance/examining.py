"""What is done about a failure: it is seen again, and cut down, as long as there is time.

A failure counts when it comes back in ``NEEDED`` of ``CONFIRMATIONS`` repetitions, whatever it
rests on. An implementation that always does the same is repeated once. Each repetition waits for
every rest as long as for one that something is missing at, so it takes longer than the sequence
did: time can be up in the midst of one, which then says nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from kmcl_adapters import Description
from kmcl_model.stimuli import Stimulus

from .sequence import Outcome, TimeIsUp, lost_to, signature
from .shrink import minimise

__all__ = [
    "CONFIRMATIONS",
    "CUTTING",
    "NEEDED",
    "Again",
    "Examined",
    "came_back",
    "examine",
    "is_same_as",
    "is_steady",
]

CONFIRMATIONS: Final = 3
"""So often a failure is repeated."""
NEEDED: Final = 1
"""So often it must come back to count: with the first run it has been seen twice."""
CUTTING: Final = 30.0
"""Seconds at most in which a failure is cut down, where every attempt may come out differently."""

Again = Callable[[Sequence[Stimulus]], Outcome]
"""Plays stimuli on a fresh implementation, slowly. Raises TimeIsUp."""


class Examined(NamedTuple):
    """The shortest run that fails the same way, and how many of so many repetitions of the first
    one did."""

    outcome: Outcome
    confirmed: int
    attempts: int

    @property
    def counts(self) -> bool:
        """Whether it is a failure; else nothing is known."""
        return self.confirmed >= NEEDED


def is_steady(told: Description) -> bool:
    """Whether an implementation always does the same, and can tell when it is at rest."""
    return "schedulable" in told.capabilities and told.exact_quiescence


def is_same_as(outcome: Outcome) -> Callable[[Outcome], bool]:
    """Whether another run fails the same way."""
    key = signature(outcome)
    return lambda other: signature(other) == key


def examine(
    outcome: Outcome,
    again: Again,
    *,
    steady: bool,
    is_more: Callable[[Outcome], bool] = lambda _: True,
) -> Examined:
    """Repeat a failure and, where it counts, cut it down. ``steady``: an implementation that always
    does the same. ``is_more``: what else makes a run fail the same way."""
    is_like = is_same_as(outcome)

    def is_same(other: Outcome) -> bool:
        return is_like(other) and is_more(other)

    is_hang = lost_to(outcome) == "hang"  # every repetition costs the watchdog's whole time limit
    confirmed, attempts = came_back(outcome, again, is_same, steady=steady, briefly=is_hang)
    if confirmed < NEEDED or is_hang:
        return Examined(outcome, confirmed, attempts)
    shortest = outcome
    with suppress(TimeIsUp):
        stimuli = outcome.stimuli
        if confirmed == attempts:
            stimuli = _cut(stimuli, again, is_same, steady=steady)
        last = again(stimuli)
        shortest = last if is_same(last) else outcome
    return Examined(shortest, confirmed, attempts)


def came_back(
    outcome: Outcome,
    again: Again,
    is_same: Callable[[Outcome], bool],
    *,
    steady: bool,
    briefly: bool = False,
) -> tuple[int, int]:
    """In how many of so many repetitions a failure came back, while there was time. ``briefly``: no
    more of them than it takes to count."""
    confirmed = attempts = 0
    with suppress(TimeIsUp):
        while attempts < (1 if steady else CONFIRMATIONS):
            confirmed += is_same(again(outcome.stimuli))
            attempts += 1
            if briefly and confirmed >= NEEDED:
                break
    return confirmed, attempts


def _cut(
    stimuli: tuple[Stimulus, ...],
    again: Again,
    is_same: Callable[[Outcome], bool],
    *,
    steady: bool,
) -> tuple[Stimulus, ...]:
    end = time.perf_counter() + CUTTING

    def fails(case: Sequence[Stimulus]) -> bool:
        if not steady and time.perf_counter() > end:
            return False
        try:
            return is_same(again(case))
        except TimeIsUp:
            return False

    shorter, _ = minimise(stimuli, fails, attempts=1500 if steady else 60)
    return shorter
