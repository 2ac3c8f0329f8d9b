"""The reference as a server's end, packet by packet; the guest is played by the test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kmcl_adapters.host.machine import PAGE
from kmcl_adapters.mutants import MUTANTS, parts_of
from kmcl_adapters.reference import SOUND
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.uio.descriptor import (
    COMPLETION_REQUESTED,
    GpaRange,
    Kind,
    Packet,
    encode,
    gpa_direct,
)
from kmcl_adapters.uio.ring import PENDING_SEND_SIZE, READ_INDEX, WRITE_INDEX
from kmcl_model.api import CLOSED, COMPLETION_ROUTINE, OPENED, PROCESS_PACKET
from kmcl_model.events import Enter, Return
from kmcl_model.status import STATUS_CANCELLED, STATUS_SUCCESS
from kmcl_model.stimuli import HOLD, Act, Environ, Release
from stage import FRAMES, REFERENCE, REFUSED, Stage, guests_rings, open_it, reference_of

WANTED = COMPLETION_REQUESTED
COMPLETE = Act("VmbChannelPacketComplete", ("this", b"answered"))
LONGEST = 1024


class Guest:
    """The guest's end of an open channel, by the rules of the ring."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.outgoing, self.incoming = guests_rings(stage)
        self.outgoing.support_pending_send()

    def write(self, kind: Kind, transaction: int, payload: bytes, flags: int = 0) -> bool:
        """A packet; false where there is no room for it."""
        return self.write_bytes(encode(kind, transaction, payload, flags))

    def write_bytes(self, packet: bytes) -> bool:
        if not self.outgoing.put(packet):
            return False
        if self.outgoing.publish():
            self.signal()
        return True

    def ask(self, transaction: int, payload: bytes, flags: int = WANTED) -> None:
        assert self.write(Kind.IN_BAND, transaction, payload, flags)

    def answer(self, transaction: int, payload: bytes = b"") -> None:
        assert self.write(Kind.COMPLETION, transaction, payload)

    def signal(self) -> None:
        assert self.stage.bus.channel is not None
        self.stage.guest.signal(self.stage.bus.channel.connection_id)

    def read(self) -> list[Packet]:
        """What has come, with the signal that its room may be worth."""
        found = []
        while (packet := self.incoming.peek()) is not None:
            found.append(packet)
            self.incoming.take()
        if self.incoming.release():
            self.signal()
        return found

    @property
    def unread(self) -> int:
        """The bytes that the server has not given back."""
        return self.outgoing.capacity - self.outgoing.free()


class Talk(Stage):
    """A stage whose channel is open."""

    def __init__(self, server: Any = REFERENCE) -> None:
        super().__init__(server)
        open_it(self)
        self.await_exit("PostStarted")
        self.rest()
        self.wire = Guest(self)

    def entered(self, callback: str) -> list[tuple[Any, ...]]:
        """The arguments of each call of this handler."""
        return [e.arguments for e in self.events if isinstance(e, Enter) and e.callback == callback]

    def payloads(self) -> list[bytes]:
        """Of the packets that the driver was given, without what fills up units of eight."""
        return [bytes(arguments[2]).rstrip(b"\0") for arguments in self.entered(PROCESS_PACKET)]

    def returned(self, function: str) -> bool:
        return any(isinstance(e, Return) and e.function == function for e in self.events)

    def send(self, name: str, payload: bytes, flags: int = 1) -> None:
        self.call("VmbPacketAllocate", name)
        self.call("VmbPacketSetCompletionRoutine", name)
        self.call("VmbPacketSend", name, payload, flags)

    def complete(self, context: str, answer: bytes | None = None) -> None:
        self.call("VmbChannelPacketComplete", context, answer)

    def world(self, action: str) -> None:
        self.apply(Environ("environment", "server", action))

    def signals(self, since: int) -> int:
        entries = self.guest.host.trace.since(since)
        return sum((entry.sender, entry.name) == ("host", "SIGNAL") for entry in entries)


@pytest.fixture
def talk() -> Iterator[Talk]:
    made = Talk()
    yield made
    made.close()


