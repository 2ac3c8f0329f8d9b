"""The incoming side: packets to the driver one at a time, batches, quota, completion packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmcl_model.status import STATUS_SUCCESS

from .irql import DISPATCH, PASSIVE
from .lifecycle import Activity
from .packet import Received
from .ring import ANSWER, BROKEN, Frame
from .scheduler import Task

if TYPE_CHECKING:
    from kmcl_adapters.signals import SignalGate

    from .channel import Channel
    from .configuration import ProcessPacketHandler

__all__ = ["Receiver"]


class Receiver(Task):
    """The task that empties the incoming ring.

    ``busy`` counts the handlers that are running; ``reporting``: one of them is told the end of a
    batch. ``blocked``: the quota stopped the queue, only a completion
    starts it again (A86). ``failed``: the queue was stopped for good (A81, A153). ``gate``: where
    signals from the peer come in, if the world does something to them.
    """

    __slots__ = ("batch", "blocked", "busy", "channel", "failed", "gate", "reporting")

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel.scheduler)
        self.channel = channel
        self.busy = 0
        self.reporting = False
        self.blocked = False
        self.failed = False
        self.batch = 0
        self.gate: SignalGate | None = None

    def signal(self) -> None:
        """The peer has written something."""
        self.wake()

    def step(self) -> None:
        """Take one frame and hand it on, or report the end of a batch."""
        channel = self.channel
        ring = channel.incoming
        if ring is None:
            return
        packets = self.may_deliver() and self.within_quota(ring.packets())
        frame = ring.take(
            packets, self.may_answer(), channel.readings.completion_order == "reverse"
        )
        if frame is not None:
            self.space_freed()
            if ring.frames or self.batch:
                self.wake()
            self.take(frame)
        elif self.report_due(ring.packets()):
            self.report()

    def space_freed(self) -> None:
        """The peer may have packets waiting for room in the ring."""
        link = self.channel.link
        if link is not None:
            link.room(self.channel)

    def take(self, frame: Frame) -> None:
        """Hand on what came off the ring."""
        channel = self.channel
        kind = frame.kind
        if kind == ANSWER:
            packet = channel.sent.pop(frame.transaction, None)
            if packet is not None:
                buffer = self.received_bytes(frame.buffer) if frame.buffer else None
                channel.completer.finish(packet, STATUS_SUCCESS, buffer)
                if channel.activity != Activity.RUNNING:
                    channel.lifecycle.wake()
        elif kind == BROKEN:
            self.broken()
        else:
            self.deliver(frame)

    def broken(self) -> None:
        """A malformed packet stops the queue, or is skipped (A153)."""
        if self.channel.readings.malformed == "stop":
            self.failed = True

    # Packets

    def may_deliver(self) -> bool:
        """Whether ProcessPacket may be called at all now."""
        lifecycle = self.channel.lifecycle
        return (
            self.channel.activity == Activity.RUNNING
            and not (self.busy and self.excludes_others())
            and not self.failed
            and not self.channel.stop_wanted
            and not lifecycle.packets_wait()
        )

    def excludes_others(self) -> bool:
        """Whether no handler may be called beside the one that is running (A70)."""
        return self.reporting or not self.channel.readings.parallel_processing

    def may_answer(self) -> bool:
        """Whether completion packets are served: not during Started (F103), see A65."""
        channel = self.channel
        activity = channel.activity
        if activity == Activity.STARTING:
            return False
        return activity != Activity.STOPPED or channel.readings.completions_while_paused

    def within_quota(self, waiting: int) -> bool:
        """Whether one more packet may be outstanding; notes that the queue is blocked."""
        if self.blocked:
            return False
        if waiting and self.at_quota(self.channel.outstanding):
            self.blocked = True
            return False
        return True

    def at_quota(self, outstanding: int) -> bool:
        """Whether so many outstanding packets are all that the quota allows (F338)."""
        quota = self.channel.quota
        return quota is not None and outstanding >= quota

    def deliver(self, frame: Frame) -> None:
        """Give one packet to the driver."""
        channel = self.channel
        buffer = self.received_bytes(frame.buffer or b"")
        received = Received(channel.link, buffer, frame.transaction, frame.wants_answer)
        channel.outstanding += 1
        self.count()
        handler = channel.process_packet
        if handler is None:
            channel.packet_complete(received, None)
            self.wake()
            return
        self.busy += 1
        self.indicate(handler, received)

    def indicate(self, handler: ProcessPacketHandler, received: Received) -> None:
        """Call ProcessPacket; no packet has external data yet, so bit 0 is never set (A72)."""
        flags = self.channel.readings.other_flag_bits
        handler(self.channel, received, received.buffer, flags, self.irql(), self.handled)

    def received_bytes(self, buffer: bytes) -> bytes:
        """The bytes as the driver gets them; whole units of eight under A71 R2, A105 R2."""
        if self.channel.readings.rounded_lengths and len(buffer) & 7:
            return buffer + bytes(-len(buffer) & 7)
        return buffer

    def irql(self) -> int:
        """The level at which handlers are called (A30)."""
        return PASSIVE if self.channel.readings.passive_processing else DISPATCH

    def handled(self, _: int) -> None:
        """A handler has returned."""
        self.busy -= 1
        channel = self.channel
        if channel.activity != Activity.RUNNING or channel.disabling:
            channel.lifecycle.wake()
        ring = channel.incoming
        if ring is not None and (ring.frames or self.batch):
            self.wake()

    # Batches

    def count(self) -> None:
        """One more delivery in this batch."""
        self.batch += 1

    def report_due(self, waiting: int) -> bool:
        """ProcessingComplete is due when the ring has become empty (A73)."""
        if not self.batch or self.busy or self.channel.activity != Activity.RUNNING:
            return False
        return not waiting or (self.blocked and self.channel.readings.report_at_quota_block)

    def report(self) -> bool:
        """Report the batch; true if a handler was called."""
        count, self.batch = self.batch, 0
        handler = self.channel.processing_complete
        if handler is None or not count:
            return False
        self.busy += 1
        self.reporting = True
        handler(self.channel, count, self.irql(), self.reported)
        return True

    def reported(self, _: int) -> None:
        """ProcessingComplete has returned."""
        self.reporting = False
        self.handled(0)

    def report_before_suspend(self) -> bool:
        """Report what was delivered before Suspend is called; true if a handler was called."""
        ring = self.channel.incoming
        emptied = ring is None or not ring.packets()
        if emptied or self.channel.readings.unfinished_batch == "before-suspend":
            return self.report()
        if self.channel.readings.unfinished_batch == "dropped":
            self.batch = 0
        return False

    def report_after_suspend(self) -> bool:
        """Report an unfinished batch after Suspend (A75 R3); true if a handler was called."""
        return self.report()

    def reset(self) -> None:
        """A new open period begins."""
        self.blocked = False
        self.failed = False
        self.batch = 0
