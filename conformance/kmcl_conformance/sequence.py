"""Running one sequence: stimuli go in, events come out, the judge looks at each."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Final, NamedTuple

from kmcl_adapters import Adapter, Session
from kmcl_model.events import Event
from kmcl_model.spec import Specification
from kmcl_model.stimuli import Stimulus

from .failure import Failure
from .generate.driver import Names, is_enabled
from .generate.explorer import Chooser, epilogue
from .generate.setup import SETTLE, prelude
from .oracle import Judge, Pair

__all__ = ["Outcome", "SequenceRun", "replay", "walk"]

MOST_ROUNDS: Final = 100
"""So many things may be left to do at the end of a walk."""


class Outcome(NamedTuple):
    """What a sequence came to. ``steps`` counts the stimuli whose events were judged."""

    stimuli: tuple[Stimulus, ...]
    events: tuple[Event, ...]
    failure: Failure | None
    steps: int
    finished: bool = True
    """False: the tester gave up before both ends came to rest, so nothing is known of the end."""


class SequenceRun:
    """A session and its judge; ``step`` applies a stimulus and judges what it shows."""

    def __init__(self, session: Session, judge: Judge) -> None:
        self.session = session
        self.judge = judge
        self.stimuli: list[Stimulus] = []
        self.events: list[Event] = []
        self.names = Names()

    def step(self, stimulus: Stimulus) -> Failure | None:
        self.stimuli.append(stimulus)
        if stimulus[0] == "arm":
            self.names.arm(stimulus)
        self.session.apply(stimulus)
        feed = self.judge.feed
        for event in self.session.take():
            self.events.append(event)
            failure = feed(event)
            if failure is not None:
                return failure
            if event[0] == "enter":
                self.names.enter(event[1], event[2], event[3])
            elif event[0] == "exit":
                self.names.exit(event[1], event[2])
        return None

    def outcome(self, failure: Failure | None) -> Outcome:
        return Outcome(tuple(self.stimuli), tuple(self.events), failure, len(self.stimuli))


def walk(
    adapter: Adapter,
    specification: Specification,
    seed: int,
    length: int,
    *,
    faults: tuple[str, ...] = (),
    holds: bool = True,
    pairs: set[Pair] | None = None,
) -> Outcome:
    """One seeded walk of ``length`` steps between prelude and epilogue."""
    rng = Random(seed)
    judge = Judge(specification, pairs)
    session = adapter.open()
    run = SequenceRun(session, judge)
    try:
        for stimulus in prelude(rng):
            if stimulus.endpoint not in judge.ends:
                continue
            failure = run.step(stimulus)
            if failure is not None:
                return run.outcome(failure)
        chooser = Chooser(judge, run.names, rng, holds=holds, faults=faults)
        for _ in range(length):
            failure = run.step(chooser.choose(session.runnable()))
            if failure is not None:
                return run.outcome(failure)
        return _finish(run)
    finally:
        session.close()


def _finish(run: SequenceRun) -> Outcome:
    for _ in range(MOST_ROUNDS):
        failure = run.step(SETTLE)
        if failure is not None:
            return run.outcome(failure)
        stimulus = epilogue(run.judge)
        if stimulus is None:
            return run.outcome(None)
        failure = run.step(stimulus)
        if failure is not None:
            return run.outcome(failure)
    return run.outcome(None)._replace(finished=False)


def replay(
    adapter: Adapter,
    specification: Specification,
    stimuli: Iterable[Stimulus],
    *,
    pairs: set[Pair] | None = None,
) -> Outcome:
    """Run given stimuli on a fresh implementation, leaving out those a driver may not do.

    What made a stimulus legal may be gone, because the case was cut down or the
    implementation has changed; an illegal one would blame the implementation for the test.
    """
    judge = Judge(specification, pairs)
    session = adapter.open()
    run = SequenceRun(session, judge)
    try:
        for stimulus in stimuli:
            if not is_enabled(judge, run.names, stimulus):
                continue
            failure = run.step(stimulus)
            if failure is not None:
                return run.outcome(failure)
        return run.outcome(None)
    finally:
        session.close()
