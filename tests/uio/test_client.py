"""The client over a device played by the test: a FIFO for interrupts, a file for the rings."""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kmcl_adapters.driver import ThreadedSession
from kmcl_adapters.interface import AdapterError
from kmcl_adapters.uio.bus import Link, Offer, Opening
from kmcl_adapters.uio.descriptor import (
    FROM_GUEST,
    Kind,
    TransferRange,
    encode,
    transfer_pages,
)
from kmcl_adapters.uio.descriptor import Packet as Frame
from kmcl_adapters.uio.device import Device, DeviceError
from kmcl_adapters.uio.devicemutants import DEVICE_MUTANTS
from kmcl_adapters.uio.library import Library
from kmcl_adapters.uio.lifecycle import Lifecycle
from kmcl_adapters.uio.monitor import Monitor
from kmcl_adapters.uio.monitorpage import MonitorBit
from kmcl_adapters.uio.parts import SOUND, Parts
from kmcl_adapters.uio.ring import (
    HEADER_BYTES,
    INTERRUPT_MASK,
    READ_INDEX,
    WRITE_INDEX,
    Incoming,
    Outgoing,
)
from kmcl_adapters.uio.serving import UioAdapter
from kmcl_adapters.uio.uiobus import UioBus, UioLink
from kmcl_model.api import COMPLETION_ROUTINE, OPENED, PROCESS_PACKET, STATE_CHANGE_CALLBACKS
from kmcl_model.events import Enter, Event, Lost, Return
from kmcl_model.status import (
    STATUS_CANCELLED,
    STATUS_INVALID_PARAMETER_2,
    STATUS_NOT_SUPPORTED,
    STATUS_SUCCESS,
    STATUS_UNSUCCESSFUL,
)
from kmcl_model.stimuli import HOLD, Act, Arm, Invoke, Reaction, Release, Settle

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
        self.library: Library

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
        self.library = Library(host.bus(host.device, safety_net=safety_net, parts=parts), parts)
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


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def talk(host: Host) -> Iterator[Talk]:
    talk = Talk(host)
    yield talk
    talk.session.close()


def test_a_conversation(host: Host, talk: Talk) -> None:
    talk.open()
    talk.send("p0", b"question", WAIT)
    assert talk.handlers() == []
    ((kind, transaction, payload),) = host.receive()
    assert (kind, payload) == (Kind.IN_BAND, b"question")
    assert transaction != 0  # a host does not complete transaction 0
    host.send(b"answered", Kind.COMPLETION, transaction)
    (routine,) = [e for e in talk.rest() if isinstance(e, Enter)]
    assert routine.arguments == ("p0", STATUS_SUCCESS, b"answered")


def test_what_the_host_asks_is_completed(host: Host, talk: Talk) -> None:
    talk.open()
    talk.session.apply(
        Arm(
            "arm",
            "client",
            PROCESS_PACKET,
            Reaction((Act("VmbChannelPacketComplete", ("this", b"12345678", None)),)),
        )
    )
    host.send(b"request!", transaction=41)

    assert talk.handlers() == ["ProcessPacket", "ProcessingComplete"]
    assert host.receive() == [(Kind.COMPLETION, 41, b"12345678")]


def test_a_completion_for_nobody_is_ignored(host: Host, talk: Talk) -> None:
    talk.open()
    host.send(b"12345678", Kind.COMPLETION, 99)

    assert talk.handlers() == []
    assert talk.library.channel is not None
    assert talk.library.channel.error == ""


def test_a_kernel_that_masks_at_the_open_is_recognised(host: Host, talk: Talk) -> None:
    host.masks_at_open = True
    talk.open()
    host.send(b"request!")

    assert talk.handlers() == ["ProcessPacket", "ProcessingComplete"]
    assert isinstance(talk.library.bus, UioBus)
    assert talk.library.bus.traits == (True, True)


def is_unmasked(talk: Talk) -> bool:
    """Whether the guest asks for signals, sooner or later."""
    header = talk.host.heads[1]
    return monitor_waits(talk.library.monitor, lambda: not header[INTERRUPT_MASK])


