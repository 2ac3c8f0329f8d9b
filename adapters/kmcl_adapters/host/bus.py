"""A channel of the VMBus host as a bus: the server's side of it.

Two locks meet here: the library's, with which the bus is called, and the host's, with which it is
told what the guest does. The library may call the host; the host only leaves a note and rings a
bell, and the library reads the notes when it attends. So neither waits for the other.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable
from typing import Final

from kmcl_adapters.signals import HELD, MASKED, SignalGate
from kmcl_adapters.uio.bus import Link, Offer, Opening, Watch
from kmcl_adapters.uio.descriptor import FROM_GUEST, RingError
from kmcl_adapters.uio.parts import SOUND, Parts

from .channel import HostChannel, HostOffer, HostOpening
from .host import VmbusHost

__all__ = ["HostBus", "HostLink"]

_INVALID: Final = 0xC000000D


class HostLink(Link):
    """The guest's rings, as long as it has the channel open this time."""

    def __init__(self, host: VmbusHost, opening: HostOpening, parts: Parts) -> None:
        assert opening.rings is not None
        self.channel = opening.channel
        self.opening = opening
        self._host = host
        ring = parts.incoming(*opening.rings.from_guest, FROM_GUEST)
        outgoing = parts.outgoing(*opening.rings.to_guest)
        super().__init__(opening.id, outgoing, ring, parts.doze(ring))

    gate: SignalGate | None = None
    """What becomes of the signals to the guest, where something does."""

    def signal(self) -> None:
        """Interrupt the guest, now or when the gate lets it."""
        if self.gate is None:
            self.interrupt()
        else:
            self.gate.come(self.interrupt)

    def interrupt(self) -> None:
        """Interrupt the guest, whatever is done to signals."""
        self._host.signal(self.channel)

    def act(self, fault: str) -> None:
        """``spurious``, or what becomes of the signals to the guest."""
        if fault in HELD:
            self.gate = self.gate or SignalGate()
            self.gate.shut(fault)
            return
        if fault == MASKED:
            self.outgoing.mask_reader()
        self.signal()

    def release(self) -> None:
        """Let the rings go; again does nothing."""
        self.down = True
        self._host.let_go(self.opening)


class HostBus(Watch):
    """Offers one instance, again and again. ``offer``: what the guest is told of it;
    ``payload_limit``: the bytes of the longest payload that the guest's rings can take."""

    server = True
    opens_slowly = False
    signal_faults = HELD | {MASKED}

    def __init__(
        self, host: VmbusHost, offer: HostOffer, payload_limit: int, parts: Parts = SOUND
    ) -> None:
        super().__init__()
        self.payload_limit = payload_limit
        self.channel: HostChannel | None = None
        self._host = host
        self._wanted = offer
        self._parts = parts
        self._notes: deque[tuple[str, HostOpening]] = deque()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._asked: HostLink | None = None
        self._link: HostLink | None = None
        self._closed = False
        self._ear = SignalGate()  # under the host's lock
        self.unheard = False
        """The bell was rung, and nobody has attended yet."""
        self.watch(self._bell)

    # What the host tells, with its lock

    def asked_by(self, opening: HostOpening) -> None:
        """The guest wants to open the channel."""
        self._leave_note("asked", opening)

    def signalled(self, channel: HostChannel) -> None:
        """See ``channel.Listener``."""
        self._ear.come(self._ring)

    def left(self, opening: HostOpening) -> None:
        """See ``channel.Listener``. Without anybody to attend, the rings are free at once."""
        if self._closed:
            self._host.let_go(opening)
        else:
            self._leave_note("left", opening)

    def _leave_note(self, what: str, opening: HostOpening) -> None:
        self._notes.append((what, opening))
        self._ring()

    def _ring(self) -> None:
        if not self._closed:
            self.unheard = True
            os.eventfd_write(self._bell, 1)

    # Waiting

    def attend(self) -> None:
        """Read the notes. Of the bell, first the ring and then the mark: whoever rings between is
        heard now, and at worst once more; the other way round a mark without a ring would stay."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        self.unheard = False
        while self._notes:
            what, opening = self._notes.popleft()
            if what == "left":
                self._guest_left(opening)
            elif opening.channel is self.channel:
                self._guest_asked(opening)

    def _guest_asked(self, opening: HostOpening) -> None:
        try:
            self._asked = HostLink(self._host, opening, self._parts)
        except RingError:
            self._host.answer_open(opening, _INVALID)
            return
        self._asked.outgoing.support_pending_send()

    def _guest_left(self, opening: HostOpening) -> None:
        """Nobody touches the rings after this: whoever does has the library's lock, and looks
        whether the link is down."""
        for link in (self._asked, self._link):
            if link is not None and link.opening is opening:
                link.down = True
        if self._asked is not None and self._asked.opening is opening:
            self._asked = None
        self._host.let_go(opening)

    # What the world does to signals

    def interrupt(self) -> bool:
        """See ``uio.bus``."""
        with self._host.changed:
            self._ear.come(self._ring)
        return True

    def hold(self, fault: str) -> None:
        """See ``uio.bus``."""
        with self._host.changed:
            self._ear.shut(fault)

    def resume(self) -> None:
        """See ``uio.bus``; signals to the guest as well."""
        with self._host.changed:
            self._ear.open()
        link = self._link
        if link is not None and link.gate is not None and not link.down:
            link.gate.open()

    def act_on_peer(self, fault: str, tell: Callable[[], object]) -> None:
        """See ``uio.bus``: the host interrupts the guest, and can reach the mask of its ring."""
        if self._link is not None and not self._link.down:
            tell()
            self._link.act(fault)

    # A server's side

    def make_offer(self, target: tuple[object, object] | None, maximum_packet: int) -> None:
        """Offer the channel, as soon as the guest has released the last one."""
        self.channel = self._host.offer(self._wanted, _Ear(self))

    def withdraw(self) -> None:
        """Take it back."""
        channel, self.channel = self.channel, None
        self._asked = None
        if channel is not None:
            self._host.rescind(channel)

    def asked(self) -> Link | None:
        """See ``uio.bus``."""
        return self._asked

    def accept(self, link: Link) -> None:
        """See ``uio.bus``."""
        self._link, self._asked = self._asked, None

    def answer(self, link: Link, status: int) -> None:
        """See ``uio.bus``."""
        assert isinstance(link, HostLink)
        self._host.answer_open(link.opening, status)
        if status and link is self._link:
            self._link = None

    # Both

    def leave(self, link: Link) -> None:
        """See ``uio.bus``."""
        link.release()
        if link is self._link:
            self._link = None

    def die(self) -> None:
        """See ``uio.bus``."""
        self.withdraw()
        if self._link is not None:
            self._link.down = True

    def close(self) -> None:
        """Take back what is offered; the guest may use nothing of it any more."""
        self.withdraw()
        with self._host.changed:
            self._closed = True
            while self._notes:
                self._host.let_go(self._notes.popleft()[1])
        if self._link is not None:
            self._link.release()
        self._epoll.close()
        os.close(self._bell)

    # What a server does not do

    def offer(self) -> Offer | None:
        """A server opens nothing."""
        return None

    def open(self, offer: Offer, incoming: int, outgoing: int) -> Opening:
        """A server opens nothing."""
        raise NotImplementedError

    def abandon(self, opening: Opening) -> None:
        """A server opens nothing."""


class _Ear:
    """What the host calls; ``asked`` has another meaning in a bus."""

    def __init__(self, bus: HostBus) -> None:
        self.asked = bus.asked_by
        self.signalled = bus.signalled
        self.left = bus.left
