"""Processor instructions that Python does not have: a few bytes of machine code each.

Bits that the guest changes at the same time need a locked access; between a store and a later
load of something the guest writes a fence stands; and the time-stamp counter is a clock that a
guest and its host share, but for an offset. On processors other than x86-64 there is none of it.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
from typing import Final

__all__ = ["Atomics", "NoAtomics"]

_FENCE: Final = b"\x0f\xae\xf0\xc3"  # mfence; ret
_SET: Final = b"\xf0\x09\x37\xc3"  # lock or [rdi], esi; ret
_CLEAR: Final = b"\xf7\xd6\xf0\x21\x37\xc3"  # not esi; lock and [rdi], esi; ret
_TIME: Final = b"\x0f\xae\xe8\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3"
# lfence; rdtsc; shl rdx, 32; or rax, rdx; ret
_APART: Final = 64


class NoAtomics(Exception):
    """This processor or this system does not allow it: one line."""


class Atomics:
    """``fence()``; ``set_bits`` and ``clear_bits`` of a 32-bit word at an address of this process;
    ``time_stamp()``, the processor's counter. Raises NoAtomics."""

    def __init__(self) -> None:
        if platform.machine() != "x86_64":
            raise NoAtomics(f"locked instructions are known for x86_64, not {platform.machine()}")
        protection = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        try:
            self._page = mmap.mmap(-1, mmap.PAGESIZE, prot=protection)
        except OSError as error:
            raise NoAtomics(f"no executable memory: {error.strerror}") from None
        for place, code in enumerate((_FENCE, _SET, _CLEAR, _TIME)):
            self._page[place * _APART : place * _APART + len(code)] = code
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        change = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint32)
        self.fence = ctypes.CFUNCTYPE(None)(base)
        self.set_bits = change(base + _APART)
        self.clear_bits = change(base + 2 * _APART)
        self.time_stamp = ctypes.CFUNCTYPE(ctypes.c_uint64)(base + 3 * _APART)
        for function in (self.fence, self.set_bits, self.clear_bits, self.time_stamp):
            function.code = self._page  # type: ignore[attr-defined] # it lives as long as they do
