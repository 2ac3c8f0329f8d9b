"""Defects of configuration: checks that are missing, wrong, or in the wrong place."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.configuration import (
    POINTER_SIZE,
    TABLE_SIZE,
    TABLE_VERSION,
    PnpFailureHandler,
    ProcessingCompleteHandler,
    ProcessPacketHandler,
    StateTable,
)
from kmcl_adapters.reference.library.packet import Packet
from kmcl_model.api import STATE_CHANGE_CALLBACKS
from kmcl_model.status import (
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_PARAMETER_1,
    STATUS_INVALID_PARAMETER_2,
    STATUS_INVALID_PARAMETER_3,
    STATUS_SUCCESS,
)

from .mutant import Mutant

__all__ = ["MUTANTS"]


class PacketSizeAcceptedWhileEnabled(Channel):
    def refusal(self, setting: str, wrong_state: int = STATUS_INVALID_PARAMETER_1) -> int | None:
        return super().refusal(setting, wrong_state) if setting != "packet-size" else None


class InitAcceptedBeforeOpen(Channel):
    def refusal(self, setting: str, wrong_state: int = STATUS_INVALID_PARAMETER_1) -> int | None:
        if self.link is None:
            return None
        return super().refusal(setting, wrong_state)


class WrongStateUnnumbered(Channel):
    def refusal(self, setting: str, wrong_state: int = STATUS_INVALID_PARAMETER_1) -> int | None:
        refusal = super().refusal(setting, wrong_state)
        return refusal if refusal != STATUS_INVALID_PARAMETER_1 else STATUS_INVALID_PARAMETER


class InitRefusedAfterDisable(Channel):
    spent = False

    def become_disabled(self) -> None:
        self.spent = True
        super().become_disabled()

    def refusal(self, setting: str, wrong_state: int = STATUS_INVALID_PARAMETER_1) -> int | None:
        return wrong_state if self.spent else super().refusal(setting, wrong_state)


class HandlersLostByDisable(Channel):
    def become_disabled(self) -> None:
        super().become_disabled()
        self.process_packet = None
        self.processing_complete = None


class FlagsParameterNumberWrong(Channel):
    def set_flags(self, flags: int) -> int:
        status = super().set_flags(flags)
        return STATUS_INVALID_PARAMETER_1 if status == STATUS_INVALID_PARAMETER_2 else status


class ServerFlagsUnchecked(Channel):
    def set_server_flags(self, flags: int) -> int:
        return super().set_server_flags(flags & 0x1F)


class ChainLengthNumberWrong(Channel):
    def set_maximum_external_data(self, data_size: int, chain_length: int) -> int:
        status = super().set_maximum_external_data(data_size, chain_length)
        return STATUS_INVALID_PARAMETER_2 if status == STATUS_INVALID_PARAMETER_3 else status


class PacketSizeZeroAccepted(Channel):
    def set_maximum_packet_size(self, packet_size: int) -> int:
        return super().set_maximum_packet_size(packet_size or self.maximum_packet_size)


class LargerTableAccepted(Channel):
    def valid_table(self, table: StateTable) -> bool:
        return table.version == TABLE_VERSION and table.size >= TABLE_SIZE


class TableVersionUnchecked(Channel):
    def valid_table(self, table: StateTable) -> bool:
        return table.size == TABLE_SIZE


class ProcessingCompleteRequired(Channel):
    def set_process_packet_callbacks(
        self,
        process_packet: ProcessPacketHandler | None,
        processing_complete: ProcessingCompleteHandler | None,
    ) -> int:
        if processing_complete is None and self.is_disabled():
            return STATUS_INVALID_PARAMETER_3
        return super().set_process_packet_callbacks(process_packet, processing_complete)


class EmptyTableEntryRefused(Channel):
    def valid_table(self, table: StateTable) -> bool:
        return super().valid_table(table) and len(table.handlers) == len(STATE_CHANGE_CALLBACKS)


class NullInstanceRefused(Channel):
    def set_target_pnp(
        self, interface_type: object, instance: object, pnp_failure: PnpFailureHandler | None
    ) -> int:
        if instance is None and not self.is_server:
            return STATUS_INVALID_PARAMETER_3
        return super().set_target_pnp(interface_type, instance, pnp_failure)


class RingPagesAcceptedOnServer(Channel):
    def set_ring_buffer_page_count(self, incoming: int, outgoing: int) -> int:
        status = super().set_ring_buffer_page_count(incoming, outgoing)
        return STATUS_SUCCESS if self.is_server else status


class ServerFlagsAcceptedOnClient(Channel):
    def set_server_flags(self, flags: int) -> int:
        status = super().set_server_flags(flags)
        return status if self.is_server else STATUS_SUCCESS


class SizeofPacketTooSmall(Channel):
    def sizeof_packet(self) -> int:
        return self.maximum_packet_size + POINTER_SIZE

    def large_enough(self, byte_count: int) -> bool:
        return byte_count > self.sizeof_packet()


class InitializeAcceptsSum(Channel):
    def large_enough(self, byte_count: int) -> bool:
        return byte_count >= self.maximum_packet_size + POINTER_SIZE


class InitializeSizeNumberWrong(Channel):
    def packet_initialize(self, byte_count: int) -> tuple[int, Packet | None]:
        status, packet = super().packet_initialize(byte_count)
        return (STATUS_INVALID_PARAMETER_2 if packet is None else status), packet


class FailedEnableStillOffers(Channel):
    def enable(self) -> int:
        status = super().enable()
        return STATUS_INVALID_PARAMETER if self.rings_too_small() else status


_M = Mutant
MUTANTS: Final = (
    _M(
        "packet-size-accepted-while-enabled",
        "configuration",
        "one init function forgets to check the state",
        PacketSizeAcceptedWhileEnabled,
    ),
    _M(
        "init-accepted-before-open",
        "configuration",
        "enabled and not yet open passes for disabled",
        InitAcceptedBeforeOpen,
    ),
    _M(
        "wrong-state-unnumbered",
        "configuration",
        "the wrong state is reported without the number of the parameter",
        WrongStateUnnumbered,
    ),
    _M(
        "init-refused-after-disable",
        "configuration",
        "a channel that was enabled once can never be configured again",
        InitRefusedAfterDisable,
    ),
    _M(
        "handlers-lost-by-disable",
        "configuration",
        "Disable clears the packet handlers with the connection",
        HandlersLostByDisable,
    ),
    _M(
        "flags-parameter-number-wrong",
        "configuration",
        "illegal flags are reported as an invalid channel",
        FlagsParameterNumberWrong,
    ),
    _M(
        "server-flags-unchecked",
        "configuration",
        "undefined bits of the server flags are masked away instead of refused",
        ServerFlagsUnchecked,
    ),
    _M(
        "chain-length-number-wrong",
        "configuration",
        "a copied check reports the second parameter for the third",
        ChainLengthNumberWrong,
    ),
    _M(
        "packet-size-zero-accepted",
        "configuration",
        "a maximum packet size of zero is taken for 'leave it as it is'",
        PacketSizeZeroAccepted,
    ),
    _M(
        "larger-table-accepted",
        "configuration",
        "a table that is larger than expected is taken for one of a later version",
        LargerTableAccepted,
    ),
    _M(
        "table-version-unchecked",
        "configuration",
        "only the size of the table is looked at",
        TableVersionUnchecked,
    ),
    _M(
        "processing-complete-required",
        "configuration",
        "the optional end-of-batch handler is required",
        ProcessingCompleteRequired,
    ),
    _M(
        "empty-table-entry-refused",
        "configuration",
        "all entries of the state-change table are required",
        EmptyTableEntryRefused,
    ),
    _M(
        "null-instance-refused",
        "configuration",
        "a client must name the instance although any of the type would do",
        NullInstanceRefused,
    ),
    _M(
        "ring-pages-accepted-on-server",
        "configuration",
        "the role is not checked before the ring sizes are stored",
        RingPagesAcceptedOnServer,
    ),
    _M(
        "server-flags-accepted-on-client",
        "configuration",
        "the role is not checked before the server flags are stored",
        ServerFlagsAcceptedOnClient,
    ),
    _M(
        "sizeof-packet-too-small",
        "configuration",
        "VmbChannelSizeofPacket leaves out the packet's own bookkeeping",
        SizeofPacketTooSmall,
    ),
    _M(
        "failed-enable-still-offers",
        "configuration",
        "Enable reports that the ring is too small, and goes on as if it were not",
        FailedEnableStillOffers,
    ),
    _M(
        "initialize-accepts-sum",
        "configuration",
        "memory of exactly the maximum plus one pointer passes the check",
        InitializeAcceptsSum,
    ),
    _M(
        "initialize-size-number-wrong",
        "configuration",
        "memory that is too small is reported as a bad packet",
        InitializeSizeNumberWrong,
    ),
)
