"""What may be known of the end that is not observed: what it does with what it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

__all__ = ["Host", "MakeHost"]


class Host(Protocol):
    """Follows the conversation with one kind of host, in one sequence.

    ``drains``: it takes everything out of its ring while the channel is open.
    ``stays``: it is there, accepts whoever opens the channel, and never closes it by itself.
    """

    drains: bool
    stays: bool

    def opened(self) -> None:
        """A new session has begun."""

    def hears(self, payload: bytes) -> bytes | None:
        """It has surely got this packet: the answer that it owes, as it comes out of the ring;
        None where none is owed or nobody knows."""

    def may_hear(self, payload: bytes) -> None:
        """It gets this packet perhaps, at once or later."""

    def broken(self) -> None:
        """It got a packet that is none: nobody knows what it does until a new session."""

    def question(self, number: int) -> bytes:
        """A packet whose answer is owed as long as everything it has heard is known."""

    def messages(self) -> tuple[bytes, ...]:
        """Packets that mean something to it, in an order in which they may be sent."""

    def copy(self) -> Host:
        """The same conversation, to be followed on its own."""


MakeHost: TypeAlias = Callable[[], Host]
"""Makes the host of a new sequence."""
