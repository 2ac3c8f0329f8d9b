"""Defects of one setter each: one that refuses what is valid, one that takes what it should not."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.configuration import StateTable
from kmcl_model.status import STATUS_INVALID_PARAMETER_1, STATUS_UNSUCCESSFUL

from .mutant import Mutant

__all__ = ["MUTANTS"]


class _Refused(Channel):
    """Refuses one setting, whatever it is to be."""

    setting: str

    def keep(self, setting: str, value: object = None) -> int:
        return STATUS_UNSUCCESSFUL if setting == self.setting else super().keep(setting, value)


class ContextSizeRefused(_Refused):
    setting = "context-size"


class FlagsRefused(_Refused):
    setting = "flags"


class FriendlyNameRefused(_Refused):
    setting = "friendly-name"


class ExternalDataRefused(_Refused):
    setting = "external-data"


class PacketSizeRefused(_Refused):
    setting = "packet-size"


class RingPagesRefused(_Refused):
    setting = "ring-pages"


class MmioRefused(_Refused):
    setting = "mmio"


class VmbusHandleRefused(_Refused):
    setting = "vmbus-handle"


class InterfaceIdRefused(_Refused):
    setting = "target"

    def keep(self, setting: str, value: object = None) -> int:
        return super().keep(setting if self.is_server else f"{setting} of the client", value)


class _AcceptedWhileEnabled(Channel):
    """Takes one setting at any time."""

    setting: str

    def refusal(self, setting: str, wrong_state: int = STATUS_INVALID_PARAMETER_1) -> int | None:
        return None if setting == self.setting else super().refusal(setting, wrong_state)


class ExternalDataWhileEnabled(_AcceptedWhileEnabled):
    setting = "external-data"


class ProcessPacketWhileEnabled(_AcceptedWhileEnabled):
    setting = "process-packet"


class StateChangeWhileEnabled(_AcceptedWhileEnabled):
    setting = "state-change"


class ServerFlagsWhileEnabled(_AcceptedWhileEnabled):
    setting = "server-flags"


class MmioWhileEnabled(_AcceptedWhileEnabled):
    setting = "mmio"


class SaveRestoreWhileEnabled(_AcceptedWhileEnabled):
    setting = "save-restore"


class VtlWhileEnabled(_AcceptedWhileEnabled):
    setting = "vtl"


class DataSizeZeroAccepted(Channel):
    def set_maximum_external_data(self, data_size: int, chain_length: int) -> int:
        return super().set_maximum_external_data(data_size or 1, chain_length)


class NoMmioAccepted(Channel):
    def set_mmio_megabytes(self, megabytes: int, optional: int) -> int:
        return super().set_mmio_megabytes(megabytes, optional or int(not megabytes))


class AnyVtlAccepted(Channel):
    def set_target_vtl(self, vtl: int) -> int:
        return super().set_target_vtl(vtl & 1)


class ExactSizeRefused(Channel):
    def large_enough(self, byte_count: int) -> bool:
        return super().large_enough(byte_count) and byte_count != self.sizeof_packet()


class FirstTableStays(Channel):
    def set_state_change_callbacks(self, table: StateTable) -> int:
        before = self.state_handlers if "state-change" in self.initialized else None
        status = super().set_state_change_callbacks(table)
        if before is not None:
            self.state_handlers = before
        return status


class TablesMerged(Channel):
    def set_state_change_callbacks(self, table: StateTable) -> int:
        before = self.state_handlers
        status = super().set_state_change_callbacks(table)
        self.state_handlers = before | self.state_handlers
        return status


class PointerSetOnce(Channel):
    def set_pointer(self, pointer: object) -> None:
        if self.pointer == self.readings.channel_pointer:
            super().set_pointer(pointer)


_M = Mutant
_AREA = "configuration"
MUTANTS: Final = (
    _M(
        "context-size-refused",
        _AREA,
        "the size of the client's context is compared with that of the library's own",
        ContextSizeRefused,
    ),
    _M(
        "no-flags-refused", _AREA, "flags of zero are taken for an argument forgotten", FlagsRefused
    ),
    _M(
        "friendly-name-refused",
        _AREA,
        "the name is looked up among those of the performance counters",
        FriendlyNameRefused,
    ),
    _M(
        "external-data-refused",
        _AREA,
        "the bytes of external data are compared with a number of pages",
        ExternalDataRefused,
    ),
    _M(
        "packet-size-refused",
        _AREA,
        "the default maximum is the largest one that is accepted",
        PacketSizeRefused,
    ),
    _M(
        "ring-pages-refused",
        _AREA,
        "page counts are checked against rings that are not there yet",
        RingPagesRefused,
    ),
    _M("mmio-refused", _AREA, "both amounts of MMIO space must be given", MmioRefused),
    _M(
        "vmbus-handle-refused",
        _AREA,
        "the handle is looked up in the table of channels",
        VmbusHandleRefused,
    ),
    _M(
        "interface-id-refused",
        _AREA,
        "an interface that nobody has offered before is unknown",
        InterfaceIdRefused,
    ),
    _M(
        "external-data-while-enabled",
        _AREA,
        "limits of external data are thought to matter to the next packet only",
        ExternalDataWhileEnabled,
    ),
    _M(
        "process-packet-while-enabled",
        _AREA,
        "the handler of packets is exchanged under a running queue",
        ProcessPacketWhileEnabled,
    ),
    _M(
        "state-change-while-enabled",
        _AREA,
        "the table of handlers is exchanged between two callbacks of one session",
        StateChangeWhileEnabled,
    ),
    _M(
        "server-flags-while-enabled",
        _AREA,
        "flags are stored although the offer has gone out with others",
        ServerFlagsWhileEnabled,
    ),
    _M(
        "mmio-while-enabled",
        _AREA,
        "MMIO space is asked for after the offer that should name it",
        MmioWhileEnabled,
    ),
    _M(
        "save-restore-while-enabled",
        _AREA,
        "the handlers of saving are exchanged while a packet may be in their hands",
        SaveRestoreWhileEnabled,
    ),
    _M(
        "vtl-while-enabled",
        _AREA,
        "the trust level of a channel changes after it was offered",
        VtlWhileEnabled,
    ),
    _M(
        "data-size-zero-accepted",
        _AREA,
        "no external data at all is taken for the least",
        DataSizeZeroAccepted,
    ),
    _M("no-mmio-accepted", _AREA, "a request for no space is granted", NoMmioAccepted),
    _M(
        "any-vtl-accepted",
        _AREA,
        "of a trust level only the lowest bit is looked at",
        AnyVtlAccepted,
    ),
    _M(
        "exact-size-refused",
        _AREA,
        "memory for a packet must be larger than what was asked for",
        ExactSizeRefused,
    ),
    _M(
        "first-table-of-callbacks-stays",
        _AREA,
        "a second registration is answered with success and ignored",
        FirstTableStays,
    ),
    _M(
        "tables-of-callbacks-merged",
        _AREA,
        "a handler that a new table lacks keeps its old address",
        TablesMerged,
    ),
    _M(
        "pointer-set-once",
        _AREA,
        "the channel's pointer is stored with a compare-and-swap against null",
        PointerSetOnce,
    ),
)
