"""The faults of the library: each can be committed, is counted, and finds a defect that is not
found without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from kmcl_adapters.reference import create
from kmcl_conformance.adapters import find
from kmcl_conformance.campaign import Options, begin
from kmcl_conformance.examining import is_steady
from kmcl_conformance.failure import Failure
from kmcl_conformance.generate import explorer
from kmcl_conformance.generate.course import DriverCourse
from kmcl_conformance.generate.tours import TOURS
from kmcl_conformance.oracle import Judge
from kmcl_conformance.sequence import replay, walk
from kmcl_conformance.subjects import KMCL
from kmcl_model.book import kmcl
from kmcl_model.spec import Specification
from kmcl_model.stimuli import Environ, Stimulus

DEFECTS = {
    "crash": "mutant:crash-strands-pause",
    "malformed": "mutant:malformed-takes-next-packet",
    "spurious": "mutant:spurious-signal-reported",
    "signal-delayed": "ring:goes-past-queue",
    "signal-coalesced": "mutant:one-packet-per-signal",
    "signal-masked": "ring:trusts-its-unmasking",
}
"""Of each fault, a defect that nothing else in the conversations with that fault shows."""

TRIES = 3
"""Of an implementation with threads of its own, which may need more than one."""


def player_of(fault: str) -> str:
    """An implementation that passes, and plays it."""
    return "ring:" if fault == "signal-masked" else "reference"


def commits(stimulus: Stimulus, fault: str) -> bool:
    return isinstance(stimulus, Environ) and stimulus.action == fault


def test_every_fault_has_a_defect() -> None:
    assert DEFECTS.keys() == kmcl().faults.keys() == set(KMCL.faults)


@pytest.mark.parametrize("fault", KMCL.faults)
def test_every_fault_is_committed_by_walks_and_by_conversations(fault: str) -> None:
    adapter, specification = find(player_of(fault)), Specification()
    try:
        outcomes = [walk(adapter, specification, seed, 80, faults=(fault,)) for seed in range(5)]
    finally:
        adapter.close()

    assert [outcome.failure for outcome in outcomes] == [None] * 5
    assert {name for outcome in outcomes for name in dict(outcome.faults)} == {fault}
    assert any(commits(s, fault) for outcome in outcomes for s in outcome.stimuli)
    assert any(commits(s, fault) for tour in TOURS for s in tour.stimuli)


@pytest.mark.parametrize("fault", DEFECTS)
def test_a_fault_finds_a_defect_by_what_it_endangers(fault: str) -> None:
    adapter, specification = find(DEFECTS[fault]), Specification()
    tries = 1 if is_steady(adapter.describe()) else TRIES
    assert (tries == 1) is DEFECTS[fault].startswith("mutant:")

    def played(stimuli: tuple[Stimulus, ...]) -> Iterator[Failure | None]:
        for _ in range(tries):
            yield replay(adapter, specification, stimuli).failure

    try:
        tours = [t.stimuli for t in TOURS if any(commits(s, fault) for s in t.stimuli)]
        failing = [stimuli for stimuli in tours if any(played(stimuli))]
        assert failing
        endangered = set(kmcl().faults[fault].endangers)
        for stimuli in failing:
            assert any(f and endangered & set(f.requirements) for f in played(stimuli))
            without = tuple(s for s in stimuli if not commits(s, fault))
            assert None in played(without)
    finally:
        adapter.close()


def committed_by(walks: int) -> Counter[str]:
    adapter, specification, counts = create(""), Specification(), Counter[str]()
    for seed in range(walks):
        outcome = walk(adapter, specification, seed, 80, faults=("spurious", "signal-delayed"))
        assert outcome.failure is None
        counts.update(dict(outcome.faults))
    return counts


def test_walks_commit_faults_by_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    assert committed_by(40).keys() == {"spurious", "signal-delayed"}

    faults = dict(kmcl().faults)
    faults["spurious"] = faults["spurious"].model_copy(update={"weight": 10**9})
    heavy = kmcl()._replace(faults=faults)
    monkeypatch.setattr(explorer, "kmcl", lambda: heavy)

    assert committed_by(40).keys() == {"spurious"}


def test_what_the_adapter_does_not_declare_is_not_committed() -> None:
    course = DriverCourse(Judge(Specification()))
    course.limit(frozenset({"server", "client", "crash"}))

    assert not course.is_enabled(Environ("environment", "client", "signal-masked"))


def test_a_campaign_counts_what_it_has_committed() -> None:
    campaign = begin(create(""), Options(sequences=0))
    for _ in campaign.run():
        pass

    assert campaign.faults.keys() == set(KMCL.faults) - {"signal-masked"}
    planned = sum(commits(s, "signal-delayed") for tour in TOURS for s in tour.stimuli)
    assert campaign.faults["signal-delayed"] == planned
