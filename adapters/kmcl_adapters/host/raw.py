"""A channel served packet by packet by a test: what comes is taken when asked for."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.uio.descriptor import (
    COMPLETION_REQUESTED,
    FROM_GUEST,
    Kind,
    Packet,
    RingError,
    encode,
)
from kmcl_adapters.uio.ring import Incoming, Outgoing

from .channel import HostChannel, HostOpening
from .host import VmbusHost
from .trace import GUEST

__all__ = ["RawEnd"]

_INVALID: Final = 0xC000000D
_LIMIT: Final = 20.0


class RawEnd:
    """Opens the channel whenever the guest wants it, and its rings make sense. A ring that makes no
    sense later raises RingError where a test uses it."""

    def __init__(self, host: VmbusHost) -> None:
        self._host = host
        self.incoming: Incoming | None = None
        self.outgoing: Outgoing | None = None
        self.channel: HostChannel | None = None
        self.answers = False
        """Every packet that wants a completion gets one at once, with its own payload; until a ring
        makes no sense, which is in the trace."""

    # What the host tells

    def asked(self, opening: HostOpening) -> None:
        """See ``channel.Listener``."""
        assert opening.rings is not None
        self.channel = opening.channel
        try:
            self.incoming = Incoming(*opening.rings.from_guest, FROM_GUEST)
            self.outgoing = Outgoing(*opening.rings.to_guest)
        except RingError:
            self._host.answer_open(opening, _INVALID)
            return
        self._host.answer_open(opening, 0)

    def signalled(self, channel: HostChannel) -> None:
        """See ``channel.Listener``; whoever waits hears of it from the trace."""
        try:
            while self.answers and self.incoming is not None and self.incoming.peek() is not None:
                packet = self.receive(0)
                if packet.flags & COMPLETION_REQUESTED:
                    self.complete(packet, packet.payload)
        except RingError as error:  # the guest's processor is what calls: nobody there minds
            self.answers = False
            self._host.note(GUEST, "UNREADABLE", {"child_relid": channel.relid}, str(error))

    def left(self, opening: HostOpening) -> None:
        """See ``channel.Listener``."""
        self.incoming = self.outgoing = None
        self._host.let_go(opening)

    # What a test does

    def receive(self, limit: float = _LIMIT) -> Packet:
        """The next packet of the guest, waiting for it. Raises TimeoutError, RingError."""
        with self._host.changed:
            self._host.changed.wait_for(lambda: self.incoming and self.incoming.peek(), limit)
            packet = self.incoming.peek() if self.incoming else None
            if packet is None or self.incoming is None or self.channel is None:
                raise TimeoutError(f"no packet from the guest within {limit:g} s")
            self.incoming.take()
            if self.incoming.release():
                self._host.signal(self.channel)
            return packet

    def send(
        self,
        payload: bytes,
        *,
        kind: int = Kind.IN_BAND,
        transaction: int = 0,
        flags: int = 0,
        signal: bool | None = None,
    ) -> bool:
        """Put a packet into the ring; false where there is no room. ``signal``: None as the
        protocol has it; else always or never. Raises ValueError where nobody has it open."""
        with self._host.changed:
            if self.outgoing is None or self.channel is None:
                raise ValueError("the guest has not opened the channel")
            if not self.outgoing.put(encode(kind, transaction, payload, flags)):
                return False
            needed = self.outgoing.publish()
            if needed if signal is None else signal:
                self._host.signal(self.channel)
            return True

    def complete(self, packet: Packet, payload: bytes = b"") -> bool:
        """Send the completion of a packet."""
        return self.send(payload, kind=Kind.COMPLETION, transaction=packet.transaction)
