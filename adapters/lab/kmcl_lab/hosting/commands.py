"""What the control connection can ask for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from kmcl_adapters.host.bus import HostBus
from kmcl_adapters.host.channel import HostChannel, HostOffer, State
from kmcl_adapters.host.end import MASK, StampedEnd
from kmcl_adapters.host.host import VmbusHost
from kmcl_adapters.host.raw import RawEnd
from kmcl_adapters.host.rules import Rule
from kmcl_adapters.uio.atomics import Atomics
from kmcl_adapters.uio.descriptor import MAXIMUM_PAYLOAD, Packet
from kmcl_adapters.uio.descriptor import ring_bytes as ring_bytes_of
from kmcl_adapters.uio.library import VERSION, Library
from kmcl_adapters.uio.overbus import OverBus
from kmcl_adapters.uio.ring import HEADER_BYTES
from kmcl_adapters.wire import PARTS, WireLibrary

from .control import CommandError
from .program import Hosting
from .resources import held
from .resting import come_to_rest

__all__ = ["REFERENCE", "SERVERS", "UIO", "HostCommands"]

_AT_ONCE: Final = 500
"""Entries of the trace in one answer."""
REFERENCE: Final = "reference"
UIO: Final = "uio"


def _reference(host: VmbusHost, offer: HostOffer, limit: int) -> tuple[HostBus, OverBus]:
    bus = HostBus(host, offer, limit, PARTS)
    return bus, WireLibrary(bus)


def _uio(host: VmbusHost, offer: HostOffer, limit: int) -> tuple[HostBus, OverBus]:
    bus = HostBus(host, offer, limit)
    return bus, Library(bus)


SERVERS: Final = {REFERENCE: _reference, UIO: _uio}
"""Who may play the server's end: the reference, or the endpoint that is the client's end, too.
Of the bytes that a payload may have, the guest's rings take ``limit`` at most."""


