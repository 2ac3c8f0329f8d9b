"""Opening, closing and moving channels in the reference guest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .channels import Channel
from .machine import Thread

if TYPE_CHECKING:
    from .kernel import Kernel

__all__ = ["EAGAIN", "EIO", "Links"]

EIO: Final = 5
EAGAIN: Final = 11
RING_PAGES: Final = 34
"""Pages of both rings, headers included: one GPADL_BODY is needed."""


class Links:
    """What belongs to a channel that is open."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def openid(self, channel: Channel) -> int:
        """What the host's answer will bear."""
        return channel.relid if self.kernel.habits.openid_is_relid else channel.relid + 7

    def open(self, channel: Channel) -> Thread:
        """Establish the rings and open the channel; gives an errno."""
        gpadl, error = yield from self.kernel.gpadls.establish(channel, RING_PAGES)
        if error:
            return error
        yield None
        if channel.rescinded:
            return self.kernel.habits.errors[2]
        channel.ring = gpadl
        channel.target = 0
        request = self.kernel.requests.begin(
            "OPENCHANNEL",
            channel,
            child_relid=channel.relid,
            openid=self.openid(channel),
            ringbuffer_gpadlhandle=gpadl,
            target_vp=channel.target,
            downstream_ringbuffer_pageoffset=RING_PAGES // 2,
        )
        yield from self.kernel.requests.wait(request)
        if channel.rescinded:
            return self.kernel.habits.errors[2]
        if request.answer is not None and request.answer["status"]:
            yield from self.refused(channel)
            return self.kernel.habits.errors[1]
        channel.is_open = True
        return 0

    def refused(self, channel: Channel) -> Thread:
        """The host does not open the channel: the rings are given back."""
        yield from self.kernel.gpadls.tear_down(channel, channel.ring)
        channel.ring = 0

    def close(self, channel: Channel) -> Thread:
        """Close a channel, its subchannels before it."""
        channel.closing = True
        for subchannel in list(channel.subchannels):
            yield from subchannel.lock()
            if subchannel.is_open:
                yield from self.close_one(subchannel)
            subchannel.unlock()
            if subchannel.rescinded:
                self.kernel.channels.release(subchannel)
        yield from self.close_one(channel)
        channel.closing = False

    def close_for_handover(self, channel: Channel) -> Thread:
        """Close a channel, whoever has it open."""
        yield from channel.lock()
        if channel.is_open and not channel.rescinded:
            yield from self.close(channel)
        channel.unlock()

    def close_one(self, channel: Channel) -> Thread:
        """Close one channel and give its rings back."""
        self.say_closed(channel)
        yield None
        yield from self.kernel.gpadls.tear_down(channel, channel.ring)
        channel.ring = 0

    def say_closed(self, channel: Channel) -> None:
        """Tell the host that the channel is not used any more."""
        channel.is_open = False
        self.kernel.wire.post("CLOSECHANNEL", child_relid=channel.relid)

    def move(self, channel: Channel, processor: int) -> Thread:
        """Have the host signal another processor; gives an errno."""
        if not channel.is_open or channel.rescinded or not self.kernel.connection.knows_modify():
            return EIO
        if channel.target == processor:
            return 0
        if not self.kernel.connection.answers_modify():
            self.kernel.wire.post("MODIFYCHANNEL", child_relid=channel.relid, target_vp=processor)
            channel.target = processor
            return 0
        request = self.kernel.requests.begin(
            "MODIFYCHANNEL", channel, child_relid=channel.relid, target_vp=processor
        )
        yield from self.kernel.requests.wait(request)
        if request.answer is None or request.answer["status"]:
            return EIO
        channel.target = processor
        return 0
