"""What a stop leaves to the reading: what it waits for, and when what was sent is retired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .phases import Phase

if TYPE_CHECKING:
    from .channel import Channel

__all__ = [
    "closes_before_drained",
    "flush_before_suspend",
    "is_flushing",
    "peer_has_completed",
]


def flush_before_suspend(channel: Channel) -> None:
    """A server's transactions end before its Suspend under A60 R1."""
    if channel.is_server and channel.readings.flushed_before_suspend:
        channel.cancel_sent()


def is_flushing(channel: Channel) -> bool:
    """Whether the Suspend of a close waits for routines of transactions that were retired (A60)."""
    flushes = channel.phase == Phase.CLOSING and channel.readings.flushed_before_suspend
    return channel.is_server and flushes and bool(channel.completer.pending)


def closes_before_drained(channel: Channel) -> bool:
    """Whether Closed may come while packets are outstanding: only Disable waits (A62 R2)."""
    waits = channel.disabling and not channel.pause_waits
    return channel.readings.closed_before_drained and waits


def peer_has_completed(channel: Channel) -> bool:
    """Whether the peer has completed what was sent, or is not there to do it (A64 R2).

    Completion packets that find no room in the ring do not keep a pause waiting.
    """
    link = channel.link
    if link is None or channel.phase != Phase.OPEN:
        return True
    return len(channel.sent) <= link.answers_waiting(channel)
