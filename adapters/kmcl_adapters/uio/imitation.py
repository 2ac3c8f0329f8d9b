"""``ring:dynmem``: the client endpoint with an imitation of a host, in this process.

What talks to the endpoint is a thread that does in shared memory what QEMU's Dynamic Memory device
was seen to do: it takes every packet, answers what it understands, and completes nothing. So what
a certification against the real one asks is asked on every machine, and defects of the endpoint
can be shown to be found.
"""

from __future__ import annotations

import mmap
import os
import select
import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from kmcl_adapters.driver import ThreadedSession
from kmcl_adapters.interface import Description
from kmcl_model.events import Event

from .bus import Offer, Opening, ring_views
from .descriptor import FROM_GUEST, Kind, RingError, encode
from .device import Traits
from .library import VERSION
from .parts import Parts
from .peers import DynamicMemory
from .refusing import UioLibrary
from .ring import HEADER_BYTES, Incoming, Outgoing
from .serving import CAPABILITIES
from .uiobus import UioBus, UioLink

__all__ = ["Conversation", "HostedAdapter"]

IDLE_SECONDS: Final = 0.004
PATIENCE: Final = 0.1
RING_BYTES: Final = (2 << 20) + HEADER_BYTES
"""Of each direction, as the driver's rings are."""
LIMIT: Final = 8.0


class Conversation:
    """What the host answers; a channel that is opened begins a new one."""

    _HEADER: Final = struct.Struct("<HHI")
    _VERSION: Final = struct.Struct("<HHIHHI")
    _ANSWER: Final = struct.Struct("<HHIQ")
    _REQUEST: Final = struct.Struct("<HHIII")

    def __init__(self) -> None:
        self._versions = ((0, 3), (1, 0), DynamicMemory.NEWEST)
        self._state = "version"
        self._requests = 0

    def answer(self, payload: bytes) -> bytes | None:
        """The answer to a packet; none for what makes no sense now."""
        if len(payload) < self._HEADER.size:
            return None
        kind, _, number = self._HEADER.unpack_from(payload)
        if kind == 1 and self._state == "version" and len(payload) >= self._VERSION.size:
            *_, minor, major, _ = self._VERSION.unpack_from(payload)
            accepted = (major, minor) in self._versions
            self._state = "capabilities" if accepted else "version"
            return self._ANSWER.pack(2, self._ANSWER.size, number, accepted)
        if kind == 3 and self._state == "capabilities":
            self._state = "ready"
            return self._ANSWER.pack(4, self._ANSWER.size, number, 1)
        if kind == 7 and self._state == "waiting" and number == self._requests:
            self._state = "ready"
        return None

    def request(self, pages: int) -> bytes | None:
        """A request for so many pages; none while the guest has not said what it is able to do, or
        has not answered the last one."""
        if self._state != "ready":
            return None
        self._state = "waiting"
        self._requests += 1
        return self._REQUEST.pack(6, self._REQUEST.size, self._requests, pages, 0)


