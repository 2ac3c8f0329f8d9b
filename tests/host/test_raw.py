"""An end that a test serves by hand: when it signals the guest, and when it need not be signalled.

The guest's side here is two ends of ring in its memory, driven step by step.
"""

from __future__ import annotations

import pytest

from kmcl_adapters.host.channel import HostChannel, rings_of
from kmcl_adapters.host.raw import RawEnd
from kmcl_adapters.host.scripted import ScriptedGuest
from kmcl_adapters.uio.descriptor import FROM_HOST, Kind, encode
from kmcl_adapters.uio.receive import Doze
from kmcl_adapters.uio.ring import Incoming, Outgoing

PAYLOAD = bytes(200)
PACKET = encode(Kind.IN_BAND, 1, PAYLOAD)
IN_RING = len(PACKET) + 8
"""Bytes that such a packet takes, trailer included."""


class Stage:
    """A guest that has opened a channel of ours, and its side of the rings."""

    def __init__(self) -> None:
        self.guest = ScriptedGuest()
        self.end = RawEnd(self.guest.host)
        self.channel: HostChannel = self.guest.host.offer(None, self.end)
        self.guest.connect()
        self.guest.open(self.channel.relid)
        gpadl = self.guest.host.gpadls.complete[900]
        rings = rings_of(self.guest.machine.memory, gpadl, 4)
        self.outgoing = Outgoing(*rings.from_guest)
        self.incoming = Incoming(*rings.to_guest, FROM_HOST)
        self._counted = 0

    def signals(self) -> int:
        """How many the guest has had since the last time, of this channel alone."""
        trace = self.guest.host.trace
        found = [e for e in trace.since(0) if (e.sender, e.name) == ("host", "SIGNAL")]
        assert all(e.fields == {"child_relid": self.channel.relid} for e in found)
        raised = self.guest.events()
        before, self._counted = self._counted, len(found)
        assert raised == ([self.channel.relid] if len(found) > before else [])
        return len(found) - before

    def drain(self) -> int:
        """Take what is there; how many packets."""
        count = 0
        while self.incoming.peek() is not None:
            self.incoming.take()
            count += 1
        self.incoming.release()
        return count

    def fill(self) -> int:
        """Write until there is no room; how many packets."""
        count = 0
        while self.outgoing.put(PACKET):
            count += 1
        self.outgoing.publish()
        return count


@pytest.fixture
def stage() -> Stage:
    return Stage()


# The mask -------------------------------------------------------------------------------------


def test_the_first_packet_in_an_empty_ring_is_signalled_and_the_next_is_not(stage: Stage) -> None:
    assert stage.end.send(PAYLOAD)
    assert stage.signals() == 1
    assert stage.end.send(PAYLOAD)
    assert stage.signals() == 0


def test_a_reader_that_has_masked_is_not_signalled(stage: Stage) -> None:
    stage.incoming.mask()
    for _ in range(3):
        assert stage.end.send(PAYLOAD)
        assert stage.drain() == 1
    assert stage.signals() == 0

    stage.incoming.unmask()
    assert stage.end.send(PAYLOAD)
    assert stage.signals() == 1


def test_what_comes_between_the_drain_and_the_unmasking_is_found_by_the_second_look(
    stage: Stage,
) -> None:
    """Set, drain, clear, look again: nobody signals that packet, and it is not lost."""
    doze = Doze(stage.incoming)
    stage.end.send(PAYLOAD)
    assert stage.signals() == 1
    doze.wake()
    assert stage.drain() == 1
    stage.end.send(PAYLOAD)
    assert stage.signals() == 0

    assert not doze.fall_asleep()
    assert stage.incoming.masked
    assert stage.drain() == 1
    assert doze.fall_asleep()
    assert not stage.incoming.masked
    stage.end.send(PAYLOAD)
    assert stage.signals() == 1


def test_a_signal_is_sent_or_kept_back_where_the_test_says_so(stage: Stage) -> None:
    stage.incoming.mask()
    stage.end.send(PAYLOAD, signal=True)
    assert stage.signals() == 1
    stage.drain()
    stage.incoming.unmask()
    stage.end.send(PAYLOAD, signal=False)
    assert stage.signals() == 0


def test_an_end_that_masks_its_own_ring_finds_all_at_its_second_look(stage: Stage) -> None:
    """The same from the host's side: the guest need not signal until the mask is cleared."""
    assert stage.end.incoming is not None
    doze = Doze(stage.end.incoming)
    doze.wake()
    for transaction in (1, 2):
        assert stage.outgoing.put(encode(Kind.IN_BAND, transaction, b"12345678"))
        assert not stage.outgoing.publish()
        assert stage.end.receive(0).transaction == transaction
    assert stage.outgoing.put(encode(Kind.IN_BAND, 3, b"12345678"))
    assert not stage.outgoing.publish()

    assert not doze.fall_asleep()
    assert stage.end.receive(0).transaction == 3
    assert doze.fall_asleep()
    assert stage.outgoing.put(encode(Kind.IN_BAND, 4, b"12345678"))
    assert stage.outgoing.publish()


# Room -----------------------------------------------------------------------------------------


def test_a_writer_that_waits_for_room_is_signalled_once_when_there_is_enough(stage: Stage) -> None:
    """By the packet whose room was still missing: not before, and not again after it."""
    stage.outgoing.support_pending_send()
    count = stage.fill()
    free, wanted = stage.outgoing.free(), 3 * IN_RING
    assert stage.outgoing.wait_for(wanted)
    signals = []
    for _ in range(count):
        stage.end.receive(0)
        signals.append(stage.signals())

    enough = next(n for n in range(count) if free + (n + 1) * IN_RING > wanted)
    assert [n for n, signalled in enumerate(signals) if signalled] == [enough]


def test_a_masked_reader_is_signalled_all_the_same_that_there_is_room(stage: Stage) -> None:
    """The mask is for packets."""
    stage.outgoing.support_pending_send()
    stage.incoming.mask()
    stage.fill()
    assert stage.outgoing.wait_for(IN_RING)
    while stage.outgoing.free() <= IN_RING:
        assert stage.signals() == 0
        stage.end.receive(0)
    assert stage.signals() == 1


@pytest.mark.parametrize("why", ["without the feature bit", "without a wish", "taken back"])
def test_a_writer_that_does_not_wait_is_not_signalled(stage: Stage, why: str) -> None:
    stage.outgoing.support_pending_send(why != "without the feature bit")
    count = stage.fill()
    if why != "without a wish":
        assert stage.outgoing.wait_for(IN_RING)
    if why == "taken back":
        stage.outgoing.stop_waiting()
    for _ in range(count):
        stage.end.receive(0)

    assert stage.signals() == 0


def test_an_end_waits_for_room_as_a_guest_does(stage: Stage) -> None:
    assert stage.end.outgoing is not None
    stage.end.outgoing.support_pending_send()
    while stage.end.send(PAYLOAD):
        pass
    assert stage.end.outgoing.wait_for(IN_RING)
    gave_room = []
    while stage.incoming.peek() is not None:
        stage.incoming.take()
        gave_room.append(stage.incoming.release())

    assert gave_room.count(True) == 1
    assert stage.end.send(PAYLOAD)
