"""Start while a Pause of the same channel still waits: what it does under each reading (A148)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .channel import Channel
    from .scheduler import Wait

__all__ = ["resume_when_paused", "start_during_pause"]


def start_during_pause(channel: Channel) -> Wait | None:
    """VmbChannelStart from another thread while VmbChannelPause drains; a wait if it has to."""
    match channel.readings.start_during_pause:
        case "ignored":
            return None
        case "waits":
            return channel.wait(channel.start_waits)
        case "returns":
            channel.release(channel.pause_waits)
        case "undone" if channel.lifecycle.running():
            channel.stop_wanted = False
            channel.release(channel.pause_waits)
        case _:
            pass
    channel.unpause()
    return None


def resume_when_paused(channel: Channel) -> None:
    """The pause is complete: calls of Pause return, then those of Start that waited for it."""
    channel.release(channel.pause_waits)
    if channel.start_waits:
        channel.unpause()
        channel.release(channel.start_waits)
