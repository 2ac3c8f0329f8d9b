"""Defects of contact and farewell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmcl_adapters.control import Field
from kmcl_adapters.guest.connection import Connection
from kmcl_adapters.guest.machine import Thread
from kmcl_adapters.guest.requests import Wire
from kmcl_model.control import version

from .mutant import GuestMutant

if TYPE_CHECKING:
    from kmcl_adapters.guest.kernel import Kernel

__all__ = ["MUTANTS"]


class VersionNotLowered(Connection):
    def negotiate(self) -> Thread:
        for proposed in (version(5, 3), version(5, 3), version(5, 2)):
            request = self.kernel.requests.begin(
                "INITIATE_CONTACT", vmbus_version_requested=proposed, target_vcpu=0
            )
            yield from self.kernel.requests.wait(request)
            if request.answer is not None and request.answer["version_supported"]:
                self.version = proposed
                return True
        return False


class ContactsWithoutWaiting(Connection):
    def negotiate(self) -> Thread:
        self.kernel.wire.post(
            "INITIATE_CONTACT", vmbus_version_requested=version(5, 3), target_vcpu=0
        )
        return (yield from super().negotiate())


class InventsVersion(Connection):
    def negotiate(self) -> Thread:
        accepted = yield from super().negotiate()
        if accepted:
            return True
        request = self.kernel.requests.begin(
            "INITIATE_CONTACT", vmbus_version_requested=version(2, 1), target_vcpu=0
        )
        yield from self.kernel.requests.wait(request)
        return False


class HangsWhenRefused(Connection):
    def negotiate(self) -> Thread:
        accepted = yield from super().negotiate()
        yield lambda: bool(accepted)
        return accepted


class LoadedWithoutVersion(Connection):
    def load(self) -> Thread:
        accepted = yield from self.negotiate()
        if accepted:
            yield from self.request_offers()
        return 0


class OffersBeforeContact(Connection):
    def load(self) -> Thread:
        self.kernel.wire.post("REQUESTOFFERS")
        return (yield from super().load())


class OffersBeforeVersion(Wire):
    def post(self, message: str, **fields: Field) -> None:
        if message != "REQUESTOFFERS":
            super().post(message, **fields)
        if message == "INITIATE_CONTACT":
            super().post("REQUESTOFFERS")


class OffersRequestedTwice(Connection):
    def request_offers(self) -> Thread:
        yield from super().request_offers()
        self.kernel.wire.post("REQUESTOFFERS")


class OffersNotRequested(Connection):
    def request_offers(self) -> Thread:
        yield None


class ContactsAgain(Connection):
    def request_offers(self) -> Thread:
        yield from super().request_offers()
        self.kernel.wire.post(
            "INITIATE_CONTACT", vmbus_version_requested=self.version, target_vcpu=1
        )


class LoadWaitsForever(Connection):
    def request_offers(self) -> Thread:
        self.delivered = False
        self.kernel.wire.post("REQUESTOFFERS")
        yield lambda: self.delivered and not self.kernel.channels.known


class NoUnload(Connection):
    def disconnect(self) -> Thread:
        yield None


class UnloadDoesNotWait(Connection):
    def disconnect(self) -> Thread:
        yield None
        self.kernel.wire.post("UNLOAD")


class UnloadedTwice(Connection):
    def disconnect(self) -> Thread:
        yield from super().disconnect()
        self.kernel.wire.post("UNLOAD")


class UnloadHangs(Connection):
    def disconnect(self) -> Thread:
        yield from super().disconnect()
        yield lambda: False


class HandsOverWithoutUnload(Connection):
    def hand_over(self) -> Thread:
        yield None


class HandoverDoesNotWait(Connection):
    def hand_over(self) -> Thread:
        yield None
        self.kernel.machine.freeze()
        if self.version:
            self.kernel.wire.post("UNLOAD")


class HandoverHangs(Connection):
    """The thread that would start the other kernel waits for one that is stopped."""

    def hand_over(self) -> Thread:
        yield from super().hand_over()
        yield lambda: not any(c.busy for c in self.kernel.channels.known.values())


class SuccessorReleasesChannels(Connection):
    def bequeath(self, successor: Kernel) -> None:
        for relid in self.kernel.channels.known:
            successor.wire.post("RELID_RELEASED", child_relid=relid)


class UnloadsBeforeTeardown(Connection):
    def unload(self) -> Thread:
        yield from self.disconnect()
        for channel in list(self.kernel.channels.known.values()):
            if channel.bound:
                yield from self.kernel.driver.unbind(channel)
        self.kernel.channels.unloaded()
        return 0


_M = GuestMutant
MUTANTS: Final = (
    _M("version-not-lowered", "the list of versions has one twice", "V003", VersionNotLowered),
    _M(
        "contacts-without-waiting",
        "the answer to the first contact is not awaited",
        "V002",
        ContactsWithoutWaiting,
    ),
    _M("invents-version", "a version that never was, as a last resort", "V004", InventsVersion),
    _M(
        "hangs-when-refused",
        "no way out of the negotiation when nothing is left",
        "V006",
        HangsWhenRefused,
    ),
    _M(
        "loaded-without-version",
        "the failure of the negotiation is not handed on",
        "V009",
        LoadedWithoutVersion,
    ),
    _M(
        "offers-before-contact",
        "the initialisation of the driver is turned around",
        "V001",
        OffersBeforeContact,
    ),
    _M(
        "offers-before-version",
        "offers are requested while the contact is being made",
        "V007",
        OffersBeforeVersion,
    ),
    _M(
        "offers-requested-twice",
        "the request for offers is repeated for safety",
        "V008",
        OffersRequestedTwice,
    ),
    _M(
        "offers-not-requested",
        "the driver waits for offers that nobody asked for",
        "V007",
        OffersNotRequested,
    ),
    _M("contacts-again", "a second processor makes contact anew", "V005", ContactsAgain),
    _M(
        "load-waits-forever",
        "the load waits for devices to be gone that came with the offers",
        "V010",
        LoadWaitsForever,
    ),
    _M(
        "no-unload",
        "the state is set to disconnected before disconnecting (Linux 6.12.95)",
        "V011",
        NoUnload,
    ),
    _M(
        "unload-does-not-wait",
        "pages are freed while the host may write into them",
        "V013",
        UnloadDoesNotWait,
    ),
    _M("unloaded-twice", "both the exit and a notifier say goodbye", "V012", UnloadedTwice),
    _M("unload-hangs", "the completion is initialised again after the answer", "V015", UnloadHangs),
    _M(
        "unloads-before-teardown",
        "the bus is left before its devices",
        "V014",
        UnloadsBeforeTeardown,
    ),
    _M(
        "hands-over-without-unload",
        "the handler for kexec is registered for kdump alone",
        "V061",
        HandsOverWithoutUnload,
    ),
    _M(
        "handover-does-not-wait",
        "the answer is awaited by an interrupt, and interrupts are off",
        "V062",
        HandoverDoesNotWait,
    ),
    _M(
        "handover-hangs",
        "processors are stopped with a lock held that the last one needs",
        "V063",
        HandoverHangs,
    ),
    _M(
        "successor-releases-channels",
        "what the crash kernel found in memory is taken for its own",
        "V064",
        SuccessorReleasesChannels,
    ),
)
