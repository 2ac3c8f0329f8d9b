"""A ring: what one end has written and the other has not yet taken, within so many bytes.

Packets and completion packets share it, first in, first out. Completion packets may be taken
past packets that have to wait (quota, pause), so that no transaction hangs on them.
"""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["ANSWER", "BROKEN", "PACKET", "PAGE", "Frame", "Ring", "cost"]

PAGE: Final = 4096
"""Bytes in a page."""

OVERHEAD: Final = 24
"""Bytes of a frame besides its payload: descriptor and trailer."""

PACKET: Final = 0
ANSWER: Final = 1
BROKEN: Final = 2


def cost(length: int) -> int:
    """The ring bytes that a payload of ``length`` bytes takes (units of eight, A71)."""
    return OVERHEAD + ((length + 7) & ~7)


class Frame:
    """One entry of a ring; ``transaction`` is the sender's number for it, never 0 if asked for."""

    __slots__ = ("buffer", "cost", "kind", "transaction", "wants_answer")

    def __init__(
        self, kind: int, buffer: bytes | None, transaction: int = 0, wants_answer: bool = False
    ) -> None:
        self.kind = kind
        self.buffer = buffer
        self.transaction = transaction
        self.wants_answer = wants_answer
        self.cost = cost(len(buffer)) if buffer is not None else OVERHEAD


class Ring:
    """One direction of an open channel."""

    __slots__ = ("answers", "capacity", "frames", "used")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self.answers = 0
        self.frames: deque[Frame] = deque()

    def fits(self, frame: Frame, before: int = 0) -> bool:
        """Whether there is room, behind ``before`` bytes that are to go first.

        An empty ring takes a frame of any size (A21).
        """
        used = self.used + before
        return used + frame.cost <= self.capacity or not used

    def put(self, frame: Frame) -> None:
        """Write a frame that fits."""
        self.used += frame.cost
        if frame.kind == ANSWER:
            self.answers += 1
        self.frames.append(frame)

    def take(self, packets: bool, answers: bool, newest_answer: bool = False) -> Frame | None:
        """The next frame of the kinds asked for, off the ring; None where there is none.

        With ``newest_answer`` the completion packets come last in, first out.
        """
        frames = self.frames
        if not frames:
            return None
        frame = frames[0]
        if frame.kind != ANSWER:
            if packets:
                return self.remove(0)
        elif answers and not newest_answer:
            return self.remove(0)
        if answers and self.answers:
            order = range(len(frames) - 1, -1, -1) if newest_answer else range(len(frames))
            return self.remove(next(i for i in order if frames[i].kind == ANSWER))
        return None

    def remove(self, place: int) -> Frame:
        """Take out the frame at a place and give its bytes back."""
        frame = self.frames[place]
        if place:
            del self.frames[place]
        else:
            self.frames.popleft()
        self.release(frame)
        if frame.kind == ANSWER:
            self.answers -= 1
        return frame

    def release(self, frame: Frame) -> None:
        """Give the bytes of a taken frame back to the writer."""
        self.used -= frame.cost

    def packets(self) -> int:
        """How many frames wait that are not completion packets."""
        return len(self.frames) - self.answers