def test_a_driver_that_masks_at_each_interrupt_does_not_make_the_next_packet_late(
    host: Host,
) -> None:
    """Nothing looks at the rings but for a signal here."""
    host.masks_at_open = host.masks_at_interrupt = True
    talk = Talk(host, safety_net=0)
    talk.open()
    for _ in range(3):
        host.interrupt()  # for nothing: there is room, say
        assert is_unmasked(talk)
        host.send(b"request!")
        assert talk.handlers()[-2:] == ["ProcessPacket", "ProcessingComplete"]
        assert is_unmasked(talk)
    talk.session.close()


class Hasty(Lifecycle):
    """A defect: a device is opened while another open of it has not come back."""

    def wanted_offer(self) -> Offer | None:
        openers, self.openers = self.openers, 0
        try:
            return super().wanted_offer()
        finally:
            self.openers = openers


@pytest.mark.parametrize("parts", [SOUND, SOUND._replace(lifecycle=Hasty)], ids=["sound", "hasty"])
def test_an_open_that_was_given_up_is_closed_before_the_next(host: Host, parts: Parts) -> None:
    """The kernel shares an open device: the host would never hear that the first one has left."""
    talk = Talk(host, parts)
    monitor = talk.library.monitor
    host.answers.clear()
    talk.enable()
    assert host.was_asked(1)
    talk.invoke("VmbChannelDisable")
    talk.rest()  # it may take the end's threads a while to see that nobody wants it any more
    assert talk.invoke("VmbChannelEnable") == STATUS_SUCCESS
    assert parts is SOUND or host.was_asked(2)
    host.answers.set()
    assert host.was_asked(3)
    assert monitor_waits(monitor, lambda: not openers(talk))
    story = host.story[:3]
    talk.session.close()

    assert (story == ["open", "close", "open"]) is (parts is SOUND)


def openers(talk: Talk) -> int:
    assert talk.library.channel is not None
    return talk.library.channel.lifecycle.openers


def monitor_waits(monitor: Monitor, condition: Callable[[], bool]) -> bool:
    """Whether it comes true; the end's threads look at it whenever they have done something."""
    monitor.acquire()
    try:
        return monitor.wait_briefly(condition, 20.0)
    finally:
        monitor.release()


def test_closing_unmaps_before_it_closes_and_opening_starts_afresh(host: Host, talk: Talk) -> None:
    talk.open()
    talk.send("p0", b"question")
    assert talk.handlers() == ["CompletionRoutine"]
    talk.invoke("VmbChannelDisable")
    assert talk.handlers() == ["Suspend", "Closed"]
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == ["Opened", "Started", "PostStarted"]
    assert host.opened == 2
    assert host.receive() == []


def test_a_rescind_ends_everything_exactly_once(host: Host, talk: Talk) -> None:
    talk.open()
    for number in range(3):
        talk.send(f"p{number}", b"12345678", WAIT)
    host.rescinded = True
    host.interrupt()

    events = talk.rest()
    entries = [e for e in events if isinstance(e, Enter)]
    ended = [e.arguments for e in entries if e.callback == COMPLETION_ROUTINE]
    assert ended == [(f"p{number}", STATUS_CANCELLED, None) for number in range(3)]
    entered = [e.activation for e in entries]
    assert entered == ["Suspend", *["CompletionRoutine"] * 3, "Closed"]
    assert talk.invoke("VmbChannelInitSetFlags", 0) == STATUS_SUCCESS  # it is disabled


class Flood(Incoming):
    """A ring in which, once ``flows``, there is always one packet more, up to ``MOST``."""

    MOST = 100_000
    flows = False
    sent = 0

    def __init__(self, header: Any, data: Any, accepts: frozenset[Kind]) -> None:
        super().__init__(header, data, accepts)
        self.frame = Frame(Kind.COMPLETION, 0, 99, b"")
        self.is_on = threading.Event()

    def goes_on(self) -> bool:
        return self.flows and self.sent < self.MOST

    def peek(self) -> Frame | None:
        return self.frame if self.goes_on() else super().peek()

    def take(self) -> None:
        if not self.goes_on():
            super().take()
            return
        self.sent += 1
        if self.sent == 200:
            self.is_on.set()


