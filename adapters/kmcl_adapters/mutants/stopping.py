"""Defects of the callback order on the way down: Pause, Suspend and Closed."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Activity, Lifecycle, Phase
from kmcl_adapters.reference.library.packet import Then
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.reference.library.scheduler import Wait
from kmcl_model.api import CLOSED, SUSPEND
from kmcl_model.status import STATUS_SUCCESS

from .mutant import Mutant

__all__ = ["MUTANTS"]


class SuspendMissingOnPause(Lifecycle):
    def suspend_due(self) -> bool:
        return self.channel.phase == Phase.CLOSING and super().suspend_due()


class SuspendMissingOnClientClose(Lifecycle):
    def suspend_due(self) -> bool:
        channel = self.channel
        remote = channel.phase == Phase.CLOSING and not channel.disabling
        return not (channel.is_server and remote) and super().suspend_due()


class SuspendAfterClosed(Lifecycle):
    late = False

    def suspend_due(self) -> bool:
        self.late = self.channel.phase == Phase.CLOSING
        return not self.late

    def closed(self, status: int) -> None:
        super().closed(status)
        if self.late:
            self.late = False
            self.call(SUSPEND, self.nothing)


class SuspendWhileProcessing(Lifecycle):
    def handlers_idle(self) -> bool:
        return True


class SuspendWhileProcessingSecondPacket(Lifecycle):
    def handlers_idle(self) -> bool:
        return super().handlers_idle() or self.channel.outstanding > 1


class ClosedTwiceWhenPaused(Lifecycle):
    again = True

    def closed(self, status: int) -> None:
        if self.again and self.channel.paused:
            self.again = False
            self.call(CLOSED, self.closed)
            return
        self.again = True
        super().closed(status)


class ClosedMissingOnDisable(Lifecycle):
    def call(self, callback: str, then: Then) -> bool:
        if callback == CLOSED and self.channel.disabling:
            then(STATUS_SUCCESS)
            return True
        return super().call(callback, then)


class PauseIsCounted(Channel):
    depth = 0

    def pause(self) -> Wait | None:
        self.depth += 1
        return super().pause()

    def start(self) -> None:
        self.depth = max(0, self.depth - 1)
        if not self.depth:
            super().start()


class SecondPauseSuspendsAgain(Channel):
    def pause(self) -> Wait | None:
        paused_before = self.phase == Phase.OPEN and self.activity == Activity.STOPPED
        if (
            paused_before
            and self.paused
            and self.lifecycle.suspended
            and not self.lifecycle.calling
        ):
            self.lifecycle.call(SUSPEND, self.lifecycle.nothing)
        return super().pause()


class PauseBeforeOpenCallsSuspend(Channel):
    def pause(self) -> Wait | None:
        if self.phase == Phase.ENABLED and not self.paused:
            self.lifecycle.call(SUSPEND, self.lifecycle.nothing)
        return super().pause()


class PeerSuspendedByPause(Channel):
    def pause(self) -> Wait | None:
        link = self.link
        if link is not None and link.open and self.activity == Activity.RUNNING:
            peer = link.peer(self)
            if peer.activity == Activity.RUNNING:
                peer.stop_wanted = True
                peer.lifecycle.wake()
        return super().pause()


class OnePacketAfterSuspend(Receiver):
    late = False

    def may_deliver(self) -> bool:
        if super().may_deliver():
            self.late = True
            return True
        channel = self.channel
        if channel.activity == Activity.DRAINING and self.late and not self.busy:
            self.late = False
            return not self.failed
        return False

    def report_after_suspend(self) -> bool:
        self.wake()
        return super().report_after_suspend()


class PeerHandleInClosed(Lifecycle):
    def handle(self) -> Channel:
        channel = self.channel
        if self.calling and self.cancelled and channel.link is not None:
            return channel.link.peer(channel)
        return channel


class SuspendTwiceAtRunningClose(Lifecycle):
    repeated = False

    def advance_closing(self) -> bool:
        if self.cancelled or self.repeated or not self.suspended or self.post_running:
            return super().advance_closing()
        self.repeated = True
        self.channel.activity = Activity.DRAINING
        return self.call(SUSPEND, self.nothing)

    def closed(self, status: int) -> None:
        self.repeated = False
        super().closed(status)


_M = Mutant
MUTANTS: Final = (
    _M(
        "suspend-missing-on-pause",
        "callback order",
        "Pause stops the queue without telling the driver",
        SuspendMissingOnPause,
    ),
    _M(
        "suspend-missing-on-client-close",
        "callback order",
        "the server goes straight to Closed when the client closes",
        SuspendMissingOnClientClose,
    ),
    _M(
        "suspend-after-closed",
        "callback order",
        "the two callbacks of a close are called in the wrong order",
        SuspendAfterClosed,
    ),
    _M(
        "suspend-while-processing",
        "callback order",
        "the stop path does not wait for the handler that is on its way",
        SuspendWhileProcessing,
    ),
    _M(
        "suspend-while-processing-second-packet",
        "callback order",
        "the stop path waits for the first handler only and misses one that was entered later",
        SuspendWhileProcessingSecondPacket,
    ),
    _M(
        "closed-twice-when-paused",
        "callback order",
        "both the pause path and the close path finish the teardown",
        ClosedTwiceWhenPaused,
    ),
    _M(
        "closed-missing-on-disable",
        "callback order",
        "Closed is thought to be for closes by the peer only",
        ClosedMissingOnDisable,
    ),
    _M(
        "pause-is-counted",
        "callback order",
        "pauses nest, so that two calls of Pause need two of Start",
        PauseIsCounted,
    ),
    _M(
        "second-pause-suspends-again",
        "callback order",
        "Pause does not look whether the channel is paused already",
        SecondPauseSuspendsAgain,
    ),
    _M(
        "pause-before-open-calls-suspend",
        "callback order",
        "Pause of an enabled channel runs the whole path although nothing is open",
        PauseBeforeOpenCallsSuspend,
    ),
    _M(
        "peer-suspended-by-pause",
        "callback order",
        "a local pause is told to the other end",
        PeerSuspendedByPause,
    ),
    _M(
        "one-packet-after-suspend",
        "callback order",
        "the queue is stopped one packet late",
        OnePacketAfterSuspend,
    ),
    _M(
        "peer-handle-in-closed",
        "callback order",
        "Closed is given the handle of the end that closed",
        PeerHandleInClosed,
    ),
    _M(
        "suspend-twice-at-running-close",
        "callback order",
        "both the stop path and the close path call Suspend",
        SuspendTwiceAtRunningClose,
    ),
)
