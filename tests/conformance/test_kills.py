"""The record of which mutants each requirement detects, and where a certificate shows it."""

from __future__ import annotations

import json

import pytest

from kmcl_adapters.guest import GUEST_MUTANTS
from kmcl_adapters.mutants import MUTANTS
from kmcl_conformance.adapters import find
from kmcl_conformance.kills import killers, kills_by_requirement, record
from kmcl_conformance.mutation import hunt
from kmcl_conformance.profiles import profile_for
from kmcl_conformance.subjects import SUBJECTS

NAMES = {f"mutant:{name}" for name in MUTANTS} | {f"guest-mutant:{name}" for name in GUEST_MUTANTS}


def test_the_record_has_every_mutant_and_knows_every_requirement() -> None:
    books = [subject.book() for subject in SUBJECTS]
    modelled = {r.id for b in books for r in b.requirements.values() if r.status == "modelled"}
    readings = {id for book in books for id in book.interpretations}

    assert killers().keys() == {name.partition(":")[2] for name in NAMES}
    assert len(NAMES) == len(killers())
    assert all(killers().values())
    assert kills_by_requirement().keys() <= modelled | readings


@pytest.mark.parametrize(
    "name",
    [
        "mutant:absent-post-started-calls-started",
        "mutant:answer-to-paused-sender-lost",
        "guest-mutant:closes-without-saying",
    ],
)
def test_the_record_says_what_a_hunt_finds(name: str) -> None:
    adapter = find(name)
    specification = profile_for(adapter.describe()).specification()
    failure = hunt(adapter, 1, 500, specification=specification).failure

    assert failure is not None
    assert killers()[name.partition(":")[2]] == failure.requirements


def test_a_mutant_that_lives_is_not_recorded() -> None:
    row = {"name": "m", "stands_for": "a bug", "sequences": 2, "steps": 9}
    dead = {**row, "killed": True, "requirements": ["F001", "F002"]}
    alive = {**row, "killed": False, "requirements": []}

    assert json.loads(record([json.dumps([dead])])) == {"m": ["F001", "F002"]}
    with pytest.raises(ValueError, match="m lives"):
        record([json.dumps([dead]), json.dumps([alive])])
    with pytest.raises(ValueError, match="killed"):
        record(['[{"name": "m"}]'])
