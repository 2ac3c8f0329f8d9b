"""Defects of ownership: handles, buffers and pointers that change or leave too early."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.configuration import Configuration, ProcessPacketHandler
from kmcl_adapters.reference.library.packet import Packet, Received, Then
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.reference.library.sender import Completer
from kmcl_model.status import STATUS_CANCELLED, STATUS_SUCCESS

from .mutant import Mutant

__all__ = ["MUTANTS"]


class ContextShared(Receiver):
    last: Received | None = None

    def indicate(self, handler: ProcessPacketHandler, received: Received) -> None:
        last = self.last
        if last is not None and not last.retired and last.link is received.link:
            received = last
        self.last = received
        super().indicate(handler, received)


class BufferReusedByNextPacket(Receiver):
    last: Received | None = None

    def indicate(self, handler: ProcessPacketHandler, received: Received) -> None:
        last, buffer = self.last, received.buffer
        if last is not None:
            last.buffer = buffer[: len(last.buffer)] + last.buffer[len(buffer) :]
        self.last = received
        super().indicate(handler, received)


class BufferGoneAfterHandler(Receiver):
    last: Received | None = None

    def indicate(self, handler: ProcessPacketHandler, received: Received) -> None:
        self.last = received
        super().indicate(handler, received)

    def handled(self, status: int) -> None:
        last, self.last = self.last, None
        if last is not None:
            last.buffer = bytes(len(last.buffer))
        super().handled(status)


class PacketPointerLostBySend(Channel):
    def send(self, packet: Packet, buffer: bytes, flags: int) -> int:
        status = super().send(packet, buffer, flags)
        if status == STATUS_SUCCESS:
            packet.pointer = None
        return status


class ChannelPointerIsPacketPointer(Channel):
    def packet_set_pointer(self, packet: Packet, pointer: object) -> None:
        super().packet_set_pointer(packet, pointer)
        self.pointer = pointer


class InitializedPacketOfOtherChannel(Channel):
    def packet_channel(self, packet: Packet) -> Configuration:
        if packet.allocated or self.bus.server is None or self.bus.client is None:
            return super().packet_channel(packet)
        return self.bus.client if self.is_server else self.bus.server


class RoutineLostOnReuse(Completer):
    def finish(self, packet: Packet, status: int, buffer: bytes | None) -> None:
        routine = packet.routine
        super().finish(packet, status, buffer)
        if routine is not None and packet.routine is routine and not packet.in_flight:
            packet.routine = self.forgotten

    def forgotten(
        self, packet: Packet, status: int, buffer: bytes | None, irql: int, then: Then
    ) -> None:
        then(STATUS_SUCCESS)


class FailedSendCompletesToo(Channel):
    def send(self, packet: Packet, buffer: bytes, flags: int) -> int:
        status = super().send(packet, buffer, flags)
        if status != STATUS_SUCCESS and packet.routine is not None:
            self.completer.add(packet, STATUS_CANCELLED)
        return status


class WrongPacketHandle(Completer):
    """The routine is given a copy of the packet object."""

    def finish(self, packet: Packet, status: int, buffer: bytes | None) -> None:
        routine = packet.routine
        if routine is None or not packet.wants_answer:
            super().finish(packet, status, buffer)
            return
        copy = Packet(packet.channel, packet.allocated)

        def stray(_: Packet, status: int, buffer: bytes | None, irql: int, then: Then) -> None:
            routine(copy, status, buffer, irql, then)

        packet.routine = stray
        super().finish(packet, status, buffer)
        if packet.routine is stray:
            packet.routine = routine


_M = Mutant
MUTANTS: Final = (
    _M(
        "context-shared",
        "ownership",
        "the completion context is the slot of the ring, so two live packets have the same",
        ContextShared,
    ),
    _M(
        "buffer-reused-by-next-packet",
        "ownership",
        "one bounce buffer serves all packets, so the next one overwrites what is still in use",
        BufferReusedByNextPacket,
    ),
    _M(
        "buffer-gone-after-handler",
        "ownership",
        "the buffer is wiped when the handler returns instead of at VmbChannelPacketComplete",
        BufferGoneAfterHandler,
    ),
    _M(
        "packet-pointer-lost-by-send",
        "ownership",
        "the packet's pointer and the queue link share a field",
        PacketPointerLostBySend,
    ),
    _M(
        "channel-pointer-is-packet-pointer",
        "ownership",
        "the getter of the channel reads what the setter of the packet stored",
        ChannelPointerIsPacketPointer,
    ),
    _M(
        "initialized-packet-of-other-channel",
        "ownership",
        "a packet built in memory of the driver names the wrong channel",
        InitializedPacketOfOtherChannel,
    ),
    _M(
        "routine-lost-on-reuse",
        "ownership",
        "completing a packet clears its routine, so its second send is never reported",
        RoutineLostOnReuse,
    ),
    _M(
        "failed-send-completes-too",
        "ownership",
        "a refused send both returns the error and calls the routine",
        FailedSendCompletesToo,
    ),
    _M(
        "wrong-packet-handle",
        "ownership",
        "the routine of an answered packet gets a handle that the driver never saw",
        WrongPacketHandle,
    ),
)
