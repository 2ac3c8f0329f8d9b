"""A device that comes and goes under one instance GUID, as a bus.

Where the host offers the same instance again, the guest may give it another node. What stays is
the instance, and that the driver chooses the same size for its rings.
"""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import Any, Final

from .bus import Offer, Opening
from .device import Device
from .uiobus import UioBus, UioLink

__all__ = ["FollowingBus"]

_LOOK_SECONDS: Final = 0.02


class FollowingBus(UioBus):
    """``device``: as it was when it was there; ``size``: bytes of each of its rings. ``lingers``:
    what dies leaves everything open, because its machine is about to go as well."""

    def __init__(
        self,
        device: Device,
        size: int,
        *,
        sysfs: Path = Path("/sys"),
        lingers: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(device, size=size, sysfs=sysfs, **options)
        self._folder = sysfs / "bus/vmbus/devices" / device.instance
        self._dead = False
        self._lingers = lingers
        self.opening = 0
        """Opens that the host has not answered yet."""
        self._there = False
        self._looked = 0.0

    def is_aware(self, looks: bool) -> bool:
        """Whether all that the kernel shows has been noticed here, interrupts too; ``looks``:
        somebody waits for an offer."""
        seen, link = self.seen(), self._link
        if link is not None and not link.down and (link.id != seen or _is_readable(link)):
            return False
        return not looks or seen == (self._offer.id if self._there else 0)

    def seen(self) -> int:
        """The id of the channel that can be opened now, 0 where there is none."""
        try:
            nodes = os.listdir(self._folder / "uio")
            relid = int((self._folder / "id").read_text())
        except (OSError, ValueError):
            return 0
        if len(nodes) != 1 or not (self.node.parent / nodes[0]).exists():
            return 0
        self.node = self.node.parent / nodes[0]
        return relid

    def offer(self) -> Offer | None:
        """See ``bus``. Every id is an offer of its own."""
        now = time.monotonic()
        if now - self._looked > _LOOK_SECONDS:
            self._looked = now
            relid = self.seen()
            self._there = bool(relid)
            if relid and relid != self._offer.id:
                self._offer = Offer(relid, self.payload_limit, None)
        return self._offer if self._there else None

    def open(self, offer: Offer, incoming: int, outgoing: int) -> Opening:
        """See ``bus``. A channel that opens for one who has died meanwhile is closed."""
        self.opening += 1
        opening = super().open(offer, incoming, outgoing)
        self.opening -= 1
        if self._dead and opening.link is not None:
            if not self._lingers:
                self.leave(opening.link)
            opening.link, opening.withdrawn = None, True
        return opening

    def die(self) -> None:
        """The kernel closes what a process had open, unless the machine dies."""
        self._dead = True
        if self._link is not None and not self._lingers:
            self.leave(self._link)


def _is_readable(link: UioLink) -> bool:
    """Whether an interrupt has come that nobody has taken note of."""
    poll = select.poll()
    try:
        poll.register(link.descriptor, select.POLLIN)
        return bool(poll.poll(0))
    except (OSError, ValueError):
        return False  # it was closed a moment ago
