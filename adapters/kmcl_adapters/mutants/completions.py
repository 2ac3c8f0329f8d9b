"""Defects of completions: too many, too few, too early, for the wrong packet, with wrong bytes."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Activity
from kmcl_adapters.reference.library.packet import Packet, Received
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.reference.library.ring import ANSWER, Frame
from kmcl_adapters.reference.library.sender import Completer, Sender
from kmcl_model.status import STATUS_SUCCESS

from .mutant import Mutant

__all__ = ["MUTANTS"]


class QueuedPacketForgotten(Sender):
    def placed(self, packet: Packet, inside_send: bool) -> None:
        if inside_send:
            super().placed(packet, inside_send)


class QueuedWaitCompletedOnPlacement(Sender):
    def place(self, packet: Packet, frame: Frame, inside_send: bool = False) -> None:
        if not inside_send and frame.wants_answer:
            frame.wants_answer = False
        super().place(packet, frame, inside_send)


class SecondWaitCompletedOnPlacement(Sender):
    def place(self, packet: Packet, frame: Frame, inside_send: bool = False) -> None:
        if frame.wants_answer and self.channel.sent:
            frame.wants_answer = False
        super().place(packet, frame, inside_send)


class AnswersMatchedInOrder(Receiver):
    def take(self, frame: Frame) -> None:
        sent = self.channel.sent
        if frame.kind == ANSWER and frame.transaction in sent:
            oldest = next(iter(sent))
            sent[oldest], sent[frame.transaction] = sent[frame.transaction], sent[oldest]
        super().take(frame)


class AnswerCutToUnits(Sender):
    def answer(self, received: Received, buffer: bytes | None) -> None:
        if buffer is not None and len(buffer) > 8:
            buffer = buffer[: len(buffer) & ~7]
        super().answer(received, buffer)


class LengthsPaddedToSixteen(Receiver):
    def received_bytes(self, buffer: bytes) -> bytes:
        return buffer + bytes(-len(buffer) & 15)


class OldAnswerBytesLeak(Sender):
    last: bytes | None = None

    def answer(self, received: Received, buffer: bytes | None) -> None:
        self.last = buffer or self.last
        super().answer(received, self.last)


class UnrequestedAnswerSent(Sender):
    def place(self, packet: Packet, frame: Frame, inside_send: bool = False) -> None:
        if not frame.wants_answer and self.channel.sent:
            frame.wants_answer = True
            self.placed(packet, inside_send)
        super().place(packet, frame, inside_send)


class AnswerLostInFullRing(Sender):
    def answer(self, received: Received, buffer: bytes | None) -> None:
        super().answer(received, buffer)
        self.answers.clear()


class AnswerAfterSuspendDropped(Sender):
    def answer(self, received: Received, buffer: bytes | None) -> None:
        if self.channel.activity == Activity.RUNNING:
            super().answer(received, buffer)


class AnswerWhilePausedLost(Receiver):
    def take(self, frame: Frame) -> None:
        if frame.kind == ANSWER and self.channel.activity == Activity.STOPPED:
            return
        super().take(frame)


class AnswerWithoutBytesNotSent(Sender):
    def answer(self, received: Received, buffer: bytes | None) -> None:
        if buffer:
            super().answer(received, buffer)


class OutOfOrderCompletionLost(Channel):
    newest = 0

    def packet_complete(self, received: Received, buffer: bytes | None) -> None:
        if received.transaction < self.newest:
            received.wants_answer = False
        self.newest = max(self.newest, received.transaction)
        super().packet_complete(received, buffer)


class StaleAnswerAfterReopen(Channel):
    def cut(self) -> None:
        answers = tuple(self.sender.answers)
        super().cut()
        self.sender.answers.extend(answers)
        self.transactions = 0


class EmptyAnswerReportedCancelled(Completer):
    def finish(self, packet: Packet, status: int, buffer: bytes | None) -> None:
        if packet.wants_answer and status == STATUS_SUCCESS and buffer is None:
            status = self.channel.readings.cancel_status
        super().finish(packet, status, buffer)


class CompletedAgainAtClose(Receiver):
    def take(self, frame: Frame) -> None:
        packet = self.channel.sent.get(frame.transaction) if frame.kind == ANSWER else None
        super().take(frame)
        if packet is not None and self.channel.activity != Activity.RUNNING:
            self.channel.sent[frame.transaction] = packet


_M = Mutant
MUTANTS: Final = (
    _M(
        "queued-packet-forgotten",
        "completions",
        "only the fast path of the send reports the end of a packet that wants no answer",
        QueuedPacketForgotten,
    ),
    _M(
        "queued-wait-completed-on-placement",
        "completions",
        "the queue loses the flag, so a packet that waited for the ring is over too early",
        QueuedWaitCompletedOnPlacement,
    ),
    _M(
        "second-wait-completed-on-placement",
        "completions",
        "only one transaction can await its answer, further ones end when they are placed",
        SecondWaitCompletedOnPlacement,
    ),
    _M(
        "answers-matched-in-order",
        "completions",
        "answers are taken for those of the oldest transaction, whatever their number says",
        AnswersMatchedInOrder,
    ),
    _M(
        "out-of-order-completion-lost",
        "completions",
        "a completion of an older packet than the last one is thought a duplicate",
        OutOfOrderCompletionLost,
    ),
    _M(
        "answer-cut-to-units",
        "completions",
        "the length of the answer is counted in whole units of eight, rounded down",
        AnswerCutToUnits,
    ),
    _M(
        "lengths-padded-to-sixteen",
        "completions",
        "lengths are rounded up to sixteen instead of eight",
        LengthsPaddedToSixteen,
    ),
    _M(
        "old-answer-bytes-leak",
        "completions",
        "an answer without bytes carries those of the one before",
        OldAnswerBytesLeak,
    ),
    _M(
        "unrequested-answer-sent",
        "completions",
        "the request for an answer sticks to the channel instead of the packet",
        UnrequestedAnswerSent,
    ),
    _M(
        "answer-lost-in-full-ring",
        "completions",
        "a completion packet for which the ring has no room is dropped",
        AnswerLostInFullRing,
    ),
    _M(
        "answer-after-suspend-dropped",
        "completions",
        "a packet completed after Suspend is retired without telling the sender",
        AnswerAfterSuspendDropped,
    ),
    _M(
        "answer-while-paused-lost",
        "completions",
        "an answer that arrives while the channel is paused is taken off the ring and forgotten",
        AnswerWhilePausedLost,
    ),
    _M(
        "answer-without-bytes-not-sent",
        "completions",
        "completing without bytes is taken for not wanting to answer",
        AnswerWithoutBytesNotSent,
    ),
    _M(
        "empty-answer-reported-cancelled",
        "completions",
        "an answer of length zero cannot be told from none",
        EmptyAnswerReportedCancelled,
    ),
    _M(
        "stale-answer-after-reopen",
        "completions",
        "answers that waited for room survive the close and meet new transactions",
        StaleAnswerAfterReopen,
    ),
    _M(
        "completed-again-at-close",
        "completions",
        "an answer that raced a pause stays in the table and is cancelled once more at close",
        CompletedAgainAtClose,
    ),
)
