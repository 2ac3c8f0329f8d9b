"""Packet objects of a channel: made, freed, and what a driver may attach to them."""

from __future__ import annotations

from kmcl_adapters.reference.readings import Readings
from kmcl_model.status import STATUS_INVALID_PARAMETER_3, STATUS_SUCCESS

from .configuration import POINTER_SIZE, Configuration
from .packet import CompletionRoutine, Packet
from .scheduler import Wait

__all__ = ["PacketObjects"]


class PacketObjects(Configuration):
    """The part of a channel that hands out packet objects; they belong to it, open or not."""

    __slots__ = ("spare",)

    def __init__(self, readings: Readings, is_server: bool) -> None:
        super().__init__(readings, is_server)
        self.spare: object = readings.packet_pointer
        """The pointer that the next packet has from the one that was given back last (A120)."""

    def packet_allocate(self) -> Packet | None:
        """VmbPacketAllocate."""
        if self.readings.allocation_needs_enable and self.is_disabled():
            return None
        packet = Packet(self, True)
        packet.pointer, self.spare = self.spare, self.readings.packet_pointer
        return packet

    def packet_initialize(self, byte_count: int) -> tuple[int, Packet | None]:
        """VmbPacketInitialize in ``byte_count`` bytes of the driver (A115)."""
        if not self.large_enough(byte_count):
            return STATUS_INVALID_PARAMETER_3, None
        return STATUS_SUCCESS, Packet(self, False)

    def large_enough(self, byte_count: int) -> bool:
        """Whether so much memory holds a packet."""
        if self.readings.initialize_from == "sum":
            return byte_count > self.maximum_packet_size + POINTER_SIZE
        return byte_count >= self.sizeof_packet()

    def packet_free(self, packet: Packet) -> Wait | None:
        """VmbPacketFree: never waits."""
        packet.freed = True
        if self.readings.pointer_taken_again == "kept":
            self.spare = packet.pointer
        return None

    def packet_channel(self, packet: Packet) -> Configuration:
        """VmbPacketGetChannel."""
        return packet.channel

    def packet_set_pointer(self, packet: Packet, pointer: object) -> None:
        """VmbPacketSetPointer."""
        packet.pointer = pointer

    def packet_pointer(self, packet: Packet) -> object:
        """VmbPacketGetPointer: kept across sends (A120)."""
        return packet.pointer

    def set_completion_routine(self, packet: Packet, routine: CompletionRoutine) -> None:
        """VmbPacketSetCompletionRoutine: stays over reuse (A118)."""
        packet.routine = routine
