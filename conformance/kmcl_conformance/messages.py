"""Which packet a message belongs to, from its send to its answer.

A message is known by its sender and its tag while a packet carries it, and by its receiver and the
context of its indication while the receiver has it.
"""

from __future__ import annotations

from collections.abc import Mapping

from kmcl_model.payload import tag_of
from kmcl_model.spec.specification import ENDPOINTS, peer_of

from .track import Track

__all__ = ["Messages"]


class Messages:
    """The messages of both directions. ``packets`` are the packets of each end, by name: what a
    packet carried that is gone belongs to nobody."""

    def __init__(self, packets: Mapping[str, Mapping[str, Track]]) -> None:
        self._packets = packets
        self._carrier: dict[str, dict[int, str]] = {e: {} for e in ENDPOINTS}
        self._buffer: dict[str, dict[str, bytes]] = {e: {} for e in ENDPOINTS}
        self._packet: dict[str, dict[str, str]] = {e: {} for e in ENDPOINTS}
        # Contexts, as they were indicated and are not yet given back.
        self._order: dict[str, list[str]] = {e: [] for e in ENDPOINTS}
        # Packets that their peer has completed, in that order, and whose routine is to come.
        self._answered: dict[str, list[str]] = {e: [] for e in ENDPOINTS}

    def carried(self, sender: str) -> dict[int, str]:
        """Which packet carries the message with a tag, for the messages on their way."""
        return self._carrier[sender]

    def buffer(self, sender: str, packet: str) -> bytes:
        """What the packet was last sent with."""
        return self._buffer[sender].get(packet, b"")

    def sent(self, sender: str, packet: str, buffer: bytes) -> None:
        """The packet carries this message now, and no other."""
        self._drop(sender, packet)
        self._carrier[sender][tag_of(buffer)] = packet
        self._buffer[sender][packet] = buffer

    def completed(self, sender: str, packet: str) -> None:
        """The packet's transaction is over."""
        self._drop(sender, packet)

    def indicated(self, receiver: str, context: str, buffer: bytes) -> Track | None:
        """The message has come to its receiver: the packet that carries it, if that is known."""
        self._order[receiver].append(context)
        sender = peer_of(receiver)
        packet = self._carrier[sender].get(tag_of(buffer))
        if packet is not None and packet in self._packets[sender]:
            self._packet[receiver][context] = packet
            return self._packets[sender][packet]
        self._packet[receiver].pop(context, None)
        return None

    def given_back(self, receiver: str, context: str) -> bool:
        """The receiver gives the message back: whether one that came before is still out."""
        order = self._order[receiver]
        overtakes = bool(order) and order[0] != context
        if context in order:
            order.remove(context)
        return overtakes

    def answer_to(self, receiver: str, context: str, buffer: bytes | None) -> str | None:
        """The packet that waits for what is given back here; ``buffer`` is what the receiver holds
        as the message, if it tells. None if the packet carries another one by now, or is gone."""
        packet = self._packet[receiver].pop(context, None)
        sender = peer_of(receiver)
        if packet is None or packet not in self._packets[sender]:
            return None
        tag = tag_of(self._buffer[sender].get(packet))
        current = self._carrier[sender].get(tag) == packet
        return packet if current and (buffer is None or tag_of(buffer) == tag) else None

    def answered(self, sender: str, packet: str) -> None:
        """The peer has completed this packet, after those that it completed before."""
        self._answered[sender].append(packet)

    def forget_order(self, sender: str) -> None:
        """Nobody knows any more in which order the peer has completed the packets."""
        self._answered[sender].clear()

    def order_of(self, sender: str, packet: str) -> str:
        """The packet's routine is called: whether that is in the order of the answers (R1) or not
        (R2), as A84 reads it; nothing if no order is known."""
        answered = self._answered[sender]
        if packet not in answered:
            return ""
        order = "" if len(answered) == 1 else "R1" if answered[0] == packet else "R2"
        answered.remove(packet)
        return order

    def copy_from(self, other: Messages) -> None:
        """Know what the other one knows."""
        for end in ENDPOINTS:
            self._carrier[end].update(other._carrier[end])
            self._buffer[end].update(other._buffer[end])
            self._packet[end].update(other._packet[end])
            self._order[end].extend(other._order[end])
            self._answered[end].extend(other._answered[end])

    def _drop(self, sender: str, packet: str) -> None:
        carrier = self._carrier[sender]
        for tag in [tag for tag, owner in carrier.items() if owner == packet]:
            del carrier[tag]
