"""Every variant conforms, and the directed conversations alone show which reading it takes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from kmcl_adapters import Adapter
from kmcl_adapters.reference import create as create_reference
from kmcl_adapters.variants import VARIANTS, create
from kmcl_conformance.coverage import seen
from kmcl_conformance.mutation import hunt
from kmcl_model.catalogue import Interpretation, Point, interpretations
from kmcl_model.spec import Specification


@cache
def shared() -> Specification:
    """One for all libraries: what has been computed for one the others look up."""
    return Specification()


def shown(adapter: Adapter) -> frozenset[str]:
    """The readings that the directed conversations show of a library that conforms."""
    before = dict(seen(shared()).readings)
    assert hunt(adapter, sequences=0, specification=shared()).failure is None
    after = seen(shared()).readings
    return frozenset(label for label, count in after.items() if count > before.get(label, 0))


@cache
def of_the_reference() -> frozenset[str]:
    return shown(create_reference(""))


@cache
def of_the_variant(name: str) -> frozenset[str]:
    return shown(create(name))


def is_known(label: str) -> bool:
    place, _, reading = label.partition(":")
    id, _, question = place.partition("/")
    points = {point.name: point.readings for point in interpretations()[id].points}
    return reading in points.get(question or "reading", {})


def test_a_reading_that_is_shown_is_in_the_catalogue() -> None:
    """One that is not would be left out of the certificate."""
    assert len(of_the_reference()) > 60
    assert {label for label in of_the_reference() if not is_known(label)} == set()


@pytest.mark.parametrize("name", VARIANTS)
def test_the_reading_a_variant_takes_is_named(name: str) -> None:
    assert set(VARIANTS[name].takes) <= of_the_variant(name)


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


@cache
def told() -> dict[str, frozenset[str]]:
    """Of each point, the readings that the reference or a variant shows."""
    labels = of_the_reference().union(*(of_the_variant(name) for name in VARIANTS))
    places: dict[str, set[str]] = {}
    for label in labels:
        place, _, reading = label.partition(":")
        places.setdefault(place, set()).add(reading)
    return {place: frozenset(readings) for place, readings in places.items()}


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
