"""The incoming side: one packet at a time to the driver, batches, quota, completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmcl_model.status import STATUS_SUCCESS

from .descriptor import COMPLETION_REQUESTED, Kind, RingError
from .descriptor import Packet as Frame
from .packets import Received

if TYPE_CHECKING:
    from .channel import Channel

__all__ = ["MOST_ANSWERS", "STEPS", "Receiver"]

MOST_ANSWERS: Final = 1024
"""Completion packets that may wait for room: a host that asks and never reads is given no more."""

STEPS: Final = 64
"""Packets after which others have their turn: a host may send without end what calls no handler."""

_EXTERNAL: Final = "a packet with external data, which this endpoint cannot hand on"


class Receiver:
    """``outstanding``: packets the driver has; ``batch``: those since the last report;
    ``quota_reached``: the queue stands until a completion makes room; ``failed``: it stands until
    the next open; ``delivering``: between the first packet of a batch and its report.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.quota: int | None = None
        self.outstanding = 0
        self.batch = 0
        self.quota_reached = False
        self.failed = False
        self.delivering = False
        self.pumping = False

    def reset(self) -> None:
        """A new link begins."""
        self.quota_reached = self.failed = False

    # What there is to do

    def head(self) -> Frame | None:
        """The next packet in the ring, if the ring may be read."""
        link = self.channel.live_link()
        if link is None:
            return None
        try:
            return link.incoming.peek()
        except RingError as error:
            self.channel.stop_link(f"incoming ring: {error}")
            return None

    def may_deliver(self) -> bool:
        """Whether ProcessPacket may be called for a packet that is there."""
        channel = self.channel
        return (
            (channel.running() and not channel.halting and not self.failed)
            and not self.quota_reached
            and len(channel.sender.answers) < MOST_ANSWERS
        )

    def quota_is_used(self) -> bool:
        """Whether as many packets are outstanding as may be."""
        return self.quota is not None and self.outstanding >= self.quota

    def has_work(self) -> bool:
        """Whether the pump would do anything now."""
        if self.delivering:
            return True
        frame = self.head()
        if frame is None:
            return False
        if frame.kind == Kind.COMPLETION:
            return not self.channel.starting()
        return self.may_deliver()

    # Doing it

    def pump(self) -> None:
        """Empty the ring as far as that may be done now. One thread at a time."""
        self.pumping = True
        try:
            link = self.channel.live_link()
            if link is not None:
                link.doze.wake()
            while True:
                self.drain()
                if self.fall_asleep():
                    return
                self.give_way()
        finally:
            self.pumping = False

    def fall_asleep(self) -> bool:
        """Rest until there is a signal; false if there is work by now. A ring with packets that
        must wait stays masked: whoever lets them through knows of it here."""
        head, link = self.head(), self.channel.live_link()
        if head is not None or link is None:
            return not self.has_work()
        try:
            return link.doze.fall_asleep()
        except RingError as error:
            self.channel.stop_link(f"incoming ring: {error}")
            return True

    def drain(self) -> None:
        """Take what may be taken; at its end, or where Suspend is next, report the batch."""
        channel, steps = self.channel, 0
        while True:
            steps += 1
            if not steps % STEPS:
                self.give_way()
            frame = None if channel.halting and self.ends_batch() else self.head()
            if frame is not None and frame.kind == Kind.COMPLETION:
                if channel.starting():
                    return
                self.take()
                self.completion(frame)
            elif frame is not None and self.may_deliver() and not self.at_quota():
                if not self.understands(frame):
                    channel.stop_link(f"incoming ring: {_EXTERNAL}")
                    continue
                self.delivering = True
                self.take()
                self.deliver(frame)
            elif self.batch:
                self.report()
            else:
                self.delivering = False
                return

    def understands(self, frame: Frame) -> bool:
        """Whether all of the packet can be given to the driver. Data that lies elsewhere cannot:
        there is no VmbChannelPacketGetExternalData, and without it the packet were a part (A20)."""
        return frame.kind == Kind.IN_BAND

    def ends_batch(self) -> bool:
        """Whether Suspend waits for the report of a batch, which comes now whatever is in the
        ring."""
        return self.delivering

    def give_way(self) -> None:
        """Let whoever waits for the lock have it: the driver may want to leave. Raises Dying."""
        self.channel.monitor.give_way()

    def at_quota(self) -> bool:
        """Whether the next packet has to wait; notes that only a completion ends that (A86)."""
        self.quota_reached = self.quota_is_used()
        return self.quota_reached

    def take(self) -> None:
        """Go past the packet, give its bytes back, and signal if the writer waits for them."""
        channel = self.channel
        link = channel.link
        assert link is not None
        link.incoming.take()
        try:
            if link.incoming.release():
                channel.signal()
        except RingError as error:
            channel.stop_link(f"incoming ring: {error}")

    def completion(self, frame: Frame) -> None:
        """A completion from the other end. One that nobody waits for is ignored."""
        sender = self.channel.sender
        packet = sender.completed(frame.transaction)
        if packet is None:
            return
        packet.status, packet.answer = STATUS_SUCCESS, frame.payload
        if packet.routine is None:
            packet.in_flight = False
        elif sender.done:
            sender.done.append(packet)  # in order behind those that are due
        else:
            sender.call_routine(packet)

    def deliver(self, frame: Frame) -> None:
        """Give one packet to the driver."""
        channel = self.channel
        assert channel.link is not None
        wants = bool(frame.flags & COMPLETION_REQUESTED)
        received = Received(channel, channel.link, frame.payload, frame.transaction, wants)
        self.outstanding += 1
        self.batch += 1
        handler = channel.configuration.process_packet
        if handler is None:
            self.complete(received, None)
        else:
            quietly = not channel.sender.done
            channel.call(handler, channel, received, received.buffer, 0, quietly=quietly)

    def report(self) -> None:
        """ProcessingComplete, with the number of packets since the last one."""
        count, self.batch = self.batch, 0
        handler = self.channel.configuration.processing_complete
        if handler is not None:
            self.channel.call(handler, self.channel, count)

    # Calls of the driver

    def complete(self, received: Received, buffer: bytes | None) -> None:
        """VmbChannelPacketComplete: in any order, at any time (A83, A84)."""
        if received.retired:
            return
        self.channel.sender.answer(received, buffer)
        self.retire(received)

    def fail(self, received: Received) -> None:
        """VmbChannelPacketFail: the queue stops as well (A80)."""
        if received.retired:
            return
        self.failed = True
        self.retire(received)

    def retire(self, received: Received) -> None:
        """One packet less is outstanding."""
        received.retired = True
        self.outstanding -= 1
        if not self.quota_is_used():
            self.quota_reached = False

    def set_quota(self, quota: int) -> None:
        """VmbChannelSetTransactionQuota. A queue that stands because of the old quota goes on
        standing: only a completion wakes it (A86)."""
        if not self.delivering and self.quota_is_used() and self.head() is not None:
            self.quota_reached = True
        self.quota = quota
