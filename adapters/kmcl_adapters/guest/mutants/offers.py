"""Defects of offers, rescinds and releases."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.control import Field
from kmcl_adapters.guest.channels import Channel, Channels
from kmcl_adapters.guest.machine import Thread

from .mutant import GuestMutant

__all__ = ["MUTANTS"]


class ReleasedTwice(Channels):
    def release(self, channel: Channel) -> None:
        first = not channel.released
        super().release(channel)
        if first and channel.bound:
            self.kernel.wire.post("RELID_RELEASED", child_relid=channel.relid)


class ReleasedAgainWhenRescindedAgain(Channels):
    def rescinded(self, relid: int) -> Thread:
        if relid not in self.known and relid < 9:
            self.kernel.wire.post("RELID_RELEASED", child_relid=relid)
        return (yield from super().rescinded(relid))


class ReleasesUnknown(Channels):
    def rescinded(self, relid: int) -> Thread:
        if relid not in self.known and relid >= 9:
            self.kernel.wire.post("RELID_RELEASED", child_relid=relid)
        return (yield from super().rescinded(relid))


class ReleasedOnlyWhenClosed(Channels):
    def removed(self, channel: Channel) -> Thread:
        yield lambda: not channel.descriptors
        yield from super().removed(channel)


class ReleaseForgotten(Channels):
    def release(self, channel: Channel) -> None:
        if channel.bound:
            self.forget(channel)
        else:
            super().release(channel)


class RescindWakesNobody(Channels):
    def rescinded(self, relid: int) -> Thread:
        channel = self.known.get(relid)
        if channel is None or channel.rescinded:
            return
        channel.rescinded = True
        yield from channel.lock()
        channel.unlock()
        yield from self.removed(channel)


class StaysUsable(Channels):
    """The device is still there after its release."""

    def forget(self, channel: Channel) -> None:
        if channel.primary is None:
            self.known.pop(channel.relid)
            channel.rescinded = False
            self.known[-channel.relid] = channel
        else:
            super().forget(channel)


class OfferedTwice(Channels):
    def offered(self, offer: dict[str, Field]) -> None:
        known = self.known.pop(int(offer["child_relid"]), None)
        super().offered(offer)
        if known is not None:
            self.kernel.wire.post("RELID_RELEASED", child_relid=known.relid)


class ReadsShortMessages(Channels):
    def understands(self, message: str, flaw: str) -> bool:
        return flaw != "unknown type"


class SpuriousSignalCrashes(Channels):
    def signalled(self, relid: int) -> None:
        self.kernel.driver.signalled(self.known[relid])


_M = GuestMutant
MUTANTS: Final = (
    _M("released-twice", "both the driver and the bus give the relid back", "V018", ReleasedTwice),
    _M(
        "released-again",
        "a rescind of a channel that is gone already is answered",
        "V018",
        ReleasedAgainWhenRescindedAgain,
    ),
    _M("releases-unknown", "a rescind without an offer is answered", "V052", ReleasesUnknown),
    _M(
        "released-only-when-closed",
        "the release waits for a program that may never close its descriptor",
        "V020",
        ReleasedOnlyWhenClosed,
    ),
    _M("release-forgotten", "a reference to the device is leaked", "V020", ReleaseForgotten),
    _M(
        "rescind-wakes-nobody",
        "a request is not entered with the channel it waits for",
        "V021",
        RescindWakesNobody,
    ),
    _M("stays-usable", "the device node outlives the channel", "V023", StaysUsable),
    _M(
        "offered-twice", "an offer takes the place of one with the same relid", "V053", OfferedTwice
    ),
    _M(
        "reads-short-messages",
        "the size of a message is not compared with that of its type",
        "V051",
        ReadsShortMessages,
    ),
    _M(
        "spurious-signal-crashes",
        "an interrupt for a channel without a driver",
        "V059",
        SpuriousSignalCrashes,
    ),
)
