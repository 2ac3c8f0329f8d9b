"""Defects of re-entrancy: calls from inside callbacks that get lost or hang."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Activity, Lifecycle
from kmcl_adapters.reference.library.packet import Packet, Received
from kmcl_adapters.reference.library.sender import Sender
from kmcl_model.status import STATUS_INVALID_DEVICE_STATE, STATUS_SUCCESS

from .mutant import Mutant

__all__ = ["MUTANTS"]


class InlineCompletionLost(Sender):
    def answer(self, received: Received, buffer: bytes | None) -> None:
        if not self.channel.receiver.busy:
            super().answer(received, buffer)


class InlineCompletionKeepsOutstanding(Channel):
    def retire(self) -> None:
        if self.receiver.busy and self.outstanding > 1:
            self.outstanding += 1
        super().retire()


class CompletionInSuspendHangs(Lifecycle):
    left = 0
    missed = False

    def suspend_due(self) -> bool:
        self.left = self.channel.outstanding
        self.missed = False
        return super().suspend_due()

    def suspend_returned(self, status: int) -> None:
        self.missed = self.left > self.channel.outstanding
        super().suspend_returned(status)

    def drained(self) -> bool:
        return not self.missed and super().drained()


class SendInRoutineLost(Sender):
    def submit(self, packet: Packet) -> None:
        if self.channel.completer.running:
            packet.in_flight = True
            return
        super().submit(packet)


class ResendInRoutineRefused(Channel):
    last_sent: Packet | None = None

    def send(self, packet: Packet, buffer: bytes, flags: int) -> int:
        if self.completer.running and packet is self.last_sent:
            return STATUS_INVALID_DEVICE_STATE
        status = super().send(packet, buffer, flags)
        if status == STATUS_SUCCESS:
            self.last_sent = packet
        return status


class SendInHandlerStalls(Sender):
    def submit(self, packet: Packet) -> None:
        if self.channel.receiver.busy:
            packet.in_flight = True
            self.enqueue(packet)
            return
        super().submit(packet)


class SendInStartedLost(Sender):
    def submit(self, packet: Packet) -> None:
        if self.channel.lifecycle.calling and self.channel.activity == Activity.STARTING:
            packet.in_flight = True
            return
        super().submit(packet)


class CompletionInPostStartedLost(Sender):
    def answer(self, received: Received, buffer: bytes | None) -> None:
        if not self.channel.lifecycle.post_running:
            super().answer(received, buffer)


class PointerSetInStartedLost(Channel):
    def packet_set_pointer(self, packet: Packet, pointer: object) -> None:
        if self.activity != Activity.STARTING:
            super().packet_set_pointer(packet, pointer)


_M = Mutant
MUTANTS: Final = (
    _M(
        "inline-completion-lost",
        "re-entrancy",
        "completing a packet from inside its handler is taken for 'no answer wanted'",
        InlineCompletionLost,
    ),
    _M(
        "inline-completion-keeps-outstanding",
        "re-entrancy",
        "the count is kept in a local variable while a handler runs and written back after it",
        InlineCompletionKeepsOutstanding,
    ),
    _M(
        "completion-in-suspend-hangs",
        "re-entrancy",
        "the count to drain is read before Suspend, so packets completed inside it are missed",
        CompletionInSuspendHangs,
    ),
    _M(
        "send-in-routine-lost",
        "re-entrancy",
        "a send from inside a completion routine meets a list that is being emptied",
        SendInRoutineLost,
    ),
    _M(
        "resend-in-routine-refused",
        "re-entrancy",
        "a packet counts as in flight until its completion routine has returned",
        ResendInRoutineRefused,
    ),
    _M(
        "send-in-handler-stalls",
        "re-entrancy",
        "a send from inside ProcessPacket waits for a signal that never comes",
        SendInHandlerStalls,
    ),
    _M(
        "send-in-started-lost",
        "re-entrancy",
        "the list that Started may fill is emptied when the queue is switched on",
        SendInStartedLost,
    ),
    _M(
        "completion-in-post-started-lost",
        "re-entrancy",
        "answers are dropped while PostStarted runs",
        CompletionInPostStartedLost,
    ),
    _M(
        "pointer-set-in-started-lost",
        "re-entrancy",
        "packet objects are renewed when Started returns, and with them what the driver has set",
        PointerSetInStartedLost,
    ),
)
