"""A failure is laid at a fault's door only where it does not come without the fault."""

import pytest

from kmcl_conformance.adapters import find
from kmcl_conformance.campaign import Campaign, Options


def campaign(mutant: str) -> Campaign:
    """A whole campaign; every one of its walks commits faults."""
    name = f"guest-mutant:{mutant}"
    done = Campaign(find(name), Options(adapter=name, profile="linux-vmbus", sequences=40))
    for _ in done.run():
        pass
    return done


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
    [("released-again", {"V016", "V018", "V052"}), ("spurious-signal-crashes", {"V059"})],
)
def test_what_fails_only_with_a_fault_breaks_what_the_fault_endangers(
    mutant: str, broken: set[str]
) -> None:
    assert set(campaign(mutant).broken) == broken
