"""Defects of the callback order: too early, too late, twice, never, or to the wrong handle."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Activity, Lifecycle, Phase
from kmcl_adapters.reference.library.packet import Then
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.reference.library.scheduler import Wait
from kmcl_model.api import CLOSED, OPENED, POST_STARTED, STARTED, SUSPEND
from kmcl_model.status import STATUS_SUCCESS

from .mutant import Mutant

__all__ = ["MUTANTS"]


class OpenBeforeOpenedReturns(Lifecycle):
    def advance_opening(self) -> bool:
        channel, link = self.channel, self.channel.link
        if link is None or link.down or channel.opened or not link.turn(channel):
            return super().advance_opening()
        channel.opened = True
        link.accepted()
        return self.call(OPENED, self.nothing)


class PostStartedSkippedOnResume(Lifecycle):
    starts = 0

    def opened(self, status: int) -> None:
        self.starts = 0
        super().opened(status)

    def post_start_due(self) -> bool:
        self.starts += 1
        return self.starts == 1


class PostStartedBeforeStarted(Lifecycle):
    def may_start(self) -> bool:
        if not super().may_start() or self.calling:
            return False
        handler = self.channel.state_handlers.get(POST_STARTED)
        if handler is not None:
            handler(self.handle(), self.nothing)
        return True

    def post_start_due(self) -> bool:
        return False


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


class StartWhileActiveStartsAgain(Channel):
    def start(self) -> None:
        again = self.phase == Phase.OPEN and self.activity == Activity.RUNNING and not self.paused
        super().start()
        if again:
            self.activity = Activity.STOPPED


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


class StartBeforeOpenCallsStarted(Channel):
    def start(self) -> None:
        if self.phase == Phase.ENABLED and self.paused:
            self.lifecycle.call(STARTED, self.lifecycle.nothing)
        super().start()


class PeerSuspendedByPause(Channel):
    def pause(self) -> Wait | None:
        link = self.link
        if link is not None and link.open and self.activity == Activity.RUNNING:
            peer = link.peer(self)
            if peer.activity == Activity.RUNNING:
                peer.stop_wanted = True
                peer.lifecycle.wake()
        return super().pause()


class PauseWhileDisabledForgotten(Channel):
    def pause_at_enable(self) -> None:
        self.paused = self.paused_at_first()


class GuestStartsPausedOnReopen(Channel):
    enables = 0

    def pause_at_enable(self) -> None:
        self.enables += 1
        super().pause_at_enable()
        self.paused = self.paused or self.enables > 1


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


class PacketDuringStarted(Receiver):
    def may_deliver(self) -> bool:
        starting = self.channel.activity == Activity.STARTING and not self.busy
        return (starting and not self.failed) or super().may_deliver()


class AnswerDuringStarted(Receiver):
    def may_answer(self) -> bool:
        return True


class PeerHandleInClosed(Lifecycle):
    def handle(self) -> Channel:
        channel = self.channel
        if self.closed_called and channel.link is not None:
            return channel.link.peer(channel)
        return channel


class ForeignHandleAfterReopen(Lifecycle):
    opens = 0

    def opened(self, status: int) -> None:
        self.opens += 1
        super().opened(status)

    def handle(self) -> Channel:
        channel = self.channel
        if self.opens > 1 and channel.link is not None:
            return channel.link.peer(channel)
        return channel


class AbsentPostStartedCallsStarted(Lifecycle):
    def post_start(self) -> bool:
        going_on = super().post_start()
        if going_on and POST_STARTED not in self.channel.state_handlers:
            return self.call(STARTED, self.nothing)
        return going_on


class HandlerAboveDispatch(Receiver):
    def irql(self) -> int:
        return 3 if self.channel.outstanding > 1 else super().irql()


class StartedMissingOnResume(Lifecycle):
    def opened(self, status: int) -> None:
        self.suspended = False
        super().opened(status)

    def may_start(self) -> bool:
        if super().may_start() and self.suspended:
            self.channel.activity = Activity.STARTING
            self.started(STATUS_SUCCESS)
            return False
        return super().may_start()


_M = Mutant
MUTANTS: Final = (
    _M(
        "open-before-opened-returns",
        "callback order",
        "the channel is marked open before the driver was asked",
        OpenBeforeOpenedReturns,
    ),
    _M(
        "post-started-skipped-on-resume",
        "callback order",
        "PostStarted is tied to the open instead of to each start",
        PostStartedSkippedOnResume,
    ),
    _M(
        "post-started-before-started",
        "callback order",
        "the two start notifications are called in the wrong order",
        PostStartedBeforeStarted,
    ),
    _M(
        "started-missing-on-resume",
        "callback order",
        "Start after a Pause turns the queue on without telling the driver",
        StartedMissingOnResume,
    ),
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
        "start-while-active-starts-again",
        "callback order",
        "Start does not look whether the channel runs already",
        StartWhileActiveStartsAgain,
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
        "start-before-open-calls-started",
        "callback order",
        "Start of an enabled channel reports a start although nothing is open",
        StartBeforeOpenCallsStarted,
    ),
    _M(
        "peer-suspended-by-pause",
        "callback order",
        "a local pause is told to the other end",
        PeerSuspendedByPause,
    ),
    _M(
        "pause-while-disabled-forgotten",
        "callback order",
        "Enable overwrites the wish for a pause",
        PauseWhileDisabledForgotten,
    ),
    _M(
        "guest-paused-on-second-enable",
        "callback order",
        "the second Enable of a client leaves it paused",
        GuestStartsPausedOnReopen,
    ),
    _M(
        "one-packet-after-suspend",
        "callback order",
        "the queue is stopped one packet late",
        OnePacketAfterSuspend,
    ),
    _M(
        "packet-during-started",
        "callback order",
        "the queue is switched on before Started instead of after it",
        PacketDuringStarted,
    ),
    _M(
        "answer-during-started",
        "callback order",
        "completion packets are served while Started runs",
        AnswerDuringStarted,
    ),
    _M(
        "peer-handle-in-closed",
        "callback order",
        "Closed is given the handle of the end that closed",
        PeerHandleInClosed,
    ),
    _M(
        "foreign-handle-after-reopen",
        "callback order",
        "after a reopen the handlers are given a stale handle",
        ForeignHandleAfterReopen,
    ),
    _M(
        "absent-post-started-calls-started",
        "callback order",
        "an empty entry of the table falls through to its neighbour",
        AbsentPostStartedCallsStarted,
    ),
    _M(
        "handler-above-dispatch",
        "callback order",
        "the second packet of a burst is handled at device level",
        HandlerAboveDispatch,
    ),
)
