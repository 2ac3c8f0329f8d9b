"""Both ends over shared memory, in processes of their own: conversations, mutants, a campaign."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from kmcl_adapters.interface import AdapterError
from kmcl_adapters.uio.mutants import MUTANTS
from kmcl_adapters.uio.pair import PairAdapter, PairSession, create
from kmcl_adapters.uio.parts import SOUND
from kmcl_conformance.campaign import Options, certify
from kmcl_conformance.generate.tours import TOURS
from kmcl_conformance.sequence import replay
from kmcl_model.api import COMPLETION_ROUTINE, PROCESS_PACKET, STATE_CHANGE_CALLBACKS
from kmcl_model.events import Enter, Event, Quiescence, Return
from kmcl_model.spec import Specification
from kmcl_model.status import STATUS_CANCELLED
from kmcl_model.stimuli import HOLD, Arm, Environ, Invoke, Reaction, Release, Settle

SETTLE = Settle("settle")
WAIT = 1
ENDS = ("server", "client")


class Talk:
    """A session and what it has shown."""

    def __init__(self, session: PairSession) -> None:
        self.session = session
        self.events: list[Event] = []

    def invoke(self, endpoint: str, function: str, *arguments: Any, by: str = "t0") -> None:
        self.session.apply(Invoke("invoke", endpoint, by, function, arguments))
        self.events += self.session.take()

    def settle(self) -> list[Event]:
        """What has happened since the last time, up to rest."""
        self.session.apply(SETTLE)
        events, self.events = [*self.events, *self.session.take()], []
        assert events[-1] == Quiescence("quiescence", True)
        return events

    def open(self, pages: int = 1, size: int = 256) -> None:
        for end in ENDS:
            self.invoke(end, "VmbChannelAllocate", end == "server")
            self.invoke(end, "VmbChannelInitSetMaximumPacketSize", size)
            self.invoke(end, "VmbChannelInitSetProcessPacketCallbacks", True, True)
            handlers = STATE_CHANGE_CALLBACKS
            self.invoke(end, "VmbChannelInitSetStateChangeCallbacks", 1, "size", handlers)
        self.invoke("client", "VmbClientChannelInitSetRingBufferPageCount", pages, pages)
        for end in ENDS:
            self.invoke(end, "VmbChannelEnable")
        self.invoke("server", "VmbChannelStart")
        self.settle()

    def send(self, endpoint: str, name: str, buffer: bytes, flags: int = 0) -> None:
        self.invoke(endpoint, "VmbPacketAllocate", name)
        self.invoke(endpoint, "VmbPacketSetCompletionRoutine", name)
        self.invoke(endpoint, "VmbPacketSend", name, buffer, flags)


def handlers(events: list[Event], endpoint: str = "") -> list[str]:
    return [e.activation for e in events if isinstance(e, Enter) and endpoint in ("", e.endpoint)]


def received(events: list[Event], callback: str, place: int) -> list[Any]:
    return [e.arguments[place] for e in events if isinstance(e, Enter) and e.callback == callback]


@pytest.fixture(scope="module")
def adapter() -> Iterator[PairAdapter]:
    adapter = PairAdapter()
    yield adapter
    adapter.close()


@pytest.fixture
def talk(adapter: PairAdapter) -> Iterator[Talk]:
    session = adapter.open()
    yield Talk(session)
    session.close()


def test_packets_of_every_length_go_around_the_ring_many_times(talk: Talk) -> None:
    talk.open(size=600)
    for number in range(40):
        buffer = bytes((number + i) & 0xFF for i in range(number * 15))
        talk.send("client", "p0", buffer, WAIT)
        talk.settle()
        talk.invoke("server", "VmbChannelPacketComplete", "c0", buffer[::-1], None)
        events = talk.settle()
        answer = received(events, COMPLETION_ROUTINE, 2)[0] or b""
        assert answer[: len(buffer)] == buffer[::-1]
        assert len(answer) == (len(buffer) + 7) & ~7
        talk.invoke("client", "VmbPacketFree", "p0")


def test_a_full_ring_holds_packets_back_and_loses_none(talk: Talk) -> None:
    talk.open()
    talk.session.apply(Arm("arm", "server", PROCESS_PACKET, Reaction((HOLD,))))
    for number in range(30):  # 280 bytes each, in a ring of 4096
        talk.send("client", f"p{number}", bytes([number]) * 256)
    events = talk.settle()
    assert handlers(events, "server") == ["ProcessPacket"]
    done = handlers(events, "client").count("CompletionRoutine")
    assert 14 <= done <= 15  # one was taken out of the ring

    talk.session.apply(Release("release", "server", "ProcessPacket"))
    events += talk.settle()
    buffers = received(events, PROCESS_PACKET, 2)
    assert buffers == [bytes([number]) * 256 for number in range(30)]
    assert handlers(events, "client").count("CompletionRoutine") == 30


@pytest.mark.parametrize("leaver", ENDS)
def test_work_in_flight_is_cancelled_once_when_an_end_leaves(talk: Talk, leaver: str) -> None:
    talk.open()
    talk.session.apply(Arm("arm", "server", PROCESS_PACKET, Reaction((), sticky=True)))
    for number in range(3):
        talk.send("client", f"p{number}", b"12345678", WAIT)
    talk.settle()
    talk.invoke(leaver, "VmbChannelDisable")
    events = talk.settle()
    for number in range(3):  # too late
        talk.invoke("server", "VmbChannelPacketComplete", f"c{number}", None, None, by="t1")
    late = talk.settle()

    ended = [e for e in events if isinstance(e, Enter) and e.callback == COMPLETION_ROUTINE]
    assert sorted(str(e.arguments[0]) for e in ended) == ["p0", "p1", "p2"]
    assert [e.arguments[1:] for e in ended] == [(STATUS_CANCELLED, None)] * 3
    assert handlers(events, "client")[-1] == "Closed"
    assert handlers(late) == ["Closed"]  # the server's
    returned = [e.endpoint for e in events + late if e.kind == "return" and e.by == "t0"]
    assert returned == [leaver]


def test_broken_packets_stop_the_channel_and_it_can_be_opened_again(talk: Talk) -> None:
    talk.open()
    talk.session.apply(Environ("environment", "server", "malformed"))
    talk.send("client", "p0", b"12345678")
    talk.settle()
    talk.invoke("client", "VmbChannelDisable")
    events = talk.settle()
    assert handlers(events, "client") == ["Suspend", "CompletionRoutine", "Closed"]
    assert received(events, COMPLETION_ROUTINE, 1) == [STATUS_CANCELLED]
    talk.invoke("client", "VmbChannelEnable")
    events = talk.settle()
    assert handlers(events, "client") == ["Opened", "Started", "PostStarted"]


def test_opening_and_closing_leaves_no_file_open(adapter: PairAdapter, talk: Talk) -> None:
    talk.open()
    end = adapter._ends["client"]

    def files() -> int:
        return len(os.listdir(f"/proc/{end._process.pid}/fd"))

    before = files()
    for _ in range(50):
        talk.invoke("client", "VmbChannelDisable")
        talk.settle()
        talk.invoke("client", "VmbChannelEnable")
        assert handlers(talk.settle(), "client") == ["Opened", "Started", "PostStarted"]
    assert files() == before


def test_a_process_that_dies_is_a_lost_implementation(adapter: PairAdapter) -> None:
    session = adapter.open()
    adapter._ends["server"].kill()
    session.apply(SETTLE)

    (lost,) = session.take()
    assert (lost.kind, lost[1]) == ("lost", "crash")
    session.close()
    again = adapter.open()
    again.apply(Invoke("invoke", "client", "t0", "VmbChannelAllocate", (False,)))
    assert isinstance(again.take()[-1], Return)
    again.close()


def test_a_mutant_that_there_is_not() -> None:
    with pytest.raises(AdapterError, match="no such defect"):
        create("no-such")


def test_the_endpoint_conforms(adapter: PairAdapter) -> None:
    found = certify(adapter, Options(adapter="ring", sequences=10, seed=3))

    assert [r.id for r in found.requirements if r.verdict.value == "fail"] == []
    assert found.verdict.value == "conforming"


ENDPOINTS = [name for name, mutant in MUTANTS.items() if mutant.parts[:3] != SOUND[:3]]


@pytest.mark.parametrize("name", ENDPOINTS)
def test_a_defective_endpoint_is_refused_by_some_directed_sequence(name: str) -> None:
    adapter = create(name)
    specification = Specification()
    try:
        assert any(
            replay(adapter, specification, tour.stimuli).failure is not None for tour in TOURS
        )
    finally:
        adapter.close()
