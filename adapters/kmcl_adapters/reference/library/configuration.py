"""Configuration of a channel: the InitSet functions, pointer and quota, and their checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from kmcl_adapters.reference.readings import Readings
from kmcl_model.status import (
    STATUS_INVALID_DEVICE_STATE,
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_PARAMETER_1,
    STATUS_INVALID_PARAMETER_2,
    STATUS_INVALID_PARAMETER_3,
    STATUS_SUCCESS,
)

from .packet import Received, Then

__all__ = [
    "POINTER_SIZE",
    "TABLE_SIZE",
    "TABLE_VERSION",
    "Configuration",
    "PnpFailureHandler",
    "ProcessPacketHandler",
    "ProcessingCompleteHandler",
    "StateHandler",
    "StateTable",
]

StateHandler: TypeAlias = "Callable[[Configuration, int, Then], None]"
ProcessPacketHandler: TypeAlias = "Callable[[Configuration, Received, bytes, int, int, Then], None]"
ProcessingCompleteHandler: TypeAlias = "Callable[[Configuration, int, int, Then], None]"
PnpFailureHandler: TypeAlias = "Callable[[Configuration, int, Then], None]"

TABLE_VERSION: Final = 1
TABLE_SIZE: Final = 48
"""Version, size and five pointers on a 64-bit target."""

POINTER_SIZE: Final = 8
PACKET_OVERHEAD: Final = 120
"""What VmbChannelSizeofPacket adds to the maximum packet size; more than one pointer (A115)."""

COMMON_FLAGS: Final = 0x1
SERVER_FLAGS: Final = 0x1F
UNDEFINED_FLAG: Final = 0x80000000
DEFAULT_PACKET_SIZE: Final = 1024
DEFAULT_PAGES: Final = 4
DEFAULT_LATENCY: Final = 1000
"""In units of 100 ns."""


class StateTable(NamedTuple):
    """The table of state-change handlers, by callback name; absent ones are not in it."""

    version: int
    size: int
    handlers: dict[str, StateHandler]


class Configuration:
    """Settings of a channel. They survive Disable and change only while it is disabled (A29)."""

    __slots__ = (
        "incoming_pages",
        "initialized",
        "is_server",
        "latency",
        "maximum_packet_size",
        "outgoing_pages",
        "pnp_failure",
        "pointer",
        "process_packet",
        "processing_complete",
        "quota",
        "readings",
        "settings",
        "state_handlers",
        "target",
    )

    def __init__(self, readings: Readings, is_server: bool) -> None:
        self.readings = readings
        self.is_server = is_server
        self.maximum_packet_size = DEFAULT_PACKET_SIZE
        self.incoming_pages = DEFAULT_PAGES
        self.outgoing_pages = DEFAULT_PAGES
        self.target: tuple[object, object] | None = None
        self.state_handlers: dict[str, StateHandler] = {}
        self.process_packet: ProcessPacketHandler | None = None
        self.processing_complete: ProcessingCompleteHandler | None = None
        self.pnp_failure: PnpFailureHandler | None = None
        self.pointer: object = readings.channel_pointer
        self.quota = readings.initial_quota
        self.latency = DEFAULT_LATENCY
        self.settings: dict[str, object] = {}
        self.initialized: set[str] = set()

    def is_disabled(self) -> bool:
        """Whether the channel may be configured now."""
        raise NotImplementedError

    def refusal(self, setting: str, wrong_state: int = STATUS_INVALID_PARAMETER_1) -> int | None:
        """Why a setting cannot be changed now; None where it can (A06, A29)."""
        if not self.is_disabled():
            return wrong_state
        if self.readings.settings_once and setting in self.initialized:
            return STATUS_INVALID_DEVICE_STATE
        return None

    def keep(self, setting: str, value: object = None) -> int:
        """A setting was accepted."""
        self.initialized.add(setting)
        self.settings[setting] = value
        return STATUS_SUCCESS

    # Both roles

    def set_client_context_size(self, size: int) -> int:
        """VmbChannelInitSetClientContextSize; zero means no area (A22)."""
        refusal = self.refusal("context-size", self.readings.generic_init_status)
        if refusal is None and not size and self.readings.context_of_no_size == "error":
            return STATUS_INVALID_PARAMETER_2
        return self.keep("context-size", size) if refusal is None else refusal

    def set_flags(self, flags: int) -> int:
        """VmbChannelInitSetFlags: the last call wins (A15)."""
        refusal = self.refusal("flags")
        if refusal is not None:
            return refusal
        if not self.flags_allowed(flags, COMMON_FLAGS):
            return STATUS_INVALID_PARAMETER_2
        return self.keep("flags", flags)

    def flags_allowed(self, flags: int, listed: int) -> bool:
        """Whether none of the bits is illegal (A15)."""
        return not flags & (UNDEFINED_FLAG if self.readings.flag_bits == "any" else ~listed)

    def set_friendly_name(self, name: object) -> int:
        """VmbChannelInitSetFriendlyName: for people and counters only (F205)."""
        if not self.readings.friendly_name_any_time:
            refusal = self.refusal("friendly-name", self.readings.generic_init_status)
            if refusal is not None:
                return refusal
        return self.keep("friendly-name", name)

    def set_maximum_external_data(self, data_size: int, chain_length: int) -> int:
        """VmbChannelInitSetMaximumExternalData."""
        refusal = self.one_of(
            self.refusal("external-data"),
            None if data_size else STATUS_INVALID_PARAMETER_2,
            None if chain_length else STATUS_INVALID_PARAMETER_3,
        )
        if refusal is not None:
            return refusal
        return self.keep("external-data", (data_size, chain_length))

    def one_of(self, *refusals: int | None) -> int | None:
        """The refusal that counts, of those that apply to each argument (A10)."""
        applying = [refusal for refusal in refusals if refusal is not None]
        if not applying:
            return None
        return applying[0 if self.readings.argument_checks == "first" else -1]

    def set_maximum_packet_size(self, packet_size: int) -> int:
        """VmbChannelInitSetMaximumPacketSize, in bytes."""
        refusal = self.refusal("packet-size")
        if refusal is not None:
            return refusal
        if packet_size == 0:
            return STATUS_INVALID_PARAMETER_2
        self.maximum_packet_size = packet_size
        return self.keep("packet-size", packet_size)

    def set_process_packet_callbacks(
        self,
        process_packet: ProcessPacketHandler | None,
        processing_complete: ProcessingCompleteHandler | None,
    ) -> int:
        """VmbChannelInitSetProcessPacketCallbacks; the second handler is optional (A17)."""
        refusal = self.refusal("process-packet")
        if refusal is not None:
            return refusal
        if process_packet is None:
            return STATUS_INVALID_PARAMETER_2
        self.process_packet = process_packet
        self.processing_complete = processing_complete
        return self.keep("process-packet")

    def set_state_change_callbacks(self, table: StateTable) -> int:
        """VmbChannelInitSetStateChangeCallbacks: the table is copied (A14)."""
        refusal = self.refusal("state-change")
        if refusal is not None:
            return refusal
        if not self.valid_table(table):
            return STATUS_INVALID_PARAMETER_2
        self.state_handlers = dict(table.handlers)
        return self.keep("state-change")

    def valid_table(self, table: StateTable) -> bool:
        """Whether version and size are those of the INIT helper (A13)."""
        return table.version == TABLE_VERSION and table.size == TABLE_SIZE

    # Client only

    def set_ring_buffer_page_count(self, incoming: int, outgoing: int) -> int:
        """VmbClientChannelInitSetRingBufferPageCount: pages of both rings, given by the guest."""
        if self.is_server:
            return self.readings.wrong_role_status
        refusal = self.refusal("ring-pages", self.readings.generic_init_status)
        if refusal is not None:
            return refusal
        if self.readings.zero_pages == "error" and not (incoming and outgoing):
            return STATUS_INVALID_PARAMETER
        self.incoming_pages = incoming or DEFAULT_PAGES
        self.outgoing_pages = outgoing or DEFAULT_PAGES
        return self.keep("ring-pages", (incoming, outgoing))

    def set_target_pnp(
        self, interface_type: object, instance: object, pnp_failure: PnpFailureHandler | None
    ) -> int:
        """VmbClientChannelInitSetTargetPnp; instance and handler are optional (A24)."""
        if self.is_server:
            return self.readings.wrong_role_status
        refusal = self.refusal("target")
        if refusal is not None:
            return refusal
        if interface_type is None:
            return STATUS_INVALID_PARAMETER_2
        if pnp_failure is None and self.readings.pnp_callback == "required":
            return STATUS_INVALID_PARAMETER
        self.target = (interface_type, instance)
        self.pnp_failure = pnp_failure
        return self.keep("target")

    # Server only

    def server_setting(self, setting: str, value: object, wrong_state: int) -> int:
        """A setting that exists on servers and needs no further check."""
        if not self.is_server:
            return self.readings.wrong_role_status
        refusal = self.refusal(setting, wrong_state)
        return self.keep(setting, value) if refusal is None else refusal

    def set_server_flags(self, flags: int) -> int:
        """VmbServerChannelInitSetFlags."""
        if not self.is_server:
            return self.readings.wrong_role_status
        refusal = self.refusal("server-flags")
        if refusal is not None:
            return refusal
        if not self.flags_allowed(flags, SERVER_FLAGS):
            return STATUS_INVALID_PARAMETER_2
        return self.keep("server-flags", flags)

    def set_mmio_megabytes(self, megabytes: int, optional: int) -> int:
        """VmbServerChannelInitSetMmioMegabytes (A26)."""
        least = megabytes if self.readings.mmio_megabytes == "mandatory" else megabytes or optional
        if self.is_server and self.is_disabled() and not least:
            return STATUS_INVALID_PARAMETER
        return self.server_setting("mmio", (megabytes, optional), STATUS_INVALID_PARAMETER_1)

    def set_save_restore_callbacks(self, save: bool, restore: bool) -> int:
        """VmbServerChannelInitSetSaveRestorePacketCallbacks."""
        return self.server_setting("save-restore", (save, restore), STATUS_INVALID_PARAMETER_1)

    def set_target_interface_id(self, interface_type: object, instance: object) -> int:
        """VmbServerChannelInitSetTargetInterfaceId: what the offer carries (F430)."""
        status = self.server_setting("target", None, self.readings.generic_init_status)
        if status == STATUS_SUCCESS:
            self.target = (interface_type, instance)
        return status

    def set_target_vtl(self, vtl: int) -> int:
        """VmbServerChannelInitSetTargetVtl (A25)."""
        if self.is_server and self.is_disabled() and vtl > self.readings.highest_vtl:
            return STATUS_INVALID_PARAMETER_2
        return self.server_setting("vtl", vtl, STATUS_INVALID_PARAMETER_1)

    def set_vmbus_handle(self, handle: object) -> int:
        """VmbServerChannelInitSetVmbusHandle: one guest here, so it only has to be kept (A28)."""
        return self.server_setting("vmbus-handle", handle, self.readings.generic_init_status)

    # Any time

    def set_pointer(self, pointer: object) -> None:
        """VmbChannelSetPointer: opaque, any value (F337)."""
        self.pointer = pointer

    def get_pointer(self) -> object:
        """VmbChannelGetPointer: what the channel's setter stored (A119)."""
        return self.pointer

    def is_in_session(self) -> bool:
        """Whether Opened was called and Closed has not returned."""
        raise NotImplementedError

    def set_interrupt_latency(self, latency: int) -> tuple[int, int]:
        """VmbChannelSetInterruptLatency in units of 100 ns: status and the value before (A146)."""
        if self.is_server and not self.readings.latency_on_server:
            return self.readings.wrong_role_status, 0
        if not self.is_in_session() and self.readings.latency_outside == "error":
            return STATUS_INVALID_DEVICE_STATE, 0
        before, self.latency = self.latency, latency
        return STATUS_SUCCESS, before

    def sizeof_packet(self) -> int:
        """VmbChannelSizeofPacket, in bytes."""
        return self.maximum_packet_size + PACKET_OVERHEAD
