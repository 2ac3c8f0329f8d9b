"""Packet objects of the sender, and received packets until they are retired."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .configuration import Configuration
    from .link import Link

__all__ = ["CompletionRoutine", "Packet", "Received", "Then"]

Then: TypeAlias = Callable[[int], None]
"""Runs when a handler has returned, with its status (0 where it has none)."""


class Packet:
    """An outgoing packet object, allocated by the library or built in memory of the driver.

    ``in_flight``: accepted by a send and not yet completed. ``routine`` None is the default one
    of an allocated packet, which frees it (F370).
    """

    __slots__ = (
        "allocated",
        "buffer",
        "channel",
        "freed",
        "in_flight",
        "pointer",
        "routine",
        "wants_answer",
    )

    def __init__(self, channel: Configuration, allocated: bool) -> None:
        self.channel = channel
        self.allocated = allocated
        self.freed = False
        self.in_flight = False
        self.pointer: object = None
        self.routine: CompletionRoutine | None = None
        self.buffer: bytes = b""
        self.wants_answer = False


class Received:
    """A packet handed to the driver: the completion context of ProcessPacket."""

    __slots__ = ("buffer", "link", "retired", "transaction", "wants_answer")

    def __init__(
        self, link: Link | None, buffer: bytes, transaction: int, wants_answer: bool
    ) -> None:
        self.link = link
        self.buffer = buffer
        self.transaction = transaction
        self.wants_answer = wants_answer
        self.retired = False


CompletionRoutine: TypeAlias = Callable[[Packet, int, bytes | None, int, Then], None]
"""Packet, status, answer, IRQL, and what follows its return."""