def is_completed_in_any_order(talk: Talk) -> None:
    for number in (1, 2, 3):
        talk.wire.ask(number, b"request%d" % number)
    talk.rest()
    assert talk.payloads() == [b"request1", b"request2", b"request3"]
    for context, answer in (("c2", b"third"), ("c0", None), ("c1", b"second")):
        talk.complete(context, answer)
    talk.rest()

    answers = [(p.kind, p.transaction, p.payload.rstrip(b"\0")) for p in talk.wire.read()]
    expected = [(11, 3, b"third"), (11, 1, b""), (11, 2, b"second")]
    assert answers == expected, f"answered in another way: {answers}"


def is_answered_past_packets_that_wait(talk: Talk) -> None:
    """They keep their place in the ring, and so does all that is behind the first of them."""
    talk.call("VmbChannelSetTransactionQuota", 1)
    talk.send("p0", b"question")
    talk.rest()
    (question,) = talk.wire.read()
    for payload in (b"first", b"second"):
        talk.wire.ask(1, payload)
    talk.rest()
    waiting = talk.wire.unread
    talk.wire.answer(question.transaction, b"answered")
    talk.wire.signal()  # by the rules nobody has to: the ring was not empty
    talk.rest()

    assert talk.entered(COMPLETION_ROUTINE) == [("p0", STATUS_SUCCESS, b"answered")]
    assert talk.payloads() == [b"first"]
    assert (waiting, talk.wire.unread) == (32, 64)
    talk.complete("c0")
    talk.rest()
    assert (talk.payloads(), talk.wire.unread) == ([b"first", b"second"], 0)


def is_held_up_by_the_quota(talk: Talk) -> None:
    """A guest that sends more than is taken finds its ring full, and hears of room."""
    talk.call("VmbChannelSetTransactionQuota", 1)
    count = 0
    while talk.wire.write(Kind.IN_BAND, count + 1, bytes(LONGEST), WANTED):
        count += 1
        talk.rest()
    expected = 1 + talk.wire.outgoing.capacity // (LONGEST + 24)
    assert count == expected, f"takes {count - expected} more than the quota"
    assert len(talk.payloads()) == 1
    assert talk.wire.outgoing.wait_for(LONGEST + 24)
    since = talk.guest.host.trace.count
    talk.complete("c0")
    talk.rest()

    assert len(talk.payloads()) == 2
    assert talk.wire.outgoing.free() > LONGEST + 24
    assert talk.signals(since) == 2  # of the completion, and of the room


def waits_for_room(talk: Talk) -> None:
    """What does not fit is queued in order, and goes on when the guest tells of room."""
    names = [f"p{number}" for number in range(20)]
    for name in names:
        talk.send(name, name.encode() + bytes(LONGEST - 8), 0)
    talk.rest()
    header = talk.wire.incoming._header
    assert header[PENDING_SEND_SIZE] == LONGEST - 8 + 8 + 24
    assert 0 < len(talk.entered(COMPLETION_ROUTINE)) < len(names)
    seen = []
    while packets := talk.wire.read():
        seen += [packet.payload.rstrip(b"\0").decode() for packet in packets]
        talk.rest()

    assert seen == names
    assert header[PENDING_SEND_SIZE] == 0
    assert [arguments[0] for arguments in talk.entered(COMPLETION_ROUTINE)] == names


def pauses(talk: Talk) -> None:
    """Pause returns when what the driver has is completed; what comes meanwhile waits."""
    talk.wire.ask(1, b"before")
    talk.rest()
    talk.call("VmbChannelPause", by="t1")
    talk.await_exit("Suspend")
    talk.wire.ask(2, b"while")
    talk.rest()
    assert (talk.payloads(), talk.returned("VmbChannelPause")) == ([b"before"], False)
    talk.complete("c0")
    talk.await_event(lambda e: isinstance(e, Return) and e.function == "VmbChannelPause")
    assert (talk.payloads(), talk.wire.unread) == ([b"before"], 32)
    talk.call("VmbChannelStart")
    talk.rest()

    assert (talk.payloads(), talk.wire.unread) == ([b"before", b"while"], 0)


