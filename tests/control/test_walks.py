"""What walks of the host do by themselves, and what only as a fault with a weight."""

from collections import Counter

import pytest

from kmcl_adapters.guest import create as guest
from kmcl_conformance.sequence import walk
from kmcl_conformance.subjects import VMBUS
from kmcl_model.book import vmbus
from kmcl_model.spec.control import ODD_OFFERS

WALKS = 60


def committed(*faults: str) -> Counter[str]:
    """How often each fault was committed in walks that may commit these."""
    adapter, found = guest(""), Counter[str]()
    for seed in range(WALKS):
        outcome = walk(adapter, VMBUS.specification(), seed, 80, faults=faults)
        assert outcome.failure is None
        found.update(dict(outcome.faults))
    return found


def test_a_host_that_may_do_no_wrong_makes_no_odd_offer() -> None:
    assert not ODD_OFFERS.keys() & committed().keys()


@pytest.mark.parametrize("fault", ["offer-instance-taken", "offer-subchannel-without-primary"])
def test_a_host_that_may_makes_them(fault: str) -> None:
    others = ODD_OFFERS.keys() - {fault}

    assert committed(fault)[fault] > 0
    assert not others & committed(fault).keys()


def test_odd_offers_come_as_their_weights_say() -> None:
    """Of the same weight, none comes many times as often as another."""
    faults = vmbus().faults
    equal = [name for name in ODD_OFFERS if faults[name].weight == 1]
    found = committed(*equal)

    assert len(equal) > 2
    assert max(found[name] for name in equal) < 6 * min(found[name] for name in equal)