def received_by(talk: Talk) -> Any:
    """The packet that the driver has."""
    (received,) = talk.session._ends["client"].contexts.values()
    return received.handle


def flood(talk: Talk, kind: Kind) -> Flood:
    """The host begins to send without end; it does so when this returns."""
    assert talk.library.channel is not None
    assert talk.library.channel.link is not None
    ring = talk.library.channel.link.incoming
    assert isinstance(ring, Flood)
    ring.frame = ring.frame._replace(kind=kind)
    ring.flows = True
    talk.host.interrupt()
    assert ring.is_on.wait(20.0)
    return ring


def completions_and_a_send(talk: Talk) -> bool:
    talk.open()
    ring = flood(talk, Kind.COMPLETION)
    assert talk.library.channel is not None
    packet = talk.library.VmbPacketAllocate(talk.library.channel)
    assert talk.library.VmbPacketSend(packet, b"12345678", 0) == STATUS_SUCCESS
    in_time, ring.flows = ring.goes_on(), False
    return in_time


def packets_without_a_handler_and_a_pause(talk: Talk) -> bool:
    talk.invoke("VmbChannelAllocate", False)
    talk.invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS)
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == ["Opened", "Started", "PostStarted"]
    ring = flood(talk, Kind.IN_BAND)
    assert talk.library.channel is not None
    talk.library.VmbChannelPause(talk.library.channel)
    in_time, ring.flows = ring.goes_on(), False
    return in_time


def a_batch_then_completions_and_a_disable(talk: Talk) -> bool:
    talk.open()
    talk.session.apply(Arm("arm", "client", PROCESS_PACKET, Reaction((HOLD,))))
    talk.host.send(b"request!")
    assert talk.handlers() == ["ProcessPacket"]
    assert talk.library.channel is not None
    assert talk.library.channel.link is not None
    ring = talk.library.channel.link.incoming
    assert isinstance(ring, Flood)
    ring.flows = True
    talk.session.apply(Release("release", "client", "ProcessPacket"))
    assert ring.is_on.wait(20.0)
    talk.library.VmbChannelPacketComplete(received_by(talk), None)
    talk.library.VmbChannelDisable(talk.library.channel)
    in_time, ring.flows = ring.goes_on(), False
    return in_time


def completions_and_the_end_of_the_session(talk: Talk) -> bool:
    talk.open()
    ring = flood(talk, Kind.COMPLETION)
    talk.library.Reset()
    return ring.goes_on()


FLOODS = {
    completions_and_a_send: "never-gives-way",
    packets_without_a_handler_and_a_pause: "never-gives-way",
    a_batch_then_completions_and_a_disable: "empties-the-ring-first",
    completions_and_the_end_of_the_session: "never-gives-way",
}
"""Whether the driver's call came back while the host was sending; the defect that keeps it out."""


@pytest.mark.parametrize("conversation", FLOODS)
def test_a_host_that_sends_without_end_does_not_keep_the_driver_out(
    host: Host, conversation: Callable[[Talk], bool]
) -> None:
    talk = Talk(host, SOUND._replace(incoming=Flood))
    in_time = conversation(talk)
    talk.session.close()

    assert in_time


@pytest.mark.parametrize(("conversation", "defect"), FLOODS.items())
def test_an_endpoint_that_keeps_it_out_is_seen(
    host: Host, conversation: Callable[[Talk], bool], defect: str
) -> None:
    talk = Talk(host, DEVICE_MUTANTS[defect].parts._replace(incoming=Flood))
    in_time = conversation(talk)
    talk.session.close()

    assert not in_time


class Watched:
    """A part of a ring that tells of every access once the device has said EIO: the kernel may
    have given its pages to somebody else."""

    def __init__(self, host: Host, part: Any, touched: list[str], name: str) -> None:
        self.host, self.part, self.touched, self.name = host, part, touched, name

    def note(self, what: str, place: object) -> None:
        if self.host.rescinded:
            self.touched.append(f"{what} {self.name}[{place}]")

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, place: Any) -> Any:
        self.note("load", place)
        return self.part[place]

    def __setitem__(self, place: Any, value: Any) -> None:
        self.note("store", place)
        self.part[place] = value


