"""The subjects: what can be tested here, and everything that differs between them.

``KMCL`` is the library, with two ends of a channel; ``VMBUS`` the guest's side of the bus. Plans,
sequences, campaigns, verdicts and the command line know subjects only by what is listed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any, Final, NamedTuple

from kmcl_model import book
from kmcl_model.api import FUNCTIONS
from kmcl_model.book import Book
from kmcl_model.control import GUEST, HOST
from kmcl_model.events import Event
from kmcl_model.spec import OBSERVERS, Rules, Specification
from kmcl_model.spec.charts import CHARTS, Chart
from kmcl_model.spec.control import CONTROL_CHARTS, CONTROL_OBSERVERS, ControlSpecification
from kmcl_model.spec.specification import ENDPOINTS, Automata
from kmcl_model.stimuli import Invoke, Stimulus
from kmcl_reports.sequence import describe_event

from .control import ControlCourse, ControlJudge
from .control.conversations import CONVERSATIONS, connected
from .control.explain import candidates as control_candidates
from .explain import candidates
from .generate.course import Course, DriverCourse
from .generate.driver import ENABLED_ACTS
from .generate.expected import EXPECTED_ACTS
from .generate.setup import SETTLE, prelude
from .generate.tours import CONTENTION_TOURS, EXPECTED_TOURS, TOURS, Tour, hosted_tours, of_ends
from .hosts import HOSTS
from .oracle import Judge
from .track import Follower, Pair

__all__ = [
    "KMCL",
    "SUBJECTS",
    "VMBUS",
    "Subject",
    "allowed_instead",
    "judge_trace",
    "subject_of",
]


class Subject(NamedTuple):
    """What can be tested, and how.

    ``ends`` are those there are, ``places`` those that a stimulus can name; ``make`` gives the
    specification of some of them, with a known host or with none, ``judge`` one that follows a
    trace, ``course`` what a sequence can do. ``essential``: by the id of the requirement that
    it shows, the words for something without which a run is one of error paths alone. ``tours``
    are the directed sequences, ``contending`` those whose outcome depends on who goes first.
    ``faults`` are the names of what walks may do wrong. ``reactions`` are the calls inside
    callbacks that tests make: those that must work, or those that are only expected to.
    ``candidates`` are events that may be allowed next.
    """

    name: str
    ends: tuple[str, ...]
    places: tuple[str, ...]
    book: Callable[[], Book]
    make: Callable[[tuple[str, ...], str], Automata]
    judge: Callable[[Any, set[Pair] | None], Follower]
    course: Callable[[Any], Course]
    tours: Callable[[tuple[str, ...], bool, str], tuple[Tour, ...]]
    contending: tuple[Tour, ...]
    observers: tuple[Rules, ...]
    charts: tuple[Chart, ...]
    faults: tuple[str, ...]
    fault_every: int
    """One walk in so many commits faults: they hide much of what would come after them."""
    reactions: Callable[[tuple[str, ...], bool], frozenset[str]]
    trial: Callable[[Random], tuple[Stimulus, ...]]
    """A short sequence that every implementation must be able to go through, of all ends."""
    candidates: Callable[[Any], Iterable[Event]]
    essential: Mapping[str, str]

    def specification(self, ends: tuple[str, ...] = (), host: str = "") -> Automata:
        """Fresh automata, of all ends unless some are named; ``host``: what is known of the other
        end, by its name in ``HOSTS``."""
        return self.make(ends or self.ends, host)


def _library(ends: tuple[str, ...], host: str) -> Specification:
    return Specification(ends, HOSTS.get(host))


def _library_tours(ends: tuple[str, ...], expected: bool, host: str) -> tuple[Tour, ...]:
    every = hosted_tours(ends[0], HOSTS[host]()) if host else TOURS
    if expected:
        every += EXPECTED_TOURS
    return every if ends == ENDPOINTS else of_ends(every, ends)


def _library_reactions(ends: tuple[str, ...], expected: bool) -> frozenset[str]:
    return frozenset(
        f"{endpoint}: {act} in {callback}"
        for endpoint in ends
        for callback, functions in (EXPECTED_ACTS if expected else ENABLED_ACTS).items()
        for act in functions
        if FUNCTIONS[act].capability == "core"
    )


def _library_trial(rng: Random) -> tuple[Stimulus, ...]:
    ends = [Invoke("invoke", end, "t0", "VmbChannelEnable") for end in ("server", "client")]
    return (*prelude(rng), SETTLE, *ends, SETTLE)


KMCL: Final = Subject(
    name="kmcl",
    ends=ENDPOINTS,
    places=ENDPOINTS,
    book=book.kmcl,
    make=_library,
    judge=Judge,
    course=DriverCourse,
    tours=_library_tours,
    contending=CONTENTION_TOURS,
    observers=OBSERVERS,
    charts=CHARTS,
    faults=tuple(book.kmcl().faults),
    fault_every=4,
    reactions=_library_reactions,
    trial=_library_trial,
    candidates=candidates,
    essential={"F014": "no channel was ever opened"},
)
"""The Kernel Mode Client Library."""

VMBUS: Final = Subject(
    name="vmbus",
    ends=(GUEST,),
    places=(GUEST, HOST),
    book=book.vmbus,
    make=lambda ends, _host: ControlSpecification(ends),
    judge=ControlJudge,
    course=ControlCourse,
    tours=lambda _ends, _expected, _host: CONVERSATIONS,
    contending=(),
    observers=CONTROL_OBSERVERS,
    charts=CONTROL_CHARTS,
    faults=tuple(book.vmbus().faults),
    fault_every=1,
    reactions=lambda _ends, _expected: frozenset(),
    trial=lambda _rng: tuple(connected()),
    candidates=control_candidates,
    essential={"V024": "the guest never asked to open a channel"},
)
"""The control protocol of the bus, as a guest plays it."""

SUBJECTS: Final = (KMCL, VMBUS)


def subject_of(specification: Automata) -> Subject:
    """The subject that a specification belongs to."""
    return VMBUS if isinstance(specification, ControlSpecification) else KMCL


def judge_trace(events: Iterable[Event], specification: Automata) -> Follower:
    """Judge a whole recorded trace; the judge tells what was found."""
    return subject_of(specification).judge(specification, None).follow(events)


def allowed_instead(specification: Automata, events: Iterable[Event]) -> tuple[str, ...]:
    """In words, the outputs that the specification allows after ``events``, silence included."""
    subject = subject_of(specification)
    judge = subject.judge(specification, None).follow(events)
    if judge.failure is not None:
        return ()
    return tuple(
        dict.fromkeys(
            describe_event(event)
            for event in subject.candidates(judge)
            if judge.fork().feed(event) is None
        )
    )
