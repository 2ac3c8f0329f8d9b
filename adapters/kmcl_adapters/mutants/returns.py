"""Defects of calls that should return at once, and of what must not follow them."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.configuration import (
    Configuration,
    ProcessingCompleteHandler,
    ProcessPacketHandler,
)
from kmcl_adapters.reference.library.irql import PASSIVE
from kmcl_adapters.reference.library.lifecycle import Activity
from kmcl_adapters.reference.library.packet import Packet, Received, Then
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.reference.library.scheduler import Wait
from kmcl_model.api import CLOSED
from kmcl_model.status import STATUS_INVALID_DEVICE_STATE

from .mutant import Mutant

__all__ = ["MUTANTS"]


class CompletionAfterSuspendUnnoticed(Channel):
    def retire(self) -> None:
        if self.activity != Activity.DRAINING or self.lifecycle.calling:
            super().retire()
        else:
            self.outstanding -= 1


class EnableNeedsCallbacks(Channel):
    def enable(self) -> int:
        return super().enable() if self.state_handlers else STATUS_INVALID_DEVICE_STATE


class CleanupCallsClosed(Channel):
    def cleanup(self) -> None:
        handler = self.state_handlers.get(CLOSED)
        if handler is not None:
            handler(self, PASSIVE, self.lifecycle.nothing)
        super().cleanup()


class CompleteInsideHandlerDeadlocks(Channel):
    indicated: Received | None = None

    def set_process_packet_callbacks(
        self,
        process_packet: ProcessPacketHandler | None,
        processing_complete: ProcessingCompleteHandler | None,
    ) -> int:
        def locked(
            channel: Configuration,
            received: Received,
            buffer: bytes,
            flags: int,
            irql: int,
            then: Then,
        ) -> None:
            def returned(status: int) -> None:
                self.indicated = None
                then(status)

            assert process_packet is not None
            self.indicated = received
            process_packet(channel, received, buffer, flags, irql, returned)

        return super().set_process_packet_callbacks(
            locked if process_packet else None, processing_complete
        )

    def packet_complete(self, received: Received, buffer: bytes | None) -> Wait | None:
        if received is self.indicated:
            return Wait(self.scheduler)
        return super().packet_complete(received, buffer)


class LateCompleteDeadlocks(Channel):
    def packet_complete(self, received: Received, buffer: bytes | None) -> Wait | None:
        if not self.receiver.busy:
            return Wait(self.scheduler)
        return super().packet_complete(received, buffer)


class AnswersWaitForPostStarted(Receiver):
    def may_answer(self) -> bool:
        return super().may_answer() and not self.channel.lifecycle.post_running


class FailOnServerWaits(Channel):
    def packet_fail(self, received: Received) -> Wait | None:
        super().packet_fail(received)
        return Wait(self.scheduler) if self.is_server else None


class FreeOfUnsentWaits(Channel):
    def packet_free(self, packet: Packet) -> Wait | None:
        super().packet_free(packet)
        return None if packet.buffer else Wait(self.scheduler)


class FreeAfterUseWaits(Channel):
    def packet_free(self, packet: Packet) -> Wait | None:
        super().packet_free(packet)
        return Wait(self.scheduler) if packet.buffer else None


_M = Mutant
MUTANTS: Final = (
    _M(
        "completion-after-suspend-unnoticed",
        "blocking",
        "a pause looks at what is outstanding when Suspend returns, and never again",
        CompletionAfterSuspendUnnoticed,
    ),
    _M(
        "enable-needs-callbacks",
        "configuration",
        "Enable takes a channel without state-change handlers for one that was not configured",
        EnableNeedsCallbacks,
    ),
    _M(
        "cleanup-calls-closed",
        "lifecycle",
        "Cleanup runs the whole teardown again, and tells the driver",
        CleanupCallsClosed,
    ),
    _M(
        "complete-inside-handler-deadlocks",
        "re-entrancy",
        "PacketComplete takes the lock that the receiver holds while it calls the handler",
        CompleteInsideHandlerDeadlocks,
    ),
    _M(
        "late-complete-deadlocks",
        "completions",
        "PacketComplete waits for the receiver to pass by, which nothing wakes any more",
        LateCompleteDeadlocks,
    ),
    _M(
        "answers-wait-for-post-started",
        "blocking",
        "the worker that runs PostStarted is the one that serves completion packets",
        AnswersWaitForPostStarted,
    ),
    _M(
        "fail-on-server-waits",
        "blocking",
        "PacketFail on a host waits for an acknowledgement that no guest sends",
        FailOnServerWaits,
    ),
    _M(
        "free-of-unsent-waits",
        "ownership",
        "VmbPacketFree waits for the transaction of a packet that never had one",
        FreeOfUnsentWaits,
    ),
    _M(
        "free-after-use-waits",
        "ownership",
        "a transaction never gives its reference back, and VmbPacketFree waits for it",
        FreeAfterUseWaits,
    ),
)