def watch(talk: Talk) -> list[str]:
    """What is done to the rings of the open channel after EIO, from now on."""
    assert talk.library.channel is not None
    link, touched = talk.library.channel.link, list[str]()
    assert link is not None
    for ring, name in ((link.outgoing, "outgoing"), (link.incoming, "incoming")):
        ring._header = Watched(talk.host, ring._header, touched, f"{name} header")
        ring._data = Watched(talk.host, ring._data, touched, name)
    return touched


def rescind_where_an_answer_is_signalled(talk: Talk) -> list[str]:
    """The ring is being drained then, and a signal would be followed by masking it again."""
    complete = Act("VmbChannelPacketComplete", ("this", None, None))
    talk.session.apply(Arm("arm", "client", PROCESS_PACKET, Reaction((complete,))))
    touched = watch(talk)
    talk.host.leaves_at_signal = True
    talk.host.send(b"request!")
    assert talk.handlers() == ["ProcessPacket", "ProcessingComplete", "Suspend", "Closed"]
    return touched


def rescind_where_a_full_ring_is_signalled(talk: Talk) -> list[str]:
    """Packets wait, and the endpoint would ask to be signalled when there is room."""
    for number in range(30):
        talk.send(f"p{number}", bytes([number]) * 1024)
    assert talk.handlers() == ["CompletionRoutine"] * 7
    touched = watch(talk)
    talk.host.leaves_at_signal = True
    talk.host.receive()
    handlers = talk.handlers()
    assert handlers.count("CompletionRoutine") == 23
    assert "Closed" in handlers
    return touched


RESCINDS = [rescind_where_an_answer_is_signalled, rescind_where_a_full_ring_is_signalled]


@pytest.mark.parametrize("rescind", RESCINDS)
def test_the_rings_are_touched_no_more_once_the_device_has_said_eio(
    talk: Talk, rescind: Callable[[Talk], list[str]]
) -> None:
    talk.open()

    assert rescind(talk) == []


def test_a_sender_that_goes_on_after_eio_is_seen(host: Host) -> None:
    talk = Talk(host, DEVICE_MUTANTS["writes-after-eio"].parts)
    talk.open()
    touched = rescind_where_a_full_ring_is_signalled(talk)
    talk.session.close()

    assert "store outgoing header[3]" in touched


def test_a_signal_that_masks_after_eio_is_seen(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = UioLink.signal

    def mask_always(link: UioLink) -> None:
        signal(link)
        link.incoming.mask()

    monkeypatch.setattr(UioLink, "signal", mask_always)
    talk.open()

    assert "store incoming header[2]" in rescind_where_an_answer_is_signalled(talk)


def test_a_disable_does_not_wait_for_an_open_that_the_host_does_not_answer(
    host: Host, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, answered, left = talk.library.bus, threading.Event(), threading.Event()
    assert isinstance(bus, UioBus)
    open_at_once, leave = bus.open, bus.leave

    def open_late(offer: Offer, incoming: int, outgoing: int) -> Opening:
        answered.wait(20)
        return open_at_once(offer, incoming, outgoing)

    def leave_and_tell(link: Link) -> None:
        leave(link)
        left.set()

    monkeypatch.setattr(bus, "open", open_late)
    monkeypatch.setattr(bus, "leave", leave_and_tell)
    talk.invoke("VmbChannelAllocate", False)
    talk.invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS)
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == []
    talk.invoke("VmbChannelDisable", by="t1")
    returned = [e.function for e in talk.rest() if isinstance(e, Return)]
    assert returned == ["VmbChannelDisable"]
    answered.set()

    assert left.wait(20)  # what was opened too late is closed
    assert talk.handlers() == []
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == ["Opened", "Started", "PostStarted"]


def test_back_pressure_and_room(host: Host, talk: Talk) -> None:
    talk.open()
    for number in range(12):  # of 1048 bytes, in a ring of 8192
        talk.send(f"p{number}", bytes([number]) * 1024)
    assert talk.handlers() == ["CompletionRoutine"] * 7
    assert [payload[0] for _, _, payload in host.receive()] == list(range(7))
    assert talk.handlers() == ["CompletionRoutine"] * 5
    assert [payload[0] for _, _, payload in host.receive()] == list(range(7, 12))


def test_nothing_is_sent_any_more_once_disable_was_called(host: Host, talk: Talk) -> None:
    talk.invoke("VmbChannelAllocate", False)
    talk.invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS)
    talk.session.apply(Arm("arm", "client", OPENED, Reaction((HOLD,))))
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == ["Opened"]
    talk.send("p0", b"12345678", WAIT)  # it waits for the channel to be open
    talk.invoke("VmbChannelDisable")
    talk.session.apply(Release("release", "client", "Opened"))

    assert talk.handlers() == ["CompletionRoutine", "Closed"]
    assert host.incoming.peek() is None


