"""The reference guest as a whole: its parts, its habits, and the port that a host sees.

It is written from what the documents and sources say a Linux guest does, and not from the rules
that judge it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from kmcl_adapters.control import Field, Gone, Seen, Sent, relid_of
from kmcl_model.control import HOST, VERSIONS, version

from .channels import Channels
from .connection import Connection
from .driver import Driver
from .gpadls import EDQUOT, ENODEV, Gpadls
from .links import EAGAIN, Links
from .machine import Machine, Thread
from .requests import Requests, Wire

__all__ = ["LINUX_6_12", "SOUND", "GuestPort", "Habits", "Kernel", "Parts"]


UP_TO_5_3: Final = tuple(v for v in VERSIONS if version(2, 4) <= v <= version(5, 3))


class Habits(NamedTuple):
    """What kernels may do one way or the other.

    ``versions``: those that are proposed, in this order. ``waits_for_offers``: loading ends when
    all offers were delivered, ``waits_for_drivers``: and when those of the kernel's own have taken
    their devices. ``buffers``: binding shares two buffers with the host. ``signals``:
    a write to the device signals the host. ``closes_rescinded``: a channel that was open when
    rescinded is closed before it is released. ``keeps_open_subchannels``: a rescinded subchannel
    that is open is released when its primary is closed. ``releases_after_unload``: channels are
    released one by one after UNLOAD. ``closes_at_handover``: channels are closed before UNLOAD when
    another kernel takes over. ``counts_bodies``: GPADL_BODY has a message number.
    ``takes_odd_offers``: an offer that no host should make is taken like any other.
    ``reads_bare_messages``: a message that is nothing but its type may be cut short.
    ``errors``: those of an open whose GPADL or channel was refused, or whose channel was rescinded.
    """

    versions: tuple[int, ...] = UP_TO_5_3
    waits_for_offers: bool = False
    waits_for_drivers: bool = False
    buffers: bool = True
    signals: bool = True
    openid_is_relid: bool = True
    closes_rescinded: bool = False
    keeps_open_subchannels: bool = True
    releases_after_unload: bool = True
    closes_at_handover: bool = False
    counts_bodies: bool = False
    takes_odd_offers: bool = False
    reads_bare_messages: bool = False
    errors: tuple[int, int, int] = (EDQUOT, EAGAIN, ENODEV)


LINUX_6_12: Final = Habits()
"""The habits of Linux 6.12."""


class Parts(NamedTuple):
    """The classes a kernel is made of; a defective one takes another in one place."""

    wire: type[Wire] = Wire
    requests: type[Requests] = Requests
    connection: type[Connection] = Connection
    channels: type[Channels] = Channels
    gpadls: type[Gpadls] = Gpadls
    links: type[Links] = Links
    driver: type[Driver] = Driver


SOUND: Final = Parts()
"""A kernel without defects."""


class Kernel:
    """A guest whose bus driver is not loaded. ``succeeded`` is called with the successor when
    another kernel has taken over."""

    def __init__(self, parts: Parts = SOUND, habits: Habits = LINUX_6_12) -> None:
        self.parts = parts
        self.habits = habits
        self.succeeded: Callable[[Kernel], object] = lambda _: None
        self.machine = Machine()
        self.machine.handle = self._handle
        self.wire = parts.wire(self.machine)
        self.requests = parts.requests(self.wire)
        self.connection = parts.connection(self)
        self.channels = parts.channels(self)
        self.gpadls = parts.gpadls(self)
        self.links = parts.links(self)
        self.driver = parts.driver(self)

    def _handle(self, message: str, fields: dict[str, Field], flaw: str) -> None:
        """Look at the next message of the host."""
        if not self.channels.understands(message, flaw):
            return
        if message == "OFFERCHANNEL":
            self.channels.offered(fields)
        elif message == "RESCIND_CHANNELOFFER":
            self.machine.start(self.channels.rescinded(int(fields["child_relid"])))
        elif message == "ALLOFFERS_DELIVERED":
            self.connection.delivered = True
        else:
            self.requests.answered(message, fields)

    def call(self, by: str, function: str, arguments: tuple[Field, ...]) -> None:
        """Begin a call of the user."""
        self.machine.start(self._run(by, function, arguments))

    def _run(self, by: str, function: str, arguments: tuple[Field, ...]) -> Thread:
        if function == "kexec":
            yield from self.connection.hand_over()
            self._hand_over(by)
            return
        if function in ("load", "unload"):
            error = yield from getattr(self.connection, function)()
        else:
            channel = self.channels.primary_of(str(arguments[0]))
            error = ENODEV
            if channel is not None:
                error = yield from getattr(self.driver, function)(channel, *arguments[1:])
        self.machine.returned(by, function, error)

    def _hand_over(self, by: str) -> None:
        """Another kernel takes over; its first word is that it is there."""
        self.machine.stop()
        successor = Kernel(self.parts, self.habits)
        successor.machine.seen += self.machine.seen
        self.machine.seen.clear()
        self.succeeded(successor)
        successor.machine.returned(by, "kexec", 0)
        self.connection.bequeath(successor)


class GuestPort:
    """A reference guest with its host, in memory."""

    def __init__(self, parts: Parts = SOUND, habits: Habits = LINUX_6_12) -> None:
        self._parts = parts
        self._habits = habits
        self._seen: list[Seen] = []
        self._boot(Kernel(parts, habits))

    def _boot(self, kernel: Kernel) -> None:
        self._kernel = kernel
        kernel.succeeded = self._boot

    def post(self, message: str, fields: Mapping[str, Field], flaw: str) -> None:
        """Send a message to the guest."""
        self._gather()
        self._seen.append(Sent(HOST, message, fields, flaw))
        self._kernel.machine.inbox.append((message, dict(fields), flaw))

    def call(self, by: str, function: str, arguments: tuple[Field, ...]) -> None:
        """Make the guest's user begin a call."""
        self._kernel.call(by, function, arguments)

    def act(self, endpoint: str, action: str) -> None:
        """Let the world act."""
        if action == "reset":
            self._gather()
            self._boot(Kernel(self._parts, self._habits))
        elif action == "busy":
            self._kernel.machine.refusals += 1
        elif action.startswith("spurious"):
            relid = relid_of(action)  # a wrong one is no error of the guest
            self._attempt(lambda: self._kernel.channels.signalled(relid))

    def ready(self) -> tuple[int, ...]:
        """The guest's threads that could take a step."""
        return self._kernel.machine.ready()

    def step(self, choice: int) -> None:
        """One step of one of them."""
        self._attempt(lambda: self._kernel.machine.step(choice))

    def settle(self) -> None:
        """Until none can."""
        if self._attempt(self._kernel.machine.rest) is False:
            self._gather()
            self._seen.append(Gone("hang", "the guest never comes to rest"))

    def take(self) -> list[Seen]:
        """What was seen."""
        self._gather()
        seen, self._seen = self._seen, []
        return seen

    def close(self) -> None:
        """End every thread."""
        self._kernel.machine.stop()

    def _attempt(self, action: Callable[[], object]) -> object:
        """An error of the guest is the end of the guest, not of the test."""
        try:
            return action()
        except Exception as error:
            self._gather()
            self._seen.append(Gone("crash", f"{type(error).__name__}: {error}"))
            self._kernel.machine.stop()
            return None

    def _gather(self) -> None:
        self._seen += self._kernel.machine.seen
        self._kernel.machine.seen.clear()
