"""The reference as a server's end over shared memory, with the endpoint as its client: judged."""

import os
from typing import Final

import pytest

from kmcl_adapters.mutants import MUTANTS, parts_of
from kmcl_adapters.threaded import ThreadedAdapter
from kmcl_conformance.campaign import Options, certify
from kmcl_conformance.generate.tours import TOURS
from kmcl_conformance.sequence import replay
from kmcl_model.spec import Specification
from wirepair import WirePair, factory

STIMULI: Final = {tour.name: tour.stimuli for tour in TOURS}
SPECIFICATION: Final = Specification()

KILLED: Final = {
    "post-started-skipped-on-resume": ("blocked over a pause, from the client", "F032"),
    "suspend-missing-on-client-close": ("settings, from the client", "F108"),
    "pause-returns-before-drain": ("blocked over a pause, from the client", "F120"),
    "close-during-opened-overlaps": ("held everywhere, from the server", "F021"),
    "answers-matched-in-order": ("quota lowered, from the server", "F134"),
    "answer-lost-in-full-ring": ("full ring of answers, from the client", "F132"),
    "quota-off-by-one": ("quota raised, from the client", "F338"),
    "malformed-delivered": ("faults, from the client", "F042"),
    "queued-packet-forgotten": ("full ring, from the server", "F132"),
}
"""Defects of the reference that a conversation shows on a wire, by what they break."""


def adapter_of(mutant: str = "") -> ThreadedAdapter:
    make = factory(parts_of(MUTANTS[mutant].change)) if mutant else WirePair
    return ThreadedAdapter(make, mutant or "sound")


def test_the_reference_on_a_wire_conforms() -> None:
    found = certify(adapter_of(), Options(adapter="wire", sequences=10, seed=3))

    assert found.verdict == "conforming", found.failures
    assert found.counts.sequences >= 10


@pytest.mark.parametrize("mutant", KILLED)
def test_a_defect_of_the_reference_is_found_through_the_wire(mutant: str) -> None:
    tour, requirement = KILLED[mutant]
    sound = replay(adapter_of(), SPECIFICATION, STIMULI[tour])
    broken = replay(adapter_of(mutant), SPECIFICATION, STIMULI[tour])

    assert sound.failure is None
    assert broken.failure is not None
    assert requirement in broken.failure.requirements


def test_a_session_leaves_no_file_open() -> None:
    adapter = adapter_of()
    tour = STIMULI["full ring, from the server"]
    replay(adapter, SPECIFICATION, tour)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        assert replay(adapter, SPECIFICATION, tour).failure is None

    assert len(os.listdir("/proc/self/fd")) == before