@pytest.mark.parametrize("index", [4, SIZE, 0xFFFFFFF8])
def test_a_hostile_index_stops_the_channel_and_no_more(host: Host, talk: Talk, index: int) -> None:
    talk.open()
    host.heads[1][WRITE_INDEX] = index
    host.interrupt()
    assert talk.handlers() == []
    assert talk.library.channel is not None
    assert "write index" in talk.library.channel.error

    talk.invoke("VmbChannelDisable")
    assert talk.handlers() == ["Suspend", "Closed"]
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == ["Opened", "Started", "PostStarted"]


def test_what_meets_a_hostile_index_when_it_is_sent_is_cancelled_like_the_rest(
    host: Host, talk: Talk
) -> None:
    talk.open()
    host.heads[0][INTERRUPT_MASK] = 1  # nobody looks at the index before the ring is full
    host.heads[0][READ_INDEX] = 4
    for number in range(9):
        talk.send(f"p{number}", bytes([number]) * 1024, WAIT)
    assert talk.handlers() == []
    assert talk.library.channel is not None
    assert "read index" in talk.library.channel.error

    talk.invoke("VmbChannelDisable")
    assert talk.handlers() == ["Suspend", *["CompletionRoutine"] * 9, "Closed"]


def test_an_open_that_the_host_refuses_is_a_pnp_failure(host: Host, talk: Talk) -> None:
    talk.invoke("VmbChannelAllocate", False)
    talk.invoke("VmbClientChannelInitSetTargetPnp", "type", None, True)
    talk.invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS)

    def refuse() -> mmap.mmap:
        raise OSError(errno.EAGAIN, "refused")

    host.open = refuse  # type: ignore[method-assign]
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == ["PnpFailure"]
    talk.invoke("VmbChannelDisable")
    assert talk.handlers() == []


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.EACCES, "Permission denied: run as root"),
        (errno.EAGAIN, "the host refuses to open the channel"),
        (errno.EDQUOT, "the host refuses the memory of the rings"),
        (errno.EINVAL, "its driver was unbound while the channel was open; restart the guest"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_why_a_device_could_not_be_opened_is_said(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
    says: str,
) -> None:
    adapter = adapter_of(host)
    session, open_file = adapter.open(), os.open

    def refuse(path: Any, *rest: Any) -> int:
        if path == host.node:
            raise OSError(code, "refused")
        return open_file(path, *rest)

    monkeypatch.setattr(os, "open", refuse)
    for function, arguments in (("VmbChannelAllocate", (False,)), ("VmbChannelEnable", ())):
        session.apply(Invoke("invoke", "client", "t0", function, arguments))
    session.apply(Settle("settle"))
    library = session._implementation
    session.close()

    assert isinstance(library, Library)
    assert library.channel is not None
    assert library.channel.error.endswith(says)
    assert capsys.readouterr().err == f"uio:{library.channel.error}\n"


def test_a_device_that_may_not_be_opened_is_refused_before_anybody_opens_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != host.node)

    with pytest.raises(AdapterError, match="uio0: no permission; run as root"):
        adapter_of(host)
    assert host.story == []


