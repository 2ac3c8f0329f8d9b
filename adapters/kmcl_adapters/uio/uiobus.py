"""A device under ``uio_hv_generic`` as a bus: the client's side of what the kernel offers.

Opening ``/dev/uioN`` opens the channel, and it stays open as long as a descriptor *or a mapping*
made through it exists. Both calls wait for the host, uninterruptibly.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kmcl_model.status import STATUS_UNSUCCESSFUL

from .atomics import Atomics, NoAtomics
from .bus import Link, Offer, Opening, Watch, ring_views
from .descriptor import DESCRIPTOR_BYTES, FROM_HOST, MAXIMUM_PAYLOAD, TRAILER_BYTES
from .device import Device, DeviceError, Traits, check_access, monitor_of, refusal, ring_size
from .monitorpage import MONITOR_MAP, MonitorBit
from .parts import SOUND, Parts
from .ring import HEADER_BYTES

__all__ = ["SAFETY_NET", "UioBus", "UioLink"]

SAFETY_NET: Final = 0.1
"""Seconds after which the rings are looked at without an interrupt: an older driver may mask
behind our back, and a host may forget to signal."""

_EVENT: Final = struct.Struct("<i")
_SIGNAL: Final = _EVENT.pack(1)


class UioLink(Link):
    """The mapped rings of an open device; the outgoing one comes first."""

    def __init__(self, id: int, descriptor: int, size: int, parts: Parts = SOUND) -> None:
        self.descriptor = descriptor
        self._map = self.map(2 * size)
        self._memory = memoryview(self._map)
        outgoing, incoming = (ring_views(self._memory, start, size) for start in (0, size))
        self._views = (*outgoing, *incoming)
        ring = parts.incoming(*incoming, FROM_HOST)
        self.masked_at_open = ring.masked
        self._monitor: MonitorBit | None = None
        super().__init__(id, parts.outgoing(*outgoing), ring, parts.doze(ring))

    def map(self, size: int) -> mmap.mmap:
        """The memory of both rings."""
        return mmap.mmap(self.descriptor, size)

    def map_monitor(self) -> mmap.mmap:
        """The monitor page."""
        return mmap.mmap(self.descriptor, mmap.PAGESIZE, offset=MONITOR_MAP * mmap.PAGESIZE)

    def signal_by(self, number: int) -> None:
        """The host is signalled by this bit of the monitor page from now on. Raises OSError."""
        self._monitor = MonitorBit(self.map_monitor(), number)

    def listen(self) -> None:
        """Take note of an interrupt. Raises BlockingIOError where there was none, and another
        OSError when the channel was rescinded or the driver is gone."""
        os.read(self.descriptor, _EVENT.size)

    def notify(self) -> None:
        """Have the driver signal the host. Raises OSError when the channel was rescinded or the
        driver is gone."""
        os.write(self.descriptor, _SIGNAL)

    def signal(self) -> None:
        """Signal the host. The write unmasks the incoming ring as well: mask it again where it is
        being drained; a stray interrupt harms nobody. A bit in the monitor page does not."""
        if self._monitor is not None:
            self._monitor.set()
            return
        try:
            self.notify()
        except OSError:  # the pages of the rings may be somebody else's by now
            self.down = True
            return
        if not self.doze.asleep:
            self.incoming.mask()

    def release(self) -> None:
        """Unmap, then close: a mapping keeps the channel open."""
        for view in self._views:
            view.release()
        self._memory.release()
        self._map.close()
        if self._monitor is not None:
            self._monitor.release()
        os.close(self.descriptor)


class UioBus(Watch):
    """One device; ``dev`` is where its node is. ``safety_net``: seconds, 0 for none, so that what
    the host forgets to signal stays unseen. ``size``: bytes of each ring with its header, 0: what
    sysfs says. ``report`` is told, in one line, why the device could not be opened."""

    server = False
    opens_slowly = True
    remasked = 0
    """How often somebody else had masked signals while the reader slept, in all that was open."""

    def __init__(
        self,
        device: Device,
        *,
        sysfs: Path = Path("/sys"),
        dev: Path = Path("/dev"),
        safety_net: float = SAFETY_NET,
        pending_send: bool = True,
        parts: Parts = SOUND,
        size: int = 0,
        report: Callable[[str], object] = lambda _: None,
        link: Callable[[int, int, int, Parts], UioLink] = UioLink,
    ) -> None:
        if device.uio is None:
            raise DeviceError(f"{device.instance}: not bound to uio_hv_generic")
        if mmap.PAGESIZE != HEADER_BYTES:
            raise DeviceError(
                f"{device.instance}: this kernel's pages have {mmap.PAGESIZE} bytes, by which the "
                f"rings are laid out; use one with pages of {HEADER_BYTES}"
            )
        if device.monitor is not None:
            try:
                Atomics()
            except NoAtomics as why:
                raise DeviceError(
                    f"{device.instance}: its host is signalled by a bit of the monitor page, and "
                    f"{why}; use a channel that is not monitored"
                ) from None
        super().__init__()
        self.device = device
        self.node = dev / device.uio
        check_access(self.node)
        self.traits = Traits(signals_on_write=device.monitor is None)
        self._sysfs = sysfs
        self.patience = safety_net
        self._pending_send = pending_send
        self._parts = parts
        self._make = link
        self._report = report
        self._size = size or ring_size(device.uio, sysfs)
        self.payload_limit = self.limit(self._size)
        self.page_limit = self._size // HEADER_BYTES
        self._offer = Offer(1, self.payload_limit, None)
        self._there = self.node.exists()
        self._looked = time.monotonic()
        self._link: UioLink | None = None
        self._left: Link | None = None
        self._closed = False

    @staticmethod
    def limit(size: int) -> int:
        """Bytes of the longest payload that a ring of ``size`` bytes can take."""
        whole = size - HEADER_BYTES - 8 - DESCRIPTOR_BYTES - TRAILER_BYTES
        return min(MAXIMUM_PAYLOAD, whole)

    # Waiting

    def attend(self) -> None:
        """Take note of interrupts; EIO means that the channel was rescinded."""
        link = self._link
        if link is None or link.down:
            return
        try:
            link.listen()
        except BlockingIOError:
            pass
        except OSError:
            link.down = True

    # Opening and closing

    def offer(self) -> Offer | None:
        """The device, while its node is there. One that has come back is a new offer."""
        now = time.monotonic()
        if now - self._looked > 0.05:
            self._looked = now
            there = self.node.exists()
            if there and not self._there:
                self._offer = Offer(self._offer.id + 1, self.payload_limit, None)
            self._there = there
        return self._offer if self._there else None

    def open(self, offer: Offer, incoming: int, outgoing: int) -> Opening:
        """See ``bus``. The driver has chosen the sizes of the rings."""
        opening = Opening(offer.id)
        try:
            descriptor = os.open(self.node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENODEV, errno.ENOENT, errno.ENXIO):
                opening.withdrawn = True
                self._there = False  # when it is back it is a new offer
            else:
                self._fail(opening, refusal(self.node, error))
            return opening
        link: UioLink | None = None
        try:
            link = self._make(offer.id, descriptor, self._size, self._parts)
            if (number := monitor_of(self.device.instance, self._sysfs)) is not None:
                link.signal_by(number)
        except Exception as error:  # the node vanished, or the header makes no sense
            if link is None:
                os.close(descriptor)
            else:  # what is mapped keeps the channel open
                link.release()
            self._fail(opening, f"{self.node}: {error}")
            return opening
        if self._closed:  # nobody waits for it any more
            link.release()
            opening.withdrawn = True
            return opening
        self.traits = self.traits._replace(masks_at_open=link.masked_at_open)
        link.outgoing.support_pending_send(self._pending_send)
        self._link = opening.link = link
        self.watch(descriptor)
        return opening

    def _fail(self, opening: Opening, words: str) -> None:
        opening.failure, opening.words = STATUS_UNSUCCESSFUL, words
        self._report(words)

    def abandon(self, opening: Opening) -> None:
        """See ``bus``."""
        if opening.link is not None:
            self.leave(opening.link)

    def leave(self, link: Link) -> None:
        """Unmap and close; again does nothing: a bus may be closed while a link is given up."""
        if link is self._left:
            return
        self._left = link
        self.remasked += link.doze.remasked
        link.down = True
        if isinstance(link, UioLink):
            self.unwatch(link.descriptor)
        if self._link is link:
            self._link = None
        link.release()

    def close(self) -> None:
        """Close what is open, now or when an open that waits comes back."""
        self._closed = True
        if self._link is not None:
            self.leave(self._link)
        self._epoll.close()

    # What a guest cannot do

    def make_offer(self, target: tuple[object, object] | None, maximum_packet: int) -> None:
        """A guest offers nothing."""

    def withdraw(self) -> None:
        """A guest offers nothing."""

    def asked(self) -> Link | None:
        """Nobody opens what a guest has."""
        return None

    def accept(self, link: Link) -> None:
        """Nobody has asked."""

    def answer(self, link: Link, status: int) -> None:
        """Nobody has asked."""

    def die(self) -> None:
        """A device cannot be made to die from here."""
