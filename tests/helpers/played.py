"""A device played by the test: a FIFO for interrupts, a file for the rings; and a session."""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kmcl_adapters.driver import ThreadedSession
from kmcl_adapters.uio.descriptor import FROM_GUEST, Kind, encode
from kmcl_adapters.uio.device import Device
from kmcl_adapters.uio.monitor import Monitor
from kmcl_adapters.uio.parts import SOUND, Parts
from kmcl_adapters.uio.refusing import UioLibrary
from kmcl_adapters.uio.ring import HEADER_BYTES, INTERRUPT_MASK, Incoming, Outgoing
from kmcl_adapters.uio.serving import UioAdapter
from kmcl_adapters.uio.uiobus import UioBus, UioLink
from kmcl_model.api import STATE_CHANGE_CALLBACKS
from kmcl_model.events import Enter, Event, Lost, Return
from kmcl_model.stimuli import Invoke, Settle

__all__ = ["SIZE", "WAIT", "Host", "Talk", "adapter_of", "is_unmasked", "monitor_waits"]

INSTANCE = "1eccfd72-4b41-45ef-b73a-4a6e44c12924"


SIZE = 2 * 4096 + HEADER_BYTES


WAIT = 1


class Host:
    """The other side: a device of one channel, opened and closed by the guest's kernel."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.node = root / "dev/uio0"
        self.node.parent.mkdir()
        os.mkfifo(self.node)
        maps = root / "sys/class/uio/uio0/maps/map0"
        maps.mkdir(parents=True)
        (maps / "size").write_text(hex(2 * SIZE))
        self.rings = root / "rings"
        self.masks_at_open = False
        self.masks_at_interrupt = False
        self.rescinded = False
        self.leaves_at_signal = False
        """The next signal of the guest is the first that hears of the rescind."""
        self.opened = 0
        self.answers = threading.Event()
        """Whether an open comes back."""
        self.answers.set()
        self.story: list[str] = []
        """What the kernel was asked for."""
        self.told = threading.Condition()
        self.device = Device(INSTANCE, "", "uio_hv_generic", "uio0")
        self.outgoing: Outgoing
        self.incoming: Incoming
        self.memory: mmap.mmap
        self.monitor: mmap.mmap
        self.library: UioLibrary

    def tell(self, asked: str) -> None:
        with self.told:
            self.story.append(asked)
            self.told.notify_all()

    def was_asked(self, times: int) -> bool:
        """So often, sooner or later."""
        with self.told:
            return self.told.wait_for(lambda: len(self.story) >= times, 20.0)

    def open(self) -> mmap.mmap:
        """What the kernel does at an open: fresh headers."""
        self.rings.touch()
        with open(self.rings, "r+b") as file:  # not cut off: somebody may have it mapped
            file.write(bytes(2 * SIZE))
            file.flush()
            self.memory = mmap.mmap(file.fileno(), 2 * SIZE)
            guests = mmap.mmap(file.fileno(), 2 * SIZE)
        view = memoryview(self.memory)
        halves = [view[:SIZE], view[SIZE:]]
        heads = [half[:HEADER_BYTES].cast("I") for half in halves]
        data = [half[HEADER_BYTES:] for half in halves]
        self.heads = heads
        heads[1][INTERRUPT_MASK] = self.masks_at_open
        self.incoming = Incoming(heads[0], data[0], FROM_GUEST)
        self.outgoing = Outgoing(heads[1], data[1])
        self.outgoing.support_pending_send()
        self.opened += 1
        self.rescinded = False
        return guests

    def be_monitored(self, number: int) -> None:
        """The channel has this bit in the monitor page."""
        folder = self.root / "sys/bus/vmbus/devices" / INSTANCE
        (folder / "channels/5").mkdir(parents=True)
        (folder / "id").write_text("5\n")
        (folder / "channels/5/monitor_id").write_text(f"{number}\n")
        (self.root / "monitor").write_bytes(bytes(mmap.PAGESIZE))
        self.monitor = self.map_monitor()

    def map_monitor(self) -> mmap.mmap:
        with open(self.root / "monitor", "r+b") as file:
            return mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def pending(self, group: int) -> memoryview:
        """The word of a trigger group, whose bits are those of 32 channels."""
        return memoryview(self.monitor).cast("I")[2 + 2 * group : 3 + 2 * group]

    def interrupt(self) -> None:
        """An event for the guest, as its kernel counts it."""
        if self.masks_at_interrupt:
            self.heads[1][INTERRUPT_MASK] = 1
        descriptor = os.open(self.node, os.O_RDWR | os.O_NONBLOCK)
        os.write(descriptor, bytes(4))
        os.close(descriptor)

    def send(self, payload: bytes, kind: int = Kind.IN_BAND, transaction: int = 7) -> None:
        assert self.outgoing.put(encode(kind, transaction, payload, int(kind == Kind.IN_BAND)))
        if self.outgoing.publish():
            self.interrupt()

    def receive(self) -> list[tuple[int, int, bytes]]:
        found = []
        while (packet := self.incoming.peek()) is not None:
            found.append((packet.kind, packet.transaction, packet.payload))
            self.incoming.take()
        if self.incoming.release():
            self.interrupt()
        return found

    def bus(self, device: Device, **options: Any) -> UioBus:
        host = self

        class Faked(UioLink):
            def __init__(self, id: int, descriptor: int, size: int, parts: Parts = SOUND) -> None:
                self.keeper = os.open(host.node, os.O_RDWR | os.O_NONBLOCK)
                host.tell("open")
                assert host.answers.wait(20.0)
                super().__init__(id, descriptor, size, parts)

            def map(self, size: int) -> mmap.mmap:
                return host.open()

            def map_monitor(self) -> mmap.mmap:
                return host.map_monitor()

            def listen(self) -> None:
                if host.rescinded:
                    raise OSError(errno.EIO, "rescinded")
                super().listen()

            def notify(self) -> None:
                host.rescinded |= host.leaves_at_signal
                if host.rescinded:
                    raise OSError(errno.EIO, "rescinded")
                super().notify()

            def release(self) -> None:
                super().release()
                os.close(self.keeper)
                host.tell("close")

        options |= {"sysfs": self.root / "sys", "dev": self.root / "dev", "link": Faked}
        return UioBus(device, **options)


def adapter_of(host: Host) -> UioAdapter:
    """The adapter, for the device as a guest's sysfs shows it."""
    folder = host.root / "sys/bus/vmbus/devices" / INSTANCE
    driver = host.root / "sys/bus/vmbus/drivers/uio_hv_generic"
    (folder / "uio/uio0").mkdir(parents=True)
    driver.mkdir(parents=True)
    (folder / "driver").symlink_to(driver)
    (folder / "class_id").write_text("{525074dc-8985-46e2-8057-a307dc18a502}\n")
    return UioAdapter(
        "/dev/uio0", sysfs=host.root / "sys", dev=host.root / "dev", make_bus=host.bus
    )


