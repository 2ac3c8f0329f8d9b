"""The driver is unbound under an open channel: which conversations, when, and what is found."""

import errno
import os
from typing import Any

import pytest

from kmcl_adapters.uio import imitation
from kmcl_adapters.uio.bus import Offer, Opening
from kmcl_adapters.uio.imitation import HostedAdapter
from kmcl_adapters.uio.mutants import parts_of
from kmcl_conformance.cli.lab_provoke import (
    PROFILE,
    PROVOCATIONS,
    conversations,
    unended,
    words_of,
)
from kmcl_conformance.sequence import Outcome, replay
from kmcl_lab.provoke import MARK, Provoking, provoked
from kmcl_model.events import Enter
from kmcl_model.status import STATUS_UNSUCCESSFUL
from kmcl_model.stimuli import Invoke, Settle


def test_the_mark_stands_before_the_first_disable() -> None:
    before = Invoke("invoke", "client", "t0", "VmbChannelEnable", ())
    disable = Invoke("invoke", "client", "t1", "VmbChannelDisable", ())

    assert provoked([before, MARK, disable, disable]) == (before, MARK, MARK, disable, disable)
    assert provoked([before]) is None


class Driver:
    """What the kernel does to an open channel of our imitated host when its driver is unbound."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.buses: list[Any] = []
        self.unbound = 0
        make = imitation._Bus
        monkeypatch.setattr(imitation, "_Bus", lambda parts: self.keep(make(parts)))

    def keep(self, bus: Any) -> Any:
        self.buses.append(bus)
        return bus

    def unbind(self) -> None:
        def listen() -> None:
            raise OSError(errno.EIO, "the driver is gone")

        def open(offer: Offer, *_: int) -> Opening:
            opening = Opening(offer.id)
            opening.failure = STATUS_UNSUCCESSFUL
            return opening

        self.unbound += 1
        self.buses[-1].open = open
        link = self.buses[-1]._link
        link.listen = listen
        os.eventfd_write(link.descriptor, 1)


def played(driver: Driver, name: str, defect: str = "") -> Outcome:
    """A conversation with that endpoint, unbound in the middle."""
    adapter = Provoking(HostedAdapter(parts_of(defect), defect), driver.unbind)
    return replay(adapter, PROFILE.specification(), conversations()[name])


@pytest.mark.parametrize("name", PROVOCATIONS)
def test_an_endpoint_that_closes_and_ends_its_packets_conforms(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Driver(monkeypatch)
    outcome = played(driver, name)
    handlers = [e.activation for e in outcome.events if isinstance(e, Enter)]

    assert (outcome.failure, unended(outcome.events), driver.unbound) == (None, [], 1)
    assert handlers.count("Closed") == 1


@pytest.mark.parametrize("name", PROVOCATIONS)
def test_an_endpoint_that_forgets_what_was_in_flight_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unended(played(Driver(monkeypatch), name, "forgets-sent").events)


def test_only_the_mark_itself_unbinds() -> None:
    assert Settle("settle") == MARK
    for stimuli in conversations().values():
        assert [stimulus is MARK for stimulus in stimuli].count(True) == 1


def test_what_came_of_it_is_one_line() -> None:
    told: dict[str, Any] = {"conversation": "two waiters", "handlers": [], "kernel": []}

    assert words_of(told | {"failure": []}) == (
        "unbound under two waiters: the endpoint behaves as it must"
    )
    assert words_of(told | {"failure": ["late"], "kernel": ["BUG: one", "two"]}) == (
        "unbound under two waiters: the endpoint behaves not as it must: late; "
        "the guest's kernel: BUG: one"
    )
