"""The driver is unbound under an open channel: which conversations, when, and what is found."""

import errno
import os
from types import SimpleNamespace
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
    provoke,
    unended,
    words_of,
)
from kmcl_conformance.sequence import Outcome, replay
from kmcl_lab.adapter import Hang
from kmcl_lab.problem import GuestLost, LabProblem
from kmcl_lab.provoke import MARK, Provoking, provoked
from kmcl_model.events import Enter, Event, Lost
from kmcl_model.status import STATUS_UNSUCCESSFUL
from kmcl_model.stimuli import Invoke, Settle, Stimulus


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
    return replay(adapter, PROFILE.specification(), conversations()[name], slowly=True)


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
    told: dict[str, Any] = {"conversation": "two waiters", "kernel": [], "inconclusive": ""}

    assert words_of(told | {"failure": []}) == (
        "unbound under two waiters: the endpoint behaves as it must"
    )
    late = told | {"failure": ["late"], "kernel": ["BUG: one", "two"], "came_back": 1}
    assert words_of(late) == (
        "unbound under two waiters: the endpoint behaves not as it must: late; "
        "the guest's kernel: BUG: one"
    )
    assert words_of(told | {"failure": [], "inconclusive": "panic of the inner guest: x"}) == (
        "unbound under two waiters: inconclusive: panic of the inner guest: x"
    )


class Machines:
    """A lab whose guest is lost in conversation number ``loses``, in the way ``lost`` says; others
    are started, or not, if ``last``. ``defects``: of the endpoint, in one run after the other."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        loses: int = 0,
        *,
        shows: bool = False,
        last: bool = False,
        defects: tuple[str, ...] = (),
    ) -> None:
        self._driver = Driver(monkeypatch)
        self._loses, self._shows, self._last = loses, shows, last
        self._defects = dict(enumerate(defects, 1))
        self.played = 0
        self.lost: GuestLost | None = None
        self.done: list[str] = []
        none = SimpleNamespace(output=b"")
        self.guest = SimpleNamespace(run=lambda _: none)

    def adapter(self, _: object) -> Any:
        self.played += 1
        defect = self._defects.get(self.played, "")
        adapter = Provoking(HostedAdapter(parts_of(defect), defect), self._driver.unbind)
        return LosingAdapter(adapter, self) if self.played == self._loses else adapter

    def lose(self) -> list[Event]:
        self.lost = GuestLost("kernel fault of the inner guest: x", is_hang=False)
        if not self._shows:
            raise Hang("lab: kernel fault of the inner guest: x")
        return [Lost("lost", "crash", "exit code 125")]

    def last_words(self) -> bytes:
        return b"BUG: something\n"

    def reset(self) -> None:
        self.done.append("reset")

    def restart(self, why: str) -> None:
        self.done.append(f"restart: {why}")
        if self._last:
            raise LabProblem("no machine")
        self.lost = None


class LosingAdapter:
    """An adapter whose guest is lost when it is unbound."""

    def __init__(self, adapter: Any, machines: Machines) -> None:
        self.describe, self.close = adapter.describe, adapter.close
        self._adapter = adapter
        self._machines = machines

    def open(self) -> Any:
        session = self._adapter.open()
        apply, take = session.apply, session.take

        def watch(stimulus: Stimulus) -> None:
            apply(stimulus)
            if stimulus is MARK:
                session.take = self._machines.lose

        session.apply, session.take = watch, take
        return session


@pytest.mark.parametrize("shows", [True, False], ids=["as a loss", "as a doubt"])
def test_a_guest_that_is_lost_makes_its_conversation_inconclusive_and_no_other(
    shows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines: Any = Machines(monkeypatch, 2, shows=shows)
    told = [played.told for played in provoke(machines, machines.adapter)]
    reasons = [one["inconclusive"] for one in told]

    assert reasons == ["", "kernel fault of the inner guest: x", ""]
    assert [one["failure"] for one in told] == [[], [], []]
    assert machines.done == ["reset", f"restart: {reasons[1]}", "reset"]


def test_without_machines_what_was_found_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    machines: Any = Machines(monkeypatch, 2, shows=True, last=True)
    told = [played.told for played in provoke(machines, machines.adapter)]

    assert [one["conversation"] for one in told] == [*PROVOCATIONS]
    assert [one["inconclusive"] for one in told] == [
        "",
        "kernel fault of the inner guest: x",
        "no machine",
    ]
    assert machines.played == 2


@pytest.mark.parametrize(("runs", "came_back"), [(2, 1), (1, 0)], ids=["always", "once"])
def test_what_goes_wrong_is_played_once_more(
    runs: int, came_back: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines: Any = Machines(monkeypatch, defects=("forgets-sent",) * runs)
    first, *others = provoke(machines, machines.adapter)
    assert first.outcome.failure is not None

    assert (first.confirmed, first.attempts) == (came_back, 1)
    assert first.outcome.failure.requirements == ("F132", "F181")
    assert first.log == b"BUG: something\n"
    assert ("that did not come back" in words_of(first.told)) is not bool(came_back)
    assert [other.outcome.failure for other in others] == [None, None]
    assert (machines.played, machines.done) == (4, ["reset"] * 4)


def test_somebody_who_does_not_want_to_wait_leaves_the_rest_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machines: Any = Machines(monkeypatch)

    def adapter(lab: Any) -> Any:
        if machines.played:
            raise KeyboardInterrupt
        return machines.adapter(lab)

    played = provoke(machines, adapter)

    assert [one.told["inconclusive"] for one in played] == ["", "interrupted", "interrupted"]
