"""Defects of ownership: handles, buffers and pointers that change or leave too early."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.configuration import Configuration
from kmcl_adapters.reference.library.packet import CompletionRoutine, Packet, Received, Then
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.reference.library.ring import Frame
from kmcl_adapters.reference.library.sender import Completer
from kmcl_model.status import STATUS_CANCELLED, STATUS_SUCCESS

from .mutant import Mutant

__all__ = ["MUTANTS"]


class ContextShared(Receiver):
    """The completion context is a slot of the ring instead of an object of its own."""

    last: Received | None = None

    def deliver(self, frame: Frame) -> None:
        channel = self.channel
        handler = channel.process_packet
        if handler is None:
            super().deliver(frame)
            return

        def shared(
            handle: Configuration,
            received: Received,
            buffer: bytes,
            flags: int,
            irql: int,
            then: Then,
        ) -> None:
            last = self.last
            if last is not None and not last.retired and last.link is received.link:
                received = last
            self.last = received
            handler(handle, received, buffer, flags, irql, then)

        channel.process_packet = shared
        super().deliver(frame)
        channel.process_packet = handler


class BufferReusedByNextPacket(Receiver):
    last: Received | None = None

    def deliver(self, frame: Frame) -> None:
        channel, last = self.channel, self.last
        handler = channel.process_packet
        if handler is None:
            super().deliver(frame)
            return

        def remembering(
            handle: Configuration,
            received: Received,
            buffer: bytes,
            flags: int,
            irql: int,
            then: Then,
        ) -> None:
            if last is not None and last.buffer:
                last.buffer = buffer[: len(last.buffer)] + last.buffer[len(buffer) :]
            self.last = received
            handler(handle, received, buffer, flags, irql, then)

        channel.process_packet = remembering
        super().deliver(frame)
        channel.process_packet = handler


class BufferGoneAfterHandler(Receiver):
    current: Received | None = None

    def handled(self, status: int) -> None:
        for received in self.live():
            received.buffer = bytes(len(received.buffer))
        super().handled(status)

    def live(self) -> tuple[Received, ...]:
        return () if self.current is None else (self.current,)

    def deliver(self, frame: Frame) -> None:
        handler = self.channel.process_packet
        if handler is None:
            super().deliver(frame)
            return

        def remembering(
            handle: Configuration,
            received: Received,
            buffer: bytes,
            flags: int,
            irql: int,
            then: Then,
        ) -> None:
            self.current = received
            handler(handle, received, buffer, flags, irql, then)

        self.channel.process_packet = remembering
        super().deliver(frame)
        self.channel.process_packet = handler


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


class ChannelPointerLostByDisable(Channel):
    def become_disabled(self) -> None:
        super().become_disabled()
        self.pointer = None


class InitializedPacketHasNoChannel(Channel):
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


class RoutineOfAnotherPacket(Channel):
    """One routine per channel: what is set last counts for the packets set before."""

    last: Packet | None = None

    def set_completion_routine(self, packet: Packet, routine: CompletionRoutine) -> None:
        super().set_completion_routine(packet, routine)
        self.last = packet


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
        InitializedPacketHasNoChannel,
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
