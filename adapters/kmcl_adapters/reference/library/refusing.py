"""Why a send is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmcl_model.status import (
    STATUS_BUFFER_OVERFLOW,
    STATUS_INVALID_DEVICE_STATE,
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_PARAMETER_3,
)

from .phases import Phase

if TYPE_CHECKING:
    from .channel import Channel
    from .packet import Packet

__all__ = ["refusal_of_send"]

SEND_FLAGS: Final = 0x7
FORCE_MDL_LENGTH: Final = 0x2


def refusal_of_send(channel: Channel, packet: Packet, buffer: bytes, flags: int) -> int | None:
    """Why a send is refused; None where it is accepted."""
    readings = channel.readings
    if flags & ~SEND_FLAGS and readings.unknown_send_flags == "error":
        return STATUS_INVALID_PARAMETER
    if flags & FORCE_MDL_LENGTH and readings.force_mdl_length == "error":
        return STATUS_INVALID_PARAMETER
    if not channel.length_allowed(len(buffer)):
        return STATUS_INVALID_PARAMETER_3
    if not channel.accepts_sends() or (packet.routine is None and not packet.allocated):
        return STATUS_INVALID_DEVICE_STATE
    if readings.sends_while_paused == "refused" and channel.phase == Phase.OPEN and channel.rests():
        return STATUS_INVALID_DEVICE_STATE
    if readings.full_ring == "error" and channel.sender.would_queue(packet):
        return STATUS_BUFFER_OVERFLOW
    return None
