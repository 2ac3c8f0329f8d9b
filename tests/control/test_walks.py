"""What walks of the host do by themselves, and what only as a fault with a weight."""

from collections import Counter
from itertools import pairwise

import pytest

from kmcl_adapters.guest import create as guest
from kmcl_conformance.control.setup import DEVICES, HEARTBEAT, SETTLE, offer, post, user
from kmcl_conformance.sequence import replay, walk
from kmcl_conformance.subjects import VMBUS
from kmcl_model.book import vmbus
from kmcl_model.spec.control import ODD_OFFERS
from kmcl_model.stimuli import Stimulus

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


def test_a_walk_seldom_asks_twice_for_the_same_rest() -> None:
    """Only where nothing else can be done; it was ten times a walk."""
    adapter = guest("")
    walks = [walk(adapter, VMBUS.specification(), seed, 40).stimuli for seed in range(WALKS)]
    twice = sum(a == b == SETTLE for stimuli in walks for a, b in pairwise(stimuli))

    assert twice < WALKS


def test_what_is_open_of_a_device_that_is_gone_keeps_its_driver_from_leaving() -> None:
    """The relid is another device's by then; rmmod would fail with EAGAIN, as it must."""
    device, relid = DEVICES[0], 1
    created = (post("GPADL_CREATED", relid), SETTLE)
    bind = (user("bind", device), SETTLE, *created, *created)
    taken_back = (
        *(user("load"), SETTLE, post("VERSION_RESPONSE", True), SETTLE),
        *(offer(relid), post("ALLOFFERS_DELIVERED"), SETTLE, *bind),
        *(user("open", device), SETTLE, *created),
        *(post("OPENCHANNEL_RESULT", relid), SETTLE),
        *(post("RESCIND_CHANNELOFFER", relid), SETTLE, offer(relid, HEARTBEAT), SETTLE),
        *(*created, post("OPENCHANNEL_RESULT", relid), SETTLE),
    )

    def played(*more: Stimulus) -> tuple[Stimulus, ...]:
        """Those that may be done."""
        stimuli = (*taken_back, *more, SETTLE)
        outcome = replay(guest(""), VMBUS.specification(), stimuli)
        assert outcome.failure is None
        return outcome.stimuli

    assert played() == (*taken_back, SETTLE)
    assert played(user("unload")) == (*taken_back, SETTLE)
    close = user("close", device)
    assert played(close, SETTLE, user("unload")) == (
        *(*taken_back, close, SETTLE, user("unload"), SETTLE),
    )
