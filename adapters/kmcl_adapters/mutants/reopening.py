"""Defects that show in a second session, or in a second channel."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Lifecycle, Phase
from kmcl_adapters.reference.library.link import Bus
from kmcl_model.status import STATUS_CANCELLED

from .mutant import Mutant

__all__ = ["MUTANTS"]


class SecondConnectFails(Channel):
    found = 0

    def awaits(self) -> bool:
        server = self.bus.server
        if not super().awaits() or server is None or not server.offers():
            return False
        self.found += 1
        if self.found != 2 or self.pnp_failure is None:
            return True
        self.refused = True
        self.lifecycle.pnp_status = STATUS_CANCELLED
        self.lifecycle.wake()
        return False


class OfferDuringCloseUnseen(Channel):
    unseen = False

    def enable(self) -> int:
        client = self.bus.client
        self.unseen = self.is_server and client is not None and client.phase == Phase.CLOSING
        return super().enable()

    def offers(self) -> bool:
        return super().offers() and not self.unseen


class SecondAllocationUnseen(Bus):
    def attach(self, channel: Channel) -> None:
        if (self.server if channel.is_server else self.client) is None:
            super().attach(channel)

    def detach(self, channel: Channel) -> None:
        if channel.dead:
            super().detach(channel)


class PacketSizeSettingLost(Channel):
    def set_maximum_packet_size(self, maximum: int) -> int:
        before = self.maximum_packet_size
        status = super().set_maximum_packet_size(maximum)
        self.maximum_packet_size = before
        return status


class PacketSizeLostByDisable(Channel):
    def become_disabled(self) -> None:
        super().become_disabled()
        self.maximum_packet_size = 1024


class KeptQueueReversed(Lifecycle):
    def offer_again(self) -> None:
        self.channel.sender.queue.reverse()
        super().offer_again()


class KeptQueueForgetsFlag(Lifecycle):
    def offer_again(self) -> None:
        for packet in self.channel.sender.queue:
            packet.wants_answer = False
        super().offer_again()


_M = Mutant
MUTANTS: Final = (
    _M(
        "second-connect-fails",
        "lifecycle",
        "the client finds its own old connection on the bus and reports that as a failure",
        SecondConnectFails,
    ),
    _M(
        "offer-during-close-unseen",
        "lifecycle",
        "an offer that is made while the client still closes is never looked at again",
        OfferDuringCloseUnseen,
    ),
    _M(
        "second-allocation-unseen",
        "lifecycle",
        "Cleanup leaves the old channel on the bus, where it hides the next one",
        SecondAllocationUnseen,
    ),
    _M(
        "packet-size-setting-lost",
        "configuration",
        "the maximum packet size is checked, and the default stays",
        PacketSizeSettingLost,
    ),
    _M(
        "packet-size-lost-by-disable",
        "configuration",
        "Disable sets the maximum packet size back to the default",
        PacketSizeLostByDisable,
    ),
    _M(
        "kept-queue-reversed",
        "queueing",
        "packets kept over a close are put back one by one at the front",
        KeptQueueReversed,
    ),
    _M(
        "kept-queue-forgets-flag",
        "queueing",
        "packets kept over a close are queued anew without their flags",
        KeptQueueForgetsFlag,
    ),
)
