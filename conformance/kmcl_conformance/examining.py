"""What is done about a failure: it is seen again, and cut down, as long as there is time.

Where every run may come out differently, one failure is repeated before it counts. Each repetition
waits for every rest as long as for one that something is missing at, so it takes longer than the
sequence did: time can be up in the midst of one, which then says nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from kmcl_model.events import Event
from kmcl_model.spec import Automata
from kmcl_model.stimuli import Stimulus

from .sequence import Outcome, TimeIsUp, signature
from .shrink import minimise
from .subjects import judge_trace

__all__ = ["CONFIRMATIONS", "CUTTING", "Again", "Examined", "examine", "rests_on_silence"]

CONFIRMATIONS: Final = 3
"""So often a failure is repeated."""
CUTTING: Final = 30.0
"""Seconds at most in which a failure is cut down, where every attempt may come out differently."""

Again = Callable[[Sequence[Stimulus]], Outcome]
"""Plays stimuli on a fresh implementation, slowly. Raises TimeIsUp."""


class Examined(NamedTuple):
    """The shortest run that fails the same way, and how many of so many runs did, the first one
    included."""

    outcome: Outcome
    confirmed: int
    attempts: int


def examine(
    outcome: Outcome,
    again: Again,
    *,
    steady: bool,
    guesses: Callable[[Outcome], bool],
    is_more: Callable[[Outcome], bool] = lambda _: True,
) -> Examined | None:
    """Repeat a failure and cut it down; None where it rests on a guess and did not come back, or
    could not in time. ``steady``: an implementation that always does the same. ``is_more``: what
    else makes a run fail the same way."""
    key = signature(outcome)

    def is_same(other: Outcome) -> bool:
        return signature(other) == key and is_more(other)

    if _is_hang(outcome):  # every repetition costs the watchdog's whole time limit
        return Examined(outcome, 1, 1)
    confirmed = attempts = 1
    if not steady:
        with suppress(TimeIsUp):
            for _ in range(CONFIRMATIONS):
                came_back = is_same(again(outcome.stimuli))
                attempts, confirmed = attempts + 1, confirmed + came_back
        if confirmed < 2 and guesses(outcome):
            return None
    shortest = outcome
    with suppress(TimeIsUp):
        stimuli = outcome.stimuli
        if confirmed == attempts:
            stimuli = _cut(stimuli, again, is_same, steady=steady)
        last = again(stimuli)
        shortest = last if is_same(last) else outcome
    return Examined(shortest, confirmed, attempts)


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


def rests_on_silence(outcome: Outcome, specification: Callable[[], Automata]) -> bool:
    """Whether the failure rests on silence, its own or an earlier one that was only waited for
    and without which the model has an explanation. Perhaps there was more to come."""
    if outcome.events and outcome.events[-1][0] == "quiescence":
        return True
    heard = [event for event in outcome.events if not _is_guess(event)]
    if len(heard) == len(outcome.events):
        return False
    return judge_trace(heard, specification()).failure is None


def _is_guess(event: Event) -> bool:
    return event[0] == "quiescence" and not event[1]


def _is_hang(outcome: Outcome) -> bool:
    last = outcome.events[-1] if outcome.events else None
    return last is not None and last[0] == "lost" and last[1] == "hang"
