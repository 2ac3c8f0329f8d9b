"""A channel: one end as its driver sees it. Calls come in here; the tasks do the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmcl_adapters.reference.readings import Readings
from kmcl_model.status import (
    STATUS_INVALID_DEVICE_STATE,
    STATUS_SUCCESS,
)

from .enabling import open_inline, refusal_of_enable
from .lifecycle import Activity, Phase
from .packet import Packet, Received
from .packet_objects import PacketObjects
from .refusing import refusal_of_send
from .resuming import start_during_pause
from .ring import BROKEN, PAGE, Frame, Ring, cost
from .scheduler import Scheduler, Wait

if TYPE_CHECKING:
    from .link import Bus, Link
    from .parts import Parts

__all__ = ["WAIT_FOR_COMPLETION", "Channel"]

WAIT_FOR_COMPLETION: Final = 0x1


class Channel(PacketObjects):
    """One end of the channel, allocated and not yet cleaned up."""

    __slots__ = (
        "activity",
        "bus",
        "completer",
        "dead",
        "disable_waits",
        "disabling",
        "enable_waits",
        "half_enabled",
        "incoming",
        "lifecycle",
        "link",
        "opened",
        "outgoing",
        "outstanding",
        "pause_waits",
        "pause_wish",
        "paused",
        "phase",
        "receiver",
        "refused",
        "scheduler",
        "sender",
        "sent",
        "start_waits",
        "started_while_paused_due",
        "stop_wanted",
        "transactions",
    )

    def __init__(
        self, parts: Parts, bus: Bus, scheduler: Scheduler, readings: Readings, is_server: bool
    ) -> None:
        super().__init__(readings, is_server)
        self.bus = bus
        self.scheduler = scheduler
        self.phase = Phase.DISABLED
        self.activity = Activity.STOPPED
        self.link: Link | None = None
        self.incoming: Ring | None = None
        self.outgoing: Ring | None = None
        self.opened = self.refused = self.disabling = self.dead = self.half_enabled = False
        self.pause_wish = False
        self.paused = self.paused_at_first()
        self.stop_wanted = False
        self.started_while_paused_due = False
        self.outstanding = 0
        self.transactions = 0
        self.sent: dict[int, Packet] = {}
        self.pause_waits: list[Wait] = []
        self.disable_waits: list[Wait] = []
        self.start_waits: list[Wait] = []
        self.enable_waits: list[Wait] = []
        self.lifecycle = parts.lifecycle(self)
        self.receiver = parts.receiver(self)
        self.sender = parts.sender(self)
        self.completer = parts.completer(self)
        bus.attach(self)

    def is_disabled(self) -> bool:
        return self.phase == Phase.DISABLED

    def is_in_session(self) -> bool:
        return self.opened or (self.phase == Phase.OPENING and self.lifecycle.calling)

    def cleanup(self) -> None:
        """VmbChannelCleanup of a disabled channel."""
        self.bus.detach(self)

    # Enable and Disable

    def enable(self) -> int:
        """VmbChannelEnable: offer, or be ready for the offer (A31)."""
        if self.phase == Phase.TEARDOWN:
            return STATUS_INVALID_DEVICE_STATE
        if not self.is_disabled() or self.disabling:
            return self.readings.enable_again_status
        refusal = refusal_of_enable(self)
        if refusal is not None:
            return refusal
        self.phase = Phase.ENABLED
        self.refused = False
        self.pause_at_enable()
        self.bus.match()
        if self.readings.callbacks_before_enable_returns:
            open_inline(self)
        return STATUS_SUCCESS

    def rings_too_small(self) -> bool:
        """Whether a maximal packet would not fit the pages asked for (A21)."""
        least = min(self.incoming_pages, self.outgoing_pages) * PAGE
        return not self.is_server and least < cost(self.maximum_packet_size)

    def paused_at_first(self) -> bool:
        """The pause part of a fresh channel (A34)."""
        return self.is_server and self.readings.server_starts_paused

    def pause_at_enable(self) -> None:
        """Set the pause part for a new enabled period (A35, A39)."""
        if self.readings.pause_part_reset != "never":
            self.paused = self.paused_at_first()
        if self.pause_wish:
            self.paused = True
            if self.readings.pause_wish == "one-shot":
                self.pause_wish = False

    def disable(self) -> Wait | None:
        """VmbChannelDisable; None if nothing has to be waited for (A40, A41)."""
        self.half_enabled = False
        if self.is_disabled() and self.lifecycle.quiet():
            return None
        if self.phase in (Phase.DISABLED, Phase.ENABLED):
            self.tear_down()
            if self.lifecycle.quiet():
                self.become_disabled()
                return None
        elif self.phase != Phase.TEARDOWN and self.link is not None:
            self.leave(self.link)
        self.disabling = True
        return self.wait(self.disable_waits)

    def leave(self, link: Link) -> None:
        """Close (client) or rescind (server): the other end hears of it."""
        link.close()

    def tear_down(self) -> None:
        """Not open and not to be opened: what is queued is cancelled (A91)."""
        self.phase = Phase.TEARDOWN
        self.lifecycle.pnp_status = None
        self.lifecycle.tried_again = False
        self.clear_queue()
        self.lifecycle.wake()

    def become_disabled(self) -> None:
        """Everything is over; calls of Disable return."""
        self.phase = Phase.DISABLED
        self.disabling = False
        self.clear_queue()
        self.release(self.disable_waits)
        self.release(self.enable_waits)

    # Opening and closing, as the lifecycle and the link see it

    def offers(self) -> bool:
        """Whether this server can be opened now."""
        return self.phase == Phase.ENABLED and not self.dead

    def awaits(self) -> bool:
        """Whether this client would open an offer now."""
        return self.phase == Phase.ENABLED and not self.refused and not self.dead

    def connect(self, link: Link, incoming: Ring, outgoing: Ring) -> None:
        """Offer and opener have met."""
        self.link = link
        self.incoming, self.outgoing = incoming, outgoing
        self.phase = Phase.OPENING
        self.opened = False
        self.receiver.reset()
        self.lifecycle.wake()
        self.release(self.enable_waits)

    def became_open(self) -> None:
        """Both ends have accepted."""
        self.phase = Phase.OPEN
        self.started_while_paused_due = self.paused and self.readings.started_when_paused_at_open
        self.lifecycle.wake()
        self.sender.kick()

    def back_out(self) -> None:
        """The attempt to open ended before this end's Opened was called."""
        self.cut()
        self.link = None
        if self.disabling:
            self.tear_down()
        else:
            self.phase = Phase.ENABLED
            self.bus.match()

    def rejected(self) -> None:
        """This end's own Opened has failed: the server goes on offering (A44)."""
        self.cut()
        self.link = None
        if self.disabling:
            self.tear_down()
        elif self.is_server and self.readings.after_rejection != "disabled":
            self.phase = Phase.ENABLED
        else:
            self.become_disabled()

    def cut(self) -> None:
        """Leave the rings; what is in them is lost, and so are answers that wait."""
        if self.link is not None:
            self.link.vacate(self)
        self.incoming = None
        self.outgoing = None
        self.sender.answers.clear()

    def reset_at_close(self) -> None:
        """What a close sets back; before Closed, where a driver may set it anew."""
        if self.readings.pause_part_reset == "close":
            self.paused = self.paused_at_first() or self.pause_wish
        if self.readings.quota_reset_at_close:
            self.quota = self.readings.initial_quota

    def cancel_sent(self) -> None:
        """Retire what the peer has not answered and never will (A92)."""
        for packet in self.sent.values():
            self.completer.add(packet, self.readings.cancel_status)
        self.sent.clear()

    def clear_queue(self) -> None:
        """The channel is disabled, or will be (A91)."""
        if self.readings.queued_at_disable == "cancelled":
            self.cancel_queued()

    def cancel_queued(self) -> None:
        """Retire what was never sent (A91)."""
        queue = self.sender.queue
        while queue:
            self.completer.add(queue.popleft(), self.readings.cancel_status)

    # Start and Pause

    def pause(self) -> Wait | None:
        """VmbChannelPause; None if nothing has to be waited for (A35, A37, A38)."""
        if self.phase in (Phase.DISABLED, Phase.TEARDOWN):
            self.pause_wish = self.paused = True
            return None
        self.paused = True
        if self.activity == Activity.STOPPED:
            return None
        self.stop_wanted = True
        self.lifecycle.wake()
        return self.wait(self.pause_waits)

    def start(self) -> Wait | None:
        """VmbChannelStart: the end of a pause and of a wish for one (A36, A37, A148)."""
        if self.phase == Phase.DISABLED:
            if self.readings.start_while_disabled == "clears":
                self.pause_wish = False
                self.paused = self.paused_at_first()
            return None
        self.pause_wish = False
        if self.pause_waits:
            return start_during_pause(self)
        self.unpause()
        return None

    def unpause(self) -> None:
        """Let the queue run if the channel is open, now or later."""
        self.paused = False
        if self.phase == Phase.OPEN:
            self.lifecycle.wake()
            self.sender.kick()
            self.receiver.wake()

    def wait(self, waits: list[Wait]) -> Wait:
        """A call that has to wait."""
        wait = Wait(self.scheduler)
        waits.append(wait)
        return wait

    def release(self, waits: list[Wait]) -> None:
        """Let waiting calls return."""
        for wait in waits:
            wait.wake()
        waits.clear()

    # Sending

    def send(self, packet: Packet, buffer: bytes, flags: int) -> int:
        """VmbPacketSend: accepted means placed or queued (A89)."""
        packet.buffer = buffer
        packet.wants_answer = bool(flags & WAIT_FOR_COMPLETION)
        if (refusal := refusal_of_send(self, packet, buffer, flags)) is not None:
            return refusal
        self.sender.submit(packet)
        return STATUS_SUCCESS

    def rests(self) -> bool:
        """Whether a pause has been reached as far as Suspend (A66)."""
        return self.paused and self.activity in (Activity.STOPPED, Activity.DRAINING)

    def length_allowed(self, length: int) -> bool:
        """Whether a packet may be so long (A97, A98)."""
        if not length and self.readings.zero_length == "refused":
            return False
        if length <= self.maximum_packet_size:
            return True
        return self.readings.above_maximum == "sent" and (
            self.outgoing is None or cost(length) <= self.outgoing.capacity
        )

    def accepts_sends(self) -> bool:
        """Whether packets may be queued in this phase (A90)."""
        if self.phase == Phase.DISABLED:
            return self.readings.sends_while_disabled
        return self.phase != Phase.TEARDOWN

    # Received packets

    def packet_complete(self, received: Received, buffer: bytes | None) -> Wait | None:
        """VmbChannelPacketComplete: in any order, at any time, and never waits (A82 to A84)."""
        received.retired = True
        if received.wants_answer:
            self.sender.answer(received, buffer)
        self.retire()
        return None

    def packet_fail(self, received: Received) -> Wait | None:
        """VmbChannelPacketFail: retires the packet and stops the queue (A80, A81)."""
        received.retired = self.receiver.failed = True
        self.retire()
        return None

    def retire(self) -> None:
        """One packet less is outstanding; a queue stopped by quota may go on (F343)."""
        self.outstanding -= 1
        receiver = self.receiver
        if receiver.blocked and not receiver.at_quota(self.outstanding):
            receiver.blocked = False
            receiver.wake()
        if self.activity != Activity.RUNNING:
            self.lifecycle.wake()

    def set_transaction_quota(self, quota: int) -> None:
        """VmbChannelSetTransactionQuota: never wakes a blocked queue (A86)."""
        receiver, incoming = self.receiver, self.incoming
        if incoming is not None and incoming.packets() and receiver.at_quota(self.outstanding):
            receiver.blocked = True
        self.quota = quota

    # The world around

    def crash(self) -> None:
        """This end dies without a word; the other one sees a close (A152)."""
        self.dead = True
        waits = (*self.pause_waits, *self.start_waits, *self.disable_waits, *self.enable_waits)
        self.scheduler.bury((self.lifecycle, self.receiver, self.sender, self.completer, *waits))
        self.bus.detach(self)
        if self.link is not None:
            self.link.close()

    def write_malformed(self) -> bool:
        """Write a broken packet into the outgoing ring; false if the channel is not open."""
        if self.link is None or not self.link.open:
            return False
        self.link.put(self, Frame(BROKEN, None))
        return True

    def signal_nothing(self) -> None:
        """A signal arrives that announces nothing."""
        self.receiver.signal()
        self.sender.kick()