def is_closed_by_the_guest(talk: Talk) -> None:
    """What was sent is cancelled before Closed, and the next session begins afresh."""
    talk.send("p0", b"never answered")
    talk.wire.ask(1, b"never completed")
    talk.rest()
    talk.guest.close(talk.relid)
    talk.complete("c0", b"too late")
    talk.await_exit("Closed")
    talk.rest()
    assert talk.entered(COMPLETION_ROUTINE) == [("p0", STATUS_CANCELLED, None)]
    talk.guest.read_all()
    assert talk.guest.host.in_use == []
    talk.guest.machine.memory[FRAMES[0] * PAGE : (FRAMES[-1] + 1) * PAGE] = bytes(
        len(FRAMES) * PAGE
    )
    open_it(talk)
    talk.rest()
    talk.wire = Guest(talk)
    talk.wire.ask(5, b"again", 0)
    talk.rest()

    assert talk.payloads() == [b"never completed", b"again"]
    assert talk.wire.read() == []


def is_taken_back(talk: Talk) -> None:
    """Disable: the guest hears of it at once, and the call returns when all is over."""
    talk.wire.ask(1, b"not completed")
    talk.rest()
    talk.call("VmbChannelDisable", by="t1")
    assert talk.await_message("RESCIND_CHANNELOFFER") == ["RESCIND_CHANNELOFFER"]
    assert not talk.returned("VmbChannelDisable")
    talk.complete("c0", b"nobody hears")
    talk.await_event(lambda e: isinstance(e, Return) and e.function == "VmbChannelDisable")

    assert len(talk.entered(CLOSED)) == 1
    assert talk.guest.host.in_use == []
    assert talk.guest.events() == []


CONVERSATIONS: dict[str, tuple[Callable[[Talk], None], str]] = {
    "out-of-order-completion-lost": (
        is_completed_in_any_order,
        r"answered in another way: \[\(11, 3, b'third'\)\]",
    ),
    "quota-off-by-one": (is_held_up_by_the_quota, "takes 1 more than the quota"),
}
"""By defect: the conversation that it fails, and what is said of it there."""


@pytest.mark.parametrize(
    "conversation",
    [
        is_completed_in_any_order,
        is_answered_past_packets_that_wait,
        is_held_up_by_the_quota,
        waits_for_room,
        pauses,
        is_closed_by_the_guest,
        is_taken_back,
    ],
)
def test_a_conversation(talk: Talk, conversation: Callable[[Talk], None]) -> None:
    conversation(talk)


def test_a_server_that_refuses_is_asked_again() -> None:
    stage = Stage()
    stage.arm(OPENED, status=REFUSED)
    stage.guest.open(stage.relid)
    assert stage.guest.host.wait_for("OPENCHANNEL_RESULT").fields["status"] == REFUSED
    stage.guest.read_all()
    stage.rest()
    assert stage.guest.host.in_use == []
    open_it(stage)
    stage.await_exit("PostStarted")
    stage.close()


def test_a_guest_that_leaves_while_it_is_looked_at_is_closed() -> None:
    stage = Stage()
    stage.arm(OPENED, HOLD)
    stage.guest.open(stage.relid)
    stage.await_hold()
    told = stage.guest.close(stage.relid)
    stage.rest()
    stage.apply(Release("release", "server", "Opened"))
    stage.await_exit("Closed")
    stage.rest()

    assert [e.callback for e in stage.events if isinstance(e, Enter)] == [OPENED, CLOSED]
    assert [m.name for m in told + stage.guest.read_all()] == ["GPADL_TORNDOWN"]
    stage.close()


def test_a_server_that_dies_leaves_the_wire(talk: Talk) -> None:
    talk.arm(PROCESS_PACKET, HOLD, COMPLETE)
    talk.wire.ask(1, b"not completed")
    talk.await_event(lambda e: e.kind == "enter" and e.callback == PROCESS_PACKET)
    since = len(talk.events)
    talk.world("crash")
    assert talk.await_message("RESCIND_CHANNELOFFER") == ["RESCIND_CHANNELOFFER"]
    talk.rest()

    assert [e.kind for e in talk.events[since:]] == ["environment"]
    assert talk.wire.read() == []
    assert talk.guest.host.in_use == []


