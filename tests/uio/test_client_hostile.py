"""The client at a host that floods, leaves, or writes what it should not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from kmcl_adapters.uio import receiving
from kmcl_adapters.uio.descriptor import COMPLETION_REQUESTED, Kind, encode
from kmcl_adapters.uio.descriptor import Packet as Frame
from kmcl_adapters.uio.devicemutants import DEVICE_MUTANTS
from kmcl_adapters.uio.parts import SOUND
from kmcl_adapters.uio.ring import INTERRUPT_MASK, READ_INDEX, WRITE_INDEX, Incoming
from kmcl_adapters.uio.uiobus import UioLink
from kmcl_model.api import PROCESS_PACKET, STATE_CHANGE_CALLBACKS
from kmcl_model.status import STATUS_SUCCESS
from kmcl_model.stimuli import HOLD, Act, Arm, Reaction, Release
from played import SIZE, WAIT, Host, Talk


class Flood(Incoming):
    """A ring in which, once ``flows``, there is always one packet more, up to ``MOST``."""

    MOST = 100_000
    flows = False
    sent = 0

    def __init__(self, header: Any, data: Any, accepts: frozenset[Kind]) -> None:
        super().__init__(header, data, accepts)
        self.frame = Frame(Kind.COMPLETION, 0, 99, b"")
        self.is_on = threading.Event()

    def goes_on(self) -> bool:
        return self.flows and self.sent < self.MOST

    def peek(self) -> Frame | None:
        return self.frame if self.goes_on() else super().peek()

    def take(self) -> None:
        if not self.goes_on():
            super().take()
            return
        self.sent += 1
        if self.sent == 200:
            self.is_on.set()


def received_by(talk: Talk) -> Any:
    """The packet that the driver has."""
    (received,) = talk.session._ends["client"].contexts.values()
    return received.handle


def flood(talk: Talk, kind: Kind) -> Flood:
    """The host begins to send without end; it does so when this returns."""
    assert talk.library.channel is not None
    assert talk.library.channel.link is not None
    ring = talk.library.channel.link.incoming
    assert isinstance(ring, Flood)
    ring.frame = ring.frame._replace(kind=kind)
    ring.flows = True
    talk.host.interrupt()
    assert ring.is_on.wait(20.0)
    return ring


def completions_and_a_send(talk: Talk) -> bool:
    talk.open()
    ring = flood(talk, Kind.COMPLETION)
    assert talk.library.channel is not None
    packet = talk.library.VmbPacketAllocate(talk.library.channel)
    assert talk.library.VmbPacketSend(packet, b"12345678", 0) == STATUS_SUCCESS
    in_time, ring.flows = ring.goes_on(), False
    return in_time


def packets_without_a_handler_and_a_pause(talk: Talk) -> bool:
    talk.invoke("VmbChannelAllocate", False)
    talk.invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS)
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == ["Opened", "Started", "PostStarted"]
    ring = flood(talk, Kind.IN_BAND)
    assert talk.library.channel is not None
    talk.library.VmbChannelPause(talk.library.channel)
    in_time, ring.flows = ring.goes_on(), False
    return in_time


def a_batch_then_completions_and_a_disable(talk: Talk) -> bool:
    talk.open()
    talk.session.apply(Arm("arm", "client", PROCESS_PACKET, Reaction((HOLD,))))
    talk.host.send(b"request!")
    assert talk.handlers() == ["ProcessPacket"]
    assert talk.library.channel is not None
    assert talk.library.channel.link is not None
    ring = talk.library.channel.link.incoming
    assert isinstance(ring, Flood)
    ring.flows = True
    talk.session.apply(Release("release", "client", "ProcessPacket"))
    assert ring.is_on.wait(20.0)
    talk.library.VmbChannelPacketComplete(received_by(talk), None)
    talk.library.VmbChannelDisable(talk.library.channel)
    in_time, ring.flows = ring.goes_on(), False
    return in_time


def completions_and_the_end_of_the_session(talk: Talk) -> bool:
    talk.open()
    ring = flood(talk, Kind.COMPLETION)
    talk.library.Reset()
    return ring.goes_on()


FLOODS = {
    completions_and_a_send: "never-gives-way",
    packets_without_a_handler_and_a_pause: "never-gives-way",
    a_batch_then_completions_and_a_disable: "empties-the-ring-first",
    completions_and_the_end_of_the_session: "never-gives-way",
}
"""Whether the driver's call came back while the host was sending; the defect that keeps it out."""


@pytest.mark.parametrize("conversation", FLOODS)
def test_a_host_that_sends_without_end_does_not_keep_the_driver_out(
    host: Host, conversation: Callable[[Talk], bool]
) -> None:
    talk = Talk(host, SOUND._replace(incoming=Flood))
    in_time = conversation(talk)
    talk.session.close()

    assert in_time


@pytest.mark.parametrize(("conversation", "defect"), FLOODS.items())
def test_an_endpoint_that_keeps_it_out_is_seen(
    host: Host, conversation: Callable[[Talk], bool], defect: str
) -> None:
    talk = Talk(host, DEVICE_MUTANTS[defect].parts._replace(incoming=Flood))
    in_time = conversation(talk)
    talk.session.close()

    assert not in_time