class _Link(UioLink):
    """An open channel: the memory of both rings, and the host's thread behind them."""

    def __init__(self, id: int, descriptor: int, size: int, parts: Parts) -> None:
        self._memory_of_both = mmap.mmap(-1, 2 * size)
        super().__init__(id, descriptor, size, parts)
        self._bell = os.eventfd(0, os.EFD_CLOEXEC)
        self._over = False
        self._wanted: deque[int] = deque()
        view = memoryview(self._memory_of_both)
        theirs = (*ring_views(view, 0, size), *ring_views(view, size, size))
        self._theirs = (*theirs, view)
        self._in = Incoming(theirs[0], theirs[1], FROM_GUEST)
        self._out = Outgoing(theirs[2], theirs[3])
        self._out.support_pending_send()
        self._thread = threading.Thread(target=self._serve, name="host", daemon=True)
        self._thread.start()

    def want(self, pages: int) -> None:
        """The host is to ask for so many pages as soon as it may."""
        self._wanted.append(pages)
        self.signal()

    def map(self, size: int) -> mmap.mmap:
        """The memory of both rings."""
        return self._memory_of_both

    def signal(self) -> None:
        """Signal the host."""
        os.eventfd_write(self._bell, 1)

    def listen(self) -> None:
        """Take note of a signal of the host."""
        os.eventfd_read(self.descriptor)

    def release(self) -> None:
        """End the host's thread, then give the memory back."""
        self._over = True
        self.signal()
        self._thread.join()
        for view in self._theirs:
            view.release()
        os.close(self._bell)
        super().release()

    def _serve(self) -> None:
        conversation = Conversation()
        while os.eventfd_read(self._bell) and not self._over:
            try:
                while (packet := self._in.peek()) is not None:
                    answer = None
                    if packet.kind == Kind.IN_BAND:
                        answer = conversation.answer(packet.payload)
                    self._in.take()
                    wakes = self._in.release()
                    if answer is not None and self._out.put(encode(Kind.IN_BAND, 0, answer)):
                        wakes |= self._out.publish()
                    if wakes:
                        os.eventfd_write(self.descriptor, 1)
                self._ask(conversation)
            except RingError:
                return  # what the guest has written makes no sense: the host is done with it

    def _ask(self, conversation: Conversation) -> None:
        if self._wanted and (request := conversation.request(self._wanted[0])) is not None:
            self._wanted.popleft()
            if self._out.put(encode(Kind.IN_BAND, 0, request)) and self._out.publish():
                os.eventfd_write(self.descriptor, 1)


class _Bus(UioBus):
    """The client's side of a host that is always there."""

    opens_slowly = False

    def __init__(self, parts: Parts) -> None:
        self.traits = Traits(signals_on_write=True)
        self.patience = PATIENCE
        self.payload_limit = self.limit(RING_BYTES)
        self.page_limit = RING_BYTES // HEADER_BYTES
        self._offer = Offer(1, self.payload_limit, None)
        self._parts = parts
        self._epoll = select.epoll()
        self._link: UioLink | None = None
        self._left = None

    def want(self, pages: int) -> None:
        """See ``_Link``; nobody hears of it while the channel is closed."""
        if isinstance(link := self._link, _Link) and not link.down:
            link.want(pages)

    def offer(self) -> Offer:
        """The one there is."""
        return self._offer

    def open(self, offer: Offer, incoming: int, outgoing: int) -> Opening:
        """See ``bus``."""
        opening = Opening(offer.id)
        descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._link = opening.link = _Link(offer.id, descriptor, RING_BYTES, self._parts)
        self._link.outgoing.support_pending_send()
        self.watch(descriptor)
        return opening


class HostedAdapter:
    """The endpoint of ``parts``; ``defect`` is what they are called."""

    def __init__(self, parts: Parts, defect: str = "") -> None:
        self._parts = parts
        self._defect = defect
        self._bus: _Bus | None = None

    def describe(self) -> Description:
        """A client's end with a known host at the other one."""
        name = "kmcl endpoint with an imitated host"
        return Description(
            f"{name}, {self._defect}" if self._defect else name,
            VERSION,
            ":".join(filter(None, ("ring:dynmem", self._defect))),
            CAPABILITIES | {DynamicMemory.name},
            exact_quiescence=False,
            idle_seconds=IDLE_SECONDS,
        )

    def open(self, record: Callable[[Event], None] | None = None) -> ThreadedSession:
        """A fresh endpoint."""
        self._bus = _Bus(self._parts)
        library = UioLibrary(self._bus, self._parts)
        return ThreadedSession(
            library,
            on_event=record,
            on_close=library.Reset,
            idle_seconds=IDLE_SECONDS,
            limit=LIMIT,
        )

    def balloon(self, pages: int) -> None:
        """The host of the last session is to ask its guest for so many pages."""
        if self._bus is not None:
            self._bus.want(pages)

    def close(self) -> None:
        """Sessions share nothing."""
