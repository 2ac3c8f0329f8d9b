"""The reference's rings over those of a VMBus channel: frames on one side, packets on the other.

The reference may take completion packets past packets that have to wait. So what has arrived is
looked at ahead, and given back to the guest only as far as everything was taken: a packet that
waits keeps its place, and whoever sends too much finds the ring full.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from kmcl_adapters.reference.library.ring import ANSWER, BROKEN, PACKET, Frame, Ring
from kmcl_adapters.uio import parts
from kmcl_adapters.uio.bus import Link
from kmcl_adapters.uio.descriptor import (
    COMPLETION_REQUESTED,
    Kind,
    Packet,
    RingError,
    encode,
    ring_bytes,
)
from kmcl_adapters.uio.ring import Incoming

__all__ = ["PARTS", "Arriving", "Departing", "LookingAhead"]

_EXTERNAL: Final = "a packet with external data, which this end cannot hand on"


class LookingAhead(Incoming):
    """A ring whose reader may take packets and give their bytes back later: ``kept`` bytes, the
    last that were taken, stay with it at a ``release``."""

    kept = 0

    def _load_write(self) -> int:
        """As ``Incoming``; nor may the writer run over what was taken and not given back yet."""
        write, given_back = super()._load_write(), self._released
        if (write - given_back) % self.capacity < (self._read - given_back) % self.capacity:
            raise RingError(f"write index {write} runs over bytes that were not given back")
        return write

    def take_all_of_it(self) -> int:
        """Go past the packet that ``peek`` has shown; the bytes of it."""
        before = self._read
        self.take()
        return (self._read - before) % self.capacity

    def release(self) -> bool:
        """As ``Incoming``, but for the bytes that are kept."""
        taken, self._read = self._read, (self._read - self.kept) % self.capacity
        try:
            return super().release()
        finally:
            self._read = taken


PARTS: Final = parts.SOUND._replace(incoming=LookingAhead)
"""What the links of a bus have to be made of, for an end of the reference."""


class _Span:
    """A packet that was looked at, and the bytes it has in the ring."""

    __slots__ = ("frame", "is_taken", "size")

    def __init__(self, frame: Frame, size: int) -> None:
        self.frame = frame
        self.size = size
        self.is_taken = False


class Arriving(Ring):
    """What the guest has written. ``room_due``: the guest has asked to be told of room, and has it
    now; ``stopped``: why nothing more can be read of what is there."""

    __slots__ = ("_incoming", "_spans", "_wire", "room_due", "stopped")

    def __init__(self, wire: Link) -> None:
        assert isinstance(wire.incoming, LookingAhead)
        super().__init__(wire.incoming.capacity)
        self._incoming = wire.incoming
        self._wire = wire
        self._spans: deque[_Span] = deque()
        self.room_due = False
        self.stopped = ""

    def look(self) -> None:
        """Read what has come. What makes no sense is a broken frame, and the last one."""
        wire, incoming = self._wire, self._incoming
        if wire.down or wire.broken or self.stopped:
            return
        try:
            while (packet := incoming.peek()) is not None:
                frame = _frame_of(packet)
                size = incoming.take_all_of_it()
                incoming.kept += size
                self._spans.append(_Span(frame, size))
                self.put(frame)
        except RingError as error:
            self.stopped = f"incoming ring: {error}"
            self.put(Frame(BROKEN, None))

    def take(self, packets: bool, answers: bool, newest_answer: bool = False) -> Frame | None:
        """See ``Ring``."""
        self.look()
        return super().take(packets, answers, newest_answer)

    def packets(self) -> int:
        """See ``Ring``."""
        self.look()
        return super().packets()

    def release(self, frame: Frame) -> None:
        """Give the bytes back up to the first frame that was not taken. A broken one ends the use
        of the link: nothing is read or written any more until it is closed."""
        super().release(frame)
        if frame.kind == BROKEN:
            self._wire.broken = self.stopped
            return
        for span in self._spans:
            if span.frame is frame:
                span.is_taken = True
                break
        self._give_back()

    def _give_back(self) -> None:
        wire, spans = self._wire, self._spans
        while spans and spans[0].is_taken:
            self._incoming.kept -= spans.popleft().size
        if wire.down or wire.broken:
            return
        try:
            self.room_due |= self._incoming.release()
        except RingError as error:
            wire.broken = f"incoming ring: {error}"


class Departing(Ring):
    """What the guest is to read; how much it has read is its own to say."""

    __slots__ = ("_wire",)

    def __init__(self, wire: Link) -> None:
        super().__init__(wire.outgoing.capacity)
        self._wire = wire

    def fits(self, frame: Frame, before: int = 0) -> bool:
        """Whether there is room now; where there is none, the guest is asked to signal it."""
        wire = self._wire
        if wire.down or wire.broken:
            return False
        ring, size = wire.outgoing, ring_bytes(len(frame.buffer or b"")) + before
        try:
            return ring.fits(size) or not ring.wait_for(size)
        except RingError as error:
            wire.broken = f"outgoing ring: {error}"
            return False

    def put(self, frame: Frame) -> None:
        """Write a frame that fits, and show it; the guest is signalled where it has to be."""
        wire, ring = self._wire, self._wire.outgoing
        if wire.down or wire.broken:
            return
        try:
            ring.stop_waiting()
            if frame.kind == BROKEN:
                wire.write_garbage()
            else:
                ring.put(_bytes_of(frame))
            if ring.publish():
                wire.signal()
        except RingError as error:
            wire.broken = f"outgoing ring: {error}"


def _frame_of(packet: Packet) -> Frame:
    """Raises RingError for what the reference could give to its driver in part only (A20)."""
    if packet.kind == Kind.COMPLETION:
        return Frame(ANSWER, packet.payload, packet.transaction)
    if packet.kind != Kind.IN_BAND:
        raise RingError(_EXTERNAL)
    wants_answer = bool(packet.flags & COMPLETION_REQUESTED)
    return Frame(PACKET, packet.payload, packet.transaction, wants_answer)


def _bytes_of(frame: Frame) -> bytes:
    buffer = frame.buffer or b""
    if frame.kind == ANSWER:
        return encode(Kind.COMPLETION, frame.transaction, buffer)
    flags = COMPLETION_REQUESTED if frame.wants_answer else 0
    return encode(Kind.IN_BAND, frame.transaction, buffer, flags)
