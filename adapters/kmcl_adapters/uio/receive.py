"""The receive loop's side of the interrupt mask, for every kernel range.

Older drivers mask at each interrupt and after the open; newer ones leave the mask alone. What
works with both: mask while draining; when the ring looks empty, unmask, then look once more,
because a packet that came before the unmasking was not signalled. And after every interrupt, one
that brought no packet included, see that the ring is not left masked.
"""

from __future__ import annotations

from .ring import Incoming, fence

__all__ = ["Doze"]


class Doze:
    """Whether the reader of a ring sleeps; ``remasked`` counts how often somebody else has masked
    signals while it did, which tells an older driver."""

    def __init__(self, ring: Incoming) -> None:
        self._ring = ring
        self.asleep = False
        self.remasked = 0

    def hears(self) -> bool:
        """Whether the next packet would be signalled to the sleeping reader. It would not once an
        older driver has masked at an interrupt that told of room, or of nothing."""
        return self.asleep and not self._ring.masked

    def wake(self) -> None:
        """The ring is being drained from here on."""
        if self.asleep:
            self.asleep = False
            self.remasked += self._ring.masked
        self._ring.mask()

    def fall_asleep(self) -> bool:
        """The ring looked empty: unmask, and look again. False if there is something now, which
        nobody may have signalled; the reader must go on. Raises RingError."""
        self._ring.unmask()
        fence()
        if not self._ring.is_empty():
            self._ring.mask()
            return False
        self.asleep = True
        return True
