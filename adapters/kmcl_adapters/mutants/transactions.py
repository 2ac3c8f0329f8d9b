"""Defects that need many transactions, or several at a time."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.configuration import Configuration
from kmcl_adapters.reference.library.lifecycle import Phase
from kmcl_adapters.reference.library.packet import Packet, Received
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.reference.library.ring import ANSWER, Frame, Ring
from kmcl_adapters.reference.library.sender import Completer, Sender

from .mutant import Mutant

__all__ = ["MUTANTS"]


class TransactionNumberOfFourBits(Sender):
    def answer(self, received: Received, buffer: bytes | None) -> None:
        if received.transaction % 16:
            super().answer(received, buffer)


class TransactionNumberOfEightBits(Sender):
    def answer(self, received: Received, buffer: bytes | None) -> None:
        if received.transaction % 256:
            super().answer(received, buffer)


class AnswersShareBuffer(Sender):
    def answer(self, received: Received, buffer: bytes | None) -> None:
        super().answer(received, buffer)
        ring = self.channel.outgoing
        if not buffer or ring is None:
            return
        for frame in (*ring.frames, *self.answers):
            if frame.kind == ANSWER and frame.buffer:
                frame.buffer = (buffer + frame.buffer[len(buffer) :])[: len(frame.buffer)]


class AnswersSwapContent(Receiver):
    def take(self, frame: Frame) -> None:
        ring = self.channel.incoming
        if frame.kind == ANSWER and frame.buffer and ring is not None:
            for other in ring.frames:
                if other.kind == ANSWER and len(other.buffer or b"") == len(frame.buffer):
                    other.buffer, frame.buffer = frame.buffer, other.buffer
        super().take(frame)


class RequestReportedAsAnswer(Completer):
    def finish(self, packet: Packet, status: int, buffer: bytes | None) -> None:
        super().finish(packet, status, packet.buffer if status else buffer)


class AnswerSpaceLost(Ring):
    def release(self, frame: Frame) -> None:
        if frame.kind != ANSWER:
            super().release(frame)

    def fits(self, frame: Frame, before: int = 0) -> bool:
        return self.used + before + frame.cost <= self.capacity


class OddLengthSpaceLost(Ring):
    def release(self, frame: Frame) -> None:
        super().release(frame)
        if frame.buffer and len(frame.buffer) % 8:
            self.used += 8

    def fits(self, frame: Frame, before: int = 0) -> bool:
        return self.used + before + frame.cost <= self.capacity


class PointerSharedInFlight(Channel):
    def packet_set_pointer(self, packet: Packet, pointer: object) -> None:
        super().packet_set_pointer(packet, pointer)
        if packet.in_flight:
            for other in self.sent.values():
                other.pointer = pointer


class PointerLostByCancel(Channel):
    def cancel_sent(self) -> None:
        for packet in self.sent.values():
            packet.pointer = None
        super().cancel_sent()


class ChannelOfPacketInFlight(Channel):
    def packet_channel(self, packet: Packet) -> Configuration:
        if packet.in_flight and self.link is not None:
            return self.link.peer(self)
        return super().packet_channel(packet)


class CancelledRoutineAtDeviceLevel(Completer):
    def finish(self, packet: Packet, status: int, buffer: bytes | None) -> None:
        routine = packet.routine
        if not status or routine is None:
            super().finish(packet, status, buffer)
            return
        packet.in_flight = False
        self.running += 1
        routine(packet, status, buffer, DEVICE_LEVEL, self.finished)


DEVICE_LEVEL: Final = 5


class AnswerToPausedSenderLost(Sender):
    def answer(self, received: Received, buffer: bytes | None) -> None:
        link = self.channel.link
        peer = None if link is None else link.peer(self.channel)
        if buffer is not None or peer is None or not peer.rests() or peer.phase != Phase.OPEN:
            super().answer(received, buffer)


_M = Mutant
MUTANTS: Final = (
    _M(
        "transaction-number-of-four-bits",
        "completions",
        "the number wraps to zero, which stands for 'no answer wanted'",
        TransactionNumberOfFourBits,
    ),
    _M(
        "transaction-number-of-eight-bits",
        "completions",
        "the number is kept in a byte and wraps to zero, which stands for 'no answer wanted'",
        TransactionNumberOfEightBits,
    ),
    _M(
        "answers-share-buffer",
        "completions",
        "a later answer is written over one that the peer has not read yet",
        AnswersShareBuffer,
    ),
    _M(
        "answers-swap-content",
        "completions",
        "the bytes of two answers are looked up by length and get mixed up",
        AnswersSwapContent,
    ),
    _M(
        "request-reported-as-answer",
        "cancellation",
        "the routine of a cancelled packet is shown the bytes that were sent, as if an answer",
        RequestReportedAsAnswer,
    ),
    _M(
        "answer-to-paused-sender-lost",
        "completions",
        "an answer without bytes is nothing but a signal, which a paused end does not take",
        AnswerToPausedSenderLost,
    ),
    _M(
        "answer-space-lost",
        "flow control",
        "the room of completion packets is never given back, so that the ring fills up",
        AnswerSpaceLost,
    ),
    _M(
        "odd-length-space-lost",
        "flow control",
        "each odd packet gives back eight bytes less than it took",
        OddLengthSpaceLost,
    ),
    _M(
        "pointer-of-previous-packet",
        "ownership",
        "the pointers of packets in flight are kept in one slot",
        PointerSharedInFlight,
    ),
    _M(
        "pointer-lost-by-cancel",
        "ownership",
        "cancelling clears the whole packet, the driver's pointer included",
        PointerLostByCancel,
    ),
    _M(
        "channel-of-packet-in-flight",
        "ownership",
        "a packet in flight is said to belong to the end that has it",
        ChannelOfPacketInFlight,
    ),
    _M(
        "cancelled-routine-above-dispatch",
        "cancellation",
        "cancelling happens in the interrupt that tells of the close",
        CancelledRoutineAtDeviceLevel,
    ),
)
