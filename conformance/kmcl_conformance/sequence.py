"""Running one sequence: stimuli go in, events come out, the judge looks at each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from random import Random
from typing import Final, NamedTuple

from kmcl_adapters import Adapter, Doubted, Schedulable, Session
from kmcl_model.events import Event
from kmcl_model.spec import Automata
from kmcl_model.spec.configuration import SETTERS
from kmcl_model.stimuli import Arm, Invoke, Settle, Stimulus

from .failure import Failure
from .generate.course import Course
from .generate.priorities import Priorities
from .generate.setup import RUNS, SETTLE
from .subjects import subject_of
from .track import Follower, Pair

__all__ = [
    "RESTS",
    "Outcome",
    "SequenceRun",
    "TimeIsUp",
    "lost_to",
    "replay",
    "signature",
    "walk",
]

RESTS: Final = 10
"""So many idle times in a row must be silent until silence that was only waited for breaks
anything."""

MOST_ASKED: Final = 5 * RESTS
"""So often a rest is asked for; whoever never rests is not waited for for ever."""

MOST_ROUNDS: Final = 100
"""So many things may be left to do at the end of a walk."""


MOST_TURNS: Final = 500
"""So many turns go by priority before a rest; threads that wake each other must not go on for
ever."""


_SETTINGS: Final = frozenset(setter.function for setter in SETTERS)


class TimeIsUp(Exception):
    """There is no time left to play a sequence to its end."""


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


def signature(outcome: Outcome) -> str:
    """What makes two failures the same one: the observer's kind and the rules that refused."""
    failure = outcome.failure
    if failure is None:
        return ""
    kind = failure.observer.split()[1] if " " in failure.observer else failure.observer
    rules = sorted({broken.rule for broken in failure.broken})
    words = failure.broken[0].words if failure.broken[0].rule in ("-", "lost") else ""
    return " ".join([kind, *rules, words]).strip()


def lost_to(outcome: Outcome) -> str:
    """What the implementation was lost to, ``hang`` or ``crash`` for instance; else nothing."""
    last = outcome.events[-1] if outcome.events else None
    return last[1] if last is not None and last[0] == "lost" else ""


class SequenceRun:
    """A session and its judge; ``step`` applies a stimulus and judges what it shows.

    An implementation that cannot tell when it is at rest is given an idle time. Where nothing is
    due that is believed at once. Where something is, it is given ``RESTS`` of them before its
    silence is a failure: a short idle time costs time only where something is missing.
    ``slowly``: every rest takes that long.
    """

    def __init__(
        self, session: Session, judge: Follower, course: Course, *, slowly: bool = False
    ) -> None:
        self._slowly = slowly
        self.session = session
        self.judge = judge
        self.course = course
        self.stimuli: list[Stimulus] = []
        self.events: list[Event] = []
        self.priorities: Priorities | None = None

    def step(self, stimulus: Stimulus, *, listen: bool = True) -> Failure | None:
        """``listen``: whether to judge at once what it shows, or with the next stimulus."""
        self.stimuli.append(stimulus)
        self.course.note(stimulus)
        self.session.apply(stimulus)
        return self._listen() if listen else None

    def _listen(self) -> Failure | None:
        """Judge what there is to see. A rest is believed, or asked for again."""
        feed, see, silent = self.judge.feed, self.course.see, 0
        for _ in range(MOST_ASKED):
            rest: Event | None = None
            early = False
            for event in self.session.take():
                if event[0] == "quiescence" and not event[1]:
                    rest, silent = event, silent + 1
                    continue
                if rest is not None:  # what comes after it belies a rest
                    rest, early = None, True
                silent = 0
                self.events.append(event)
                failure = feed(event)
                if failure is not None:
                    return failure
                see(event)
            if rest is None and not early:
                return None
            if rest is not None and not (self._slowly and silent < RESTS):
                failure = self.judge.feed_silence(rest)
                if failure is None or silent >= RESTS:
                    self.events.append(rest)
                    if failure is None:
                        see(rest)
                    return failure
            self.session.apply(SETTLE)
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

    def end(self) -> Outcome:
        """Nothing more is done; what has come since it was last looked at is judged as well."""
        return self.outcome(self._listen())

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
    course.limit(adapter.describe().capabilities)
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
        far = not adapter.describe().exact_quiescence
        for _ in range(length):
            chosen = chooser.choose(0 if far else session.runnable())
            if far and isinstance(chosen, Arm):
                run.step(chosen, listen=False)  # it shows nothing itself
                continue
            failure = run.scheduled(chosen)
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
            return run.end()
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
    slowly: bool = False,
    enough: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Run given stimuli on a fresh implementation, leaving out those a driver may not do.

    What made a stimulus legal may be gone, because the case was cut down or the
    implementation has changed; an illegal one would blame the implementation for the test.
    ``slowly``: see ``SequenceRun``; ``enough`` is asked before every stimulus. A session that the
    adapter doubts is played once more. Raises AdapterError, also Doubted where the second is
    doubted as well, and TimeIsUp when ``enough`` says so.
    """
    case = tuple(stimuli)
    try:
        return _replay(adapter, specification, case, pairs, slowly, enough)
    except Doubted:
        return _replay(adapter, specification, case, pairs, slowly, enough)


def _replay(
    adapter: Adapter,
    specification: Automata,
    stimuli: tuple[Stimulus, ...],
    pairs: set[Pair] | None,
    slowly: bool,
    enough: Callable[[], bool],
) -> Outcome:
    if enough():
        raise TimeIsUp
    subject = subject_of(specification)
    judge = subject.judge(specification, pairs)
    course = subject.course(judge)
    course.limit(adapter.describe().capabilities)
    session = adapter.open()
    run = SequenceRun(session, judge, course, slowly=slowly)
    try:
        far = not adapter.describe().exact_quiescence
        follows = False
        for stimulus, after in pairwise((*stimuli, None)):
            assert stimulus is not None
            if enough():
                raise TimeIsUp
            if not follows and not course.is_enabled(stimulus):
                continue
            follows = together = False
            if far and after is not None:
                follows = course.follows_freely(stimulus, after)
                together = follows or _go_together(stimulus, after)
            failure = run.step(stimulus, listen=not together)
            if failure is not None:
                return run.outcome(failure)
        return run.end()
    finally:
        session.close()


def _go_together(stimulus: Stimulus, after: Stimulus) -> bool:
    """Whether what the first one shows has no say in the second. To look costs a round trip, and
    implementations that cannot tell when they are at rest may be far away."""
    if isinstance(stimulus, Settle):
        return False
    if isinstance(stimulus, Arm) or isinstance(after, Settle):
        return True
    return all(isinstance(s, Invoke) and s.function in _SETTINGS for s in (stimulus, after))
