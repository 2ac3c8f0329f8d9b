"""The monitor page of a device, by which the host of a monitored channel is signalled.

A channel has one bit in it. Whoever has something to say sets the bit; the hypervisor looks at the
page from time to time, clears the bits and signals the host. No call into the kernel is needed.
Bits of other channels share the word, and the kernel sets them as well: hence the locked access.
"""

from __future__ import annotations

import ctypes
import mmap
import threading
from typing import Final

from .atomics import Atomics

__all__ = ["MONITOR_MAP", "MonitorBit"]

MONITOR_MAP: Final = 2
"""The number of the page among the device's maps (Linux: ``uio_hv_generic``)."""
_GROUPS: Final = 8
"""Offset of the first group's word; each group has 8 bytes and 32 channels."""


class MonitorBit:
    """The bit with this number in a mapped page, which it owns. Raises NoAtomics where there are
    no locked accesses."""

    def __init__(self, page: mmap.mmap, number: int) -> None:
        self._page = page
        self._atomics = Atomics()
        self._bit = 1 << number % 32
        whole = (ctypes.c_char * len(page)).from_buffer(page)
        self._word = ctypes.addressof(whole) + _GROUPS + 8 * (number // 32)
        self._holder: object = whole  # the page cannot be unmapped while it is there
        self._lock = threading.Lock()

    def set(self) -> None:
        """Ask for a signal; after ``release`` nothing happens. What was written before is seen by
        whoever sees the bit."""
        with self._lock:
            if self._holder is not None:
                self._atomics.set_bits(self._word, self._bit)

    def release(self) -> None:
        """Unmap the page."""
        with self._lock:
            self._holder = None
            self._page.close()
