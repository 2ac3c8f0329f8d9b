"""Silence that was only waited for: believed where nothing is missing, else asked for again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kmcl_adapters import Adapter, Description, Session
from kmcl_adapters.mutants import create as mutant
from kmcl_adapters.reference import create as reference
from kmcl_conformance.campaign import Campaign, Options
from kmcl_conformance.generate.tours import TOURS
from kmcl_conformance.generate.tours.steps import close, running
from kmcl_conformance.sequence import MOST_ASKED, RESTS, Outcome, replay, walk
from kmcl_conformance.verdicts import certificate
from kmcl_model.events import Event, Lost, Quiescence
from kmcl_model.spec import Specification
from kmcl_model.stimuli import Stimulus
from kmcl_reports.results import Verdict

IDLE = Quiescence("quiescence", False)
CONVERSATION = tuple([*running(), *close()])


class Waiting:
    """A session that cannot tell when it is at rest. ``late`` says for each settling, by its
    number from 1, after how many idle times its events come; the first ones show silence."""

    def __init__(self, session: Session, late: Callable[[int], int]) -> None:
        self._session = session
        self._late = late
        self._held: list[Event] = []
        self._shown: list[Event] = []
        self._settlings = self._left = 0
        self.rests = self.looks = 0

    def apply(self, stimulus: Stimulus) -> None:
        if stimulus[0] != "settle":
            self._session.apply(stimulus)
            self._shown += self._session.take()
            return
        self.rests += 1
        if not self._held:
            self._session.apply(stimulus)
            self._held = [e for e in self._session.take() if not isinstance(e, Quiescence)]
            self._settlings += 1
            self._left = self._late(self._settlings) if self._held else 0
        if self._left:
            self._left -= 1
        else:
            self._shown += self._held
            self._held = []
        self._shown.append(IDLE)

    def runnable(self) -> int:
        return 0

    def take(self) -> list[Event]:
        self.looks += 1
        events, self._shown = self._shown, []
        return events

    def close(self) -> None:
        self._session.close()


class Slow:
    """An implementation in its sessions; ``late`` of the first session, then of all others."""

    def __init__(self, adapter: Adapter, *late: Callable[[int], int]) -> None:
        self._adapter = adapter
        self._late: Iterator[Callable[[int], int]] = iter(late[:-1])
        self._others = late[-1]
        self.sessions: list[Waiting] = []

    def describe(self) -> Description:
        it = self._adapter.describe()
        return it._replace(
            capabilities=it.capabilities - {"schedulable"}, exact_quiescence=False, idle_seconds=0.1
        )

    def open(self) -> Session:
        self.sessions.append(Waiting(self._adapter.open(), next(self._late, self._others)))
        return self.sessions[-1]

    def close(self) -> None:
        self._adapter.close()


def at_once(_settling: int) -> int:
    return 0


def played(slow: Slow) -> Outcome:
    return replay(slow, Specification(), CONVERSATION)


def test_silence_in_which_nothing_is_missing_costs_one_idle_time() -> None:
    slow = Slow(reference(""), at_once)

    assert played(slow).failure is None
    assert slow.sessions[0].rests == sum(s[0] == "settle" for s in CONVERSATION)


def test_what_comes_late_is_waited_for_and_the_trace_shows_one_rest() -> None:
    slow = Slow(reference(""), lambda settling: RESTS - 1 if settling == 1 else 0)
    outcome = played(slow)

    assert outcome.failure is None
    assert outcome.events == played(Slow(reference(""), at_once)).events
    assert slow.sessions[0].rests == RESTS - 1 + sum(s[0] == "settle" for s in CONVERSATION)


def test_what_never_comes_is_missing_in_the_end() -> None:
    outcome = played(Slow(reference(""), lambda settling: 10**6))

    assert outcome.failure is not None
    assert outcome.events[-1] == IDLE
    rules = {broken.rule for broken in outcome.failure.broken}
    assert rules == {"EP-due-opened", "EP-due-opened-3"}


def test_slowly_every_rest_is_asked_for_as_often_as_one_that_breaks_something() -> None:
    slow = Slow(reference(""), at_once)
    outcome = replay(slow, Specification(), CONVERSATION, slowly=True)

    assert outcome.failure is None
    assert slow.sessions[0].rests == RESTS * sum(s[0] == "settle" for s in CONVERSATION)


def test_to_look_later_changes_nothing() -> None:
    """What goes together in one round trip is what would have been done one by one."""
    trips = looks = 0
    specification = Specification()
    for tour in TOURS:
        far = Slow(reference(""), at_once)
        seen = replay(far, specification, tour.stimuli)
        near = replay(reference(""), specification, tour.stimuli)
        assert seen.stimuli == near.stimuli, tour.name
        assert [e for e in seen.events if e != IDLE] == [
            e for e in near.events if not isinstance(e, Quiescence)
        ], tour.name
        trips += far.sessions[0].looks
        looks += len(seen.stimuli)

    assert trips < 0.7 * looks


class Restless(Waiting):
    """Something comes with every rest, always behind it."""

    def take(self) -> list[Event]:
        events = super().take()
        return [*events, IDLE] if events and events[-1] == IDLE else events


def test_an_end_of_a_batch_that_is_no_rest_is_not_believed() -> None:
    """Two rests in a row are one; what counts is that nothing stands behind the last."""
    session = Restless(reference("").open(), at_once)

    class One(Slow):
        def open(self) -> Session:
            return session

    outcome = replay(One(reference(""), at_once), Specification(), CONVERSATION)
    assert outcome.failure is None
    assert sum(e == IDLE for e in outcome.events) == sum(s[0] == "settle" for s in CONVERSATION)
    assert session.rests < MOST_ASKED


LATE = next(tour for tour in TOURS if tour.name == "answers wait at close, from the server")


def verdict(slow: Slow) -> tuple[Verdict, int]:
    campaign = Campaign(slow, Options(sequences=0))
    for number, tour in enumerate(campaign.plan.tours):
        if tour.name == LATE.name:
            campaign._one(number)
    return certificate(campaign).verdict, campaign.inconclusive


def test_a_failure_that_rests_on_silence_and_does_not_come_back_is_no_verdict() -> None:
    """The first session is too slow for every patience, those that confirm are not."""
    assert verdict(Slow(reference(""), lambda _: 10**6, at_once)) == (Verdict.INCONCLUSIVE, 1)


def test_a_failure_that_rests_on_silence_and_comes_back_is_one() -> None:
    assert verdict(Slow(reference(""), lambda _: 10**6)) == (Verdict.VIOLATIONS, 0)


@pytest.mark.parametrize("name", ["closed-missing-on-disable", "pause-returns-before-drain"])
def test_a_defect_shows_although_silence_is_only_waited_for(name: str) -> None:
    slow = Slow(mutant(name), at_once)
    found = (replay(slow, Specification(), tour.stimuli).failure for tour in TOURS)

    assert any(failure is not None for failure in found)


class Faulting:
    """A session in a system that reports a fault of its own when somebody looks once more."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._is_seen = False
        self.runnable, self.close = session.runnable, session.close

    def apply(self, stimulus: Stimulus) -> None:
        self._is_seen = False
        self._session.apply(stimulus)

    def take(self) -> list[Event]:
        was_seen, self._is_seen = self._is_seen, True
        return [Lost("lost", "crash", "kernel fault")] if was_seen else self._session.take()


class InSystem(Slow):
    def open(self) -> Session:
        return Faulting(self._adapter.open())


def test_what_has_come_when_a_sequence_ends_is_judged_as_well() -> None:
    adapter = InSystem(reference(""), at_once)
    for outcome in (
        replay(adapter, Specification(), CONVERSATION),
        walk(adapter, Specification(), 1, 20),
    ):
        assert outcome.failure is not None
        assert outcome.events[-1] == Lost("lost", "crash", "kernel fault")
        assert [e[0] for e in outcome.events].count("lost") == 1
