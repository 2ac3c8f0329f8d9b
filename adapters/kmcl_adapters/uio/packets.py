"""Packet objects of the sender, and packets that the driver was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .configuration import Handler

if TYPE_CHECKING:
    from .bus import Link
    from .channel import Channel

__all__ = ["Packet", "Received"]


class Packet:
    """An outgoing packet object. Without a routine an allocated one frees itself (A122)."""

    __slots__ = (
        "allocated",
        "answer",
        "buffer",
        "channel",
        "in_flight",
        "pointer",
        "routine",
        "status",
        "wants_answer",
    )

    def __init__(self, channel: Channel, allocated: bool) -> None:
        self.channel = channel
        self.allocated = allocated
        self.in_flight = False
        self.pointer: object = None
        self.routine: Handler | None = None
        self.buffer = b""
        self.wants_answer = False
        self.status = 0
        self.answer: bytes | None = None


class Received:
    """A packet given to the driver, until it completes or fails it."""

    __slots__ = ("buffer", "channel", "link", "retired", "transaction", "wants_answer")

    def __init__(
        self, channel: Channel, link: Link, buffer: bytes, transaction: int, wants_answer: bool
    ) -> None:
        self.channel = channel
        self.link = link
        self.buffer = buffer
        self.transaction = transaction
        self.wants_answer = wants_answer
        self.retired = False
