"""A server's end on a channel of the VMBus host, and a guest that the test plays."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from kmcl_adapters.driver import ThreadedSession
from kmcl_adapters.host.bus import HostBus
from kmcl_adapters.host.channel import HostOffer, rings_of
from kmcl_adapters.host.gpadl import Gpadl, Range
from kmcl_adapters.host.scripted import ScriptedGuest
from kmcl_adapters.host.trace import Entry
from kmcl_adapters.reference import SOUND, Parts
from kmcl_adapters.uio.descriptor import FROM_HOST
from kmcl_adapters.uio.library import Library
from kmcl_adapters.uio.overbus import OverBus
from kmcl_adapters.uio.ring import Incoming, Outgoing
from kmcl_adapters.wire import PARTS, WireLibrary
from kmcl_model.api import FUNCTIONS, STATE_CHANGE_CALLBACKS
from kmcl_model.events import Event
from kmcl_model.stimuli import Arm, Invoke, Reaction, Step, Stimulus

__all__ = [
    "FRAMES",
    "OFFER",
    "REFERENCE",
    "REFUSED",
    "SERVERS",
    "Stage",
    "guests_rings",
    "open_it",
    "reference_of",
]

OFFER = HostOffer(instance="00000000-0000-4000-8000-000000000001")
REFUSED = 0xC0000001
FRAMES = range(8, 16)

Server = Callable[[ScriptedGuest, type[HostBus]], OverBus]


def reference_of(parts: Parts) -> Server:
    """The reference of these parts on the wire of the guest."""
    return lambda guest, bus: WireLibrary(bus(guest.host, OFFER, 4096, PARTS), parts)


REFERENCE: Server = reference_of(SOUND)
SERVERS: dict[str, Server] = {
    "reference": REFERENCE,
    "uio": lambda guest, bus: Library(bus(guest.host, OFFER, 4096)),
}
"""Whoever can be a server's end."""


class Stage:
    """A scripted guest, and a server with its driver on one channel of the host."""

    def __init__(self, server: Server = REFERENCE, bus: type[HostBus] = HostBus) -> None:
        self.guest = ScriptedGuest()
        self.library = server(self.guest, bus)
        assert isinstance(self.library.bus, HostBus)
        self.bus = self.library.bus
        self.events: list[Event] = []
        self.changed = threading.Condition()
        self.session = ThreadedSession(
            self.library, on_event=self.record, on_close=self.library.Reset
        )
        for function, arguments in (
            ("VmbChannelAllocate", (True,)),
            ("VmbChannelInitSetProcessPacketCallbacks", (True, True)),
            ("VmbChannelInitSetStateChangeCallbacks", (1, "size", STATE_CHANGE_CALLBACKS)),
            ("VmbChannelEnable", ()),
            ("VmbChannelStart", ()),
        ):
            self.call(function, *arguments)
        self.guest.connect()

    def record(self, event: Event) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def apply(self, stimulus: Stimulus) -> None:
        self.session.apply(stimulus)

    def call(self, function: str, *arguments: Any, by: str = "t0") -> None:
        """A call, until it has returned; one that may wait, until nobody does anything."""
        self.apply(Invoke("invoke", "server", by, function, arguments))
        if FUNCTIONS[function].waits:
            self.rest()
            return
        session = self.session
        with session._lock:
            assert session._lock.wait_for(lambda: not session._threads["server", by].busy, 20)

    def arm(self, callback: str, *steps: Step, status: int = 0, sticky: bool = False) -> None:
        self.apply(Arm("arm", "server", callback, Reaction(steps, status, sticky)))

    def await_event(self, holds: Callable[[Event], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: any(map(holds, self.events)), 20)

    def await_hold(self) -> None:
        """Until a handler is held, and can be released."""
        lock = self.session._lock
        with lock:
            assert lock.wait_for(lambda: self.session._holding, 20)

    def await_exit(self, activation: str) -> None:
        self.await_event(lambda e: e.kind == "exit" and e.activation == activation)

    def rest(self) -> None:
        """Until the server has heard what there is to hear, and has nothing to do.

        Each of the three is looked at by itself. So what was heard is asked first: whoever hears
        is busy from then on. And a handler that comes back, or is called, between the other two
        shows in the session.
        """
        for _ in range(20_000):  # of a millisecond or more
            changes = self.session._changes
            is_heard = not self.bus.unheard
            assert self.library.monitor.wait_idle(20_000) is not None
            is_idle = self.session.is_idle() and not self.library.monitor.running
            if is_heard and is_idle and changes == self.session._changes:
                return
            with self.session._lock:
                self.session._lock.wait(0.001)
        raise AssertionError("the server has not come to rest within 20 s")

    def told(self, name: str, since: int = 0, **fields: Any) -> Entry:
        """What the guest was told by the time the server rests: who rests tells nothing later."""
        self.rest()
        found = self.guest.host.trace.find(name, since, **fields)
        assert found is not None, f"the server rests without {name} {fields}"
        return found

    def shown(self, kind: str, activation: str) -> None:
        """A handler was entered, or left, by the time the server rests."""
        self.rest()
        seen = [(e.kind, e.activation) for e in self.events if e.kind in ("enter", "exit")]
        assert (kind, activation) in seen, f"the server rests without {kind} of {activation}"

    def await_message(self, name: str, since: int = 0) -> list[str]:
        self.guest.host.wait_for(name, since)
        return self.guest.names()

    @property
    def relid(self) -> int:
        assert self.bus.channel is not None
        return self.bus.channel.relid

    def close(self) -> None:
        self.session.close()


def guests_rings(stage: Stage) -> tuple[Outgoing, Incoming]:
    gpadl = Gpadl(1, 1, (Range(len(FRAMES) * 4096, 0, tuple(FRAMES)),))
    rings = rings_of(stage.guest.machine.memory, gpadl, len(FRAMES) // 2)
    return Outgoing(*rings.from_guest), Incoming(*rings.to_guest, FROM_HOST)


def open_it(stage: Stage) -> None:
    since = stage.guest.host.trace.count
    stage.guest.open(stage.relid)
    stage.guest.host.wait_for("OPENCHANNEL_RESULT", since, status=0)
    stage.guest.read_all()
