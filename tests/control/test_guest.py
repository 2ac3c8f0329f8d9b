"""The suite on the reference guest, on its legal variants and on its defective copies."""

from collections import Counter

import pytest

from kmcl_adapters import AdapterError
from kmcl_adapters.guest import GUEST_MUTANTS, GUEST_VARIANTS
from kmcl_adapters.guest import create as guest
from kmcl_adapters.guest.mutants import create as mutant
from kmcl_adapters.guest.variants import create as variant
from kmcl_conformance.coverage import seen
from kmcl_conformance.generate.tours import Tour
from kmcl_conformance.mutation import Hunt, hunt
from kmcl_conformance.sequence import Outcome, replay, walk
from kmcl_conformance.subjects import VMBUS
from kmcl_model.book import vmbus
from kmcl_model.spec import Automata

WALKS = 250
CONVERSATIONS = VMBUS.tours(VMBUS.ends, False, "")


@pytest.fixture(scope="module")
def specification() -> Automata:
    """One for all tests: what one has computed the next looks up."""
    return VMBUS.specification()


@pytest.fixture(scope="module")
def explored() -> tuple[Automata, list[Outcome]]:
    """Every conversation and some walks on the reference, and the automata they have built."""
    automata = VMBUS.specification()
    outcomes = [replay(guest(""), automata, tour.stimuli) for tour in CONVERSATIONS]
    outcomes += [walk(guest(""), automata, seed, 80, faults=VMBUS.faults) for seed in range(WALKS)]
    return automata, outcomes


@pytest.fixture(scope="module")
def kills() -> dict[str, Hunt]:
    """What became of every mutant."""
    automata = VMBUS.specification()
    return {
        name: hunt(mutant(name), sequences=700, specification=automata) for name in GUEST_MUTANTS
    }


def test_the_reference_conforms(explored: tuple[Automata, list[Outcome]]) -> None:
    _, outcomes = explored

    assert [o.failure for o in outcomes if o.failure is not None or not o.finished] == []


def test_every_requirement_is_exercised(explored: tuple[Automata, list[Outcome]]) -> None:
    automata, _ = explored

    assert vmbus().requirements.keys() - seen(automata).requirements.keys() == set()


def test_every_fault_of_the_vocabulary_is_committed(
    explored: tuple[Automata, list[Outcome]],
) -> None:
    committed: Counter[str] = Counter()
    for outcome in explored[1]:
        committed.update(dict(outcome.faults))

    assert committed.keys() == vmbus().faults.keys()


@pytest.mark.parametrize("tour", CONVERSATIONS, ids=lambda tour: tour.name)
def test_most_of_a_conversation_is_held(specification: Automata, tour: Tour) -> None:
    outcome = replay(guest(""), specification, tour.stimuli)

    assert len(outcome.stimuli) >= 0.6 * len(tour.stimuli)


def test_no_mutant_lives(kills: dict[str, Hunt]) -> None:
    assert [name for name, found in kills.items() if found.failure is None] == []


def test_a_mutant_is_killed_by_the_requirement_it_was_made_for(kills: dict[str, Hunt]) -> None:
    missed = {
        name: (found.failure.requirements, GUEST_MUTANTS[name].meant)
        for name, found in kills.items()
        if found.failure is not None and GUEST_MUTANTS[name].meant not in found.failure.requirements
    }

    assert missed == {}


def test_every_requirement_has_a_mutant(kills: dict[str, Hunt]) -> None:
    killing = {id for found in kills.values() if found.failure for id in found.failure.requirements}

    assert vmbus().requirements.keys() - killing == set()


@pytest.mark.parametrize("name", GUEST_VARIANTS)
def test_a_legal_variant_raises_no_alarm_and_its_readings_are_named(name: str) -> None:
    automata = VMBUS.specification()
    found = hunt(variant(name), sequences=120, specification=automata)

    assert found.failure is None
    assert set(GUEST_VARIANTS[name].takes) <= seen(automata).readings.keys()


def test_every_reading_is_taken_by_the_reference_or_a_variant(
    explored: tuple[Automata, list[Outcome]],
) -> None:
    labels = {
        item.id + ("" if point.name == "reading" else f"/{point.name}") + f":{reading}"
        for item in vmbus().interpretations.values()
        for point in item.points
        for reading in point.readings
    }
    taken = {label for v in GUEST_VARIANTS.values() for label in v.takes}

    assert labels - taken - seen(explored[0]).readings.keys() == set()


def test_a_walk_is_the_same_for_the_same_seed(specification: Automata) -> None:
    first, second = (walk(guest(""), specification, 7, 80, faults=VMBUS.faults) for _ in range(2))

    assert first == second


def test_a_name_that_is_none_is_refused_with_those_like_it() -> None:
    for create, given, meant in ((mutant, "no-unlaod", "no-unload"), (variant, "linux6", "linux-")):
        with pytest.raises(AdapterError, match=f"{given}.* the nearest: {meant}"):
            create(given)
    with pytest.raises(AdapterError, match="exclude each other"):
        variant("confidential+before-5.0")
