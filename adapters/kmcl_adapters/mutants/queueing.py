"""Defects of queueing: what waits before the ring, in which order, and how it gets there."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Activity, Lifecycle, Phase
from kmcl_adapters.reference.library.packet import Packet
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.reference.library.ring import Frame
from kmcl_adapters.reference.library.sender import Sender

from .mutant import Mutant

__all__ = ["MUTANTS"]


class QueueLastInFirstOut(Sender):
    def enqueue(self, packet: Packet) -> None:
        self.queue.appendleft(packet)


class FullRingQueueReordered(Sender):
    def enqueue(self, packet: Packet) -> None:
        link = self.channel.link
        if self.queue and link is not None and link.open:
            self.queue.insert(len(self.queue) - 1, packet)
        else:
            super().enqueue(packet)


class SendOvertakesQueue(Sender):
    def submit(self, packet: Packet) -> None:
        ring = self.channel.outgoing
        frame = self.frame(packet)
        if self.queue and self.may_transmit() and ring is not None and ring.fits(frame):
            packet.in_flight = True
            self.place(packet, frame, inside_send=True)
        else:
            super().submit(packet)


class SendBeforeOpenRefused(Channel):
    def accepts_sends(self) -> bool:
        return self.phase != Phase.ENABLED and super().accepts_sends()


class SendInClosedRefused(Channel):
    def accepts_sends(self) -> bool:
        closing = self.lifecycle.calling and self.lifecycle.cancelled
        return not closing and super().accepts_sends()


class SendInStartedRefused(Channel):
    def accepts_sends(self) -> bool:
        return self.activity != Activity.STARTING and super().accepts_sends()


class SentBeforeOpened(Sender):
    def may_transmit(self) -> bool:
        link = self.channel.link
        return link is not None and not link.down


class QueueStuckAfterReopen(Sender):
    opens = 0

    def kick(self) -> None:
        link = self.channel.link
        if link is not None and self.channel.activity == Activity.STOPPED and link.open:
            self.opens += 1
            if self.opens > 1:
                return
        super().kick()


class QueuedPacketSentTwice(Sender):
    doubled = False

    def place(self, packet: Packet, frame: Frame, inside_send: bool = False) -> None:
        super().place(packet, frame, inside_send)
        if not inside_send and self.queue and not self.doubled:
            self.doubled = True
            self.queue.append(packet)


class QueueDroppedAtClientClose(Lifecycle):
    def cancel(self) -> None:
        if not self.queue_is_lost():
            self.channel.sender.queue.clear()
        super().cancel()


class QueuedPayloadOverwritten(Sender):
    last = b""

    def enqueue(self, packet: Packet) -> None:
        self.last = packet.buffer
        super().enqueue(packet)

    def place(self, packet: Packet, frame: Frame, inside_send: bool = False) -> None:
        if not inside_send and frame.buffer is not None:
            size = len(frame.buffer)
            frame.buffer = self.last[:size] + frame.buffer[len(self.last) :]
        super().place(packet, frame, inside_send)


class QueuedHeaderVisible(Sender):
    def place(self, packet: Packet, frame: Frame, inside_send: bool = False) -> None:
        if not inside_send and frame.buffer:
            frame.buffer = len(frame.buffer).to_bytes(4, "little") + frame.buffer[:-4]
        super().place(packet, frame, inside_send)


class OddLengthCut(Receiver):
    def received_bytes(self, buffer: bytes) -> bytes:
        return super().received_bytes(buffer if len(buffer) < 8 else buffer[: len(buffer) & ~7])


class MaximalPacketCut(Channel):
    def send(self, packet: Packet, buffer: bytes, flags: int) -> int:
        if len(buffer) == self.maximum_packet_size:
            buffer = buffer[:-8]
        return super().send(packet, buffer, flags)


class LongPacketCut(Channel):
    def send(self, packet: Packet, buffer: bytes, flags: int) -> int:
        return super().send(packet, buffer[: self.maximum_packet_size], flags)


class FirstPacketAfterReopenLost(Receiver):
    opens = 0
    fresh = False

    def reset(self) -> None:
        super().reset()
        self.opens += 1
        self.fresh = self.opens > 1

    def deliver(self, frame: Frame) -> None:
        if self.fresh:
            self.fresh = False
            return
        super().deliver(frame)


_M = Mutant
MUTANTS: Final = (
    _M(
        "queue-last-in-first-out",
        "queueing",
        "queued packets are pushed and popped at the same end of the list",
        QueueLastInFirstOut,
    ),
    _M(
        "full-ring-queue-reordered",
        "queueing",
        "a packet put back because the ring was full lands one place too far behind",
        FullRingQueueReordered,
    ),
    _M(
        "send-overtakes-queue",
        "queueing",
        "a small packet goes straight into the ring although others wait",
        SendOvertakesQueue,
    ),
    _M(
        "send-before-open-refused",
        "queueing",
        "a send on an enabled channel fails until the channel opens",
        SendBeforeOpenRefused,
    ),
    _M(
        "send-in-closed-refused",
        "queueing",
        "a send made from inside Closed fails",
        SendInClosedRefused,
    ),
    _M(
        "send-in-started-refused",
        "queueing",
        "a send made from inside Started fails",
        SendInStartedRefused,
    ),
    _M(
        "sent-before-opened",
        "queueing",
        "queued packets enter the ring as soon as it is laid, before Opened was called",
        SentBeforeOpened,
    ),
    _M(
        "queue-stuck-after-reopen",
        "queueing",
        "nobody looks at the queue when the channel is opened again",
        QueueStuckAfterReopen,
    ),
    _M(
        "queued-packet-sent-twice",
        "queueing",
        "a packet is taken off the queue only if the one after it fits as well",
        QueuedPacketSentTwice,
    ),
    _M(
        "queue-dropped-at-client-close",
        "queueing",
        "what the server had queued is freed when the client closes, and nobody is told",
        QueueDroppedAtClientClose,
    ),
    _M(
        "queued-payload-overwritten",
        "queueing",
        "all queued packets share one copy of the payload",
        QueuedPayloadOverwritten,
    ),
    _M(
        "queued-header-visible",
        "queueing",
        "the header that the queue puts before the payload is delivered with it",
        QueuedHeaderVisible,
    ),
    _M(
        "odd-length-cut",
        "queueing",
        "lengths are counted in whole units of eight, rounded down",
        OddLengthCut,
    ),
    _M(
        "maximal-packet-cut",
        "queueing",
        "the header is taken off the room for the payload of a maximal packet",
        MaximalPacketCut,
    ),
    _M(
        "long-packet-cut",
        "queueing",
        "a packet above the maximum size is cut to it and reported as sent",
        LongPacketCut,
    ),
    _M(
        "first-packet-after-reopen-lost",
        "queueing",
        "the read index of the new ring starts one packet too far",
        FirstPacketAfterReopenLost,
    ),
)
