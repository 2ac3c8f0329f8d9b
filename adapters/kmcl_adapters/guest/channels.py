"""Channels of the reference guest: offers, rescinds, releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmcl_adapters.control import Field
from kmcl_model.control import CLASS_OF_HEARTBEAT, MESSAGES, MOST_RELIDS

from .machine import Thread

if TYPE_CHECKING:
    from .kernel import Kernel

__all__ = ["Channel", "Channels"]


class Channel:
    """One channel: its offer, whether it is open, and what its device has of the user."""

    def __init__(self, offer: dict[str, Field], primary: Channel | None) -> None:
        self.relid = int(offer["child_relid"])
        self.device = str(offer["if_instance"])
        self.has_stock_driver = offer["if_type"] == CLASS_OF_HEARTBEAT
        self.is_monitored = bool(offer["monitor_allocated"])
        self.primary = primary
        self.subchannels: list[Channel] = []
        self.rescinded = False
        self.released = False
        self.is_open = False
        self.closing = False
        """Its subchannels are being closed, and none is opened any more."""
        self.ring = 0
        self.target = 0
        """The processor that the host interrupts."""
        self.buffers: list[int] = []
        self.bound = False
        self.descriptors = 0
        self.busy = False
        """A thread is at work on the channel; others wait."""
        self.is_probed = False
        """A driver of the kernel's own is taking the device."""

    def lock(self) -> Thread:
        """Wait until nobody else works on the channel."""
        yield lambda: not self.busy
        self.busy = True

    def unlock(self) -> None:
        """Let others go on."""
        self.busy = False


class Channels:
    """Every channel that was offered and not released."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.known: dict[int, Channel] = {}

    def understands(self, message: str, flaw: str) -> bool:
        """Whether a message is of a type that is known, and long enough for it."""
        bare = not MESSAGES[message].fields and self.kernel.habits.reads_bare_messages
        return flaw != "unknown type" and (flaw != "short" or bare)

    def primary_of(self, device: str) -> Channel | None:
        """The primary channel of a device."""
        found = (c for c in self.known.values() if c.device == device and c.primary is None)
        return next(found, None)

    def offered(self, offer: dict[str, Field]) -> None:
        """The host offers a channel. An offer that makes no sense is forgotten."""
        relid, device = int(offer["child_relid"]), str(offer["if_instance"])
        primary = self.primary_of(device)
        if not self.kernel.connection.version:
            return  # the bus was left while the offer was on its way
        if relid in self.known or not self.accepts(offer):
            return
        if offer["sub_channel_index"] == 0:
            primary = None
        channel = self.known[relid] = Channel(offer, primary)
        if primary is not None:
            primary.subchannels.append(channel)
            self.kernel.machine.start(self.kernel.driver.subchannel(channel))
        elif channel.has_stock_driver:
            channel.is_probed = True
            self.kernel.machine.start(self.kernel.driver.stock(channel))

    def accepts(self, offer: dict[str, Field]) -> bool:
        """Whether an offer of a relid that is free makes sense, or this kernel takes any."""
        has_flag = 0 < int(offer["child_relid"]) < MOST_RELIDS
        has_primary = self.primary_of(str(offer["if_instance"])) is not None
        fits = has_flag and has_primary == (offer["sub_channel_index"] != 0)
        return fits or self.kernel.habits.takes_odd_offers

    def rescinded(self, relid: int) -> Thread:
        """The host takes an offer back."""
        channel = self.known.get(relid)
        if channel is None or channel.rescinded:
            return
        channel.rescinded = True
        self.kernel.requests.wake(channel)
        yield None
        yield from channel.lock()
        channel.unlock()
        if channel.primary is not None and channel.is_open and self.kept(channel):
            return
        yield from self.removed(channel)

    def kept(self, channel: Channel) -> bool:
        """Whether a rescinded subchannel that is open stays until its primary is closed."""
        return self.kernel.habits.keeps_open_subchannels

    def removed(self, channel: Channel) -> Thread:
        """Nothing of a rescinded channel is left; its subchannels go before it."""
        for subchannel in list(channel.subchannels):
            if subchannel.rescinded:
                yield from subchannel.lock()
                subchannel.unlock()
                self.release(subchannel)
        closes = channel.has_stock_driver or self.kernel.habits.closes_rescinded
        if channel.is_open and closes:
            self.kernel.links.say_closed(channel)
        yield None
        self.release(channel)

    def signalled(self, relid: int) -> None:
        """The host signals a channel; one that nobody knows is of no interest."""
        channel = self.known.get(relid)
        if channel is not None:
            self.kernel.driver.signalled(channel)

    def release(self, channel: Channel) -> None:
        """Give the relid back to the host."""
        if channel.released:
            return
        channel.released = True
        channel.is_open = False
        self.forget(channel)
        self.kernel.wire.post("RELID_RELEASED", child_relid=channel.relid)

    def forget(self, channel: Channel) -> None:
        """The channel is gone for the guest."""
        self.known.pop(channel.relid, None)
        if channel.primary is not None and channel in channel.primary.subchannels:
            channel.primary.subchannels.remove(channel)

    def leaving(self) -> bool:
        """Whether a channel is about to be released."""
        return any(c.rescinded and c.primary is None for c in self.known.values())

    def unloaded(self) -> None:
        """The bus is gone; some kernels still say so of each channel."""
        for channel in list(self.known.values()):
            if self.kernel.habits.releases_after_unload:
                self.release(channel)
        self.known.clear()
