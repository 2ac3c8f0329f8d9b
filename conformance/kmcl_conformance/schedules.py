"""All schedules of a short case, within bounds: what a directed sequence shows in every order.

The tester is one thread, every thread of work of the implementation is another. A schedule goes
on with the thread whose turn it is while it can; leaving it before is a *preemption*, and few
preemptions find most bugs (Musuvathi and Qadeer, PLDI 2007). ``Settle`` is where the tester waits
until nobody can go on. Every schedule is run on a fresh implementation from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, NamedTuple

from kmcl_adapters import Adapter, AdapterError, Schedulable
from kmcl_model.spec import Automata, Specification
from kmcl_model.stimuli import Settle, Stimulus

from .generate.priorities import Priorities
from .generate.setup import RUNS
from .sequence import Outcome, SequenceRun
from .subjects import subject_of
from .track import Pair

__all__ = ["MOST", "Schedules", "by_priorities", "run_schedules", "sample_schedules", "set_up"]

MOST: Final = 10_000
"""Schedules that are run if nothing else is said."""

TESTER: Final = -1
TYPICAL: Final = 40
"""About so many turns a short case takes."""

SEEDS: Final = 1_000_003
TURNS: Final = 2_000
"""Turns of one schedule; a case that takes more is not short."""


class Schedules(NamedTuple):
    """What came of a case: how many schedules were run, and the first that failed.

    ``complete``: these were all the schedules with so few preemptions.
    """

    run: int
    complete: bool
    failure: Outcome | None


class _Exhaustive:
    """Takes every way in turn; ``next`` sets it up for the next schedule."""

    def __init__(self, preemptions: int) -> None:
        self._preemptions = preemptions
        self._prefix: list[int] = []
        self.start()

    def start(self) -> None:
        self._taken: list[tuple[int, int]] = []
        self._left = self._preemptions

    def pick(self, able: Sequence[int], current: int) -> int:
        if current in able:
            others = [thread for thread in able if thread != current] if self._left else []
            ways = [current, *others]
        else:
            ways = list(able)
        if len(ways) == 1:
            return ways[0]
        place = len(self._taken)
        choice = self._prefix[place] if place < len(self._prefix) else 0
        self._taken.append((choice, len(ways)))
        if choice and current in able:
            self._left -= 1
        return ways[choice]

    def next(self) -> bool:
        taken = self._taken
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return False
        self._prefix = [*(choice for choice, _ in taken[:-1]), taken[-1][0] + 1]
        self.start()
        return True


def run_schedules(
    adapter: Adapter,
    stimuli: Sequence[Stimulus],
    *,
    preemptions: int = 1,
    most: int = MOST,
    free: int = 0,
    specification: Automata | None = None,
) -> Schedules:
    """Run a case under every schedule with at most so many preemptions.

    The first ``free`` stimuli are run as they are (setting both ends up is the same in all).
    Stops at the first failure or after ``most`` schedules. Raises AdapterError where the
    implementation lets nobody choose its schedule.
    """
    specification = specification or Specification()
    ways = _Exhaustive(preemptions)
    for number in range(1, most + 1):
        outcome = _run(adapter, specification, stimuli, ways.pick, free)
        if outcome.failure is not None or not outcome.finished:
            return Schedules(number, False, outcome if outcome.failure else None)
        if not ways.next():
            return Schedules(number, True, None)
    return Schedules(most, False, None)


def sample_schedules(
    adapter: Adapter,
    stimuli: Sequence[Stimulus],
    *,
    strategy: str = "pct",
    seed: int = 1,
    most: int = MOST,
    free: int = 0,
    specification: Automata | None = None,
) -> Schedules:
    """Run a case under random schedules: by priorities (``pct``), or any thread that can go on
    (``uniform``). Otherwise as ``run_schedules``; never complete."""
    specification = specification or Specification()
    for number in range(1, most + 1):
        pick = _picker(strategy, Random(seed * SEEDS + number))
        outcome = _run(adapter, specification, stimuli, pick, free)
        if outcome.failure is not None:
            return Schedules(number, False, outcome)
    return Schedules(most, False, None)


def by_priorities(
    adapter: Adapter,
    specification: Automata,
    stimuli: Sequence[Stimulus],
    seed: int,
    *,
    pairs: set[Pair] | None = None,
) -> Outcome:
    """Run a case once, by random priorities from its first rest on."""
    pick = _picker("pct", Random(seed))
    return _run(adapter, specification, stimuli, pick, set_up(stimuli), pairs)


def _picker(strategy: str, rng: Random) -> Callable[[Sequence[int], int], int]:
    """Who goes next of those that can: by priorities (``pct``), or anybody (``uniform``)."""
    if strategy == "pct":
        priorities = Priorities(rng, TYPICAL)
        return lambda able, _: able[priorities.choose(able)]
    return lambda able, _: rng.choice(able)


def set_up(stimuli: Sequence[Stimulus]) -> int:
    """How many stimuli set both ends up: those up to the first rest, if any come after it."""
    kinds = [stimulus[0] for stimulus in stimuli]
    return kinds.index("settle") + 1 if "settle" in kinds[:-1] else 0


def _run(
    adapter: Adapter,
    specification: Automata,
    stimuli: Sequence[Stimulus],
    pick: Callable[[Sequence[int], int], int],
    free: int,
    pairs: set[Pair] | None = None,
) -> Outcome:
    """One schedule. The tester waits for whatever allows its next stimulus, which is left out if
    nothing is under way that could."""
    session = adapter.open()
    try:
        subject = subject_of(specification)
        judge = subject.judge(specification, pairs)
        if not isinstance(session, Schedulable):
            raise AdapterError("the implementation cannot be scheduled: its order is its own")
        run = SequenceRun(session, judge, subject.course(judge))
        for stimulus in stimuli[:free]:
            if run.course.is_enabled(stimulus) and run.step(stimulus) is not None:
                return run.outcome(run.judge.failure)
        place, current = free, TESTER
        for _ in range(TURNS):
            ready = session.ready()[: len(RUNS)]
            able = list(ready)
            if place < len(stimuli):
                wanted = stimuli[place]
                enabled = run.course.is_enabled(wanted)
                if not ready or (enabled and not isinstance(wanted, Settle)):
                    able.insert(0, TESTER)
            if not able:
                return run.outcome(None)
            current = pick(able, current)
            if current != TESTER:
                stimulus = RUNS[ready.index(current)]
            else:
                stimulus, place = wanted, place + 1
                if not enabled:
                    continue
            if run.step(stimulus) is not None:
                return run.outcome(run.judge.failure)
        return run.outcome(None)._replace(finished=False)
    finally:
        session.close()
