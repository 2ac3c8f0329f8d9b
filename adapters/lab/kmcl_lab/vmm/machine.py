"""The machine: memory, processors, devices, and the interface that a VMBus host needs of it."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import select
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from kmcl_adapters.uio.atomics import Atomics

from . import kvm
from .acpi import LENGTH as ACPI_BYTES
from .acpi import tables
from .linux import ACPI_BASE, layout
from .serial import Serial
from .shown import places, whole
from .vcpu import Vcpu, let_signals_interrupt
from .virtio import BYTES as VIRTIO_BYTES
from .virtio import Console

__all__ = ["Machine", "Program", "Streams", "VmbusOwner"]

_MIB: Final = 1 << 20
_SERIAL: Final = (0x3F8, 4)
_VIRTIO_BASE: Final = 0xD0000000
_VIRTIO_LINE: Final = 5
_PINS: Final = 24
_SINT: Final = 2
_RESAMPLE: Final = 2
_ROUTE_TO_CHIP, _ROUTE_TO_SINT, _IO_APIC = 1, 4, 2
_BEHIND_MEMORY: Final = 0x7FFBD000  # for Intel processors: three pages of KVM's own
_MSR_BLOCK: Final = 1000
_SYNIC_MSRS: Final = (0x40000082, 0x40000083, *range(0x40000090, 0x400000A0))
_PAGE: Final = 4096
_LOG_DIRTY_PAGES: Final = 1
_MANUAL_DIRTY_LOG: Final = 168
_READ_ONLY: Final = 2
_CRASH_MSRS: Final = range(0x40000100, 0x40000106)
_ORDINARY: Final = "console=ttyS0 quiet panic=0 oops=panic reboot=t no_timer_check nokaslr"
_FAST: Final = "cryptomgr.notests initcall_blacklist=jent_mod_init mitigations=off"
"""Without the kernel's tests of its ciphers and of its jitter, of which nothing here makes use:
emulated they take a tenth of the boot, or more. And without its detours around faults of
processors: emulated every return of a function takes twice as long with them."""
_BCD: Final = {0: "%S", 2: "%M", 4: "%H", 7: "%d", 8: "%m", 9: "%y"}


class Program(NamedTuple):
    """What the machine boots: kernel and file system, as bytes or as files that are mapped, and the
    command line."""

    kernel: bytes | mmap.mmap
    initrd: bytes | mmap.mmap
    command: str = f"{_ORDINARY} {_FAST}"


class Streams(NamedTuple):
    """Where bytes of the guest go: its console, and its virtio port."""

    console: Callable[[bytes], object]
    port: Callable[[bytes], object]


class VmbusOwner(Protocol):
    """Who answers hypercalls. Called in the threads of processors."""

    def hypercall(self, vp: int, code: int, fast: bool, first: int, second: int) -> int:
        """A hypercall; its status."""

    def synic_changed(self, vp: int, control: int, events: int, messages: int) -> None:
        """The SynIC's registers of one processor."""

    def message_taken(self, vp: int) -> None:
        """The guest may have emptied its message slot."""

    def crashed(self) -> None:
        """The guest panics."""


