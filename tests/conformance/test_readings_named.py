"""Every variant conforms, and the directed conversations alone show which reading it takes."""

from __future__ import annotations

from functools import cache

import pytest

from kmcl_adapters import Adapter
from kmcl_adapters.reference import create as create_reference
from kmcl_adapters.variants import VARIANTS, create
from kmcl_conformance.coverage import seen
from kmcl_conformance.mutation import hunt
from kmcl_model.catalogue import interpretations
from kmcl_model.spec import Specification


def shown(adapter: Adapter) -> set[str]:
    """The readings that the directed conversations show of a library that conforms."""
    specification = Specification()
    assert hunt(adapter, sequences=0, specification=specification).failure is None
    return set(seen(specification).readings)


@cache
def of_the_reference() -> set[str]:
    return shown(create_reference(""))


def is_known(label: str) -> bool:
    place, _, reading = label.partition(":")
    id, _, question = place.partition("/")
    points = {point.name: point.readings for point in interpretations()[id].points}
    return reading in points.get(question or "reading", {})


def test_a_reading_that_is_shown_is_in_the_catalogue() -> None:
    """One that is not would be left out of the certificate."""
    assert len(of_the_reference()) > 30
    assert {label for label in of_the_reference() if not is_known(label)} == set()


@pytest.mark.parametrize("name", VARIANTS)
def test_the_reading_a_variant_takes_is_named(name: str) -> None:
    assert set(VARIANTS[name].takes) <= shown(create(name))


@pytest.mark.parametrize("name", VARIANTS)
def test_the_reference_is_not_taken_for_a_variant(name: str) -> None:
    assert not set(VARIANTS[name].takes) & of_the_reference()
