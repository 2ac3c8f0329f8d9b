"""What a channel is configured with, and when that may be changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from kmcl_model.status import (
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_PARAMETER_2,
    STATUS_INVALID_PARAMETER_3,
    STATUS_NOT_SUPPORTED,
    STATUS_SUCCESS,
)

__all__ = ["DEFAULT_PAGES", "Configuration", "Handler"]

Handler: TypeAlias = Callable[..., Any]

TABLE_VERSION: Final = 1
TABLE_SIZE: Final = 48
"""Bytes of the table of state handlers on a 64-bit target: version, size, five pointers."""
COMMON_FLAGS: Final = 0x1
SERVER_FLAGS: Final = 0x1F
DEFAULT_PACKET_SIZE: Final = 1024
DEFAULT_PAGES: Final = 4
PACKET_OVERHEAD: Final = 120
"""Bytes of a packet object beside its data; more than a pointer (A115)."""


class Configuration:
    """Settings of one end; each setter gives the status of its call. They survive Disable.

    Whether the end may be configured at all is for the caller to decide. ``limit`` is the longest
    packet that the ring can ever take, in bytes, ``page_limit`` the pages that it can have.
    """

    def __init__(self, limit: int, page_limit: int) -> None:
        self.limit = limit
        self.page_limit = page_limit
        self.maximum_packet = min(DEFAULT_PACKET_SIZE, limit)
        self.incoming_pages = DEFAULT_PAGES
        self.outgoing_pages = DEFAULT_PAGES
        self.target: tuple[object, object] | None = None
        self.state_handlers: dict[str, Handler] = {}
        self.process_packet: Handler | None = None
        self.processing_complete: Handler | None = None
        self.pnp_failure: Handler | None = None

    def flags(self, flags: int) -> int:
        """VmbChannelInitSetFlags."""
        return STATUS_INVALID_PARAMETER_2 if flags & ~COMMON_FLAGS else STATUS_SUCCESS

    def server_flags(self, flags: int) -> int:
        """VmbServerChannelInitSetFlags."""
        return STATUS_INVALID_PARAMETER_2 if flags & ~SERVER_FLAGS else STATUS_SUCCESS

    def external_data(self, size: int, chain_length: int) -> int:
        """VmbChannelInitSetMaximumExternalData."""
        if not size:
            return STATUS_INVALID_PARAMETER_2
        return STATUS_SUCCESS if chain_length else STATUS_INVALID_PARAMETER_3

    def packet_size(self, size: int) -> int:
        """VmbChannelInitSetMaximumPacketSize, in bytes; no more than the ring can take."""
        if not 0 < size <= self.limit:
            return STATUS_INVALID_PARAMETER_2
        self.maximum_packet = size
        return STATUS_SUCCESS

    def packet_handlers(self, process: Handler | None, complete: Handler | None) -> int:
        """VmbChannelInitSetProcessPacketCallbacks; the second one is optional (A17)."""
        if process is None:
            return STATUS_INVALID_PARAMETER_2
        self.process_packet, self.processing_complete = process, complete
        return STATUS_SUCCESS

    def handlers(self, version: int, size: int, handlers: Mapping[str, Handler]) -> int:
        """VmbChannelInitSetStateChangeCallbacks; the table is copied (A14)."""
        if (version, size) != (TABLE_VERSION, TABLE_SIZE):
            return STATUS_INVALID_PARAMETER_2
        self.state_handlers = dict(handlers)
        return STATUS_SUCCESS

    def pages(self, incoming: int, outgoing: int) -> int:
        """VmbClientChannelInitSetRingBufferPageCount; 0 stands for the default (A21). Larger rings
        than there can be are refused; where somebody else has chosen their size, it may be more."""
        if incoming < 0 or outgoing < 0:
            return STATUS_INVALID_PARAMETER
        if max(incoming, outgoing) > self.page_limit:
            return STATUS_NOT_SUPPORTED
        self.incoming_pages = incoming or DEFAULT_PAGES
        self.outgoing_pages = outgoing or DEFAULT_PAGES
        return STATUS_SUCCESS

    def target_pnp(self, kind: object, instance: object, failed: Handler | None) -> int:
        """VmbClientChannelInitSetTargetPnp."""
        if kind is None:
            return STATUS_INVALID_PARAMETER_2
        self.target, self.pnp_failure = (kind, instance), failed
        return STATUS_SUCCESS

    def offer(self, kind: object, instance: object) -> int:
        """VmbServerChannelInitSetTargetInterfaceId."""
        self.target = (kind, instance)
        return STATUS_SUCCESS

    def sizeof_packet(self) -> int:
        """VmbChannelSizeofPacket, in bytes."""
        return self.maximum_packet + PACKET_OVERHEAD