class Machine:
    """``memory`` in MiB. Starts with ``start``; ``ended`` is set when the guest has reset itself,
    and ``why`` says so. ``shown``: files, mapped with ACCESS_COPY, that the guest can read behind
    its memory. From the main thread. Raises LabProblem where this KVM cannot do it."""

    def __init__(
        self,
        program: Program,
        streams: Streams,
        *,
        memory: int = 512,
        processors: int = 1,
        port_name: str = "kmcl.guest",
        shown: Sequence[mmap.mmap] = (),
    ) -> None:
        let_signals_interrupt()
        self.owner: VmbusOwner | None = None
        self.ended = threading.Event()
        self.why = ""
        self._program = program
        self._system = kvm.open_kvm()
        self._descriptor = kvm.call(self._system, kvm.CREATE_VM)
        kvm.call(self._descriptor, kvm.SET_TSS, _BEHIND_MEMORY)
        kvm.call(self._descriptor, kvm.CREATE_IRQCHIP)
        self._keep_dirty_log()
        self._map = mmap.mmap(-1, memory * _MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._map.madvise(mmap.MADV_HUGEPAGE)  # far fewer nested page faults
        self.base = _address(self._map)
        self.memory = memoryview(self._map)
        self.words = self.memory.cast("I")  # an element is one aligned access
        self._watched = False
        self._loaded = False
        self._set_memory(0)
        self._shown = shown
        self._copies = [self._show(slot, file) for slot, file in enumerate(shown, start=1)]
        self._atomics = Atomics()
        both = (self._system, self._descriptor)
        self.vcpus = [Vcpu(self, both, n, processors) for n in range(processors)]
        self._route()
        self.serial = Serial(streams.console, lambda level: self._set_line(_SERIAL[1], level))
        self.console = Console(
            self.memory, port_name, streams.port, lambda level: self._set_line(_VIRTIO_LINE, level)
        )
        self._clock_register = 0
        self.vcpus[0].start_at(self.load())
        threading.Thread(target=self._acknowledgements, name="messages taken", daemon=True).start()

    def _keep_dirty_log(self) -> None:
        """A page that was written once counts as written from then on. Else each look at the log
        would protect every page anew, and most of them are written in every session: leaving the
        guest for that costs far more than copying the page back for nothing. An older KVM cannot
        do it, and is slower."""
        with contextlib.suppress(OSError):
            wanted = struct.pack("<II4Q64x", _MANUAL_DIRTY_LOG, 0, 1, 0, 0, 0)
            kvm.call(self._descriptor, kvm.ENABLE_CAP, wanted)

    def _set_memory(self, flags: int) -> None:
        region = struct.pack("<IIQQQ", 0, flags, 0, len(self._map), self.base)
        kvm.call(self._descriptor, kvm.SET_MEMORY, region)

    def _show(self, slot: int, file: mmap.mmap) -> mmap.mmap:
        """A copy of the file, in large pages, which the guest can read."""
        copy = mmap.mmap(-1, whole(len(file)), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        copy.madvise(mmap.MADV_HUGEPAGE)
        copy[: len(file)] = memoryview(file)
        place = places([*map(len, self._shown)])[slot - 1]
        region = struct.pack("<IIQQQ", slot, _READ_ONLY, place, len(copy), _address(copy))
        kvm.call(self._descriptor, kvm.SET_MEMORY, region)
        return copy

    def _route(self) -> None:
        """The I/O APIC's pins, and behind them one line for each processor's SINT."""
        routes = [struct.pack("<6I24x", n, _ROUTE_TO_CHIP, 0, 0, _IO_APIC, n) for n in range(_PINS)]
        routes += [
            struct.pack("<6I24x", _PINS + v.number, _ROUTE_TO_SINT, 0, 0, v.number, _SINT)
            for v in self.vcpus
        ]
        table = struct.pack("<II", len(routes), 0) + b"".join(routes)
        kvm.call(self._descriptor, kvm.ROUTING, bytearray(table))
        for vcpu in self.vcpus:
            events = (vcpu.interrupt_event, _PINS + vcpu.number, _RESAMPLE, vcpu.acknowledged_event)
            kvm.call(self._descriptor, kvm.IRQFD, struct.pack("<4I16x", *events))

    def load(self) -> int:
        """Fill the memory with what the machine boots; the address of the first instruction."""
        self._map.madvise(mmap.MADV_DONTNEED)  # zero
        self._loaded = True
        program = self._program
        start = layout(program.kernel, program.initrd, program.command, len(self._map))
        virtio = (_VIRTIO_BASE, VIRTIO_BYTES, _VIRTIO_LINE)
        acpi = tables(ACPI_BASE, len(self.vcpus), [_SERIAL], virtio)
        assert acpi[-1][0] + len(acpi[-1][1]) <= ACPI_BASE + ACPI_BYTES
        for address, data in (*start.pieces, *acpi):
            self.memory[address : address + len(data)] = data
        for file in self._shown:
            file.madvise(mmap.MADV_DONTNEED)  # nothing was written: it comes back when it is read
        return start.entry

    # Running

    def start(self) -> None:
        """Run, or go on after ``pause``."""
        self.ended.clear()
        for vcpu in self.vcpus:
            vcpu.resume()

    def pause(self) -> None:
        """Stop all processors between two instructions."""
        for vcpu in self.vcpus:
            vcpu.pause()

    def is_idle(self) -> bool:
        """Whether the guest has read what was sent to its port, and no processor does anything."""
        return self.console.idle() and all(vcpu.is_halted() for vcpu in self.vcpus)

    def close(self) -> None:
        """End: the processors stop, descriptors are closed. The memory stays until the last view
        of it is gone."""
        self.pause()
        for vcpu in self.vcpus:
            vcpu.close()
        os.close(self._descriptor)
        os.close(self._system)

    def tsc_offset(self) -> int:
        """What the guest's time-stamp counter is ahead of ours, modulo 2**64. While paused."""
        return self.vcpus[0].tsc_offset()

    # What a VMBus host needs

    @property
    def processors(self) -> int:
        """How many virtual processors there are."""
        return len(self.vcpus)

    def interrupt(self, vp: int) -> None:
        """Raise SINT 2 of a processor."""
        self.vcpus[vp].interrupt()

    def set_bits(self, address: int, bits: int) -> None:
        """Set bits of a 32-bit word of the guest's, atomically."""
        self._atomics.set_bits(self.base + address, bits)

    def clear_bits(self, address: int, bits: int) -> None:
        """Clear bits of a 32-bit word of the guest's, atomically."""
        self._atomics.clear_bits(self.base + address, bits)

    def fence(self) -> None:
        """A full memory barrier."""
        self._atomics.fence()

    # What processors ask

    def hypercall(self, vp: int, value: int, first: int, second: int) -> int:
        """See ``vcpu``."""
        if self.owner is None:
            return 2  # no such hypercall
        return self.owner.hypercall(vp, value & 0xFFFF, bool(value >> 16 & 1), first, second)

    def synic_changed(self, vp: int, control: int, events: int, messages: int) -> None:
        """See ``vcpu``."""
        if self.owner is not None:
            self.owner.synic_changed(vp, control, events, messages)

    def crashed(self) -> None:
        """See ``vcpu``."""
        if self.owner is not None:
            self.owner.crashed()

    def stopped(self, why: str) -> None:
        """See ``vcpu``."""
        self.why = why
        self.ended.set()

    def memory_read(self, address: int, size: int) -> bytes:
        """See ``vcpu``."""
        offset = address - _VIRTIO_BASE
        if 0 <= offset < VIRTIO_BYTES:
            return self.console.read(offset, size)
        return b"\xff" * size

    def memory_write(self, address: int, data: bytes) -> None:
        """See ``vcpu``."""
        offset = address - _VIRTIO_BASE
        if 0 <= offset < VIRTIO_BYTES:
            self.console.write(offset, data)

    def port_io(
        self, page: mmap.mmap, out: bool, size: int, port: int, count: int, at: int
    ) -> None:
        """See ``vcpu``."""
        is_serial = port & ~7 == _SERIAL[0]
        if out:
            if is_serial and size == 1:
                for value in page[at : at + count]:
                    self.serial.write(port & 7, value)
            elif port == 0x70:
                self._clock_register = page[at] & 0x7F
            return
        for place in range(at, at + count * size, size):
            value = (1 << 8 * size) - 1
            if size == 1 and is_serial:
                value = self.serial.read(port & 7)
            elif size == 1 and port == 0x71:
                value = self._clock()
            page[place : place + size] = value.to_bytes(size, "little")

    def _clock(self) -> int:
        """The clock's register, in BCD, never being updated: without a clock Linux would ask twenty
        thousand times whether it is, although ACPI says that there is none."""
        if self._clock_register == 11:
            return 2  # 24 hours
        return int(time.strftime(_BCD.get(self._clock_register, "0"), time.gmtime()), 16)

    def _set_line(self, line: int, level: bool) -> None:
        kvm.call(self._descriptor, kvm.IRQ_LINE, struct.pack("<II", line, level))

    def _acknowledgements(self) -> None:
        """At an end of interrupt, and at an end of message: the slot may be empty by now."""
        poll = select.poll()
        processor = {vcpu.acknowledged_event: vcpu.number for vcpu in self.vcpus}
        for descriptor in processor:
            poll.register(descriptor, select.POLLIN)
        with contextlib.suppress(OSError):
            while True:
                for descriptor, _ in poll.poll():
                    os.eventfd_read(descriptor)
                    if self.owner is not None:
                        self.owner.message_taken(processor[descriptor])

    def seen_by_guest(self) -> list[range]:
        """Where in this process its memory lies, and the files that it can read behind it, which it
        was loaded from."""
        places = [(_address(area), len(area)) for area in (self._map, *self._copies, *self._shown)]
        return [range(place, place + _whole(size)) for place, size in places]

    # State, for ``state``

    def changed_pages(self) -> int | None:
        """One bit for each page that the guest or our devices may have written since the last call,
        or before it; None: any, at the first call and when it was loaded. From the first call on it
        costs the guest more to write a page, so nobody asks who saves nothing."""
        known = self._watched and not self._loaded
        if not self._watched:
            self._set_memory(_LOG_DIRTY_PAGES)
        self._watched, self._loaded = True, False
        log = bytearray(len(self._map) // _PAGE // 8)
        place = ctypes.addressof(ctypes.c_char.from_buffer(log))
        kvm.call(self._descriptor, kvm.GET_DIRTY_LOG, struct.pack("<IIQ", 0, 0, place))
        return int.from_bytes(log, "little") | self.console.written if known else None

    def unwatch(self) -> None:
        """The guest, paused now, is about to write nearly every page: that is far faster if nobody
        notes which."""
        if self._watched:
            self._set_memory(0)
        self._watched = False

    def saved_msrs(self) -> list[int]:
        """Those that make up a processor's state. Not the crash registers: writing them would tell
        of a crash."""
        head = struct.pack("<I", _MSR_BLOCK)
        listed = kvm.read(self._system, kvm.GET_MSR_LIST, 4 + 4 * _MSR_BLOCK, head)
        (count,) = struct.unpack_from("<I", listed)
        indices = {*struct.unpack_from(f"<{count}I", listed, 4), *_SYNIC_MSRS}
        return sorted(indices - set(_CRASH_MSRS))

    def chips(self) -> list[bytes]:
        """State of the interrupt controllers."""
        numbers = [struct.pack("<I", n) for n in range(kvm.CHIPS)]
        return [bytes(kvm.read(self._descriptor, kvm.GET_IRQCHIP, 520, n)) for n in numbers]

    def set_chips(self, chips: list[bytes]) -> None:
        """The opposite."""
        for chip in chips:
            kvm.call(self._descriptor, kvm.SET_IRQCHIP, bytearray(chip))

    def clock(self) -> bytes:
        """KVM's clock."""
        value = kvm.read(self._descriptor, kvm.GET_CLOCK, 48)
        return bytes(value[:8]) + bytes(40)

    def set_clock(self, clock: bytes) -> None:
        """The opposite."""
        kvm.call(self._descriptor, kvm.SET_CLOCK, clock)


def _address(area: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(area))


def _whole(length: int) -> int:
    """In whole pages."""
    return -(-length // _PAGE) * _PAGE
