"""The functions of the header, as ``kmcl_adapters.driver`` calls them, over a bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kmcl_model.status import (
    STATUS_INVALID_DEVICE_STATE,
    STATUS_INVALID_PARAMETER_1,
    STATUS_INVALID_PARAMETER_3,
    STATUS_NOT_SUPPORTED,
    STATUS_SUCCESS,
)

from .bus import Bus
from .channel import Channel
from .configuration import Handler
from .monitor import Dying
from .overbus import OverBus
from .packets import Packet, Received
from .parts import SOUND, Parts

__all__ = ["VERSION", "Library"]

VERSION: Final = "0.1.0"


class Library(OverBus):
    """The endpoint that ``parts`` make."""

    Name = "kmcl endpoint"
    LibraryVersion = VERSION

    def __init__(self, bus: Bus, parts: Parts = SOUND) -> None:
        super().__init__(bus)
        self.parts = parts
        self.channel: Channel | None = None

    # Extras

    def Act(self, channel: Channel, action: str) -> None:
        """What the world does."""
        self._inside(channel.act, action)

    def WillLook(self) -> bool:
        """See ``OverBus``."""
        return self.channel is not None and self.channel.will_look()

    def Reset(self) -> None:
        """End the threads and give the device back."""
        self.monitor.end()
        if self.channel is not None:
            self.channel.join()
        self.bus.close()

    # Channels

    def VmbChannelAllocate(self, is_server: bool) -> tuple[int, Channel | None]:
        if is_server and not self.bus.server:
            return STATUS_NOT_SUPPORTED, None
        self.monitor.enter()
        try:
            if self.channel is not None:
                return STATUS_INVALID_DEVICE_STATE, None
            self.channel = Channel(self.monitor, self.bus, self.parts, is_server)
            return STATUS_SUCCESS, self.channel
        finally:
            self.monitor.leave()

    def VmbChannelCleanup(self, channel: Channel) -> None:
        self.monitor.enter()
        try:
            clean = channel.await_rest()
            if clean:
                self.monitor.wait(channel.sender.idle)
                self.channel = None
        except Dying:
            clean = False
        finally:
            self.monitor.leave()
        if clean:
            channel.join()

    def VmbChannelEnable(self, channel: Channel) -> int:
        return int(self._inside(channel.enable))

    def VmbChannelDisable(self, channel: Channel) -> None:
        self._inside(channel.disable)

    def VmbChannelPause(self, channel: Channel) -> None:
        self._inside(channel.pause)

    def VmbChannelStart(self, channel: Channel) -> None:
        self._inside(channel.start)

    def VmbChannelSetTransactionQuota(self, channel: Channel, quota: int) -> None:
        self._inside(channel.receiver.set_quota, quota)

    def VmbChannelSetPointer(self, channel: Channel, pointer: object) -> None:
        channel.pointer = pointer

    def VmbChannelGetPointer(self, channel: Channel) -> object:
        return channel.pointer

    # Configuration

    def VmbChannelInitSetClientContextSize(self, channel: Channel, size: int) -> int:
        return self._configure(channel, None, lambda: STATUS_SUCCESS)

    def VmbChannelInitSetFlags(self, channel: Channel, flags: int) -> int:
        return self._configure(channel, None, channel.configuration.flags, flags)

    def VmbChannelInitSetFriendlyName(self, channel: Channel, name: object) -> int:
        return self._configure(channel, None, lambda: STATUS_SUCCESS)

    def VmbChannelInitSetMaximumExternalData(
        self, channel: Channel, size: int, chain_length: int
    ) -> int:
        return self._configure(
            channel, None, channel.configuration.external_data, size, chain_length
        )

    def VmbChannelInitSetMaximumPacketSize(self, channel: Channel, size: int) -> int:
        return self._configure(channel, None, channel.configuration.packet_size, size)

    def VmbChannelInitSetProcessPacketCallbacks(
        self, channel: Channel, process: Handler | None, complete: Handler | None
    ) -> int:
        setter = channel.configuration.packet_handlers
        return self._configure(channel, None, setter, process, complete)

    def VmbChannelInitSetStateChangeCallbacks(
        self, channel: Channel, version: int, size: int, handlers: Mapping[str, Handler]
    ) -> int:
        setter = channel.configuration.handlers
        return self._configure(channel, None, setter, version, size, handlers)

    def VmbClientChannelInitSetRingBufferPageCount(
        self, channel: Channel, incoming: int, outgoing: int
    ) -> int:
        return self._configure(channel, False, channel.configuration.pages, incoming, outgoing)

    def VmbClientChannelInitSetTargetPnp(
        self, channel: Channel, kind: object, instance: object, failed: Handler | None
    ) -> int:
        setter = channel.configuration.target_pnp
        return self._configure(channel, False, setter, kind, instance, failed)

    def VmbServerChannelInitSetFlags(self, channel: Channel, flags: int) -> int:
        return self._configure(channel, True, channel.configuration.server_flags, flags)

    def VmbServerChannelInitSetTargetInterfaceId(
        self, channel: Channel, kind: object, instance: object
    ) -> int:
        return self._configure(channel, True, channel.configuration.offer, kind, instance)

    def VmbServerChannelInitSetVmbusHandle(self, channel: Channel, handle: object) -> int:
        return self._configure(channel, True, lambda: STATUS_SUCCESS)

    def _configure(
        self, channel: Channel, server: bool | None, setter: Callable[..., int], *values: Any
    ) -> int:
        """``server``: the role whose setting it is; None: anybody's."""

        def change() -> int:
            if server not in (None, channel.is_server) or not channel.await_rest():
                return STATUS_INVALID_PARAMETER_1
            return setter(*values)

        return int(self._inside(change))

    # Packets

    def VmbChannelSizeofPacket(self, channel: Channel) -> int:
        return channel.configuration.sizeof_packet()

    def VmbPacketAllocate(self, channel: Channel) -> Packet:
        return Packet(channel, True)

    def VmbPacketInitialize(
        self, channel: Channel, memory: bytearray, size: int
    ) -> tuple[int, Packet | None]:
        if size < channel.configuration.sizeof_packet():
            return STATUS_INVALID_PARAMETER_3, None
        return STATUS_SUCCESS, Packet(channel, False)

    def VmbPacketFree(self, packet: Packet) -> None:
        packet.routine = None

    def VmbPacketGetChannel(self, packet: Packet) -> Channel:
        return packet.channel

    def VmbPacketSetPointer(self, packet: Packet, pointer: object) -> None:
        packet.pointer = pointer

    def VmbPacketGetPointer(self, packet: Packet) -> object:
        return packet.pointer

    def VmbPacketSetCompletionRoutine(self, packet: Packet, routine: Handler) -> None:
        packet.routine = routine

    def VmbPacketSend(self, packet: Packet, buffer: bytes | None, flags: int) -> int:
        monitor, sender = self.monitor, packet.channel.sender
        monitor.enter()
        try:
            return sender.send(packet, buffer, flags)
        finally:
            if sender.done:
                monitor.leave()
            else:  # no other condition looks at what a send changes
                monitor.leave_quietly()

    def VmbChannelPacketComplete(self, received: Received, buffer: bytes | None) -> None:
        monitor, channel = self.monitor, received.channel
        monitor.enter()
        try:
            channel.receiver.complete(received, buffer)
        finally:
            # A pump that is on its way looks by itself; a suspension waits for the last packet.
            if channel.receiver.pumping and channel.running() and not channel.sender.done:
                monitor.leave_quietly()
            else:
                monitor.leave()

    def VmbChannelPacketFail(self, received: Received) -> None:
        self._inside(received.channel.receiver.fail, received)
