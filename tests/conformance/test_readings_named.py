"""Every variant conforms, and the directed conversations alone show which reading it takes; nor is
it blamed by whoever sees one end alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

import pytest

from kmcl_adapters import Adapter
from kmcl_adapters.reference import create as create_reference
from kmcl_adapters.variants import VARIANTS, create
from kmcl_conformance.coverage import seen
from kmcl_conformance.failure import Failure
from kmcl_conformance.oracle import judge_trace
from kmcl_conformance.plan import Plan
from kmcl_model.catalogue import Interpretation, Point, interpretations
from kmcl_model.events import Environment, Event, Lost, Quiescence
from kmcl_model.spec import Specification
from kmcl_model.spec.specification import ENDPOINTS

PLAN = Plan(1)
WALKS = 4


@cache
def shared() -> Specification:
    """One for all libraries: what has been computed for one the others look up."""
    return Specification()


@cache
def alone(end: str) -> Specification:
    return Specification((end,))


def played(adapter: Adapter, numbers: range) -> Iterator[tuple[Event, ...]]:
    """What is seen in sequences of a certification, of a library that conforms."""
    for number in numbers:
        outcome, _ = PLAN.run(number, adapter, shared())
        assert outcome.failure is None, outcome.failure
        yield outcome.events


class Shown(NamedTuple):
    """The readings that the directed conversations show, and what whoever sees one end alone
    takes for a failure, in them or in some walks; ``judged`` counts what was looked at so."""

    readings: frozenset[str]
    judged: int
    blamed: tuple[Failure, ...]


def shown(adapter: Adapter) -> Shown:
    before = dict(seen(shared()).readings)
    judged, blamed = 0, []
    for number, events in enumerate(played(adapter, range(PLAN.directed + WALKS))):
        if number == PLAN.directed - 1:
            after = seen(shared()).readings
        if is_told_to_both(events):
            judged += 1
            failures = (judge_trace(shown_at(e, events), alone(e)).failure for e in ENDPOINTS)
            blamed += [failure for failure in failures if failure is not None]
    readings = (label for label, count in after.items() if count > before.get(label, 0))
    return Shown(frozenset(readings), judged, tuple(blamed))


def shown_at(end: str, events: Iterable[Event]) -> list[Event]:
    """What a harness at one end would have recorded."""
    return [
        e
        for e in events
        if isinstance(e, (Quiescence, Environment))
        or (not isinstance(e, Lost) and e.endpoint == end)
    ]


def is_told_to_both(events: Iterable[Event]) -> bool:
    """Nothing happens at one end that the other does not hear of."""
    return not any(isinstance(e, Environment) and e.action == "crash" for e in events)


@cache
def of_the_reference() -> frozenset[str]:
    return shown(create_reference("")).readings


BESIDES = {
    "client-opened-first": {"A46:R2"},
    "completions-held-while-paused": {"A61/reach:R2"},
    "enable-needs-an-offer": {"A33:R1"},
    "small-ring-refused": {"A33:R1"},
}
"""What the reference would show as well, if it ever came to where these variants take it."""


@cache
def told() -> dict[str, frozenset[str]]:
    """Of each point, the readings that the reference or a variant shows."""
    of_variants = (variant.takes for variant in VARIANTS.values())
    places: dict[str, set[str]] = {}
    for label in of_the_reference().union(*of_variants, *BESIDES.values()):
        place, _, reading = label.partition(":")
        places.setdefault(place, set()).add(reading)
    return {place: frozenset(readings) for place, readings in places.items()}


def is_known(label: str) -> bool:
    place, _, reading = label.partition(":")
    id, _, question = place.partition("/")
    points = {point.name: point.readings for point in interpretations()[id].points}
    return reading in points.get(question or "reading", {})


def is_told(label: str) -> bool:
    """What nobody shows on purpose would escape the tests of points below."""
    place, _, reading = label.partition(":")
    return reading in told().get(place, ())


def test_a_reading_that_is_shown_is_in_the_catalogue() -> None:
    """One that is not would be left out of the certificate."""
    assert len(of_the_reference()) > 60
    assert {label for label in of_the_reference() if not is_known(label)} == set()


@pytest.mark.parametrize("name", VARIANTS)
def test_the_reading_a_variant_takes_is_named_and_no_end_is_blamed(name: str) -> None:
    """Both in one, since what is judged is the same."""
    found = shown(create(name))
    takes = {*VARIANTS[name].takes, *BESIDES.get(name, ())}

    assert takes <= found.readings
    assert {label for label in found.readings if not is_told(label)} == set()
    assert found.judged > PLAN.directed // 2
    assert found.blamed == ()


TOGETHER = ("pause-waits-for-outgoing+start-during-pause-returns",)
"""Variants that meet: a pause that a Start has ended goes on until outgoing work is done."""


@pytest.mark.parametrize("names", TOGETHER)
def test_variants_that_meet_are_not_blamed(names: str) -> None:
    assert shown(create(names)).blamed == ()


OTHER_WAYS = {
    "process-packet-before-post-started",
    "start-during-pause-returns",
    "start-during-pause-undone",
}
"""Of the reading that the reference takes too."""


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - OTHER_WAYS))
def test_the_reference_is_not_taken_for_a_variant(name: str) -> None:
    assert not set(VARIANTS[name].takes) & of_the_reference()


def open_points() -> Iterator[tuple[str, Interpretation, Point]]:
    """Where more than one reading conforms, as labels begin."""
    for id, item in interpretations().items():
        if item.verdict_class in ("note", "mixed"):
            for point in item.points:
                yield id if point.name == "reading" else f"{id}/{point.name}", item, point


BY_HAND = {"A17": "a null ProcessPacket handler is passed by no test"}
"""Points that only a trace from elsewhere tells, as in `test_readings_by_hand.py`."""

IN_REACTIONS = {"A147"}


def test_an_open_point_is_told_or_the_catalogue_says_why_not() -> None:
    places = {place for place, _, _ in open_points()}
    mute = {place for place, _, point in open_points() if point.unseen}

    assert mute == places - told().keys() - BY_HAND.keys() - IN_REACTIONS


ONE_SIDED = {
    "A39/reopen": "that nothing is reset cannot be told from a reset to the same value",
    "A83/while-paused": "an answer that was given before the pause arrives during it as well",
    "A84": "the other reading fails",
    "A87/lifetime": "a quota that holds cannot be told from an initial one",
    "A94": "the other reading fails",
    "A95": "that a routine never runs inside the send shows in no single send",
}
"""Points of which one reading alone can be shown, and why."""


def test_of_every_point_that_is_told_at_least_two_readings_are() -> None:
    single = {place for place, readings in told().items() if len(readings) < 2}

    assert single == ONE_SIDED.keys()
