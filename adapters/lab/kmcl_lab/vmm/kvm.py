"""Calls of KVM, as Linux' ``include/uapi/linux/kvm.h`` numbers them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from kmcl_lab.probe import Facts, look
from kmcl_lab.problem import LabProblem

__all__ = [
    "CHIPS",
    "CREATE_IRQCHIP",
    "CREATE_VCPU",
    "CREATE_VM",
    "DEVICE",
    "ENABLE_CAP",
    "EVENTS",
    "GET_CLOCK",
    "GET_DEVICE_ATTRIBUTE",
    "GET_DIRTY_LOG",
    "GET_IRQCHIP",
    "GET_MSRS",
    "GET_MSR_LIST",
    "GET_SREGS",
    "HYPERV_CPUID",
    "IRQFD",
    "IRQ_LINE",
    "REGISTERS",
    "ROUTING",
    "RUN",
    "SET_CLOCK",
    "SET_CPUID",
    "SET_IRQCHIP",
    "SET_MEMORY",
    "SET_MSRS",
    "SET_REGS",
    "SET_SREGS",
    "SET_TSS",
    "SREGS_BYTES",
    "SUPPORTED_CPUID",
    "VCPU_MAP_SIZE",
    "call",
    "open_kvm",
    "read",
    "refusal",
]

DEVICE: Final = Path("/dev/kvm")


def _number(direction: int, number: int, size: int) -> int:
    """``direction``: 0 nothing passes, 1 the kernel reads, 2 it writes, 3 both; bytes."""
    return direction << 30 | size << 16 | 0xAE << 8 | number


CREATE_VM: Final = _number(0, 0x01, 0)
GET_MSR_LIST: Final = _number(3, 0x02, 4)
VCPU_MAP_SIZE: Final = _number(0, 0x04, 0)
SUPPORTED_CPUID: Final = _number(3, 0x05, 8)
CREATE_VCPU: Final = _number(0, 0x41, 0)
GET_DIRTY_LOG: Final = _number(1, 0x42, 16)
SET_MEMORY: Final = _number(1, 0x46, 32)
SET_TSS: Final = _number(0, 0x47, 0)
CREATE_IRQCHIP: Final = _number(0, 0x60, 0)
IRQ_LINE: Final = _number(1, 0x61, 8)
GET_IRQCHIP: Final = _number(3, 0x62, 520)
SET_IRQCHIP: Final = _number(2, 0x63, 520)  # the header has it in this direction
ROUTING: Final = _number(1, 0x6A, 8)
IRQFD: Final = _number(1, 0x76, 32)
SET_CLOCK: Final = _number(1, 0x7B, 48)
GET_CLOCK: Final = _number(2, 0x7C, 48)
RUN: Final = _number(0, 0x80, 0)
SET_REGS: Final = _number(1, 0x82, 144)
SREGS_BYTES: Final = 312
GET_SREGS: Final = _number(2, 0x83, SREGS_BYTES)
SET_SREGS: Final = _number(1, 0x84, SREGS_BYTES)
GET_MSRS: Final = _number(3, 0x88, 8)
SET_MSRS: Final = _number(1, 0x89, 8)
SET_CPUID: Final = _number(1, 0x90, 8)
ENABLE_CAP: Final = _number(1, 0xA3, 104)
HYPERV_CPUID: Final = _number(3, 0xC1, 8)
GET_DEVICE_ATTRIBUTE: Final = _number(1, 0xE2, 24)

REGISTERS: Final = (
    (GET_SREGS, SET_SREGS, SREGS_BYTES),
    (_number(2, 0x81, 144), SET_REGS, 144),
    (_number(2, 0xA4, 4096), _number(1, 0xA5, 4096), 4096),  # FPU and vectors (XSAVE)
    (_number(2, 0xA6, 392), _number(1, 0xA7, 392), 392),  # XCRs
    (_number(2, 0x8E, 1024), _number(1, 0x8F, 1024), 1024),  # local APIC
)
"""A processor's state: how it is read, how written, and its bytes; in the order of writing, before
the MSRs."""
EVENTS: Final = (
    (_number(2, 0x9F, 64), _number(1, 0xA0, 64), 64),  # exceptions and interrupts on their way
    (_number(2, 0x98, 4), _number(1, 0x99, 4), 4),  # running or halted
)
"""The rest of it, after the MSRs."""
CHIPS: Final = 3
"""Interrupt controllers that ``GET_IRQCHIP`` knows: two PICs and the I/O APIC."""


def call(descriptor: int, request: int, data: bytearray | bytes | int = 0) -> int:
    """One call. What the kernel writes goes into a bytearray; bytes may be 1024 at most, and
    Python takes integers with a sign of 32 bits only."""
    result = fcntl.ioctl(descriptor, request, data)
    return result if isinstance(result, int) else 0


def read(descriptor: int, request: int, size: int, head: bytes = b"") -> bytearray:
    """What the kernel writes into ``size`` bytes that begin with ``head``."""
    buffer = bytearray(head + bytes(size - len(head)))
    fcntl.ioctl(descriptor, request, buffer)
    return buffer


def refusal(facts: Facts) -> str:
    """Why the machine cannot run on this KVM, in one line; nothing where it can."""
    if facts.problem:
        return f"no machine without KVM: {facts.problem}; use the nested lab"
    if facts.missing:
        return (
            f"no machine on this KVM: it has no {', '.join(facts.missing)} "
            f"({facts.processor}); use the nested lab"
        )
    if not facts.machine:
        return f"no machine on this KVM: it makes none ({facts.processor}); use the nested lab"
    return ""


def open_kvm(device: Path = DEVICE) -> int:
    """A descriptor of KVM that has all we need. Raises LabProblem with the reason."""
    if why := refusal(look(device)):
        raise LabProblem(why)
    return os.open(device, os.O_RDWR | os.O_CLOEXEC)
