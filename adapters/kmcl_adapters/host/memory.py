"""Pages of the guest as one piece of memory."""

from __future__ import annotations

from collections.abc import Sequence

from .machine import PAGE

__all__ = ["Scattered", "piece"]


class Scattered:
    """Pages that do not lie behind each other, read and written by slices without a step, as a
    ``memoryview`` is."""

    def __init__(self, pages: Sequence[memoryview]) -> None:
        self._pages = pages

    def __len__(self) -> int:
        return len(self._pages) * PAGE

    def __getitem__(self, where: slice) -> bytes:
        start, stop, _ = where.indices(len(self))
        parts = []
        while start < stop:
            page, offset = divmod(start, PAGE)
            length = min(stop - start, PAGE - offset)
            parts.append(bytes(self._pages[page][offset : offset + length]))
            start += length
        return b"".join(parts)

    def __setitem__(self, where: slice, data: bytes) -> None:
        start, stop, _ = where.indices(len(self))
        if len(data) != stop - start:
            raise ValueError(f"{len(data)} bytes for a place of {stop - start}")
        done = 0
        while start < stop:
            page, offset = divmod(start, PAGE)
            length = min(stop - start, PAGE - offset)
            self._pages[page][offset : offset + length] = data[done : done + length]
            start += length
            done += length


def piece(memory: memoryview, frames: Sequence[int]) -> memoryview | Scattered:
    """The pages with these frame numbers, in this order; they lie inside the memory."""
    first = frames[0]
    if all(frame == first + n for n, frame in enumerate(frames)):
        return memory[first * PAGE : (first + len(frames)) * PAGE]
    return Scattered([memory[frame * PAGE : (frame + 1) * PAGE] for frame in frames])
