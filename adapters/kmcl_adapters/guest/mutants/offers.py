"""Defects of offers, rescinds and releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmcl_adapters.control import Field
from kmcl_adapters.guest.channels import Channel, Channels
from kmcl_adapters.guest.machine import Thread
from kmcl_model.control import MOST_RELIDS

from .mutant import GuestMutant

if TYPE_CHECKING:
    from kmcl_adapters.guest.kernel import Kernel

__all__ = ["MUTANTS"]


class ReleasedTwice(Channels):
    def release(self, channel: Channel) -> None:
        first = not channel.released
        super().release(channel)
        if first and channel.bound:
            self.kernel.wire.post("RELID_RELEASED", child_relid=channel.relid)


class _Remembers(Channels):
    """Knows every relid that was ever offered."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.met: set[int] = set()

    def offered(self, offer: dict[str, Field]) -> None:
        self.met.add(int(offer["child_relid"]))
        super().offered(offer)


class ReleasedAgainWhenRescindedAgain(_Remembers):
    def rescinded(self, relid: int) -> Thread:
        if relid not in self.known and relid in self.met:
            self.kernel.wire.post("RELID_RELEASED", child_relid=relid)
        return (yield from super().rescinded(relid))


class ReleasesUnknown(_Remembers):
    def rescinded(self, relid: int) -> Thread:
        if relid not in self.met:
            self.kernel.wire.post("RELID_RELEASED", child_relid=relid)
        return (yield from super().rescinded(relid))


class RelidTableOverflows(Channels):
    """A table with a place for each event flag, and no look at the index."""

    def offered(self, offer: dict[str, Field]) -> None:
        if int(offer["child_relid"]) >= MOST_RELIDS:
            raise IndexError("there is no such place")
        super().offered(offer)


class RelidNotMapped(Channels):
    """A channel without a place in the table of relids is kept, and never found by its relid."""

    def accepts(self, offer: dict[str, Field]) -> bool:
        return super().accepts(offer) or int(offer["child_relid"]) >= MOST_RELIDS

    def rescinded(self, relid: int) -> Thread:
        if relid < MOST_RELIDS:
            yield from super().rescinded(relid)


class InstanceTakesNewRelid(Channels):
    """As if the guest had slept: an offer of a device that is there gives it another relid."""

    def offered(self, offer: dict[str, Field]) -> None:
        primary = self.primary_of(str(offer["if_instance"]))
        relid = int(offer["child_relid"])
        if primary is None or offer["sub_channel_index"] or not 0 < relid < MOST_RELIDS:
            super().offered(offer)
            return
        self.known[relid] = self.known.pop(primary.relid)
        primary.relid = relid


class SubchannelWithoutPrimaryCrashes(Channels):
    def accepts(self, offer: dict[str, Field]) -> bool:
        if offer["sub_channel_index"] and self.primary_of(str(offer["if_instance"])) is None:
            raise AttributeError("None has no list of subchannels")
        return super().accepts(offer)


class MonitoredNotTaken(Channels):
    def accepts(self, offer: dict[str, Field]) -> bool:
        return super().accepts(offer) and not offer["monitor_allocated"]


class FlaggedNotTaken(Channels):
    def accepts(self, offer: dict[str, Field]) -> bool:
        return super().accepts(offer) and not offer["chn_flags"]


class SecondEndOfOffersCrashes(Channels):
    def understands(self, message: str, flaw: str) -> bool:
        delivered = self.kernel.connection.delivered
        if message == "ALLOFFERS_DELIVERED" and delivered and not flaw:
            raise ValueError("a completion is completed again")
        return super().understands(message, flaw)


class ReadsShortAnswers(Channels):
    """Only what a channel is told is measured."""

    def understands(self, message: str, flaw: str) -> bool:
        whole = message in ("VERSION_RESPONSE", "MODIFYCHANNEL_RESPONSE") and flaw == "short"
        return whole or super().understands(message, flaw)


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
        "reads-short-answers",
        "only messages about channels are measured",
        "V051",
        ReadsShortAnswers,
    ),
    _M(
        "relid-table-overflows",
        "a table with a place for each event flag, and no look at the index",
        "V065",
        RelidTableOverflows,
    ),
    _M(
        "relid-not-mapped",
        "a channel without a place in the table is kept all the same (Linux 6.12.117)",
        "V065",
        RelidNotMapped,
    ),
    _M(
        "instance-takes-new-relid",
        "an offer is taken for one after a sleep (Linux 6.12.117)",
        "V066",
        InstanceTakesNewRelid,
    ),
    _M(
        "subchannel-without-primary-crashes",
        "the search for the primary is believed to succeed",
        "V067",
        SubchannelWithoutPrimaryCrashes,
    ),
    _M(
        "monitored-not-taken",
        "a driver that knows hypercalls alone keeps the device from all",
        "V032",
        MonitoredNotTaken,
    ),
    _M("flagged-not-taken", "a flag that is not known is an error", "V032", FlaggedNotTaken),
    _M(
        "second-end-of-offers-crashes",
        "a completion that is completed twice",
        "V049",
        SecondEndOfOffersCrashes,
    ),
)
