"""Defects of the endpoint that show where something becomes of its signals."""

from __future__ import annotations

from collections import deque

from .descriptor import TRAILER_BYTES
from .packets import Packet
from .receive import Doze
from .sending import Sender

__all__ = ["GoesPastTheQueue", "TrustsItsUnmasking"]


class TrustsItsUnmasking(Doze):
    def hears(self) -> bool:
        return self.asleep


class GoesPastTheQueue(Sender):
    """Where there is room again for what waits, and nobody has said so yet."""

    def send(self, packet: Packet, buffer: bytes | None, flags: int) -> int:
        link, waiting = self.channel.live_link(), self.queue
        if not waiting or link is None:
            return super().send(packet, buffer, flags)
        if link.outgoing.free() > len(self.frame(waiting[0], 1)) + TRAILER_BYTES:
            self.queue = deque()
        status = super().send(packet, buffer, flags)
        if self.queue is not waiting:
            self.queue = waiting + self.queue
        return status
