"""What the processor says it is: the real one, under a hypervisor that looks like Hyper-V.

Leaf numbers and bits are those of Microsoft's Hypervisor Top Level Functional Specification, as
Linux' ``asm/hyperv-tlfs.h`` has them.
"""

from __future__ import annotations

import struct
from typing import Final

from .kvm import HYPERV_CPUID, SET_CPUID, SUPPORTED_CPUID, call

__all__ = ["Leaf", "as_hyper_v", "leaves", "set_cpuid", "tailored"]

_ENTRY: Final = struct.Struct("<7I12x")
_ENTRIES: Final = 100

_HYPERVISOR: Final = 0x40000000
_FEATURES: Final = 0x40000003
_HINTS: Final = 0x40000004
_LIMITS: Final = 0x40000005

# VP runtime, reference counter, SynIC, APIC access, hypercalls, VP index, reset, reference TSC,
# frequencies. Not bit 3, synthetic timers: KVM itself would write into our message slot.
_MSRS: Final = sum(1 << bit for bit in (0, 1, 2, 4, 5, 6, 7, 9, 11))
_POST_AND_SIGNAL: Final = 1 << 4 | 1 << 5
# Frequencies are known without calibration, and a panic is told through crash registers.
_FREQUENCIES_AND_CRASH: Final = 1 << 8 | 1 << 10
_HINTED: Final = 1 << 3 | 1 << 5 | 1 << 9
"""APIC by its MSRs, relaxed timing, no automatic end of interrupt. The first makes Linux end an
interrupt without leaving the guest (VP assist page), nested a good part of what it leaves for."""
_NEVER_SPIN: Final = 0xFFFFFFFF


class Leaf:
    """One entry: function, index, flags, and the four registers."""

    __slots__ = ("a", "b", "c", "d", "flags", "function", "index")

    def __init__(
        self,
        function: int,
        index: int = 0,
        flags: int = 0,
        a: int = 0,
        b: int = 0,
        c: int = 0,
        d: int = 0,
    ) -> None:
        self.function = function
        self.index = index
        self.flags = flags
        self.a, self.b, self.c, self.d = a, b, c, d

    def pack(self) -> bytes:
        """As KVM wants it."""
        return _ENTRY.pack(self.function, self.index, self.flags, self.a, self.b, self.c, self.d)


def leaves(descriptor: int, request: int) -> list[Leaf]:
    """What KVM offers at SUPPORTED_CPUID or HYPERV_CPUID."""
    buffer = bytearray(struct.pack("<II", _ENTRIES, 0) + bytes(_ENTRIES * _ENTRY.size))
    call(descriptor, request, buffer)
    (count,) = struct.unpack_from("<I", buffer)
    return [Leaf(*_ENTRY.unpack_from(buffer, 8 + _ENTRY.size * n)) for n in range(count)]


def tailored(offered: list[Leaf], number: int, count: int) -> list[Leaf]:
    """For processor ``number`` of ``count``: without KVM's own leaves, under a hypervisor."""
    kept = [leaf for leaf in offered if leaf.function >> 16 != _HYPERVISOR >> 16]
    for leaf in kept:
        if leaf.function == 1:
            leaf.b = leaf.b & 0xFFFF | count << 16 | number << 24
            leaf.c |= 1 << 31  # a hypervisor is present
            leaf.d = leaf.d & ~(1 << 28) | (count > 1) << 28
        elif leaf.function in (0xB, 0x1F):
            leaf.d = number
        elif leaf.function == 0x80000008:
            leaf.c = count - 1
    return kept


def as_hyper_v(offered: list[Leaf]) -> list[Leaf]:
    """Of KVM's Hyper-V leaves those that a VMBus guest needs, under Microsoft's name."""
    kept = []
    for leaf in offered:
        if leaf.function == _HYPERVISOR:
            leaf.a = _LIMITS
            leaf.b, leaf.c, leaf.d = struct.unpack("<3I", b"Microsoft Hv")
        elif leaf.function == _FEATURES:
            leaf.a &= _MSRS
            leaf.b &= _POST_AND_SIGNAL
            leaf.c = 0
            leaf.d &= _FREQUENCIES_AND_CRASH
        elif leaf.function == _HINTS:
            leaf.a &= _HINTED
            leaf.b, leaf.c, leaf.d = _NEVER_SPIN, 0, 0
        if leaf.function <= _LIMITS:
            kept.append(leaf)
    return kept


def set_cpuid(kvm: int, vcpu: int, number: int, count: int) -> None:
    """Give the processor its identity."""
    chosen = tailored(leaves(kvm, SUPPORTED_CPUID), number, count)
    chosen += as_hyper_v(leaves(vcpu, HYPERV_CPUID))
    entries = b"".join(leaf.pack() for leaf in chosen)
    call(vcpu, SET_CPUID, bytearray(struct.pack("<II", len(chosen), 0) + entries))
