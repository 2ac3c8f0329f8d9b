"""Saving a machine and taking it back, also out of a panic or a reset.

The guest's clocks go back with it. Only pages that differ are written: an outer machine that
emulates would translate rewritten code again, which takes longer than anything else here. What was
empty is emptied, see ``memory``.
"""

from __future__ import annotations

import ctypes
import mmap
import re
from typing import Final, NamedTuple

from .machine import Machine
from .memory import LARGE, PAGE, Part, bits_of, parts_of
from .serial import SerialState
from .vcpu import VcpuState
from .virtio import ConsoleState

__all__ = ["MachineState", "copy_pages", "go_back", "power_on_state", "save"]

_BLOCK: Final = 1 << 16


class MachineState(NamedTuple):
    """Everything, with a copy of the memory; None: what is loaded before the first instruction.
    ``blank``: the parts of it in which there is nothing."""

    vcpus: list[VcpuState]
    clock: bytes
    chips: list[bytes]
    serial: SerialState
    console: ConsoleState
    memory: mmap.mmap | None
    blank: tuple[Part, ...] = ()


def power_on_state(machine: Machine) -> MachineState:
    """Of a machine that has never run."""
    return _state(machine, None)


def save(machine: Machine) -> MachineState:
    """Of a machine that is paused."""
    memory = mmap.mmap(-1, len(machine.memory), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    touched = _copy_differences(_address(memory), machine.base, len(memory))
    blank = parts_of(set(range(len(memory) // LARGE)) - touched)
    return _state(machine, memory, blank)


def _state(
    machine: Machine, memory: mmap.mmap | None, blank: tuple[Part, ...] = ()
) -> MachineState:
    msrs = machine.saved_msrs()
    return MachineState(
        [vcpu.save(msrs) for vcpu in machine.vcpus],
        machine.clock(),
        machine.chips(),
        machine.serial.save(),
        machine.console.save(),
        memory,
        blank,
    )


def go_back(machine: Machine, state: MachineState, pages: int | None = None) -> None:
    """Of a machine that is paused or has ended. ``pages``: one bit for each that may differ, all
    where it is None; those that were blank always may. Memory comes last: KVM clears a page when
    the MSR that names it is written."""
    machine.set_chips(state.chips)
    machine.set_clock(state.clock)
    for vcpu, saved in zip(machine.vcpus, state.vcpus, strict=True):
        vcpu.restore(saved)
    if state.memory is None:
        machine.load()
    else:
        machine.empty(state.blank)
        if pages is None:
            _copy_differences(machine.base, _address(state.memory), len(state.memory))
        else:
            copy_pages(machine.base, _address(state.memory), pages & ~bits_of(state.blank))
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
        place, length = run.start() * PAGE, len(run[0]) * PAGE
        ctypes.memmove(target + place, source + place, length)


def _copy_differences(target: int, source: int, length: int) -> set[int]:
    """The numbers of the large pages with differences. An untouched page of a fresh mapping stays
    untouched."""
    touched: set[int] = set()
    compare = ctypes.CDLL(None).memcmp
    compare.argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
    for block in range(0, length, _BLOCK):
        if compare(target + block, source + block, _BLOCK):
            touched.add(block // LARGE)
            for page in range(block, block + _BLOCK, PAGE):
                if compare(target + page, source + page, PAGE):
                    ctypes.memmove(target + page, source + page, PAGE)
    return touched
