"""Defects of looking at signals: any flag may be raised, whatever has become of its channel."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.control import Field
from kmcl_adapters.guest.channels import Channel, Channels

from .mutant import GuestMutant

__all__ = ["MUTANTS"]


class _Looks(Channels):
    """Does what cannot be done in some states of a channel."""

    def fails(self, channel: Channel) -> bool:
        raise NotImplementedError

    def signalled(self, relid: int) -> None:
        channel = self.known.get(relid)
        if channel is not None and self.fails(channel):
            raise AttributeError("nothing is there to be called")
        super().signalled(relid)


class SignalOfUnknownCrashes(Channels):
    def signalled(self, relid: int) -> None:
        self.kernel.driver.signalled(self.known[relid])


class SignalOfClosedCrashes(_Looks):
    def fails(self, channel: Channel) -> bool:
        return not channel.is_open


class SignalOfBoundCrashes(_Looks):
    def fails(self, channel: Channel) -> bool:
        return channel.bound and channel.is_open


class SignalOfSubchannelCrashes(_Looks):
    def fails(self, channel: Channel) -> bool:
        return channel.primary is not None and channel.is_open


class SignalOfReleasedCrashes(Channels):
    """The place of a channel in the table is not emptied."""

    def offered(self, offer: dict[str, Field]) -> None:
        self.__dict__.setdefault("met", set()).add(int(offer["child_relid"]))
        super().offered(offer)

    def signalled(self, relid: int) -> None:
        if relid not in self.known and relid in self.__dict__.get("met", ()):
            raise AttributeError("the channel was freed")
        super().signalled(relid)


_M = GuestMutant
MUTANTS: Final = (
    _M(
        "spurious-signal-crashes",
        "an interrupt for a channel that is none",
        "V059",
        SignalOfUnknownCrashes,
    ),
    _M(
        "signal-of-closed-crashes",
        "an interrupt for a channel without a driver that listens",
        "V059",
        SignalOfClosedCrashes,
    ),
    _M(
        "signal-of-bound-crashes",
        "the rings are believed to have something in them",
        "V059",
        SignalOfBoundCrashes,
    ),
    _M(
        "signal-of-subchannel-crashes",
        "the device of a subchannel is looked up where only primary channels have one",
        "V059",
        SignalOfSubchannelCrashes,
    ),
    _M(
        "signal-of-released-crashes",
        "the table of relids keeps a channel that is freed",
        "V059",
        SignalOfReleasedCrashes,
    ),
)
