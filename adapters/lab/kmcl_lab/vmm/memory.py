"""The guest's memory as KVM has it: slots, and a log of what the guest writes in some of them.

To log writes costs the guest a fault for each page, and KVM maps small pages for it. So what was
empty at every saved moment is not logged: going back gives it to the kernel, which makes it empty
again at once, large pages at a time.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from . import kvm

__all__ = ["LARGE", "PAGE", "SHOWN", "Part", "Slots", "bits_of", "common", "parts_of"]

PAGE: Final = 1 << 12
LARGE: Final = 1 << 21
"""Bytes of a large page: what is not logged comes in such pieces."""
SHOWN: Final = 480
"""The first slot of what is shown behind the memory, which has fewer; KVM has 509 at least."""
_LOG: Final = 1


class Part(NamedTuple):
    """A part of the guest's memory, from its beginning, in bytes."""

    start: int
    length: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + self.length


def parts_of(pieces: Iterable[int]) -> tuple[Part, ...]:
    """The large pages of these numbers, neighbours together."""
    found: list[Part] = []
    for number in sorted(pieces):
        start = number * LARGE
        if found and found[-1].end == start:
            found[-1] = Part(found[-1].start, found[-1].length + LARGE)
        else:
            found.append(Part(start, LARGE))
    return tuple(found)


def bits_of(parts: Iterable[Part]) -> int:
    """One bit for each page in them."""
    bits = 0
    for part in parts:
        bits |= ((1 << part.length // PAGE) - 1) << part.start // PAGE
    return bits


def common(sets: Iterable[Iterable[Part]]) -> tuple[Part, ...]:
    """What lies in all of them; nothing where there are none."""
    pieces = [{n for p in parts for n in range(p.start // LARGE, p.end // LARGE)} for parts in sets]
    return parts_of(set.intersection(*pieces)) if pieces else ()


class Slots:
    """The slots of a machine, whose processors stand still when this is called. ``call`` and
    ``base``: of KVM's, and where the memory is in ours; ``length``: its bytes."""

    def __init__(
        self,
        descriptor: int,
        base: int,
        length: int,
        call: Callable[[int, int, bytes], object] = kvm.call,
    ) -> None:
        self._descriptor = descriptor
        self._base = base
        self._length = length
        self._call = call
        self._logged: dict[int, Part] = {}
        """By the number of the slot."""
        self._count = 0
        self._unlogged: tuple[Part, ...] | None = None
        self._divide([(Part(0, length), 0)])

    def log(self, unlogged: tuple[Part, ...]) -> None:
        """Log from now on what the guest writes, but for these parts, which do not overlap. Of too
        many all are logged."""
        if 2 * len(unlogged) >= SHOWN:
            unlogged = ()
        if unlogged == self._unlogged:
            return
        self._unlogged = unlogged
        slots, at = [], 0
        for part in sorted(unlogged):
            slots += [(Part(at, part.start - at), _LOG), (part, 0)]
            at = part.end
        slots.append((Part(at, self._length - at), _LOG))
        self._divide([(part, flags) for part, flags in slots if part.length])

    def forget(self) -> None:
        """Log nothing any more."""
        if self._unlogged is not None:
            self._unlogged = None
            self._divide([(Part(0, self._length), 0)])

    def _divide(self, slots: list[tuple[Part, int]]) -> None:
        for number in range(self._count):
            self._set(number, 0, Part(0, 0))
        self._count = len(slots)
        self._logged = {n: part for n, (part, flags) in enumerate(slots) if flags & _LOG}
        for number, (part, flags) in enumerate(slots):
            self._set(number, flags, part)

    def _set(self, number: int, flags: int, part: Part) -> None:
        place = self._base + part.start
        region = struct.pack("<IIQQQ", number, flags, part.start, part.length, place)
        self._call(self._descriptor, kvm.SET_MEMORY, region)

    def written(self) -> int:
        """One bit for each page that the guest has written since the last call, or since it is
        logged."""
        bits = 0
        for number, part in self._logged.items():
            log = bytearray(-(-part.length // PAGE // 64) * 8)
            place = ctypes.addressof(ctypes.c_char.from_buffer(log))
            request = struct.pack("<IIQ", number, 0, place)
            self._call(self._descriptor, kvm.GET_DIRTY_LOG, request)
            bits |= int.from_bytes(log, "little") << part.start // PAGE
        return bits
