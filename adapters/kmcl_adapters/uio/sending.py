"""The outgoing side: the queue before the ring, and the end of every transaction, exactly once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from kmcl_model.status import (
    STATUS_CANCELLED,
    STATUS_INVALID_DEVICE_STATE,
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_PARAMETER_3,
    STATUS_SUCCESS,
)

from .descriptor import COMPLETION_REQUESTED, Kind, RingError, encode
from .packets import Packet, Received

if TYPE_CHECKING:
    from .bus import Link
    from .channel import Channel

__all__ = ["WAIT_FOR_COMPLETION", "Sender"]

WAIT_FOR_COMPLETION: Final = 0x1
SEND_FLAGS: Final = 0x7


class Sender:
    """``queue``: accepted packets; ``answers``: completion packets that found no room; ``sent``:
    packets on the wire whose completion is awaited, by transaction id; ``done``: packets whose
    transaction is over, until their routines were called.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.queue: deque[Packet] = deque()
        self.answers: deque[bytes] = deque()
        self.sent: dict[int, Packet] = {}
        self.done: deque[Packet] = deque()
        self.completing = 0
        self.transactions = 0

    # Sending

    def send(self, packet: Packet, buffer: bytes | None, flags: int) -> int:
        """VmbPacketSend: what is accepted is put into the ring or queued, in order (A89)."""
        refusal = self.refusal(packet, len(buffer or b""), flags)
        if refusal:
            return refusal
        packet.buffer = bytes(buffer or b"")
        packet.wants_answer = bool(flags & WAIT_FOR_COMPLETION)
        packet.in_flight = True
        if self.queue or self.answers or not self.send_at_once(packet):
            self.queue.append(packet)
            self.transmit()
        return STATUS_SUCCESS

    def send_at_once(self, packet: Packet) -> bool:
        """Put the packet into the ring, if it is open and has room and nobody waits before it."""
        channel = self.channel
        link = channel.live_link()
        if link is None or channel.disabling:
            return False
        ring, transaction, in_ring = link.outgoing, self.transactions + 1, False
        try:
            in_ring = ring.put(self.frame(packet, transaction))
            if in_ring:
                self.transactions = transaction
                self.placed(packet, transaction)
                if ring.publish():
                    channel.signal()
        except RingError as error:
            channel.stop_link(f"outgoing ring: {error}")
        return in_ring

    def refusal(self, packet: Packet, length: int, flags: int) -> int:
        """Why a send is refused; success where it is not."""
        channel = self.channel
        if flags & ~SEND_FLAGS:
            return STATUS_INVALID_PARAMETER
        if length > channel.configuration.maximum_packet:
            return STATUS_INVALID_PARAMETER_3
        unusable = packet.in_flight or (packet.routine is None and not packet.allocated)
        if unusable or not channel.accepts_sends():
            return STATUS_INVALID_DEVICE_STATE
        return STATUS_SUCCESS

    def transmit(self) -> None:
        """Move what waits into the ring, answers first, as far as it fits; signal once."""
        if not (self.queue or self.answers):
            return
        channel = self.channel
        link = channel.live_link()
        if link is None:
            return
        ring = link.outgoing
        try:
            while True:
                blocked = self.fill()
                if not self.show(link):
                    return
                if not blocked:
                    ring.stop_waiting()
                    return
                if ring.wait_for(blocked):
                    return
        except RingError as error:
            channel.stop_link(f"outgoing ring: {error}")

    def show(self, link: Link) -> bool:
        """Publish what was put and signal once; false where the other side turns out to have left,
        and nothing may be written any more."""
        if link.outgoing.publish():
            self.channel.signal()
        return not link.down

    def fill(self) -> int:
        """Write as much as fits; the bytes that the first packet needs which does not, or 0."""
        link = self.channel.link
        assert link is not None
        put = link.outgoing.put
        while self.answers:
            if not put(self.answers[0]):
                return len(self.answers[0]) + 8
            self.answers.popleft()
        # Whoever has been told to leave begins no transaction that the close would cancel.
        while self.queue and not self.channel.disabling:
            packet = self.queue[0]
            frame = self.frame(packet, self.transactions + 1)
            if not put(frame):
                return len(frame) + 8
            self.queue.popleft()
            self.transactions += 1
            self.placed(packet, self.transactions)
        return 0

    def frame(self, packet: Packet, transaction: int) -> bytes:
        """The packet as it goes into the ring. Ids start at 1: a host does not complete 0."""
        flags = COMPLETION_REQUESTED if packet.wants_answer else 0
        return encode(Kind.IN_BAND, transaction, packet.buffer, flags)

    def placed(self, packet: Packet, transaction: int) -> None:
        """The packet is in the ring: without WAIT_FOR_COMPLETION its transaction is over."""
        if packet.wants_answer:
            self.sent[transaction] = packet
        else:
            self.finish(packet, STATUS_SUCCESS)

    # Answers

    def answer(self, received: Received, buffer: bytes | None) -> None:
        """Send a completion packet, if one was asked for and the asker is still there."""
        channel = self.channel
        if not received.wants_answer or received.link is not channel.link:
            return
        if received.link.down:
            return
        self.answers.append(encode(Kind.COMPLETION, received.transaction, bytes(buffer or b"")))
        self.transmit()

    # The end of transactions

    def finish(self, packet: Packet, status: int, answer: bytes | None = None) -> None:
        """The packet's transaction is over; its routine is due. The default one only frees."""
        if packet.routine is None:
            packet.in_flight = False
            return
        packet.status = status
        packet.answer = answer
        self.done.append(packet)

    def completed(self, transaction: int) -> Packet | None:
        """The packet that a completion from the other end is for; none where it is for nobody."""
        return self.sent.pop(transaction, None)

    def cancel_sent(self) -> None:
        """Nobody will complete what was sent: end it here."""
        for packet in self.sent.values():
            self.finish(packet, STATUS_CANCELLED)
        self.sent.clear()
        self.answers.clear()

    def cancel_queue(self) -> None:
        """What was never sent will not be."""
        while self.queue:
            self.finish(self.queue.popleft(), STATUS_CANCELLED)

    def idle(self) -> bool:
        """Whether no routine is due or running."""
        return not self.done and not self.completing

    def due(self) -> bool:
        """Whether a routine may be called now: everything a peer has caused stays away from
        Started (F103)."""
        return bool(self.done) and not (self.channel.starting() or self.channel.crashed)

    def call_routine(self, packet: Packet) -> None:
        """Call the routine of a packet whose transaction is over."""
        packet.in_flight = False
        routine, status, answer = packet.routine, packet.status, packet.answer
        packet.answer = None
        assert routine is not None
        self.completing += 1
        self.channel.call(routine, packet, status, answer or None)
        self.completing -= 1

    def run(self) -> None:
        """The thread that calls routines of transactions that ended on this side."""
        monitor = self.channel.monitor
        while True:
            monitor.wait(lambda: self.channel.quit or self.due())
            if self.channel.quit:
                return
            self.call_routine(self.done.popleft())
