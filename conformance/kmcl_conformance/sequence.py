"""Running one sequence: stimuli go in, events come out, the judge looks at each."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Final, NamedTuple

from kmcl_adapters import Adapter, Schedulable, Session
from kmcl_model.events import Event
from kmcl_model.spec import Automata
from kmcl_model.stimuli import Stimulus

from .failure import Failure
from .generate.course import Course
from .generate.priorities import Priorities
from .generate.setup import RUNS, SETTLE
from .subjects import subject_of
from .track import Follower, Pair

__all__ = ["Outcome", "SequenceRun", "replay", "walk"]

MOST_ROUNDS: Final = 100
"""So many things may be left to do at the end of a walk."""


MOST_TURNS: Final = 500
"""So many turns go by priority before a rest; threads that wake each other must not go on for
ever."""


class Outcome(NamedTuple):
    """What a sequence came to. ``steps`` counts the stimuli whose events were judged."""

    stimuli: tuple[Stimulus, ...]
    events: tuple[Event, ...]
    failure: Failure | None
    steps: int
    finished: bool = True
    """False: the tester gave up before both ends came to rest, so nothing is known of the end."""
    faults: tuple[tuple[str, int], ...] = ()
    """What the test did wrong on purpose, and how often."""


class SequenceRun:
    """A session and its judge; ``step`` applies a stimulus and judges what it shows."""

    def __init__(self, session: Session, judge: Follower, course: Course) -> None:
        self.session = session
        self.judge = judge
        self.course = course
        self.stimuli: list[Stimulus] = []
        self.events: list[Event] = []
        self.priorities: Priorities | None = None

    def step(self, stimulus: Stimulus) -> Failure | None:
        self.stimuli.append(stimulus)
        self.course.note(stimulus)
        self.session.apply(stimulus)
        feed, see = self.judge.feed, self.course.see
        for event in self.session.take():
            self.events.append(event)
            failure = feed(event)
            if failure is not None:
                return failure
            see(event)
        return None

    def scheduled(self, stimulus: Stimulus) -> Failure | None:
        """Like ``step``, but the priorities decide who goes next, also on the way to a rest."""
        priorities, session = self.priorities, self.session
        if priorities is None or not isinstance(session, Schedulable):
            return self.step(stimulus)
        if stimulus[0] == "run":
            return self.step(RUNS[priorities.choose(session.ready()[: len(RUNS)])])
        if stimulus[0] == "settle":
            for _ in range(MOST_TURNS):
                ready = session.ready()[: len(RUNS)]
                if not ready:
                    break
                failure = self.step(RUNS[priorities.choose(ready)])
                if failure is not None:
                    return failure
        return self.step(stimulus)

    def outcome(self, failure: Failure | None) -> Outcome:
        faults = tuple(sorted(self.judge.faults.items()))
        done = len(self.stimuli)
        return Outcome(tuple(self.stimuli), tuple(self.events), failure, done, faults=faults)


def walk(
    adapter: Adapter,
    specification: Automata,
    seed: int,
    length: int,
    *,
    faults: tuple[str, ...] = (),
    holds: bool = True,
    expected: bool = False,
    strategy: str = "uniform",
    pairs: set[Pair] | None = None,
) -> Outcome:
    """One seeded walk of ``length`` steps between prelude and epilogue.

    ``strategy`` is one of ``STRATEGIES``; an implementation whose session is not ``Schedulable``
    is not asked who goes next.
    """
    rng = Random(seed)
    subject = subject_of(specification)
    judge = subject.judge(specification, pairs)
    course = subject.course(judge)
    session = adapter.open()
    run = SequenceRun(session, judge, course)
    try:
        for stimulus in course.prelude(rng):
            failure = run.step(stimulus)
            if failure is not None:
                return run.outcome(failure)
        chooser = course.chooser(
            rng, holds=holds, faults=faults, expected=expected, strategy=strategy
        )
        if strategy == "pct" and isinstance(session, Schedulable):
            run.priorities = Priorities(rng, length)
        for _ in range(length):
            failure = run.scheduled(chooser.choose(session.runnable()))
            if failure is not None:
                return run.outcome(failure)
        return _finish(run)
    finally:
        session.close()


def _finish(run: SequenceRun) -> Outcome:
    for _ in range(MOST_ROUNDS):
        failure = run.scheduled(SETTLE)
        if failure is not None:
            return run.outcome(failure)
        stimulus = run.course.epilogue()
        if stimulus is None:
            return run.outcome(None)
        failure = run.step(stimulus)
        if failure is not None:
            return run.outcome(failure)
    return run.outcome(None)._replace(finished=False)


def replay(
    adapter: Adapter,
    specification: Automata,
    stimuli: Iterable[Stimulus],
    *,
    pairs: set[Pair] | None = None,
) -> Outcome:
    """Run given stimuli on a fresh implementation, leaving out those a driver may not do.

    What made a stimulus legal may be gone, because the case was cut down or the
    implementation has changed; an illegal one would blame the implementation for the test.
    """
    subject = subject_of(specification)
    judge = subject.judge(specification, pairs)
    course = subject.course(judge)
    session = adapter.open()
    run = SequenceRun(session, judge, course)
    try:
        for stimulus in stimuli:
            if not course.is_enabled(stimulus):
                continue
            failure = run.step(stimulus)
            if failure is not None:
                return run.outcome(failure)
        return run.outcome(None)
    finally:
        session.close()
