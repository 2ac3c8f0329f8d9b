"""Which pages of a guest the host may write: they are not in the log that KVM keeps of the guest's
own writes."""

from __future__ import annotations

__all__ = ["PageSet"]


class PageSet:
    """Grows; ``bits`` has one bit for each page. ``limit``: how many pages there are. A frame
    beyond, which a guest can name, is left out."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.bits = 0

    def add(self, *frames: int) -> None:
        """These as well."""
        for frame in frames:
            if frame < self._limit:
                self.bits |= 1 << frame
