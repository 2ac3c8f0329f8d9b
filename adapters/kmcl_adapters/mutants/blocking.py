"""Defects of blocking calls: returning too early, or never."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Activity, Lifecycle, Phase
from kmcl_adapters.reference.library.packet import Received
from kmcl_adapters.reference.library.scheduler import Wait
from kmcl_model.api import SUSPEND

from .mutant import Mutant

__all__ = ["MUTANTS"]


class PauseReturnsBeforeSuspend(Channel):
    def pause(self) -> Wait | None:
        super().pause()
        self.pause_waits.clear()
        return None


class PauseReturnsDuringSuspend(Lifecycle):
    def stop(self) -> bool:
        waits = self.channel.pause_waits
        going_on = super().stop()
        if self.channel.activity == Activity.DRAINING and not self.channel.outstanding:
            self.channel.release(waits)
        return going_on


class PauseReturnsBeforeDrain(Lifecycle):
    def drained(self) -> bool:
        return self.channel.phase == Phase.OPEN or super().drained()


class PauseLeavesLastPacket(Lifecycle):
    def drained(self) -> bool:
        channel = self.channel
        return (channel.phase == Phase.OPEN and channel.outstanding == 1) or super().drained()


class DisableReturnsBeforeDrain(Lifecycle):
    def drained(self) -> bool:
        return (self.channel.disabling and not self.channel.receiver.busy) or super().drained()


class DisableReturnsBeforeClosed(Lifecycle):
    def advance_closing(self) -> bool:
        going_on = super().advance_closing()
        if self.calling and self.cancelled and self.channel.disabling:
            self.channel.release(self.channel.disable_waits)
        return going_on


class DisableReturnsBeforeCompletions(Lifecycle):
    def quiet(self) -> bool:
        return not self.calling and not self.post_running


class DrainWaitsForDeadPeer(Lifecycle):
    """Suspending waits for the answers of the peer, whether there is one or not."""

    def drained(self) -> bool:
        return not self.channel.sent and super().drained()


class OnlyFirstWaiterReturns(Channel):
    def release(self, waits: list[Wait]) -> None:
        for wait in waits[:1]:
            wait.wake()
        waits.clear()


class PauseBeforeOpenBlocks(Channel):
    def pause(self) -> Wait | None:
        wait = super().pause()
        if wait is None and self.phase == Phase.ENABLED:
            return self.wait(self.pause_waits)
        return wait


class PauseLostInClose(Lifecycle):
    def stopped(self) -> None:
        if self.channel.phase == Phase.CLOSING:
            self.channel.pause_waits.clear()
        super().stopped()


class FailedPacketStaysOutstanding(Channel):
    def packet_fail(self, received: Received) -> None:
        self.outstanding += 1
        super().packet_fail(received)


class DisableBeforeOpenWaitsForOffer(Channel):
    def disable(self) -> Wait | None:
        if self.phase == Phase.ENABLED and not self.is_server:
            return self.wait(self.disable_waits)
        return super().disable()


class DisableOvertakesPause(Lifecycle):
    """Disable in the middle of a pause does not wait for what the pause waits for."""

    def drained(self) -> bool:
        channel = self.channel
        if channel.disabling and channel.pause_waits and not channel.receiver.busy:
            return True
        return super().drained()


class AbsentSuspendHangsPause(Lifecycle):
    def drained(self) -> bool:
        absent = SUSPEND not in self.channel.state_handlers
        return not (absent and self.channel.phase == Phase.OPEN) and super().drained()


class PauseIgnoresProcessingComplete(Lifecycle):
    def is_reporting(self) -> bool:
        return bool(self.channel.receiver.busy) and not self.channel.receiver.batch

    def handlers_idle(self) -> bool:
        return self.is_reporting() or super().handlers_idle()

    def drained(self) -> bool:
        return super().drained() or (self.is_reporting() and not self.channel.outstanding)


class PauseDuringStartedReturns(Channel):
    def pause(self) -> Wait | None:
        return None if self.activity == Activity.STARTING else super().pause()


class PauseWithoutSuspendHandlerReturns(Lifecycle):
    def drained(self) -> bool:
        return SUSPEND not in self.channel.state_handlers or super().drained()


class DisableIgnoresRoutine(Lifecycle):
    def quiet(self) -> bool:
        completer = self.channel.completer
        running, completer.running = completer.running, 0
        quiet = super().quiet()
        completer.running = running
        return quiet


_M = Mutant
MUTANTS: Final = (
    _M(
        "pause-returns-before-suspend",
        "blocking",
        "Pause only asks for the pause",
        PauseReturnsBeforeSuspend,
    ),
    _M(
        "pause-returns-during-suspend",
        "blocking",
        "the waiter is released before the handler instead of after it",
        PauseReturnsDuringSuspend,
    ),
    _M(
        "pause-returns-before-drain",
        "blocking",
        "Pause waits for Suspend and forgets the packets that the driver still has",
        PauseReturnsBeforeDrain,
    ),
    _M(
        "pause-leaves-last-packet",
        "blocking",
        "the count that Pause waits for is off by one",
        PauseLeavesLastPacket,
    ),
    _M(
        "disable-returns-before-drain",
        "blocking",
        "teardown does not wait for packets that the driver still has",
        DisableReturnsBeforeDrain,
    ),
    _M(
        "disable-returns-before-closed",
        "blocking",
        "the waiter of Disable is released before Closed has returned",
        DisableReturnsBeforeClosed,
    ),
    _M(
        "disable-returns-before-completions",
        "blocking",
        "cancelled packets are completed by a work item that Disable does not wait for",
        DisableReturnsBeforeCompletions,
    ),
    _M(
        "disable-overtakes-pause",
        "blocking",
        "Disable in the middle of a pause takes the drain for done",
        DisableOvertakesPause,
    ),
    _M(
        "drain-waits-for-dead-peer",
        "blocking",
        "suspending waits for answers of the peer even when the peer is gone",
        DrainWaitsForDeadPeer,
    ),
    _M(
        "only-first-waiter-returns",
        "blocking",
        "an event that wakes one waiter stands where one that wakes all was meant",
        OnlyFirstWaiterReturns,
    ),
    _M(
        "pause-before-open-blocks",
        "blocking",
        "Pause waits for a Suspend that cannot come before the channel opens",
        PauseBeforeOpenBlocks,
    ),
    _M(
        "pause-lost-in-close",
        "blocking",
        "a close by the peer in the middle of a pause forgets the caller of Pause",
        PauseLostInClose,
    ),
    _M(
        "failed-packet-stays-outstanding",
        "blocking",
        "VmbChannelPacketFail does not take the packet off the count that Pause waits for",
        FailedPacketStaysOutstanding,
    ),
    _M(
        "disable-before-open-waits-for-offer",
        "blocking",
        "Disable of a client that found no offer waits for a close that never comes",
        DisableBeforeOpenWaitsForOffer,
    ),
    _M(
        "absent-suspend-hangs-pause",
        "blocking",
        "without a Suspend handler nobody reports that it has returned",
        AbsentSuspendHangsPause,
    ),
    _M(
        "pause-ignores-processing-complete",
        "blocking",
        "Pause waits for ProcessPacket and not for the handler of the end of a batch",
        PauseIgnoresProcessingComplete,
    ),
    _M(
        "pause-during-started-returns",
        "blocking",
        "a channel whose Started still runs passes for one that is stopped",
        PauseDuringStartedReturns,
    ),
    _M(
        "pause-without-suspend-handler-returns",
        "blocking",
        "with no Suspend to call Pause forgets to wait for the packets",
        PauseWithoutSuspendHandlerReturns,
    ),
    _M(
        "disable-ignores-running-routine",
        "blocking",
        "Disable waits for routines that are due and not for one that runs",
        DisableIgnoresRoutine,
    ),
)