def test_a_host_that_asks_and_never_reads_is_answered_when_it_does(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for room is bounded: the packets after that stay in the ring, which is full."""
    monkeypatch.setattr(receiving, "MOST_ANSWERS", 8)
    host, sent = talk.host, 0
    talk.invoke("VmbChannelAllocate", False)
    talk.invoke("VmbChannelEnable")
    talk.invoke("VmbChannelStart")
    talk.rest()

    def ask() -> bool:
        done = host.outgoing.put(encode(Kind.IN_BAND, sent, b"answer!!", COMPLETION_REQUESTED))
        if host.outgoing.publish():
            host.interrupt()
        return done

    while sent < 1000 and (ask() or (talk.rest() and ask())):
        sent += 1
    assert talk.library.channel is not None
    waiting = len(talk.library.channel.sender.answers)
    answered = []
    while found := host.receive():
        answered += [transaction for _, transaction, _ in found]
        talk.rest()

    assert (waiting, talk.library.channel.error) == (8, "")
    assert answered == list(range(sent))


class Watched:
    """A part of a ring that tells of every access once the device has said EIO: the kernel may
    have given its pages to somebody else."""

    def __init__(self, host: Host, part: Any, touched: list[str], name: str) -> None:
        self.host, self.part, self.touched, self.name = host, part, touched, name

    def note(self, what: str, place: object) -> None:
        if self.host.rescinded:
            self.touched.append(f"{what} {self.name}[{place}]")

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, place: Any) -> Any:
        self.note("load", place)
        return self.part[place]

    def __setitem__(self, place: Any, value: Any) -> None:
        self.note("store", place)
        self.part[place] = value


def watch(talk: Talk) -> list[str]:
    """What is done to the rings of the open channel after EIO, from now on."""
    assert talk.library.channel is not None
    link, touched = talk.library.channel.link, list[str]()
    assert link is not None
    for ring, name in ((link.outgoing, "outgoing"), (link.incoming, "incoming")):
        ring._header = Watched(talk.host, ring._header, touched, f"{name} header")
        ring._data = Watched(talk.host, ring._data, touched, name)
    return touched


def rescind_where_an_answer_is_signalled(talk: Talk) -> list[str]:
    """The ring is being drained then, and a signal would be followed by masking it again."""
    complete = Act("VmbChannelPacketComplete", ("this", None, None))
    talk.session.apply(Arm("arm", "client", PROCESS_PACKET, Reaction((complete,))))
    touched = watch(talk)
    talk.host.leaves_at_signal = True
    talk.host.send(b"request!")
    assert talk.handlers() == ["ProcessPacket", "ProcessingComplete", "Suspend", "Closed"]
    return touched


def rescind_where_a_full_ring_is_signalled(talk: Talk) -> list[str]:
    """Packets wait, and the endpoint would ask to be signalled when there is room."""
    for number in range(30):
        talk.send(f"p{number}", bytes([number]) * 1024)
    assert talk.handlers() == ["CompletionRoutine"] * 7
    touched = watch(talk)
    talk.host.leaves_at_signal = True
    talk.host.receive()
    handlers = talk.handlers()
    assert handlers.count("CompletionRoutine") == 23
    assert "Closed" in handlers
    return touched


RESCINDS = [rescind_where_an_answer_is_signalled, rescind_where_a_full_ring_is_signalled]


@pytest.mark.parametrize("rescind", RESCINDS)
def test_the_rings_are_touched_no_more_once_the_device_has_said_eio(
    talk: Talk, rescind: Callable[[Talk], list[str]]
) -> None:
    talk.open()

    assert rescind(talk) == []


def test_a_sender_that_goes_on_after_eio_is_seen(host: Host) -> None:
    talk = Talk(host, DEVICE_MUTANTS["writes-after-eio"].parts)
    talk.open()
    touched = rescind_where_a_full_ring_is_signalled(talk)
    talk.session.close()

    assert "store outgoing header[3]" in touched


def test_a_signal_that_masks_after_eio_is_seen(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = UioLink.signal

    def mask_always(link: UioLink) -> None:
        signal(link)
        link.incoming.mask()

    monkeypatch.setattr(UioLink, "signal", mask_always)
    talk.open()

    assert "store incoming header[2]" in rescind_where_an_answer_is_signalled(talk)


@pytest.mark.parametrize("index", [4, SIZE, 0xFFFFFFF8])
def test_a_hostile_index_stops_the_channel_and_no_more(host: Host, talk: Talk, index: int) -> None:
    talk.open()
    host.heads[1][WRITE_INDEX] = index
    host.interrupt()
    assert talk.handlers() == []
    assert talk.library.channel is not None
    assert "write index" in talk.library.channel.error

    talk.invoke("VmbChannelDisable")
    assert talk.handlers() == ["Suspend", "Closed"]
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == ["Opened", "Started", "PostStarted"]


def test_what_meets_a_hostile_index_when_it_is_sent_is_cancelled_like_the_rest(
    host: Host, talk: Talk
) -> None:
    talk.open()
    host.heads[0][INTERRUPT_MASK] = 1  # nobody looks at the index before the ring is full
    host.heads[0][READ_INDEX] = 4
    for number in range(9):
        talk.send(f"p{number}", bytes([number]) * 1024, WAIT)
    assert talk.handlers() == []
    assert talk.library.channel is not None
    assert "read index" in talk.library.channel.error

    talk.invoke("VmbChannelDisable")
    assert talk.handlers() == ["Suspend", *["CompletionRoutine"] * 9, "Closed"]
