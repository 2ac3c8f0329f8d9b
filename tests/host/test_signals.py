"""What becomes of signals between the guest and the server's end of the host."""

from collections.abc import Iterator
from functools import partial

import pytest

from kmcl_adapters.host.bus import HostBus, HostLink
from kmcl_adapters.host.channel import rings_of
from kmcl_adapters.host.end import StampedEnd
from kmcl_adapters.host.gpadl import Gpadl, Range
from kmcl_adapters.host.scripted import ScriptedGuest
from kmcl_adapters.signals import COALESCED, DELAYED, MASKED
from kmcl_adapters.uio.descriptor import FROM_HOST, Kind, encode
from kmcl_adapters.uio.overbus import OverBus
from kmcl_adapters.uio.ring import Incoming, Outgoing
from kmcl_model.api import STATE_CHANGE_CALLBACKS
from kmcl_model.case import stimulus_to_json
from kmcl_model.stimuli import Environ, Invoke, Stimulus
from stage import FRAMES, SERVERS


class Wire:
    """A guest that the test plays, with an open channel, and the end beside the host."""

    def __init__(self, server: str) -> None:
        self.guest = ScriptedGuest()
        self.server = server
        self.library: OverBus | None = None
        times = iter(range(1 << 30))
        self.end = StampedEnd(self._make, lambda: next(times), lambda: ())
        self.end.request("open")
        call = partial(Invoke, "invoke", "server", "t0")
        for function, arguments in (
            ("VmbChannelAllocate", (True,)),
            ("VmbChannelInitSetProcessPacketCallbacks", (True, True)),
            ("VmbChannelInitSetStateChangeCallbacks", (1, "size", STATE_CHANGE_CALLBACKS)),
            ("VmbChannelEnable", ()),
            ("VmbChannelStart", ()),
        ):
            self.apply(call(function, arguments))
        self.guest.connect()
        (relid,) = self.guest.host.channels
        self.channel = self.guest.host.channels[relid]
        self.guest.open(relid)
        self.guest.host.wait_for("OPENCHANNEL_RESULT", status=0)
        self.rest()
        gpadl = Gpadl(1, 1, (Range(len(FRAMES) * 4096, 0, tuple(FRAMES)),))
        rings = rings_of(self.guest.machine.memory, gpadl, len(FRAMES) // 2)
        self.outgoing = Outgoing(*rings.from_guest)
        self.incoming = Incoming(*rings.to_guest, FROM_HOST)

    def _make(self) -> OverBus:
        self.library = SERVERS[self.server](self.guest, HostBus)
        return self.library

    @property
    def bus(self) -> HostBus:
        assert self.library is not None
        assert isinstance(self.library.bus, HostBus)
        return self.library.bus

    def apply(self, stimulus: Stimulus) -> list[str]:
        """What the world has done, as the end has it."""
        told = self.end.request("apply", stimulus_to_json(stimulus))
        records = [r for _, r in told["events"] if r["event"] == "environment"]
        return [f"{r['endpoint']} {r['action']}" for r in records]

    def world(self, end: str, fault: str) -> list[str]:
        return self.apply(Environ("environment", end, fault))

    def rest(self) -> None:
        """Until the server has heard what there is to hear, and has nothing to do."""
        assert self.library is not None
        monitor = self.library.monitor
        monitor.acquire()
        assert monitor.wait_briefly(lambda: not self.bus.unheard, 20)
        monitor.release_quietly()
        assert monitor.wait_idle(20_000) is not None

    def send(self) -> None:
        """A packet of the guest, and its signal if one is needed."""
        self.outgoing.put(encode(Kind.IN_BAND, 0, b"question"))
        if self.outgoing.publish():
            self.guest.signal(self.channel.connection_id)

    def taken(self) -> bool:
        """Whether the server has looked, once it rests."""
        self.rest()
        return self.outgoing.free() == self.outgoing.capacity

    def signals(self, since: int) -> int:
        entries = self.guest.host.trace.since(since)
        return sum((e.sender, e.name) == ("host", "SIGNAL") for e in entries)

    def signal_guest(self, times: int) -> None:
        link = self.bus._link
        assert isinstance(link, HostLink)
        for _ in range(times):
            link.signal()


@pytest.fixture(params=SERVERS)
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    made = Wire(request.param)
    yield made
    made.end.close()


@pytest.mark.parametrize(("fault", "come"), [(DELAYED, 3), (COALESCED, 1)])
def test_signals_to_the_guest_wait_until_they_are_resumed(
    wire: Wire, fault: str, come: int
) -> None:
    since = wire.guest.host.trace.count
    assert wire.world("client", fault) == [f"client {fault}"]
    wire.signal_guest(3)
    assert wire.signals(since) == 0

    wire.end.request("resume")
    assert wire.signals(since) == come
    wire.signal_guest(1)
    assert wire.signals(since) == come + 1


@pytest.mark.parametrize("fault", [DELAYED, COALESCED])
def test_signals_of_the_guest_wait_until_they_are_resumed(wire: Wire, fault: str) -> None:
    assert wire.world("server", fault) == [f"server {fault}"]
    wire.rest()
    wire.send()
    assert not wire.taken()

    wire.end.request("resume")
    assert wire.taken()


def test_a_guest_is_masked_and_signalled_then(wire: Wire) -> None:
    since = wire.guest.host.trace.count
    assert wire.world("client", MASKED) == [f"client {MASKED}"]

    assert wire.incoming.masked
    assert wire.signals(since) == 1


def test_a_server_that_is_masked_hears_the_next_packet_all_the_same(wire: Wire) -> None:
    assert wire.world("server", MASKED) == [f"server {MASKED}"]
    wire.rest()
    wire.send()

    assert wire.taken()


def test_a_signal_without_content_reaches_either_end(wire: Wire) -> None:
    since = wire.guest.host.trace.count
    assert wire.world("client", "spurious") == ["client spurious"]
    assert wire.signals(since) == 1
    assert wire.world("server", "spurious") == ["server spurious"]
    wire.rest()
    wire.send()
    assert wire.taken()


def test_what_is_closed_has_no_signals(wire: Wire) -> None:
    wire.guest.post("CLOSECHANNEL", child_relid=wire.channel.relid)
    wire.rest()
    since = wire.guest.host.trace.count

    for fault in (DELAYED, COALESCED, MASKED, "spurious"):
        assert wire.world("client", fault) == []
    assert wire.signals(since) == 0