def test_who_waits_in_a_handler_holds_nobody_up(talk: Talk) -> None:
    talk.arm(PROCESS_PACKET, HOLD)
    talk.arm(COMPLETION_ROUTINE, HOLD)
    for name in ("p0", "p1"):
        talk.send(name, name.encode())
    talk.rest()
    first, second = talk.wire.read()
    talk.wire.ask(1, b"held")
    talk.await_event(lambda e: e.kind == "enter" and e.activation == "ProcessPacket")
    for question in (first, second):
        talk.wire.answer(question.transaction)
    talk.await_exit("CompletionRoutine.2")
    talk.rest()

    assert [arguments[0] for arguments in talk.entered(COMPLETION_ROUTINE)] == ["p0", "p1"]


def write_index_beyond_the_ring(talk: Talk) -> None:
    talk.wire.outgoing._header[WRITE_INDEX] = talk.wire.outgoing.capacity + 8


def write_index_between_units(talk: Talk) -> None:
    talk.wire.outgoing._header[WRITE_INDEX] = 12


def a_length_that_was_not_published(talk: Talk) -> None:
    packet = bytearray(encode(Kind.IN_BAND, 1, b"12345678"))
    packet[4:6] = (4000).to_bytes(2, "little")
    talk.wire.write_bytes(bytes(packet))


def data_that_lies_elsewhere(talk: Talk) -> None:
    ranges = gpa_direct((GpaRange(8, 0, (9,)),))
    talk.wire.write_bytes(encode(Kind.GPA_DIRECT, 1, b"part", descriptor=ranges))


@pytest.mark.parametrize(
    "wrong",
    [
        write_index_beyond_the_ring,
        write_index_between_units,
        a_length_that_was_not_published,
        data_that_lies_elsewhere,
    ],
)
def test_a_guest_that_writes_what_cannot_be_is_heard_no_more(
    talk: Talk, wrong: Callable[[Talk], None]
) -> None:
    talk.wire.ask(1, b"sound", 0)
    talk.rest()
    talk.complete("c0")
    wrong(talk)
    talk.wire.signal()
    talk.rest()
    talk.send("p0", b"nobody reads it")
    talk.rest()

    assert talk.payloads() == [b"sound"]
    assert talk.wire.read() == []
    talk.guest.close(talk.relid)
    talk.await_exit("Closed")
    open_it(talk)


def test_what_came_before_garbage_is_delivered_after_a_pause(talk: Talk) -> None:
    talk.call("VmbChannelPause")
    talk.wire.ask(1, b"sound", 0)
    a_length_that_was_not_published(talk)
    talk.rest()
    assert talk.payloads() == []
    talk.send("p0", b"still in order")
    talk.rest()
    assert [packet.payload.rstrip(b"\0") for packet in talk.wire.read()] == [b"still in order"]
    talk.call("VmbChannelStart")
    talk.rest()

    assert talk.payloads() == [b"sound"]


def test_a_read_index_that_cannot_be_ends_the_writing(talk: Talk) -> None:
    header = talk.wire.incoming._header
    header[READ_INDEX] = 4
    talk.send("p0", b"is shown before the index is read", 0)
    written = header[WRITE_INDEX]
    talk.send("p1", b"is not", 0)
    talk.rest()

    assert header[WRITE_INDEX] == written == 64
    assert [arguments[0] for arguments in talk.entered(COMPLETION_ROUTINE)] == ["p0"]


def test_the_server_writes_garbage_when_it_is_told_to(talk: Talk) -> None:
    talk.world("malformed")
    talk.rest()

    assert talk.wire.incoming._header[WRITE_INDEX] == 24


class Stumbles(Receiver):
    """A defect of the library itself."""

    def deliver(self, frame: Any) -> None:
        raise KeyError("a slot that is gone")


def test_a_defect_of_the_library_is_told() -> None:
    talk = Talk(reference_of(SOUND._replace(receiver=Stumbles)))
    talk.wire.ask(1, b"trips it")

    with pytest.raises(KeyError, match="a slot that is gone"):
        talk.rest()
    with pytest.raises(KeyError, match="a slot that is gone"):
        talk.library.AtRest()
    talk.close()


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_defect_of_the_reference_shows_on_the_wire(name: str) -> None:
    conversation, words = CONVERSATIONS[name]
    talk = Talk(reference_of(parts_of(MUTANTS[name].change)))
    with pytest.raises(AssertionError, match=f"^{words}"):
        conversation(talk)
    talk.close()
