"""A bus between two processes of ours: rings in shared memory, and a socket for the control plane.

The client makes the memory of both rings and hands it over when it asks to be opened; two event
counters are the doorbells. On the socket go what offers, opens, closes and rescinds a channel, in
the order in which VMBus would say it. Every message and every ring of a doorbell is counted at
both ends, so that somebody who asks both can tell that nothing is on its way.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import socket
from typing import Any, Final

from kmcl_adapters.signals import DELAYED, HELD, MASKED

from .bus import Link, Offer, Opening, Watch, ring_views
from .descriptor import FROM_GUEST, FROM_HOST, MAXIMUM_PAYLOAD
from .parts import SOUND, Parts
from .ring import HEADER_BYTES

__all__ = ["PairBus", "PairLink"]

_LONGEST_MESSAGE: Final = 1 << 16


def _whole_pages(size: int) -> int:
    return -(-size // HEADER_BYTES) * HEADER_BYTES


class PairLink(Link):
    """Both rings in a piece of shared memory: first the one that the client writes."""

    def __init__(
        self, id: int, memory: int, sizes: tuple[int, int], bus: PairBus, parts: Parts = SOUND
    ) -> None:
        self._bus = bus
        self._map = mmap.mmap(memory, sum(sizes))
        self._memory = memoryview(self._map)
        to_server = ring_views(self._memory, 0, sizes[0])
        to_client = ring_views(self._memory, sizes[0], sizes[1])
        self._views = (*to_server, *to_client)
        outgoing, incoming = (to_client, to_server) if bus.server else (to_server, to_client)
        ring = parts.incoming(*incoming, FROM_GUEST if bus.server else FROM_HOST)
        super().__init__(id, parts.outgoing(*outgoing), ring, parts.doze(ring))
        self.released = False

    def signal(self) -> None:
        """Ring the other end's doorbell."""
        self._bus.ring()

    def release(self) -> None:
        """Unmap; again does nothing."""
        self.down = True
        if not self.released:
            self.released = True
            for view in self._views:
                view.release()
            self._memory.release()
            self._map.close()