def test_the_adapter_says_which_kernel_and_which_host_it_has_met(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(sysname="Linux", release="6.12.117"))
    adapter = adapter_of(host)
    assert adapter.describe().surroundings == ("Linux 6.12.117", "a host that no firmware names")

    tables = host.root / "sys/firmware/acpi/tables"
    tables.mkdir(parents=True)
    (tables / "FACP").write_bytes(b"FACP\x14\x01\0\0\x06\0KMCL  KMCLLAB \x01\0\0\0KMCL\x01\0\0\0")
    maker = "a host whose firmware is of KMCL KMCLLAB"
    assert adapter.describe().surroundings == ("Linux 6.12.117", maker)

    firmware = host.root / "sys/class/dmi/id"
    firmware.mkdir(parents=True)
    (firmware / "sys_vendor").write_text("QEMU\n")
    (firmware / "product_version").write_text("pc-q35-10.0\n")
    assert adapter.describe().surroundings == ("Linux 6.12.117", "QEMU pc-q35-10.0")


def test_the_adapter_tells_what_only_the_safety_net_has_noticed(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.masks_at_open = host.masks_at_interrupt = True
    adapter = adapter_of(host)
    assert adapter.tally() == {"times only the safety net noticed what had come": 0}
    talk = Talk(host)
    talk.session = session = adapter.open()
    assert isinstance(session._implementation, Library)
    talk.library = session._implementation
    talk.open()
    host.interrupt()
    assert is_unmasked(talk)
    assert host.outgoing.put(encode(Kind.IN_BAND, 7, b"request!"))
    assert host.outgoing.publish()  # and the host forgets to signal
    handlers = next(filter(None, (talk.handlers() for _ in range(50))))
    assert handlers == ["ProcessPacket", "ProcessingComplete"]
    session.close()

    assert adapter.tally() == {
        "times only the safety net noticed what had come": 1,
        "sessions in which the driver masked signals at the open": 1,
        "times the driver was found to have masked signals again": 1,
    }
    adapter.open().close()
    assert adapter.tally()["times only the safety net noticed what had come"] == 1
    adapter.close()
    told = "; ".join(f"{count} {words}" for words, count in adapter.tally().items())
    assert capsys.readouterr().err == f"uio:{told}\n"


def test_a_device_that_comes_later_is_opened_then(host: Host, talk: Talk) -> None:
    host.node.rename(host.root / "away")
    talk.invoke("VmbChannelAllocate", False)
    talk.invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS)
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == []
    (host.root / "away").rename(host.node)
    handlers = next(filter(None, (talk.handlers() for _ in range(50))))
    assert handlers == ["Opened", "Started", "PostStarted"]


def test_what_uio_cannot_express_is_refused(host: Host, talk: Talk) -> None:
    talk.session.apply(Invoke("invoke", "server", "t0", "VmbChannelAllocate", (True,)))
    assert isinstance(returned := talk.session.take()[-1], Return)
    assert returned.status == STATUS_NOT_SUPPORTED
    talk.invoke("VmbChannelAllocate", False)
    most = SIZE - HEADER_BYTES - 8 - 24
    assert talk.invoke("VmbChannelInitSetMaximumPacketSize", most) == STATUS_SUCCESS
    assert talk.invoke("VmbChannelInitSetMaximumPacketSize", most + 1) == STATUS_INVALID_PARAMETER_2


def test_rings_larger_than_those_of_the_driver_cannot_be_had(talk: Talk) -> None:
    talk.invoke("VmbChannelAllocate", False)
    pages = SIZE // HEADER_BYTES
    function = "VmbClientChannelInitSetRingBufferPageCount"
    for incoming, outgoing in ((pages, pages), (1, 1), (0, 0)):
        assert talk.invoke(function, incoming, outgoing) == STATUS_SUCCESS
    for incoming, outgoing in ((pages + 1, 1), (1, pages + 1), (65536, 65536)):
        assert talk.invoke(function, incoming, outgoing) == STATUS_NOT_SUPPORTED