class HostCommands:
    """The commands by name, for one machine and its host."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._host = hosting.host
        self._ends: dict[int, RawEnd] = {}
        self._server: StampedEnd | None = None
        self._bus: HostBus | None = None
        self._library: OverBus | None = None
        self._time_stamp = Atomics().time_stamp
        self._guest_ahead = 0

    def table(self) -> dict[str, Callable[..., Any]]:
        """By name, as they are written in a request."""
        hosting = self._hosting
        return {
            "query-status": self.status,
            "query-version": lambda: {"host": f"kmcl programmable host {VERSION}"},
            "system_reset": hosting.reset,
            "stop": hosting.stop,
            "cont": hosting.go_on,
            "save": hosting.save,
            "rewind": hosting.rewind,
            "figures": self.figures,
            "resources": self.resources,
            "offer": self.offer,
            "rescind": lambda relid: self._host.rescind(self._channel(relid)),
            "channels": self.channels,
            "refuse-versions": self.refuse_versions,
            "rule": self.rule,
            "clear-rules": self._host.rules.clear,
            "held": lambda: [[h.sender, h.name, dict(h.fields)] for h in self._host.held],
            "release": self.release,
            "send": self.send,
            "trace": self.trace,
            "wait-for": self.wait_for,
            "receive": self.receive,
            "put": self.put,
            "answer": self.answer,
            "serve": self.serve,
            "end": self.end,
            "rest": self.rest,
            "signal": lambda relid: self._host.signal(self._channel(relid)),
        }

    # The machine

    def status(self) -> dict[str, Any]:
        """Whether the guest runs."""
        running = self._hosting.running
        return {"running": running, "status": "running" if running else "paused"}

    def figures(self) -> dict[str, Any]:
        """What was counted; what is held is told by ``resources``."""
        return {
            "exits": [vcpu.exits for vcpu in self._hosting.machine.vcpus],
            "slot_busy": self._host.slot.busy,
            "resets": self._hosting.resets,
            "stalls": list(self._hosting.stalls),
            "crashes": self._host.crashes,
            "trace": self._host.trace.count,
        }

    def resources(self) -> dict[str, int]:
        """What the host holds, without the guest's memory; ``settled``: its trace is full."""
        seen = self._hosting.machine.seen_by_guest()
        return held(*seen) | {"settled": int(self._host.trace.is_full)}

    # Channels

    def offer(self, user_data: str = "", **offer: Any) -> dict[str, Any]:
        """Offer a channel that is served packet by packet; its id and instance. ``user_data``: in
        hexadecimal."""
        end = RawEnd(self._host)
        wanted = HostOffer(**offer, user_data=bytes.fromhex(user_data))
        channel = self._host.offer(wanted, end)
        self._ends[channel.relid] = end
        return {"relid": channel.relid, "instance": channel.offer.instance}

    def channels(self) -> list[dict[str, Any]]:
        """All there are."""
        return [
            {
                "relid": channel.relid,
                "instance": channel.offer.instance,
                "class_id": channel.offer.class_id,
                "state": str(channel.state),
                "signals": channel.signals,
            }
            for channel in [*self._host.channels.values()]
        ]

    def _channel(self, relid: int) -> HostChannel:
        channel = self._host.channels.get(relid)
        if channel is None:
            raise CommandError(f"there is no channel {relid}")
        return channel

    def _end(self, relid: int) -> RawEnd:
        self._channel(relid)
        if relid not in self._ends:
            raise CommandError(f"channel {relid} is served by somebody else")
        return self._ends[relid]

    # Control messages

    def refuse_versions(self, versions: list[int]) -> None:
        """Versions (major << 16 | minor) that the host knows and refuses from now on."""
        self._host.control.refused = frozenset(versions)

    def rule(self, **rule: Any) -> None:
        """One more rule; see ``kmcl_adapters.host.rules``."""
        self._host.rules.add(Rule(**rule))

    def release(self, place: int = 0) -> dict[str, Any]:
        """Let the held message at this place go on."""
        try:
            held = self._host.release(place)
        except IndexError:
            raise CommandError(f"no message is held at place {place}") from None
        return {"name": held.name}

    def send(self, name: str = "", hex: str = "", **fields: Any) -> None:
        """A control message by name and fields, or any bytes."""
        if name:
            self._host.send(name, **fields)
        else:
            self._host.send_bytes(bytes.fromhex(hex))

    def trace(self, since: int = 0) -> list[list[Any]]:
        """Entries from that number on, the first of them."""
        entries = self._host.trace.since(since)[:_AT_ONCE]
        return [[*entry[:4], _plain(entry.fields), entry.note] for entry in entries]

    def wait_for(self, name: str, since: int = 0, within: float = 8.0, **fields: Any) -> list[Any]:
        """The first such entry, waiting for it; seconds."""
        entry = self._host.wait_for(name, since, within, **fields)
        return [*entry[:4], _plain(entry.fields), entry.note]

    # Packets

    def receive(self, relid: int, within: float = 8.0) -> dict[str, Any]:
        """The guest's next packet, waiting for it; seconds."""
        packet = self._end(relid).receive(within)
        return _shown(packet)

    def answer(self, relid: int, on: bool = True) -> None:
        """Complete every packet at once that asks for it, or do not."""
        self._end(relid).answers = on

    def put(self, relid: int, payload: str = "", **options: Any) -> bool:
        """A packet for the guest, ``payload`` in hexadecimal; whether there was room."""
        return self._end(relid).send(bytes.fromhex(payload), **options)

    # The KMCL server end

    def serve(
        self,
        class_id: str,
        instance: str,
        ring_bytes: int,
        monitor: int | None = None,
        by: str = REFERENCE,
    ) -> None:
        """Play a server's end on this instance from now on; ``ring_bytes``: of each ring of the
        guest's driver, with its header; ``monitor``: see ``HostOffer``; ``by``: whose code it is,
        one of ``SERVERS``."""
        if by not in SERVERS:
            raise CommandError(f"no server's end {by!r}; there are {', '.join(SERVERS)}")
        offer = HostOffer(class_id, instance, monitor=monitor).complete()
        limit = min(MAXIMUM_PAYLOAD, ring_bytes - HEADER_BYTES - ring_bytes_of(0) - 8)

        def make() -> OverBus:
            self._guest_ahead = self._hosting.tsc_offset()
            self._bus, self._library = SERVERS[by](self._host, offer, limit)
            return self._library

        self._server = StampedEnd(make, self._guest_time, self._traffic)

    def _guest_time(self) -> int:
        return (int(self._time_stamp()) + self._guest_ahead) & MASK

    def _traffic(self) -> tuple[int, ...]:
        """The channel that is offered; whether the guest waits to have it opened; how much has
        passed; what is still to pass; the running threads of the end."""
        with self._host.changed:
            self._host.scan_monitor()  # a bit that nobody has looked at is on its way
            channel = self._bus.channel if self._bus is not None else None
            offered = 0 if channel is None else channel.relid
            opening = channel is not None and channel.state == State.OPENING
            running = 0 if self._library is None else self._library.monitor.running
            waiting = self._host.slot.waiting + self._host.underway.count
            waiting += self._bus is not None and self._bus.unheard
            leaving = [c for c in self._host.channels.values() if c.state == State.RESCINDED]
            passed = self._host.trace.count
            return (offered, int(opening), passed, waiting + len(leaving), running)

    def end(self, do: str, stimulus: dict[str, Any] | None = None) -> dict[str, Any]:
        """A request to the server's end; see ``kmcl_adapters.host.end``."""
        return self._serving().request(do, stimulus)

    def rest(self, looks: int, seconds: float, after: float = 0.0) -> dict[str, Any]:
        """What the server's end has seen, as soon as it and the guest have done nothing so many
        looks in a row, or have panicked, or so many seconds are over; ``rests`` says whether. The
        first look is ``after`` so many seconds."""
        server = self._serving()
        time.sleep(after)
        deadline = time.monotonic() + seconds
        crashes = self._host.crashes

        def is_at_rest() -> bool:
            if not self._hosting.is_at_rest():
                return False
            _, is_idle, _, _, _, waiting, running = server.traffic()
            return bool(is_idle and not waiting and not running)

        rests = come_to_rest(
            is_at_rest,
            lambda: (server.count, self._host.trace.count),
            looks,
            lambda: self._host.crashes != crashes or time.monotonic() > deadline,
        )
        return server.request("apply") | {"rests": rests}

    def _serving(self) -> StampedEnd:
        if self._server is None:
            raise CommandError("nobody serves a channel")
        return self._server


def _plain(fields: Any) -> dict[str, Any]:
    return {k: v.hex() if isinstance(v, bytes) else v for k, v in fields.items()}


def _shown(packet: Packet) -> dict[str, Any]:
    return {
        "kind": packet.kind,
        "flags": packet.flags,
        "transaction": packet.transaction,
        "payload": packet.payload.hex(),
    }