class Talk:
    """A client's session with the host."""

    def __init__(self, host: Host, parts: Parts = SOUND, safety_net: float = 0.02) -> None:
        self.host = host
        self.library = UioLibrary(host.bus(host.device, safety_net=safety_net, parts=parts), parts)
        self.session = ThreadedSession(self.library, on_close=self.library.Reset, idle_seconds=0.05)
        self.events: list[Event] = []

    def invoke(self, function: str, *arguments: Any, by: str = "t0") -> int | None:
        """The call, and the status with which it returned."""
        self.session.apply(Invoke("invoke", "client", by, function, arguments))
        events = self.session.take()
        self.events += events
        return next((e.status for e in events if isinstance(e, Return)), None)

    def handlers(self) -> list[str]:
        """What was called up to rest, since the last time."""
        return [e.activation for e in self.rest() if isinstance(e, Enter)]

    def rest(self) -> list[Event]:
        self.session.apply(Settle("settle"))
        events, self.events = [*self.events, *self.session.take()], []
        assert [e for e in events if isinstance(e, Lost)] == []
        return events

    def enable(self) -> None:
        self.invoke("VmbChannelAllocate", False)
        self.invoke("VmbChannelInitSetProcessPacketCallbacks", True, True)
        self.invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS)
        self.invoke("VmbChannelEnable")

    def open(self) -> None:
        self.enable()
        assert self.handlers() == ["Opened", "Started", "PostStarted"]

    def send(self, name: str, payload: bytes, flags: int = 0) -> None:
        self.invoke("VmbPacketAllocate", name)
        self.invoke("VmbPacketSetCompletionRoutine", name)
        self.invoke("VmbPacketSend", name, payload, flags)


def is_unmasked(talk: Talk) -> bool:
    """Whether the guest asks for signals, sooner or later."""
    header = talk.host.heads[1]
    return monitor_waits(talk.library.monitor, lambda: not header[INTERRUPT_MASK])


def monitor_waits(monitor: Monitor, condition: Callable[[], bool]) -> bool:
    """Whether it comes true; the end's threads look at it whenever they have done something."""
    monitor.acquire()
    try:
        return monitor.wait_briefly(condition, 20.0)
    finally:
        monitor.release()
