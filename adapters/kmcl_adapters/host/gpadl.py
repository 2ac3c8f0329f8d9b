"""GPADLs: lists of guest pages that a header and any number of bodies describe.

The guest announces how many bytes of ranges will come, and they come in pieces that end anywhere.
Everything is checked when it is complete; nothing of it is believed before.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

from .machine import PAGE
from .messages import Message

__all__ = ["MOST_GPADLS", "Gpadl", "GpadlTable", "Range", "Rejected"]

MOST_GPADLS: Final = 4096
"""Of a connection; a guest needs one for each channel, and its drivers a few of their own."""
_RANGE: Final = struct.Struct("<II")
_FRAME_BYTES: Final = 8


class Range(NamedTuple):
    """Memory of the guest: ``length`` bytes from ``offset`` in the first of the page frames."""

    length: int
    offset: int
    frames: tuple[int, ...]


class Gpadl(NamedTuple):
    """A complete one. ``ranges`` is empty, and ``problem`` says why, where it cannot be used."""

    handle: int
    relid: int
    ranges: tuple[Range, ...]
    problem: str = ""

    @property
    def frames(self) -> tuple[int, ...]:
        """The page frames of all ranges."""
        return tuple(frame for entry in self.ranges for frame in entry.frames)


class Rejected(Exception):
    """A message that no guest may send now: one line that says why. It is ignored."""


class _Growing:
    """What has come of a GPADL so far."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.relid: int = fields["child_relid"]
        self.length: int = fields["range_buflen"]
        self.count: int = fields["rangecount"]
        self.data = b""


class GpadlTable:
    """The GPADLs of a connection. ``pages``: how many page frames the guest's memory has."""

    def __init__(self, pages: int) -> None:
        self._pages = pages
        self._growing: dict[int, _Growing] = {}
        self.complete: dict[int, Gpadl] = {}

    def header(self, message: Message) -> Gpadl | None:
        """A header; the GPADL if nothing more is to come, or if it is one too many, which is not
        kept. Raises Rejected."""
        handle = message.fields["gpadl"]
        if handle in self._growing or handle in self.complete:
            raise Rejected(f"GPADL {handle} exists")
        if len(self._growing) + len(self.complete) >= MOST_GPADLS:
            return Gpadl(handle, message.fields["child_relid"], (), f"there are {MOST_GPADLS}")
        self._growing[handle] = _Growing(message.fields)
        return self._grow(handle, message.rest)

    def body(self, message: Message) -> Gpadl | None:
        """A body; the GPADL if nothing more is to come. Raises Rejected."""
        handle = message.fields["gpadl"]
        if handle not in self._growing:
            raise Rejected(f"GPADL {handle} waits for no body")
        return self._grow(handle, message.rest)

    def tear_down(self, handle: int) -> Gpadl:
        """The guest takes it back. Raises Rejected."""
        if handle not in self.complete:
            raise Rejected(f"GPADL {handle} does not exist")
        return self.complete.pop(handle)

    def refuse(self, handle: int) -> None:
        """The host has answered its creation with a failure."""
        self.complete.pop(handle, None)

    def forget(self, relid: int) -> None:
        """The guest has released this channel, and with it all that it ever shared through it: of
        a channel that was rescinded Linux takes no GPADL back."""
        for handle in [handle for handle, one in self.complete.items() if one.relid == relid]:
            del self.complete[handle]
        for handle in [handle for handle, one in self._growing.items() if one.relid == relid]:
            del self._growing[handle]

    def copy(self) -> GpadlTable:
        """As it is now."""
        other = type(self)(self._pages)
        other.complete = dict(self.complete)
        for handle, growing in self._growing.items():
            other._growing[handle] = copied = _Growing.__new__(_Growing)
            copied.relid, copied.length = growing.relid, growing.length
            copied.count, copied.data = growing.count, growing.data
        return other

    def _grow(self, handle: int, data: bytes) -> Gpadl | None:
        growing = self._growing[handle]
        growing.data += data[: growing.length - len(growing.data)]
        if len(growing.data) < growing.length:
            return None
        del self._growing[handle]
        try:
            ranges, problem = self._ranges(growing), ""
        except Rejected as why:
            ranges, problem = (), str(why)
        found = Gpadl(handle, growing.relid, ranges, problem)
        self.complete[handle] = found
        return found

    def _ranges(self, growing: _Growing) -> tuple[Range, ...]:
        data, place, ranges = growing.data, 0, []
        if not growing.count:
            raise Rejected("a GPADL without a range")
        for _ in range(growing.count):
            if len(data) - place < _RANGE.size:
                raise Rejected(f"{len(data)} bytes are too few for {growing.count} ranges")
            length, offset = _RANGE.unpack_from(data, place)
            place += _RANGE.size
            count = -(-(offset + length) // PAGE)
            if offset >= PAGE or not length:
                raise Rejected(f"a range of {length} bytes at {offset}")
            if count * _FRAME_BYTES > len(data) - place:
                raise Rejected(f"a range of {length} bytes with too few page frames")
            frames = struct.unpack_from(f"<{count}Q", data, place)
            place += count * _FRAME_BYTES
            if any(frame >= self._pages for frame in frames):
                raise Rejected("a page frame outside the memory")
            ranges.append(Range(length, offset, frames))
        return tuple(ranges)
