"""Defects of cancellation: what becomes of packets in flight when the channel goes down."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Lifecycle, Phase
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.reference.library.ring import ANSWER, Frame
from kmcl_adapters.reference.library.sender import Completer
from kmcl_model.api import CLOSED
from kmcl_model.status import STATUS_SUCCESS

from .mutant import Mutant

__all__ = ["MUTANTS"]


class CancelledWithSuccess(Channel):
    def cancel_sent(self) -> None:
        for packet in self.sent.values():
            self.completer.add(packet, STATUS_SUCCESS)
        self.sent.clear()


class QueuedCancelledWithSuccess(Channel):
    def cancel_queued(self) -> None:
        while self.sender.queue:
            self.completer.add(self.sender.queue.popleft(), STATUS_SUCCESS)


class QueuedDroppedAtDisable(Channel):
    def cancel_queued(self) -> None:
        self.sender.queue.clear()


class SentNeverRetired(Channel):
    def cancel_sent(self) -> None:
        self.sent.clear()


class SentNeverRetiredOnRemoteClose(Channel):
    def cancel_sent(self) -> None:
        if not self.disabling:
            self.sent.clear()
        super().cancel_sent()


class OnlyOldestCancelled(Channel):
    def cancel_sent(self) -> None:
        for transaction in tuple(self.sent)[1:]:
            del self.sent[transaction]
        super().cancel_sent()


class NotCancelledWhenPaused(Channel):
    def cancel_sent(self) -> None:
        if self.paused:
            self.sent.clear()
        super().cancel_sent()


class CancelledTwiceWhenBothDisable(Channel):
    def cancel_sent(self) -> None:
        both = self.disabling and self.link is not None and self.link.peer(self).disabling
        if both:
            for packet in self.sent.values():
                self.completer.add(packet, self.readings.cancel_status)
        super().cancel_sent()


class AnswerRacesCancel(Receiver):
    def take(self, frame: Frame) -> None:
        packet = self.channel.sent.get(frame.transaction) if frame.kind == ANSWER else None
        super().take(frame)
        link = self.channel.link
        if packet is not None and link is not None and link.down:
            self.channel.sent[frame.transaction] = packet


class SentInClosedForgotten(Lifecycle):
    def closed(self, status: int) -> None:
        if self.channel.disabling:
            self.channel.sender.queue.clear()
        super().closed(status)


class CancelStopsAtSlowRoutine(Completer):
    def step(self) -> None:
        if self.running and self.channel.phase >= Phase.CLOSING:
            self.pending.clear()
            self.channel.lifecycle.wake()
            return
        super().step()


class NothingCancelledWithoutClosed(Channel):
    def cancel_sent(self) -> None:
        if CLOSED not in self.state_handlers:
            self.sent.clear()
        super().cancel_sent()


_M = Mutant
MUTANTS: Final = (
    _M(
        "cancelled-with-success",
        "cancellation",
        "packets that the peer never answered are reported as done",
        CancelledWithSuccess,
    ),
    _M(
        "queued-cancelled-with-success",
        "cancellation",
        "packets that were never sent are reported as done",
        QueuedCancelledWithSuccess,
    ),
    _M(
        "queued-dropped-at-disable",
        "cancellation",
        "Disable frees the queue without telling anybody",
        QueuedDroppedAtDisable,
    ),
    _M(
        "sent-never-retired",
        "cancellation",
        "a close leaves it to the driver to find out what became of its packets",
        SentNeverRetired,
    ),
    _M(
        "sent-never-retired-on-remote-close",
        "cancellation",
        "only the local Disable retires what was sent",
        SentNeverRetiredOnRemoteClose,
    ),
    _M(
        "only-oldest-cancelled",
        "cancellation",
        "the loop over the transactions ends after the first",
        OnlyOldestCancelled,
    ),
    _M(
        "not-cancelled-when-paused",
        "cancellation",
        "closing a paused channel takes a short cut past the transactions",
        NotCancelledWhenPaused,
    ),
    _M(
        "cancelled-twice-when-both-disable",
        "cancellation",
        "both ends disable at once, and both the local and the remote path cancel",
        CancelledTwiceWhenBothDisable,
    ),
    _M(
        "answer-races-cancel",
        "cancellation",
        "an answer that arrives during the close is reported, and the packet cancelled as well",
        AnswerRacesCancel,
    ),
    _M(
        "sent-in-closed-forgotten",
        "cancellation",
        "what was queued from inside Closed of a local Disable is never completed",
        SentInClosedForgotten,
    ),
    _M(
        "cancel-stops-at-slow-routine",
        "cancellation",
        "a completion routine that takes long ends the work item that calls the others",
        CancelStopsAtSlowRoutine,
    ),
    _M(
        "nothing-cancelled-without-closed-handler",
        "cancellation",
        "packets are cancelled by what wraps the driver's Closed, which is optional",
        NothingCancelledWithoutClosed,
    ),
)
