"""The reference's link and bus where the other end is a guest, of which nobody sees the inside."""

from __future__ import annotations

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Phase
from kmcl_adapters.reference.library.link import Bus, Link
from kmcl_adapters.reference.library.parts import Parts
from kmcl_adapters.reference.library.ring import Frame
from kmcl_adapters.uio.bus import Bus as Wire
from kmcl_adapters.uio.bus import Link as WiredLink
from kmcl_adapters.uio.descriptor import RingError
from kmcl_model.status import STATUS_SUCCESS

from .ring import Arriving, Departing

__all__ = ["WireBus", "WireLink"]


class WireLink(Link):
    """One period from the guest's wish to open the channel to the close. ``wired``: its rings and
    signals. It has no ``client``, and no peer."""

    def __init__(self, server: Channel, bus: Wire, wired: WiredLink) -> None:
        self.server = server
        self.open = False
        self.down = False
        self.bus = bus
        self.wired = wired
        self.to_server: Arriving = Arriving(wired)
        self.to_client: Departing = Departing(wired)
        self._vacated = False

    def is_live(self) -> bool:
        """Whether the rings may be read and written."""
        return self.open and not (self.wired.down or self.wired.broken)

    def accepted(self) -> None:
        """See ``Link``. The guest hears of it, and then only opens its own end."""
        if not self.down:
            self.open = True
            self.bus.answer(self.wired, STATUS_SUCCESS)
            self.server.became_open()

    def refuse(self, status: int) -> None:
        """See ``Link``."""
        self.wired.down = True
        self.bus.answer(self.wired, status)

    def close(self) -> None:
        """See ``Link``. That the offer is taken back is for the bus to say."""
        self.down = self.wired.down = True
        self.open = False
        self.server.lifecycle.wake()

    def vacate(self, channel: Channel) -> None:
        """See ``Link``. The guest may have its memory back."""
        if not self._vacated:
            self._vacated = True
            self.wired.down = True
            self.bus.leave(self.wired)

    def put(self, writer: Channel, frame: Frame) -> None:
        """See ``Link``."""
        self.to_client.put(frame)

    def room(self, reader: Channel) -> None:
        """See ``Link``. The guest hears of room if it has asked for so much."""
        if self.to_server.room_due:
            self.to_server.room_due = False
            if self.is_live():
                self.wired.signal()

    def answer_waits(self, writer: Channel) -> None:
        """See ``Link``. A guest finds out by itself."""

    def answers_waiting(self, asker: Channel) -> int:
        """See ``Link``. Nobody knows those of a guest."""
        return 0

    # Signals

    def heed(self) -> None:
        """The guest may have written, or read."""
        if self.is_live():
            self.wired.doze.wake()
            self.server.receiver.signal()
            self.server.sender.room()

    def doze(self) -> bool:
        """Ask for signals again, and look once more; false where there is something to do now."""
        doze = self.wired.doze
        if not self.is_live() or self.to_server.stopped or doze.hears():
            return True
        try:
            if doze.fall_asleep():
                return True
        except RingError:
            pass  # the receiver finds the same when it looks
        self.server.receiver.signal()
        return False


class WireBus(Bus):
    """Offers the server's channel as long as it may be opened, now or when a close is over."""

    __slots__ = ("_is_offered", "wire")

    def __init__(self, parts: Parts, wire: Wire) -> None:
        super().__init__(parts)
        self.wire = wire
        self._is_offered = False

    @property
    def link(self) -> WireLink | None:
        """The server's, while it has one."""
        link = None if self.server is None else self.server.link
        return link if isinstance(link, WireLink) else None

    def detach(self, channel: Channel) -> None:
        """See ``Bus``. A server that has died is taken off the wire, too."""
        super().detach(channel)
        if channel.dead:
            self._is_offered = False
            self.wire.die()

    def match(self) -> None:
        """See ``Bus``: offer, and begin the opening if the guest has asked for it."""
        server = self.server
        if server is None or not server.offers():
            return
        if not self._is_offered:
            self._is_offered = True
            self.wire.make_offer(server.target, server.maximum_packet_size)
        wired = self.wire.asked()
        if wired is not None:
            self.wire.accept(wired)
            link = WireLink(server, self.wire, wired)
            server.connect(link, link.to_server, link.to_client)

    def follow(self) -> None:
        """Take the offer back if the server does not offer any more, nor is in use and stays."""
        if self._is_offered and not self._may_be_offered():
            self._is_offered = False
            self.wire.withdraw()

    def _may_be_offered(self) -> bool:
        server = self.server
        if server is None:
            return False
        is_in_use = server.phase in (Phase.OPENING, Phase.OPEN, Phase.CLOSING)
        return server.offers() or (is_in_use and not server.disabling)

    # What the guest does

    def attend(self) -> None:
        """Heed what has happened on the wire."""
        self.wire.attend()
        link = self.link
        if link is not None and link.wired.down and not link.down:
            link.close()
        if link is not None:
            link.heed()
        self.match()

    def doze(self) -> bool:
        """Whether nothing is to be done until there is a signal."""
        return self.link is None or self.link.doze()
