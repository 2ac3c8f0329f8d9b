"""Defects of the interrupt latency: refused, not kept, or told wrong."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Phase
from kmcl_model.status import STATUS_SUCCESS

from .mutant import Mutant

__all__ = ["MUTANTS"]


class LatencyRefusedInClosed(Channel):
    def is_in_session(self) -> bool:
        return super().is_in_session() and self.phase != Phase.CLOSING


class EverySecondLatencyDropped(Channel):
    busy = False

    def set_interrupt_latency(self, latency: int) -> tuple[int, int]:
        status, before = super().set_interrupt_latency(latency)
        if status == STATUS_SUCCESS:
            self.latency = before if self.busy else latency
            self.busy = not self.busy
        return status, before


class LatencyInMicroseconds(Channel):
    def set_interrupt_latency(self, latency: int) -> tuple[int, int]:
        status, before = super().set_interrupt_latency(latency)
        return status, before * 10


class LatencyNewForOriginal(Channel):
    def set_interrupt_latency(self, latency: int) -> tuple[int, int]:
        status, before = super().set_interrupt_latency(latency)
        return status, before if status else latency


class LatencySetInVain(Channel):
    def set_interrupt_latency(self, latency: int) -> tuple[int, int]:
        status, before = super().set_interrupt_latency(latency)
        self.latency = latency
        return status, before


_M = Mutant
MUTANTS: Final = (
    _M(
        "latency-refused-in-closed",
        "configuration",
        "the interrupt latency counts as invalid as soon as the close begins",
        LatencyRefusedInClosed,
    ),
    _M(
        "every-second-latency-dropped",
        "configuration",
        "a change that finds the last one still on its way to the host is dropped",
        EverySecondLatencyDropped,
    ),
    _M(
        "latency-in-microseconds",
        "configuration",
        "the latency is stored in the unit of the monitor page, and told in it",
        LatencyInMicroseconds,
    ),
    _M(
        "latency-new-for-original",
        "configuration",
        "OriginalLatency is written after the new value has taken the place of the old one",
        LatencyNewForOriginal,
    ),
    _M(
        "latency-set-in-vain",
        "configuration",
        "the latency is stored before it is known whether it may be",
        LatencySetInVain,
    ),
)
