"""What an end needs of the world: somebody who offers and opens channels, and links.

A *link* is one open period as one end sees it: two rings, a way to signal the other end, and
whether the other end has left. A *bus* is the control plane: offers and their withdrawal, opening
and closing. Everything is called with the lock of the monitor held, if not said otherwise.
"""

from __future__ import annotations

import contextlib
import select
from collections.abc import Callable
from typing import Any, Protocol

from .receive import Doze
from .ring import HEADER_BYTES, Incoming, Outgoing

__all__ = ["Bus", "Link", "Offer", "Opening", "Refused", "Watch", "ring_views"]


class Offer:
    """What a client may open: the server's largest packet, in bytes, and what the offer is for.
    ``target`` None: it is for whoever looks at this bus."""

    __slots__ = ("id", "maximum_packet", "target")

    def __init__(self, id: int, maximum_packet: int, target: tuple[object, object] | None) -> None:
        self.id = id
        self.maximum_packet = maximum_packet
        self.target = target

    def is_for(self, wanted: tuple[object, object] | None) -> bool:
        """Whether a client that looks for this interface and instance means this offer; None means
        any instance, or the offer of its parent device (A24)."""
        if wanted is None or self.target is None:
            return True
        return wanted[0] == self.target[0] and wanted[1] in (None, self.target[1])


class Refused(Exception):
    """The other side does not open the channel; ``status`` is what to tell the driver."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Watch:
    """How a bus waits: for descriptors that become readable. The rest: see ``Bus``."""

    patience = 0.0
    signal_faults: frozenset[str] = frozenset()
    page_limit = 1 << 16
    late = 0

    def __init__(self) -> None:
        self._epoll = select.epoll()

    def watch(self, descriptor: int) -> None:
        """See ``Bus``. Each event wakes one thread."""
        self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLET)

    def unwatch(self, descriptor: int) -> None:
        """See ``Bus``."""
        with contextlib.suppress(OSError, ValueError):
            self._epoll.unregister(descriptor)

    def wait(self) -> bool:
        """See ``Bus``."""
        return bool(self._epoll.poll(self.patience or None))

    def interrupt(self) -> bool:
        """See ``Bus``. Most have nobody who could."""
        return False

    def hold(self, fault: str) -> None:
        """See ``Bus``. Most have nobody who could."""

    def resume(self) -> None:
        """See ``Bus``."""

    def act_on_peer(self, fault: str, tell: Callable[[], object]) -> None:
        """See ``Bus``. Most cannot."""


class Link:
    """One open period. ``down``: this end or the other one has left it, and nothing is read or
    written any more. ``broken`` says why a link that was not left is of no use."""

    def __init__(self, id: int, outgoing: Outgoing, incoming: Incoming, doze: Doze) -> None:
        self.id = id
        self.outgoing = outgoing
        self.incoming = incoming
        self.doze = doze
        self.down = False
        self.broken = ""

    def signal(self) -> None:
        """Tell the other end to look at the rings."""
        raise NotImplementedError

    def write_garbage(self) -> bool:
        """Write a packet that is none; false where there is no room for it."""
        return self.outgoing.put(bytes([6, 0, 1, 0, 2, 0, 0, 0] + [0] * 8))

    def release(self) -> None:
        """Give back the memory. ``down`` by now."""
        raise NotImplementedError


class Opening:
    """An attempt to open a channel: a ``link``, or a ``failure``, in ``words`` as well, or nothing
    yet. ``withdrawn``: the offer went away meanwhile."""

    __slots__ = ("failure", "id", "link", "withdrawn", "words")

    def __init__(self, id: int) -> None:
        self.id = id
        self.link: Link | None = None
        self.failure = 0
        self.words = ""
        self.withdrawn = False

    @property
    def settled(self) -> bool:
        """Whether it has come to an end."""
        return self.link is not None or bool(self.failure) or self.withdrawn


class Bus(Protocol):
    """The control plane as one end sees it."""

    payload_limit: int
    """Bytes of the longest payload that any ring of this bus can take."""
    page_limit: int
    """Pages of the longest ring that this bus can have, its header included."""
    patience: float
    """Seconds after which the rings are looked at without a signal; 0: never needed."""
    late: int
    """How often, when ``patience`` was over, there was something to do that nobody had signalled,
    or that somebody did at that very moment."""
    server: bool
    """Whether an end may offer here."""
    signal_faults: frozenset[str]
    """What can become of the signals to this end; see ``kmcl_adapters.signals``."""

    def watch(self, descriptor: int) -> None:
        """Let ``wait`` end when this descriptor becomes readable."""

    def unwatch(self, descriptor: int) -> None:
        """The opposite."""

    def wait(self) -> bool:
        """Until something happened, for one of the threads that wait: true; or until ``patience``
        is over. Called without the lock."""

    def attend(self) -> None:
        """Heed what happened."""

    # What the world does to signals

    def interrupt(self) -> bool:
        """A signal comes that announces nothing; false where none can be made."""

    def hold(self, fault: str) -> None:
        """Signals wait from now on; see ``kmcl_adapters.signals``."""

    def resume(self) -> None:
        """They come now, or one for all of them."""

    def act_on_peer(self, fault: str, tell: Callable[[], object]) -> None:
        """``spurious``, or a fault of the signals to the other end, where this side can play it;
        ``tell`` is called just before."""

    # A client's side

    def offer(self) -> Offer | None:
        """The offer that can be opened now."""

    def open(self, offer: Offer, incoming: int, outgoing: int) -> Opening:
        """Begin to open it, with rings of at least so many bytes behind their headers. Called
        without the lock where ``opens_slowly``."""

    opens_slowly: bool

    def abandon(self, opening: Opening) -> None:
        """The client does not want it any more."""

    # A server's side

    def make_offer(self, target: tuple[object, object] | None, maximum_packet: int) -> None:
        """Offer the channel."""

    def withdraw(self) -> None:
        """Take the offer back; whoever has opened it must leave."""

    def asked(self) -> Link | None:
        """A client that waits for an answer."""

    def accept(self, link: Link) -> None:
        """The server looks at what was asked; it stands in ``asked`` no more."""

    def answer(self, link: Link, status: int) -> None:
        """Accept or refuse the client; a link that is refused is released."""

    # Both

    def leave(self, link: Link) -> None:
        """This end has left: the other one hears of it, and the memory is given back. Called
        without the lock where ``opens_slowly``."""

    def die(self) -> None:
        """This end is gone without a word: the control plane tells the other one."""

    def close(self) -> None:
        """Give everything back."""


def ring_views(memory: memoryview, start: int, size: int) -> tuple[Any, Any]:
    """The header's words and the data of the ring of ``size`` bytes at ``start``."""
    header = memory[start : start + HEADER_BYTES].cast("I")
    return header, memory[start + HEADER_BYTES : start + size]
