"""The connection of the reference guest: contact, the request for offers, the unload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmcl_model.control import version

from .gpadls import ENODEV
from .machine import Thread

if TYPE_CHECKING:
    from .kernel import Kernel

__all__ = ["PROCESSORS", "Connection"]

PROCESSORS: Final = 2
INTERRUPT_PAGE: Final = 0x5000
MONITOR_PAGES: Final = (0x6000, 0x7000)


class Connection:
    """Negotiates, asks for offers, and says goodbye."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.version = 0
        self.delivered = False
        self.leaving = False
        """Drivers are being unloaded: none takes a device any more."""

    def knows_modify(self) -> bool:
        """Whether channels can be moved in this version."""
        return self.version >= version(4, 1)

    def answers_modify(self) -> bool:
        """Whether the host answers when they are."""
        return self.version >= version(5, 3)

    def load(self) -> Thread:
        """Load the driver of the bus; gives an errno."""
        accepted = yield from self.negotiate()
        if not accepted:
            return ENODEV
        yield from self.request_offers()
        if self.kernel.habits.waits_for_drivers:
            known = self.kernel.channels.known
            yield lambda: not any(channel.is_probed for channel in known.values())
        return 0

    def negotiate(self) -> Thread:
        """Propose versions until the host accepts one; gives whether it did."""
        for proposed in self.kernel.habits.versions:
            yield None
            request = self.kernel.requests.begin(
                "INITIATE_CONTACT",
                vmbus_version_requested=proposed,
                target_vcpu=0,
                interrupt_page=INTERRUPT_PAGE,
                monitor_page1=MONITOR_PAGES[0],
                monitor_page2=MONITOR_PAGES[1],
                processors=PROCESSORS,
            )
            yield from self.kernel.requests.wait(request)
            if request.answer is not None and request.answer["version_supported"]:
                self.version = proposed
                self.go_on_at(int(request.answer["msg_conn_id"]))
                return True
        return False

    def go_on_at(self, named: int) -> None:
        """The host names the connection for all that comes; in old versions it cannot."""
        if self.version >= version(5, 0):
            self.kernel.wire.connection = named

    def request_offers(self) -> Thread:
        """Ask for the offers, and wait for them where this kernel does."""
        self.delivered = False
        yield None
        self.kernel.wire.post("REQUESTOFFERS")
        if self.kernel.habits.waits_for_offers:
            yield lambda: self.delivered

    def unload(self) -> Thread:
        """Unload the driver of the bus, and everything that needs it; gives an errno."""
        self.leaving = True
        for channel in list(self.kernel.channels.known.values()):
            if channel.bound:
                yield from self.kernel.driver.unbind(channel)
            elif channel.has_stock_driver:
                yield from self.kernel.driver.stock_removed(channel)
        yield lambda: not self.kernel.channels.leaving()
        yield from self.disconnect()
        self.kernel.channels.unloaded()
        self.version = 0
        self.leaving = False
        return 0

    def hand_over(self) -> Thread:
        """Leave the bus for another kernel, with everything as it is; nobody else goes on."""
        self.leaving = True
        if self.kernel.habits.closes_at_handover:
            for channel in list(self.kernel.channels.known.values()):
                if channel.primary is None:
                    yield from self.kernel.links.close_for_handover(channel)
        yield None
        self.kernel.machine.freeze()
        yield from self.disconnect()

    def bequeath(self, successor: Kernel) -> None:
        """What the kernel that took over gets of this connection: nothing."""

    def disconnect(self) -> Thread:
        """Tell the host, and wait until it has let go of everything."""
        if self.version < version(3, 0):
            return
        yield None
        request = self.kernel.requests.begin("UNLOAD")
        yield from self.kernel.requests.wait(request)
