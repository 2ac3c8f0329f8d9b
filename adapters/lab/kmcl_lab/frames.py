"""What travels between the lab and the agent in the guest: frames on one byte stream.

A frame is a magic word, a kind, the number of a job and a counted body. Jobs are commands that
run in the guest; the lab chooses their numbers. After a reset of the guest the stream may begin
anywhere: the reader then looks for the next hello and forgets what is before it.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple

__all__ = ["LONGEST", "Frame", "FrameError", "FrameReader", "Kind", "frame"]

_MAGIC: Final = b"KMLF"
_HEADER: Final = struct.Struct("<4sBII")
LONGEST: Final = 1 << 16
"""The longest body, in bytes."""


class Kind(IntEnum):
    """What a frame says; the bodies of HELLO and EXEC are JSON, of EXIT an int32."""

    HELLO = 1
    """Guest: a boot has come so far that jobs can be run."""
    PING = 2
    """Either: answer with PONG and the same body."""
    PONG = 3
    EXEC = 4
    """Lab: start ``argv``; with ``tty``, on a terminal of its own."""
    INPUT = 5
    """Lab: bytes for standard input; an empty body is the end of it."""
    OUTPUT = 6
    """Guest: bytes from standard output, or from the terminal."""
    ERRORS = 7
    """Guest: bytes from standard error."""
    EXIT = 8
    """Guest: the exit code, negative for a signal; the last frame of its job."""
    KILL = 9
    """Lab: end the job and all it has started."""
    SIZE = 10
    """Lab: rows and columns of the terminal, two uint16."""


class Frame(NamedTuple):
    """One frame."""

    kind: Kind
    job: int
    body: bytes


class FrameError(Exception):
    """The stream is not one of frames: one line that says what came instead."""


def frame(kind: Kind, job: int = 0, body: bytes = b"") -> bytes:
    """The frame as bytes. Raises FrameError for a body of more than ``LONGEST`` bytes."""
    if len(body) > LONGEST:
        raise FrameError(f"a body of {len(body)} bytes; at most {LONGEST} go into a frame")
    return _HEADER.pack(_MAGIC, kind, job, len(body)) + body


class FrameReader:
    """Takes bytes as they come and gives the frames they make."""

    def __init__(self, *, seeking: bool = True) -> None:
        self._data = bytearray()
        self._seeking = seeking

    def seek(self) -> None:
        """Forget half a frame, and everything up to the next hello."""
        self._seeking = True

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now. Raises FrameError."""
        self._data += data
        if self._seeking and not self._found():
            return []
        frames = []
        while len(self._data) >= _HEADER.size:
            magic, kind, job, length = _HEADER.unpack_from(self._data)
            if magic != _MAGIC or kind not in Kind.__members__.values() or length > LONGEST:
                raise FrameError(f"no frame: {bytes(self._data[:16])!r}")
            end = _HEADER.size + length
            if len(self._data) < end:
                break
            frames.append(Frame(Kind(kind), job, bytes(self._data[_HEADER.size : end])))
            del self._data[:end]
        return frames

    def _found(self) -> bool:
        start = _MAGIC + bytes([Kind.HELLO])
        at = self._data.find(start)
        if at < 0:
            del self._data[: max(0, len(self._data) - len(start) + 1)]
            return False
        del self._data[:at]
        self._seeking = False
        return True
