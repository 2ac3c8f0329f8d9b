"""The outgoing side: the queue before the ring, and the end of each transaction."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from kmcl_model.status import STATUS_SUCCESS

from .irql import DISPATCH
from .lifecycle import Phase
from .packet import Packet, Received
from .ring import ANSWER, PACKET, Frame
from .scheduler import Task

if TYPE_CHECKING:
    from .channel import Channel

__all__ = ["Completer", "Sender"]

DEPTH = 4
"""How many completion routines may be nested in sends before the rest is put off (A95)."""


class Completer(Task):
    """The task that calls completion routines whose transactions ended on this side."""

    __slots__ = ("channel", "depth", "pending", "running")

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel.scheduler)
        self.channel = channel
        self.pending: deque[tuple[Packet, int]] = deque()
        self.running = 0
        self.depth = 0

    def add(self, packet: Packet, status: int) -> None:
        """A transaction is over; its routine is due."""
        self.pending.append((packet, status))
        self.wake()

    def step(self) -> None:
        """Call one routine, past those that only free their packet."""
        pending = self.pending
        visible = False
        while pending and not visible:
            reverse = self.channel.readings.completion_order == "reverse"
            packet, status = pending.pop() if reverse else pending.popleft()
            visible = packet.routine is not None
            self.finish(packet, status, None)
        if pending:
            self.wake()
        elif self.channel.phase >= Phase.CLOSING:
            self.channel.lifecycle.wake()

    def finish(self, packet: Packet, status: int, buffer: bytes | None) -> None:
        """Call the routine of a packet; the default one frees it (A122)."""
        packet.in_flight = False
        routine = packet.routine
        if routine is None:
            packet.freed = True
            return
        self.running += 1
        routine(packet, status, buffer, DISPATCH, self.finished)

    def finished(self, _: int) -> None:
        """A routine has returned."""
        self.running -= 1
        if self.channel.phase >= Phase.CLOSING:
            self.channel.lifecycle.wake()


class Sender(Task):
    """The task that moves what waits into the outgoing ring: answers first, then packets."""

    __slots__ = ("answers", "channel", "queue")

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel.scheduler)
        self.channel = channel
        self.queue: deque[Packet] = deque()
        self.answers: deque[Frame] = deque()

    def room(self) -> None:
        """The peer has taken something off the ring."""
        self.kick()

    def kick(self) -> None:
        """Something that held the queue back is over."""
        if self.queue or self.answers:
            self.wake()

    def step(self) -> None:
        """Move as much as fits."""
        ring = self.channel.outgoing
        link = self.channel.link
        if ring is None or link is None:
            return
        answers, queue = self.answers, self.queue
        while answers and self.may_answer() and ring.fits(answers[0]):
            link.put(self.channel, answers.popleft())
        while queue and not answers and self.may_transmit():
            frame = self.frame(queue[0])
            if not ring.fits(frame):
                break
            self.place(queue.popleft(), frame)

    def may_transmit(self) -> bool:
        """Whether packets may go onto the wire now (F012, F023; A66)."""
        channel = self.channel
        link = channel.link
        if link is None or not link.open:
            return False
        return channel.readings.sends_while_paused != "held" or not channel.rests()

    def may_answer(self) -> bool:
        """Whether completion packets may go onto the wire now (A83)."""
        channel = self.channel
        link = channel.link
        if link is None or not link.open:
            return False
        return not (channel.readings.answers_held_while_paused and channel.rests())

    # Packets

    def submit(self, packet: Packet) -> None:
        """Accept a packet: into the ring if it may and fits, else to the end of the queue."""
        packet.in_flight = True
        if not self.queue and not self.answers and self.may_transmit():
            ring = self.channel.outgoing
            frame = self.frame(packet)
            if ring is not None and ring.fits(frame):
                self.place(packet, frame, inside_send=True)
                return
        self.enqueue(packet)

    def enqueue(self, packet: Packet) -> None:
        """The packet waits for the channel to open or the ring to drain (A89, A90)."""
        self.queue.append(packet)

    def would_queue(self, packet: Packet) -> bool:
        """Whether an open channel has no room for this packet right now (A89)."""
        ring = self.channel.outgoing
        if ring is None or not self.may_transmit():
            return False
        ahead = sum(self.frame(p).cost for p in self.queue) + sum(a.cost for a in self.answers)
        empty = not ring.used and not ahead
        return not empty and ring.used + ahead + self.frame(packet).cost > ring.capacity

    def frame(self, packet: Packet) -> Frame:
        """The frame in which a packet travels."""
        return Frame(PACKET, packet.buffer, 0, packet.wants_answer)

    def place(self, packet: Packet, frame: Frame, inside_send: bool = False) -> None:
        """Write into the ring; without WAIT_FOR_COMPLETION that ends the transaction (F139)."""
        channel = self.channel
        link = channel.link
        assert link is not None
        if frame.wants_answer:
            channel.transactions += 1
            frame.transaction = channel.transactions
            channel.sent[frame.transaction] = packet
            link.put(channel, frame)
            return
        link.put(channel, frame)
        self.placed(packet, inside_send)

    def placed(self, packet: Packet, inside_send: bool) -> None:
        """A packet that wants no answer is over."""
        completer = self.channel.completer
        if (
            inside_send
            and self.channel.readings.completion_inside_send
            and completer.depth < DEPTH
            and not completer.pending
        ):
            completer.depth += 1
            completer.finish(packet, STATUS_SUCCESS, None)
            completer.depth -= 1
        else:
            completer.add(packet, STATUS_SUCCESS)

    # Completion packets

    def answer(self, received: Received, buffer: bytes | None) -> None:
        """Send a completion packet; with a full ring it waits here (A82)."""
        channel = self.channel
        link = channel.link
        if link is None or link is not received.link or not link.open:
            return
        frame = Frame(ANSWER, buffer, received.transaction)
        ring = channel.outgoing
        if not self.answers and self.may_answer() and ring is not None and ring.fits(frame):
            link.put(channel, frame)
        else:
            self.answers.append(frame)
            link.answer_waits(channel)