def delivers_a_packet_whose_data_lies_elsewhere(talk: Talk) -> bool:
    """Whether the driver gets it; where it does not, the channel stands until it is closed."""
    talk.open()
    ranges = transfer_pages(3, (TransferRange(100, 0),))
    assert talk.host.outgoing.put(encode(Kind.TRANSFER_PAGES, 5, b"12345678", 1, ranges))
    assert talk.host.outgoing.publish()
    talk.host.interrupt()
    delivered = bool(talk.handlers())
    assert talk.library.channel is not None
    assert delivered != ("external data" in talk.library.channel.error)
    talk.invoke("VmbChannelDisable")
    assert talk.handlers() == ["Suspend", "Closed"] or delivered
    return delivered


def test_a_packet_whose_data_lies_elsewhere_is_not_given_to_the_driver_without_it(
    host: Host,
) -> None:
    mutant = DEVICE_MUTANTS["drops-external-data"].parts
    for parts, delivered in ((SOUND, False), (mutant, True)):
        talk = Talk(host, parts)
        assert delivers_a_packet_whose_data_lies_elsewhere(talk) is delivered
        talk.session.close()


def test_a_packet_of_the_greatest_length_fits(host: Host, talk: Talk) -> None:
    most = SIZE - HEADER_BYTES - 8 - 24
    talk.invoke("VmbChannelAllocate", False)
    talk.invoke("VmbChannelInitSetMaximumPacketSize", most)
    talk.invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS)
    talk.invoke("VmbChannelEnable")
    talk.handlers()
    for number in range(3):
        talk.send(f"p{number}", bytes([number]) * most)
    for number in range(3):
        talk.rest()
        assert [payload for _, _, payload in host.receive()] == [bytes([number]) * most]


def test_a_device_that_nobody_drives_is_refused(host: Host) -> None:
    with pytest.raises(DeviceError, match="not bound"):
        host.bus(host.device._replace(uio=None))


def test_pages_of_another_size_are_refused(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header of a ring takes a whole page of the kernel's."""
    monkeypatch.setattr(mmap, "PAGESIZE", 65536)

    with pytest.raises(DeviceError, match="pages have 65536 bytes"):
        host.bus(host.device)


def test_a_monitored_channel_needs_a_processor_with_known_locked_instructions(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")

    with pytest.raises(DeviceError, match="known for x86_64, not riscv64; use a channel that is"):
        host.bus(host.device._replace(monitor=3))


def test_the_host_of_a_monitored_channel_is_signalled_by_its_bit(host: Host, talk: Talk) -> None:
    host.be_monitored(37)
    others = host.pending(1)[0] = 1 << 3  # of another channel, and it stays
    talk.open()
    talk.send("p0", b"question")
    talk.rest()

    assert [payload for _, _, payload in host.receive()] == [b"question"]
    assert [host.pending(group)[0] for group in range(4)] == [0, others | 1 << 37 % 32, 0, 0]


def test_a_monitor_page_that_cannot_be_mapped_leaves_nothing_mapped(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.be_monitored(37)
    bus = host.bus(host.device)
    guests: list[mmap.mmap] = []
    open_host = host.open

    def keep() -> mmap.mmap:
        guests.append(open_host())
        return guests[-1]

    monkeypatch.setattr(host, "open", keep)
    monkeypatch.setattr(host, "map_monitor", lambda: os.open(host.root / "no page", os.O_RDWR))
    opening = bus.open(Offer(1, 0, None), 0, 0)

    assert (opening.link, opening.failure) == (None, STATUS_UNSUCCESSFUL)
    assert [mapped.closed for mapped in guests] == [True]
    bus.close()


def test_a_bit_that_was_released_is_set_no_more(host: Host) -> None:
    host.be_monitored(0)
    bit = MonitorBit(host.map_monitor(), 0)
    bit.release()
    bit.set()

    assert host.pending(0)[0] == 0


def test_the_adapter_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="no guest with a VMBus"):
        UioAdapter("dynmem", sysfs=tmp_path)
