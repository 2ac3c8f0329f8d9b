"""Defects of the callback order on the way up: Opened, Started, PostStarted and what follows."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.irql import PASSIVE
from kmcl_adapters.reference.library.lifecycle import Activity, Lifecycle, Phase
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_model.api import OPENED, POST_STARTED, STARTED
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
            handler(self.handle(), PASSIVE, self.nothing)
        return True

    def post_start_due(self) -> bool:
        return False


class StartWhileActiveStartsAgain(Channel):
    def start(self) -> None:
        again = self.phase == Phase.OPEN and self.activity == Activity.RUNNING and not self.paused
        super().start()
        if again:
            self.activity = Activity.STOPPED


class StartBeforeOpenCallsStarted(Channel):
    def start(self) -> None:
        if self.phase == Phase.ENABLED and self.paused:
            self.lifecycle.call(STARTED, self.lifecycle.nothing)
        super().start()


class PauseWhileDisabledForgotten(Channel):
    def pause_at_enable(self) -> None:
        self.paused = self.paused_at_first()


class GuestStartsPausedOnReopen(Channel):
    enables = 0

    def pause_at_enable(self) -> None:
        self.enables += 1
        super().pause_at_enable()
        self.paused = self.paused or self.enables > 1


class PacketDuringStarted(Receiver):
    def may_deliver(self) -> bool:
        starting = self.channel.activity == Activity.STARTING and not self.busy
        return (starting and not self.failed) or super().may_deliver()


class AnswerDuringStarted(Receiver):
    def may_answer(self) -> bool:
        return True


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


class PostStartedOnPausedChannel(Lifecycle):
    def advance_activity(self) -> bool:
        channel, due = self.channel, self.post_due
        if channel.activity == Activity.STOPPED and due and channel.phase == Phase.OPEN:
            return self.post_start()
        again = super().advance_activity()
        if channel.activity == Activity.STOPPING:
            self.post_due = due
        return again


class StartWhileOpeningLost(Channel):
    def unpause(self) -> None:
        if self.phase != Phase.OPENING:
            super().unpause()


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
        "start-while-active-starts-again",
        "callback order",
        "Start does not look whether the channel runs already",
        StartWhileActiveStartsAgain,
    ),
    _M(
        "start-before-open-calls-started",
        "callback order",
        "Start of an enabled channel reports a start although nothing is open",
        StartBeforeOpenCallsStarted,
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
    _M(
        "post-started-on-paused-channel",
        "callback order",
        "PostStarted is queued as a work item, which a pause does not take back",
        PostStartedOnPausedChannel,
    ),
    _M(
        "start-while-opening-lost",
        "callback order",
        "Start between the offer's acceptance and the open finds no queue and does nothing",
        StartWhileOpeningLost,
    ),
)