class PairBus(Watch):
    """One end's side: ``control`` is its end of the socket; ``doorbells`` are the event counters
    that it reads and that it writes. It owns all three."""

    opens_slowly = False
    payload_limit = MAXIMUM_PAYLOAD
    signal_faults = HELD | {MASKED}

    def __init__(
        self,
        server: bool,
        control: socket.socket,
        doorbells: tuple[int, int],
        parts: Parts = SOUND,
    ) -> None:
        super().__init__()
        self.server = server
        self.sent = 0
        self.received = 0
        self._parts = parts
        self._control = control
        self._control.setblocking(False)
        self._ours, self._theirs = doorbells
        self._numbers = 0
        self._offer: Offer | None = None
        self._link: PairLink | None = None
        self._opening: Opening | None = None
        self._asked: PairLink | None = None
        self._held = ""
        self.watch(self._ours)
        self.watch(control.fileno())

    # Waiting

    def ring(self) -> None:
        """Ring the doorbell of the other end."""
        self.sent += 1
        os.eventfd_write(self._theirs, 1)

    def attend(self) -> None:
        """Count what was rung and heed the control plane."""
        if not self._held:
            self.received += self._rung()
        while True:
            try:
                data, memory, _, _ = socket.recv_fds(self._control, _LONGEST_MESSAGE, 1)
            except BlockingIOError:
                return
            except OSError:
                data, memory = b"", []
            if not data:  # the other process is gone
                self._offer = None
                if self._link is not None:
                    self._link.down = True
                return
            self.received += 1
            self._heed(json.loads(data), memory[0] if memory else -1)

    def _rung(self) -> int:
        try:
            return os.eventfd_read(self._ours)
        except BlockingIOError:
            return 0

    def interrupt(self) -> bool:
        """See ``bus``. The other end has not sent it, and must not miss it among what it has."""
        self.received -= 1
        os.eventfd_write(self._ours, 1)
        return True

    def hold(self, fault: str) -> None:
        """See ``bus``. Nobody is woken by the doorbell, which counts."""
        if not self._held:
            self._held = fault
            self.unwatch(self._ours)

    def resume(self) -> None:
        """See ``bus``. A bell that rings when it is watched again wakes somebody."""
        if not self._held:
            return
        rung = self._rung()
        due = rung if self._held == DELAYED else min(rung, 1)
        self._held = ""
        self.received += rung - due
        if due:
            os.eventfd_write(self._ours, due)
        self.watch(self._ours)

    def _say(self, what: str, id: int, memory: int = -1, **more: Any) -> None:
        self.sent += 1
        message = json.dumps({"say": what, "id": id, **more}).encode()
        with contextlib.suppress(OSError):  # the other process is gone
            socket.send_fds(self._control, [message], [memory] if memory >= 0 else [])

    def _heed(self, message: dict[str, Any], memory: int) -> None:
        id = message["id"]
        match message["say"]:
            case "offer":
                target = message["target"]
                self._offer = Offer(id, message["maximum"], tuple(target) if target else None)
            case "rescind":
                self._rescinded(id)
            case "result":
                self._answered(id, message["status"])
            case "open":
                self._opened_by(id, message, memory)
            case "close":
                self._closed_by(id)

    # A client's side

    def offer(self) -> Offer | None:
        """See ``bus``."""
        return self._offer

    def open(self, offer: Offer, incoming: int, outgoing: int) -> Opening:
        """Make the rings and ask the server. Its answer settles the opening."""
        sizes = (
            HEADER_BYTES + _whole_pages(outgoing),
            HEADER_BYTES + _whole_pages(incoming),
        )
        self._numbers += 1
        memory = os.memfd_create("kmcl-rings")
        try:
            os.ftruncate(memory, sum(sizes))
            self._link = PairLink(self._numbers, memory, sizes, self, self._parts)
            self._link.outgoing.support_pending_send()
            self._say("open", self._numbers, memory, offer=offer.id, sizes=sizes)
        finally:
            os.close(memory)
        self._opening = Opening(self._numbers)
        return self._opening

    def _answered(self, id: int, status: int) -> None:
        opening, link = self._opening, self._link
        if opening is None or opening.id != id or link is None or opening.settled:
            return
        if status:
            opening.failure = status
            self._drop_link()
        else:
            opening.link = link

    def _rescinded(self, offer: int) -> None:
        if self._offer is not None and self._offer.id == offer:
            self._offer = None
        if self._opening is not None and not self._opening.settled:
            self._opening.withdrawn = True
            self._drop_link()
        elif self._link is not None:
            self._link.down = True

    def abandon(self, opening: Opening) -> None:
        """See ``bus``."""
        if not opening.failure and not opening.withdrawn:
            self._say("close", opening.id)
            self._drop_link()

    def _drop_link(self) -> None:
        if self._link is not None:
            self._link.release()
            self._link = None

    # A server's side

    def make_offer(self, target: tuple[object, object] | None, maximum_packet: int) -> None:
        """See ``bus``."""
        self._numbers += 1
        self._offer = Offer(self._numbers, maximum_packet, target)
        self._say("offer", self._numbers, maximum=maximum_packet, target=target)

    def withdraw(self) -> None:
        """See ``bus``."""
        if self._offer is not None:
            self._say("rescind", self._offer.id)
            self._offer = None
        if self._asked is not None:
            self._asked.release()
            self._asked = None

    def _opened_by(self, id: int, message: dict[str, Any], memory: int) -> None:
        try:
            if self._offer is None or self._offer.id != message["offer"]:
                return  # rescinded meanwhile: the client hears of that, and of nothing else
            sizes = (message["sizes"][0], message["sizes"][1])
            self._asked = PairLink(id, memory, sizes, self, self._parts)
            self._asked.outgoing.support_pending_send()
        finally:
            os.close(memory)

    def _closed_by(self, id: int) -> None:
        if self._asked is not None and self._asked.id == id:
            self._asked.release()
            self._asked = None
        elif self._link is not None and self._link.id == id:
            self._link.down = True

    def asked(self) -> Link | None:
        """See ``bus``."""
        return self._asked

    def accept(self, link: Link) -> None:
        """See ``bus``."""
        self._link, self._asked = self._asked, None

    def answer(self, link: Link, status: int) -> None:
        """See ``bus``."""
        self._say("result", link.id, status=status)
        if status and link is self._link:
            self._drop_link()

    # Both

    def leave(self, link: Link) -> None:
        """See ``bus``. A client that was rescinded says that it has closed all the same."""
        if not self.server:
            self._say("close", link.id)
        link.release()
        if link is self._link:
            self._link = None

    def die(self) -> None:
        """See ``bus``."""
        if self.server:
            self.withdraw()
        elif self._link is not None:
            self._say("close", self._link.id)
        if self._link is not None:
            self._link.down = True

    def close(self) -> None:
        """Give everything back."""
        for link in (self._link, self._asked):
            if link is not None:
                link.release()
        self._epoll.close()
        self._control.close()
        os.close(self._ours)
        os.close(self._theirs)
