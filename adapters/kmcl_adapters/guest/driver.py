"""The driver that gives devices to programs, as the reference guest has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .channels import Channel
from .machine import Thread

if TYPE_CHECKING:
    from .kernel import Kernel

__all__ = ["SEND_PAGES", "Driver"]

RECEIVE_PAGES: Final = 60
SEND_PAGES: Final = 26
"""Of the two buffers that are shared with the host from bind to unbind."""

EINVAL: Final = 22


class Driver:
    """What the user can do with a device; every method gives an errno."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def bind(self, channel: Channel) -> Thread:
        """Take the device, and share two buffers with the host."""
        yield from channel.lock()
        try:
            if channel.rescinded:
                return self.kernel.habits.errors[2]
            for pages in (RECEIVE_PAGES, SEND_PAGES) if self.kernel.habits.buffers else ():
                gpadl, error = yield from self.kernel.gpadls.establish(channel, pages)
                if error:
                    yield from self.give_back(channel)
                    return error
                channel.buffers.append(gpadl)
            channel.bound = True
            return 0
        finally:
            channel.unlock()

    def give_back(self, channel: Channel) -> Thread:
        """The buffers are shared no more."""
        while channel.buffers:
            yield from self.kernel.gpadls.tear_down(channel, channel.buffers.pop())

    def unbind(self, channel: Channel) -> Thread:
        """Leave the device."""
        yield from channel.lock()
        yield from self.give_back(channel)
        channel.bound = False
        channel.unlock()
        return 0

    def open(self, channel: Channel) -> Thread:
        """The first open opens the channel."""
        yield from channel.lock()
        try:
            if channel.rescinded or not channel.bound:
                return self.kernel.habits.errors[2]
            if channel.descriptors:
                channel.descriptors += 1
                return 0
            error = yield from self.kernel.links.open(channel)
            if error:
                return error
            channel.descriptors = 1
            for subchannel in channel.subchannels:
                self.kernel.machine.start(self.subchannel(subchannel))
            return 0
        finally:
            channel.unlock()

    def close(self, channel: Channel) -> Thread:
        """The last close closes the channel, unless it is gone."""
        yield from channel.lock()
        try:
            if channel.descriptors == 1 and not channel.rescinded:
                yield from self.kernel.links.close(channel)
            channel.descriptors -= 1
            return 0
        finally:
            channel.unlock()

    def subchannel(self, channel: Channel) -> Thread:
        """A subchannel is opened as soon as it is there, while its primary is open."""
        yield from channel.lock()
        primary = channel.primary
        wanted = primary is not None and primary.is_open and not primary.closing
        if wanted and not channel.is_open:
            yield from self.kernel.links.open(channel)
        channel.unlock()

    def stock(self, channel: Channel) -> Thread:
        """A driver of the kernel's own opens its device when it is there."""
        yield from channel.lock()
        known = self.kernel.channels.known.get(channel.relid) is channel
        if known and not channel.rescinded and not self.kernel.connection.leaving:
            yield from self.kernel.links.open(channel)
        channel.is_probed = False
        channel.unlock()

    def stock_removed(self, channel: Channel) -> Thread:
        """It closes the device when it leaves."""
        yield from channel.lock()
        if channel.is_open and not channel.rescinded:
            yield from self.kernel.links.close(channel)
        channel.unlock()

    def move(self, channel: Channel, processor: int) -> Thread:
        """Move the interrupts of the device to another processor."""
        yield from channel.lock()
        error = yield from self.kernel.links.move(channel, processor)
        channel.unlock()
        return error

    def signalled(self, channel: Channel) -> None:
        """A program that waits for the device looks at its rings."""

    def notify(self, channel: Channel) -> Thread:
        """Signal the host, where this kernel does so; never by a page that the program has too."""
        yield None
        if channel.rescinded or not channel.is_open:
            return EINVAL
        if self.kernel.habits.signals and not channel.is_monitored:
            self.kernel.machine.signal(channel.relid)
        return 0
