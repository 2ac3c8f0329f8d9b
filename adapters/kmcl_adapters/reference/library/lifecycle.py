"""One end's lifecycle: opening, starting, suspending, closing, and the order of the callbacks.

Two independent parts (A04): ``phase`` follows the connection, ``activity`` the pause. The task
looks at what is wanted and takes the next step towards it; at most one of Opened, Started,
Suspend and Closed runs at a time (A05).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmcl_model.api import CLOSED, OPENED, POST_STARTED, STARTED, SUSPEND
from kmcl_model.status import STATUS_SUCCESS, is_success

from .closing import (
    closes_before_drained,
    flush_before_suspend,
    is_flushing,
    peer_has_completed,
)
from .enabling import report_pnp_failure
from .irql import PASSIVE
from .phases import Activity, Phase
from .resuming import resume_when_paused
from .scheduler import Task

if TYPE_CHECKING:
    from .channel import Channel
    from .packet import Then

__all__ = ["Activity", "Lifecycle", "Phase"]


class Lifecycle(Task):
    """The task that moves one end through its phases."""

    __slots__ = (
        "calling",
        "cancelled",
        "channel",
        "pnp_status",
        "post_due",
        "post_running",
        "suspended",
        "tried_again",
    )

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel.scheduler)
        self.channel = channel
        self.calling = False
        self.post_due = False
        self.post_running = False
        self.suspended = False
        self.cancelled = self.tried_again = False
        self.pnp_status: int | None = None

    def step(self) -> None:
        """Take invisible steps up to a callback or a wait."""
        while not self.calling and self.advance():
            pass

    def advance(self) -> bool:
        """Take one step; true if the next one may follow at once."""
        channel = self.channel
        match channel.phase:
            case Phase.OPENING:
                return self.advance_opening()
            case Phase.OPEN:
                if channel.disabling or (channel.link is not None and channel.link.down):
                    channel.phase = Phase.CLOSING
                    self.suspended = False
                    flush_before_suspend(channel)
                    return True
                return self.advance_activity()
            case Phase.CLOSING:
                if channel.activity != Activity.STOPPED:
                    return self.advance_activity()
                return self.advance_closing()
            case Phase.TEARDOWN:
                if self.quiet():
                    channel.become_disabled()
                return False
            case _:
                return self.pnp_status is not None and report_pnp_failure(self)

    # Calling the driver

    def call(self, callback: str, then: Then) -> bool:
        """Call a state handler; true if there is none and work goes on at once (A13)."""
        handler = self.channel.state_handlers.get(callback)
        if handler is None:
            then(STATUS_SUCCESS)
            return True
        self.calling = True

        def returned(status: int) -> None:
            self.calling = False
            then(status)
            self.wake()

        handler(self.handle(), self.irql(callback), returned)
        return False

    def irql(self, callback: str) -> int:
        """The level at which a state handler is called: a handler may wait."""
        return PASSIVE

    def handle(self) -> Channel:
        """The handle that handlers are given."""
        return self.channel

    # Opening

    def advance_opening(self) -> bool:
        """Run Opened when it is this end's turn; give up if the other end has left."""
        channel = self.channel
        link = channel.link
        assert link is not None
        if link.down or channel.disabling:
            if channel.opened:
                channel.phase = Phase.CLOSING
            else:
                channel.back_out()
            return True
        if channel.opened or not link.turn(channel):
            return False
        return self.call(OPENED, self.opened)

    def opened(self, status: int) -> None:
        """Opened has returned: its status accepts or rejects (A44)."""
        channel = self.channel
        if self.accepts(status):
            channel.opened = True
            if channel.link is not None:
                channel.link.accepted()
        else:
            self.reject(status)

    def accepts(self, status: int) -> bool:
        """Whether a status from Opened accepts the channel."""
        return is_success(status)

    def reject(self, status: int) -> None:
        """This end does not want the channel; the other one learns of it (A46)."""
        channel = self.channel
        link = channel.link
        assert link is not None
        if channel.is_server:
            link.refuse(status)
        link.close()
        if channel.readings.after_rejection == "closed":
            self.call(CLOSED, lambda _: channel.rejected())
        else:
            channel.rejected()

    def refused(self, status: int) -> None:
        """The server did not accept: do not try again before the next Enable."""
        self.channel.refused = True
        if self.channel.readings.rejected_open == "pnp-failure" and not self.channel.opened:
            self.pnp_status = status

    # Starting and stopping

    def advance_activity(self) -> bool:
        """Bring the incoming queue nearer to where pause and close want it."""
        channel = self.channel
        match channel.activity:
            case Activity.STOPPED:
                if self.may_start():
                    channel.activity = Activity.STARTING
                    return self.call(STARTED, self.started)
                if channel.started_while_paused_due:
                    channel.started_while_paused_due = False
                    channel.activity = Activity.STARTING
                    return self.call(STARTED, self.started_while_paused)
                return False
            case Activity.RUNNING:
                if channel.phase == Phase.CLOSING or channel.stop_wanted:
                    channel.activity = Activity.STOPPING
                    self.post_due = False
                    return True
                return self.post_due and self.post_start()
            case Activity.STOPPING:
                return self.stop()
            case Activity.DRAINING:
                if not self.drained():
                    return False
                self.stopped()
                return True
            case _:
                return False

    def may_start(self) -> bool:
        """Started is due when open and active come together (A53, A54)."""
        return not self.channel.paused and not self.post_running

    def started(self, _: int) -> None:
        """Started has returned: the incoming queue runs, PostStarted comes next (A55, A56)."""
        channel = self.channel
        channel.activity = Activity.RUNNING
        channel.started_while_paused_due = False
        self.post_due = self.post_start_due()
        self.restart_queue()
        channel.receiver.wake()
        self.wake()

    def started_while_paused(self, _: int) -> None:
        """Started was called at open although the channel stays paused (A53 R1)."""
        self.stopped()

    def post_start_due(self) -> bool:
        """PostStarted follows each Started (A56)."""
        return True

    def restart_queue(self) -> None:
        """A start looks at quota again, and at a failed queue under A81 R2."""
        receiver = self.channel.receiver
        receiver.blocked = False
        if self.channel.readings.failed_queue_restart == "start":
            receiver.failed = False

    def packets_wait(self) -> bool:
        """Whether packets wait for PostStarted to be entered, or to have returned (A55)."""
        reading = self.channel.readings.packets_wait_for_post_started
        return (self.post_due and reading != "no") or (self.post_running and reading == "returned")

    def post_start(self) -> bool:
        """Call PostStarted; the queue runs while it does."""
        self.post_due = False
        handler = self.channel.state_handlers.get(POST_STARTED)
        self.channel.receiver.wake()
        if handler is None:
            return True
        self.post_running = True
        handler(self.handle(), self.irql(POST_STARTED), self.post_started)
        return False

    def post_started(self, _: int) -> None:
        """PostStarted has returned."""
        self.post_running = False
        channel = self.channel
        if channel.phase != Phase.OPEN or channel.activity != Activity.RUNNING:
            self.wake()
        if channel.readings.packets_wait_for_post_started == "returned":
            channel.receiver.wake()

    def running(self) -> bool:
        """Whether the incoming queue runs and nothing was done yet to stop it."""
        return self.channel.activity == Activity.RUNNING

    def handlers_idle(self) -> bool:
        """Whether no ProcessPacket or ProcessingComplete is on its way (F116)."""
        if is_flushing(self.channel):
            return False
        if self.post_running and self.channel.readings.suspend_waits_for_post_started:
            return False
        return not self.channel.receiver.busy

    def stop(self) -> bool:
        """Let the last handler return, report its batch, then call Suspend."""
        if not self.handlers_idle():
            return False
        channel = self.channel
        if channel.receiver.report_before_suspend():
            return False
        self.suspended = True
        channel.activity = Activity.DRAINING
        if not self.suspend_due():
            self.suspend_returned(STATUS_SUCCESS)
            return True
        return self.call(SUSPEND, self.suspend_returned)

    def suspend_due(self) -> bool:
        """Suspend is for both ends; at a close a client may go without (A57)."""
        channel = self.channel
        return (
            channel.is_server
            or channel.phase != Phase.CLOSING
            or channel.readings.client_suspend_at_close
        )

    def suspend_returned(self, _: int) -> None:
        """Suspend has returned; draining goes on."""
        self.channel.receiver.report_after_suspend()

    def drained(self) -> bool:
        """Whether the packets given to the driver are all retired (F120, F125)."""
        channel = self.channel
        if channel.receiver.busy or (channel.outstanding and not closes_before_drained(channel)):
            return False
        return not channel.readings.pause_waits_for_outgoing or peer_has_completed(channel)

    def stopped(self) -> None:
        """Paused, or ready for Closed: calls of Pause return."""
        channel = self.channel
        channel.activity = Activity.STOPPED
        channel.stop_wanted = False
        resume_when_paused(channel)

    # Closing

    def advance_closing(self) -> bool:
        """Retire what was sent, call Closed, tear down."""
        channel = self.channel
        if self.post_running:
            return False
        if not self.cancelled:
            if channel.readings.extra_suspend_at_close and not self.suspended:
                self.suspended = True
                channel.activity = Activity.DRAINING
                return self.call(SUSPEND, self.nothing)
            self.cancelled = True
            if not channel.readings.cancel_after_closed:
                self.cancel()
            return True
        if not channel.readings.cancel_after_closed and channel.completer.pending:
            return False
        channel.reset_at_close()
        return self.call(CLOSED, self.closed)

    def nothing(self, _: int) -> None:
        """A callback that changes nothing has returned."""

    def cancel(self) -> None:
        """Retire sent packets, and queued ones where the channel will not open again (A91, A92)."""
        channel = self.channel
        channel.cut()
        channel.cancel_sent()
        if self.queue_is_lost():
            channel.cancel_queued()

    def queue_is_lost(self) -> bool:
        """Whether packets that were queued before this close are cancelled by it."""
        channel = self.channel
        readings = channel.readings
        if channel.disabling or not channel.is_server:
            return readings.queued_at_disable == "cancelled"
        return readings.queued_at_remote_close == "cancelled"

    def closed(self, _: int) -> None:
        """Closed has returned: the server may be opened again unless it was disabled (A48)."""
        channel = self.channel
        if channel.readings.cancel_after_closed:
            self.cancel()
        self.cancelled = False
        channel.opened = False
        channel.link = None
        if channel.disabling:
            channel.tear_down()
        elif channel.is_server:
            self.offer_again()
        elif channel.readings.closed_noticed_later:
            channel.tear_down()
        else:
            channel.become_disabled()

    def offer_again(self) -> None:
        """The client has left: the offer stays (A50)."""
        self.channel.phase = Phase.ENABLED
        self.channel.bus.match()

    def quiet(self) -> bool:
        """Whether no callback of this end is running or due any more (F181)."""
        channel = self.channel
        return not (
            self.calling
            or self.post_running
            or channel.completer.pending
            or channel.completer.running
            or channel.receiver.busy
            or (channel.readings.closed_before_drained and channel.outstanding)
        )
