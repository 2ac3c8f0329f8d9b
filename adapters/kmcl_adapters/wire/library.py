"""The functions of the header, as ``kmcl_adapters.driver`` calls them, by the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kmcl_adapters import signals
from kmcl_adapters.reference import VERSION, Readings
from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.configuration import Configuration, StateTable
from kmcl_adapters.reference.library.packet import Packet, Received, Then
from kmcl_adapters.reference.library.parts import SOUND, Parts
from kmcl_adapters.reference.library.scheduler import Scheduler, Wait
from kmcl_adapters.uio.bus import Bus
from kmcl_adapters.uio.overbus import OverBus
from kmcl_model.status import (
    STATUS_INVALID_DEVICE_STATE,
    STATUS_INVALID_PARAMETER_2,
    STATUS_NOT_SUPPORTED,
    STATUS_SUCCESS,
)

from .link import WireBus
from .workers import Handler, Workers

__all__ = ["WireLibrary"]

_READINGS: Final = Readings()


class WireLibrary(OverBus):
    """The server's end of the reference on ``bus``, whose links are made of ``ring.PARTS``. Of
    ``parts`` those count that do not stand for rings, link and bus.

    Whoever hands in handlers calls ``Entered`` first in each.
    """

    Name = "kmcl reference on a wire"
    LibraryVersion = VERSION

    def __init__(self, bus: Bus, parts: Parts = SOUND) -> None:
        super().__init__(bus)
        self.channel: Channel | None = None
        self._parts = parts
        self._scheduler = Scheduler()
        self._ends = WireBus(parts, bus)
        self.monitor.on_release.append(self._ends.follow)
        self._workers: Workers | None = None

    # Extras

    def Entered(self) -> None:
        """See ``kmcl_adapters.threaded``."""
        self._threads().entered()

    def AtRest(self) -> bool:
        """See ``OverBus``. Raises what has ended a thread."""
        if self._workers is not None and self._workers.failure is not None:
            raise self._workers.failure
        return super().AtRest()

    def Act(self, channel: Channel, action: str) -> None:
        """What the world does."""
        self._inside(self._act, channel, action)

    def _act(self, channel: Channel, action: str) -> None:
        if action == "crash":
            self._threads().is_dead = True
            channel.crash()
            return
        link = self._ends.link
        if link is None or not link.is_live():
            return
        match action:
            case "spurious":
                if not self.bus.interrupt():
                    link.wired.signal()
            case "malformed":
                channel.write_malformed()
            case signals.MASKED:
                link.wired.incoming.mask()
                self.bus.interrupt()
            case _:
                self.bus.hold(action)

    def Reset(self) -> None:
        """See ``OverBus``."""
        self.monitor.end()
        if self._workers is not None:
            self._workers.join()
        self.monitor.acquire()
        self.monitor.on_release.clear()
        self.monitor.release()
        self.bus.close()

    def _threads(self) -> Workers:
        if self._workers is None:
            self._workers = Workers(self.monitor, self._scheduler, self.bus, self._ends)
        return self._workers

    def _call(self, channel: Configuration, function: str, *arguments: Any) -> Any:
        """A function of the channel, by the reference's name of it; one that waits blocks."""
        return self._inside(self._wait_for, channel, function, arguments)

    def _wait_for(self, channel: Configuration, function: str, arguments: tuple[Any, ...]) -> Any:
        result = getattr(channel, function)(*arguments)
        if not isinstance(result, Wait):
            return result
        over: list[bool] = []
        result.then = lambda: over.append(True)
        self.monitor.wait(lambda: bool(over))
        return result.status

    # Channels

    def VmbChannelAllocate(self, is_server: bool) -> tuple[int, Channel | None]:
        if not (is_server and self.bus.server):
            return STATUS_NOT_SUPPORTED, None
        self.monitor.enter()
        try:
            if self.channel is not None:
                return STATUS_INVALID_DEVICE_STATE, None
            self._threads()
            made = self._parts.channel(
                self._parts, self._ends, self._scheduler, _READINGS, is_server=True
            )
            made.maximum_packet_size = min(made.maximum_packet_size, self.bus.payload_limit)
            self.channel = made
            return STATUS_SUCCESS, made
        finally:
            self.monitor.leave()

    def VmbChannelCleanup(self, channel: Channel) -> None:
        self._inside(self._clean_up, channel)

    def _clean_up(self, channel: Channel) -> None:
        """A driver may know that its last handler has returned before the library does."""
        self.monitor.wait(channel.lifecycle.quiet)
        channel.cleanup()
        self.channel = None

    def VmbChannelEnable(self, channel: Channel) -> int:
        return int(self._call(channel, "enable"))

    def VmbChannelDisable(self, channel: Channel) -> None:
        self._call(channel, "disable")

    def VmbChannelPause(self, channel: Channel) -> None:
        self._call(channel, "pause")

    def VmbChannelStart(self, channel: Channel) -> None:
        self._call(channel, "start")

    def VmbChannelSetTransactionQuota(self, channel: Channel, quota: int) -> None:
        self._call(channel, "set_transaction_quota", quota)

    def VmbChannelSetPointer(self, channel: Channel, pointer: object) -> None:
        self._call(channel, "set_pointer", pointer)

    def VmbChannelGetPointer(self, channel: Channel) -> object:
        return self._call(channel, "get_pointer")

    # Configuration

    def VmbChannelInitSetClientContextSize(self, channel: Channel, size: int) -> int:
        return int(self._call(channel, "set_client_context_size", size))

    def VmbChannelInitSetFlags(self, channel: Channel, flags: int) -> int:
        return int(self._call(channel, "set_flags", flags))

    def VmbChannelInitSetFriendlyName(self, channel: Channel, name: object) -> int:
        return int(self._call(channel, "set_friendly_name", name))

    def VmbChannelInitSetMaximumExternalData(
        self, channel: Channel, size: int, chain_length: int
    ) -> int:
        return int(self._call(channel, "set_maximum_external_data", size, chain_length))

    def VmbChannelInitSetMaximumPacketSize(self, channel: Channel, size: int) -> int:
        if size > self.bus.payload_limit:  # an empty ring must take any packet (A21)
            return self._call(channel, "refusal", "packet-size") or STATUS_INVALID_PARAMETER_2
        return int(self._call(channel, "set_maximum_packet_size", size))

    def VmbChannelInitSetProcessPacketCallbacks(
        self, channel: Channel, process: Handler | None, complete: Handler | None
    ) -> int:
        call = self._threads().call

        def on_process(
            on: Configuration, packet: Received, buffer: bytes, flags: int, _: int, then: Then
        ) -> None:
            assert process is not None
            call(process, (on, packet, buffer, flags), then)

        def on_complete(on: Configuration, count: int, _: int, then: Then) -> None:
            assert complete is not None
            call(complete, (on, count), then)

        return int(
            self._call(
                channel,
                "set_process_packet_callbacks",
                process and on_process,
                complete and on_complete,
            )
        )

    def VmbChannelInitSetStateChangeCallbacks(
        self, channel: Channel, version: int, size: int, handlers: Mapping[str, Handler]
    ) -> int:
        table = StateTable(version, size, {n: self._on_change(h) for n, h in handlers.items()})
        return int(self._call(channel, "set_state_change_callbacks", table))

    def _on_change(self, handler: Handler) -> Any:
        call = self._threads().call
        return lambda channel, irql, then: call(handler, (channel,), then)

    def VmbClientChannelInitSetRingBufferPageCount(
        self, channel: Channel, incoming: int, outgoing: int
    ) -> int:
        return int(self._call(channel, "set_ring_buffer_page_count", incoming, outgoing))

    def VmbClientChannelInitSetTargetPnp(
        self, channel: Channel, kind: object, instance: object, failed: Handler | None
    ) -> int:
        return int(self._call(channel, "set_target_pnp", kind, instance, None))

    def VmbServerChannelInitSetFlags(self, channel: Channel, flags: int) -> int:
        return int(self._call(channel, "set_server_flags", flags))

    def VmbServerChannelInitSetTargetInterfaceId(
        self, channel: Channel, kind: object, instance: object
    ) -> int:
        return int(self._call(channel, "set_target_interface_id", kind, instance))

    def VmbServerChannelInitSetVmbusHandle(self, channel: Channel, handle: object) -> int:
        return int(self._call(channel, "set_vmbus_handle", handle))

    # Packets

    def VmbChannelSizeofPacket(self, channel: Channel) -> int:
        return channel.sizeof_packet()

    def VmbPacketAllocate(self, channel: Channel) -> Packet | None:
        return channel.packet_allocate()

    def VmbPacketInitialize(
        self, channel: Channel, memory: bytearray, size: int
    ) -> tuple[int, Packet | None]:
        return channel.packet_initialize(size)

    def VmbPacketFree(self, packet: Packet) -> None:
        self._call(packet.channel, "packet_free", packet)

    def VmbPacketGetChannel(self, packet: Packet) -> object:
        return self._call(packet.channel, "packet_channel", packet)

    def VmbPacketSetPointer(self, packet: Packet, pointer: object) -> None:
        self._call(packet.channel, "packet_set_pointer", packet, pointer)

    def VmbPacketGetPointer(self, packet: Packet) -> object:
        return self._call(packet.channel, "packet_pointer", packet)

    def VmbPacketSetCompletionRoutine(self, packet: Packet, routine: Handler) -> None:
        call = self._threads().call

        def on_completion(
            packet: Packet, status: int, buffer: bytes | None, _: int, then: Then
        ) -> None:
            call(routine, (packet, status, buffer), then)

        self._call(packet.channel, "set_completion_routine", packet, on_completion)

    def VmbPacketSend(self, packet: Packet, buffer: bytes | None, flags: int) -> int:
        return int(self._call(packet.channel, "send", packet, bytes(buffer or b""), flags))

    def VmbChannelPacketComplete(self, received: Received, buffer: bytes | None) -> None:
        answer = None if buffer is None else bytes(buffer)
        self._retire("packet_complete", received, answer)

    def VmbChannelPacketFail(self, received: Received) -> None:
        self._retire("packet_fail", received)

    def _retire(self, function: str, received: Received, *arguments: Any) -> None:
        """Contexts do not outlive their channel."""
        if self.channel is not None:
            self._call(self.channel, function, received, *arguments)
