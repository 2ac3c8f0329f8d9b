"""Saving a machine and taking it back, also out of a panic or a reset.

The guest's clocks go back with it. Only pages that differ are written: an outer machine that
emulates would translate rewritten code again, which takes longer than anything else here.
"""

from __future__ import annotations

import ctypes
import mmap
import re
from typing import Final, NamedTuple

from .machine import Machine
from .serial import SerialState
from .vcpu import VcpuState
from .virtio import ConsoleState

__all__ = ["MachineState", "copy_differences", "copy_pages", "go_back", "power_on_state", "save"]

_PAGE: Final = 1 << 12
_BLOCKS: Final = (1 << 21, 1 << 16, _PAGE)


class MachineState(NamedTuple):
    """Everything, with a copy of the memory; None: what is loaded before the first instruction."""

    vcpus: list[VcpuState]
    clock: bytes
    chips: list[bytes]
    serial: SerialState
    console: ConsoleState
    memory: mmap.mmap | None


def power_on_state(machine: Machine) -> MachineState:
    """Of a machine that has never run."""
    return _state(machine, None)


def save(machine: Machine) -> MachineState:
    """Of a machine that is paused."""
    memory = mmap.mmap(-1, len(machine.memory), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)  # most of it is zero, and need not become memory later
    copy_differences(_address(memory), machine.base, len(memory))
    return _state(machine, memory)


def _state(machine: Machine, memory: mmap.mmap | None) -> MachineState:
    msrs = machine.saved_msrs()
    return MachineState(
        [vcpu.save(msrs) for vcpu in machine.vcpus],
        machine.clock(),
        machine.chips(),
        machine.serial.save(),
        machine.console.save(),
        memory,
    )


def go_back(machine: Machine, state: MachineState, pages: int | None = None) -> None:
    """Of a machine that is paused or has ended. ``pages``: one bit for each that may differ, all
    where it is None. Memory comes last: KVM clears a page when the MSR that names it is
    written."""
    machine.set_chips(state.chips)
    machine.set_clock(state.clock)
    for vcpu, saved in zip(machine.vcpus, state.vcpus, strict=True):
        vcpu.restore(saved)
    if state.memory is None:
        machine.load()
    else:
        if pages is None:
            copy_differences(machine.base, _address(state.memory), len(state.memory))
        else:
            copy_pages(machine.base, _address(state.memory), pages)
        machine.set_clock(state.clock)  # memory takes seconds of the guest's time, which runs
        for vcpu, saved in zip(machine.vcpus, state.vcpus, strict=True):
            vcpu.set_time(saved)
    machine.serial.restore(state.serial)
    machine.console.restore(state.console)


def _address(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def copy_pages(target: int, source: int, pages: int) -> None:
    """Copy the pages, one bit of ``pages`` for each, from one address to another."""
    for run in re.finditer("1+", f"{pages:b}"[::-1]):
        place, length = run.start() * _PAGE, len(run[0]) * _PAGE
        ctypes.memmove(target + place, source + place, length)


def copy_differences(target: int, source: int, length: int) -> None:
    """Copy the pages that differ. They are looked for in ever smaller blocks: most of a memory is
    the same, and each look costs. An untouched page of a fresh mapping stays untouched."""
    compare = ctypes.CDLL(None).memcmp
    compare.argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t

    def copy(start: int, end: int, sizes: tuple[int, ...]) -> None:
        size, *smaller = sizes
        for place in range(start, end, size):
            part = min(size, end - place)
            if not compare(target + place, source + place, part):
                continue
            if smaller:
                copy(place, place + part, tuple(smaller))
            else:
                ctypes.memmove(target + place, source + place, part)

    copy(0, length, _BLOCKS)
