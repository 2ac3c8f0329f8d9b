"""A failure is laid at a fault's door only where it does not come without the fault."""

from typing import Any, cast

import pytest

from kmcl_adapters import Adapter
from kmcl_adapters.guest import GUEST_MUTANTS, GuestAdapter
from kmcl_adapters.guest.channels import Channels
from kmcl_adapters.guest.machine import Thread
from kmcl_adapters.guest.mutants import parts_of
from kmcl_conformance.adapters import find
from kmcl_conformance.campaign import Campaign, Options
from kmcl_conformance.control.setup import RELIDS
from kmcl_conformance.guilt import without_fault
from kmcl_conformance.sequence import Outcome, TimeIsUp
from kmcl_conformance.verdicts import certificate
from kmcl_model.stimuli import Environ, Invoke, Post, Settle
from kmcl_reports.results import RequirementVerdict


def campaign(mutant: str) -> Campaign:
    """A whole campaign; every one of its walks commits faults."""
    return played(find(f"guest-mutant:{mutant}"))


def begun(adapter: Adapter) -> Campaign:
    return Campaign(adapter, Options(adapter="a guest", profile="linux-vmbus", sequences=40))


def played(adapter: Adapter) -> Campaign:
    done = begun(adapter)
    for _ in done.run():
        pass
    return done


class ReleasesHigh(Channels):
    """A rescind of a relid that the host never uses is answered, and of no other: so what is left
    of a case when its offer is taken away does not fail in the same way."""

    def rescinded(self, relid: int) -> Thread:
        if relid not in self.known and relid not in RELIDS:
            self.kernel.wire.post("RELID_RELEASED", child_relid=relid)
        return (yield from super().rescinded(relid))


OWN: dict[str, type[object]] = {"releases-high": ReleasesHigh}


def two_defects(*mutants: str) -> Adapter:
    """A guest that has both, of the same part."""
    parts = [OWN.get(name) or GUEST_MUTANTS[name].change for name in mutants]
    return GuestAdapter("a guest", parts_of(type("Both", (*parts,), {})))


@pytest.mark.parametrize(
    ("mutant", "broken"),
    [
        ("rescind-wakes-nobody", {"V020", "V021"}),
        ("range-too-short", {"V039"}),
        ("signals-when-gone", {"V036"}),
    ],
)
def test_what_fails_without_a_fault_is_one_failure_and_no_fault_of_the_fault(
    mutant: str, broken: set[str]
) -> None:
    found = campaign(mutant)

    assert (set(found.broken), found.unsure) == (broken, set())
    for failure in found.found.values():
        assert failure.outcome.failure is not None
        assert failure.outcome.failure.perhaps == ()
        assert not {s[0] for s in failure.outcome.stimuli} & {"environment"}


@pytest.mark.parametrize(
    ("mutant", "broken"),
    [("released-again", {"V016", "V018"}), ("spurious-signal-crashes", {"V059"})],
)
def test_what_fails_only_with_a_fault_breaks_what_the_fault_endangers(
    mutant: str, broken: set[str]
) -> None:
    assert set(campaign(mutant).broken) == broken


@pytest.mark.parametrize(
    ("of_a_fault", "fault", "broken"),
    [
        ("releases-high", "rescind-unknown", {"V016", "V018", "V052"}),
        ("offered-twice", "offer-again", {"V018", "V019", "V053"}),
    ],
)
def test_what_comes_with_a_fault_and_without_one_is_two_failures(
    of_a_fault: str, fault: str, broken: set[str]
) -> None:
    """One event of the guest is refused by one rule, for two reasons."""
    found = played(two_defects("released-twice", of_a_fault))
    results = {r.id: r.verdict for r in certificate(found).requirements}
    faults = {key: f.outcome.failure.fault for key, f in found.found.items() if f.outcome.failure}

    assert set(found.broken) == broken
    assert {results[id] for id in broken} == {RequirementVerdict.FAIL}
    assert [*faults.values()] == ["", fault]
    assert [key.endswith(f" after {fault}") for key in faults] == [False, True]


def test_what_there_is_no_time_to_tell_apart_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(_: Outcome) -> bool:
        raise TimeIsUp

    monkeypatch.setattr("kmcl_conformance.campaign.guilt", lambda *_, **__: late)
    found = played(two_defects("released-twice", "releases-high"))
    results = {r.id: r.verdict for r in certificate(found).requirements}

    assert "V052" in found.unsure
    assert results["V052"] is RequirementVerdict.INCONCLUSIVE


SPURIOUS = Environ("environment", "guest", "spurious")
BUSY = Environ("environment", "host", "busy")
POST = Post("post", "RESCIND_CHANNELOFFER", (9,))
CALL = Invoke("invoke", "guest", "u0", "load")
SETTLE = Settle("settle")


@pytest.mark.parametrize(
    ("fault", "stimuli", "left"),
    [
        ("rescind-unknown", (CALL, SPURIOUS, POST, SETTLE), (CALL, SPURIOUS, SETTLE)),
        ("spurious", (POST, SPURIOUS, SETTLE), (POST, SETTLE)),
        ("busy", (SPURIOUS, BUSY, CALL, POST, SETTLE), (SPURIOUS, CALL, POST, SETTLE)),
        ("busy", (CALL, SETTLE), (CALL, SETTLE)),
    ],
)
def test_a_case_without_its_fault_is_all_the_rest(
    fault: str, stimuli: tuple[object, ...], left: tuple[object, ...]
) -> None:
    assert without_fault(cast(Any, stimuli), fault) == left
