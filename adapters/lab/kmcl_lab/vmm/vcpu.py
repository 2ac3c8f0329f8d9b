"""A virtual processor: its thread, and what it asks of the machine when it leaves the guest."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import struct
import threading
from typing import Final, NamedTuple, Protocol

from kmcl_lab.problem import OURS

from . import kvm
from .cpuid import set_cpuid
from .linux import boot_state

__all__ = ["Owner", "Vcpu", "VcpuState", "let_signals_interrupt"]

_HYPERV_SYNIC2: Final = 148
_IO, _MMIO, _SHUTDOWN, _SYSTEM_EVENT, _HYPERV = 2, 6, 8, 24, 27
_CRASH: Final = 3
_RESET_ITSELF: Final = "the guest has reset itself"
_ENDS: Final = {1: "the guest has shut itself down", 2: _RESET_ITSELF}
"""Events by which a guest ends, the second by Hyper-V's MSR for that."""
_MTRR_DEFAULT: Final = 0x2FF
_WRITE_BACK: Final = 0x806
_TIME_STAMP: Final = 0x10
_PAUSE_SECONDS: Final = 0.01
_KICK: Final = signal.SIGUSR1
_TSC_GROUP, _TSC_OFFSET = 0, 0
_IOCTL: Final = b"16"
"""Its number as a system call of x86-64."""
_LONGEST_CALL: Final = 256
"""Bytes: its number, six arguments, two registers."""


class Owner(Protocol):
    """The machine, as its processors see it. Each is called in the processor's thread."""

    def port_io(
        self, page: mmap.mmap, out: bool, size: int, port: int, count: int, at: int
    ) -> None:
        """Port I/O; data lie in the page."""

    def memory_read(self, address: int, size: int) -> bytes:
        """A read where no memory is."""

    def memory_write(self, address: int, data: bytes) -> None:
        """A write where no memory is."""

    def synic_changed(self, vp: int, control: int, events: int, messages: int) -> None:
        """The guest has written a register of its SynIC."""

    def hypercall(self, vp: int, value: int, first: int, second: int) -> int:
        """A hypercall; what it returns."""

    def crashed(self) -> None:
        """The guest has told that it panics."""

    def stopped(self, why: str) -> None:
        """The processor does not run any more: the guest has ended, or something failed."""


class VcpuState(NamedTuple):
    """All of a processor."""

    registers: tuple[bytes, ...]
    msrs: tuple[tuple[int, int], ...]
    events: tuple[bytes, ...]


def let_signals_interrupt() -> None:
    """A signal must be able to interrupt KVM. From the main thread, once a process."""
    signal.signal(_KICK, lambda *_: None)


class Vcpu:
    """Processor ``number`` of ``count``; it runs from ``resume`` on."""

    def __init__(self, owner: Owner, descriptors: tuple[int, int], number: int, count: int) -> None:
        system, machine = descriptors
        self.number = number
        self.exits: dict[int, int] = {}
        self._owner = owner
        self._descriptor = kvm.call(machine, kvm.CREATE_VCPU, number)
        self._page = mmap.mmap(self._descriptor, kvm.call(system, kvm.VCPU_MAP_SIZE))
        self._thread: threading.Thread | None = None
        self._looked_at: threading.Thread | None = None
        self._call = -1
        self._pausing = False
        self._paused, self._going = threading.Event(), threading.Event()
        self.interrupt_event, self.acknowledged_event = os.eventfd(0), os.eventfd(0)
        set_cpuid(system, self._descriptor, number, count)
        # Before any route to its SINTs: else KVM never tells that a message was taken.
        kvm.call(self._descriptor, kvm.ENABLE_CAP, struct.pack("<I100x", _HYPERV_SYNIC2))

    def start_at(self, entry: int) -> None:
        """Be ready to run Linux' 64-bit entry."""
        sregs = kvm.read(self._descriptor, kvm.GET_SREGS, kvm.SREGS_BYTES)
        registers = boot_state(sregs, entry)
        kvm.call(self._descriptor, kvm.SET_SREGS, sregs)
        kvm.call(self._descriptor, kvm.SET_REGS, registers)
        self.set_msr(_MTRR_DEFAULT, _WRITE_BACK)

    def interrupt(self) -> None:
        """Raise the interrupt of its SINT 2."""
        os.eventfd_write(self.interrupt_event, 1)

    def tsc_offset(self) -> int:
        """What the guest's time-stamp counter is ahead of ours, modulo 2**64. While paused."""
        value = bytearray(8)
        address = _address(value)
        attribute = struct.pack("<IIQQ", 0, _TSC_GROUP, _TSC_OFFSET, address)
        kvm.call(self._descriptor, kvm.GET_DEVICE_ATTRIBUTE, attribute)
        return int.from_bytes(value, "little")

    # Running

    def resume(self) -> None:
        """Run, or go on."""
        self._pausing, self._page[1] = False, 0
        self._going.set()
        if self._thread is None or not self._thread.is_alive():
            name = f"processor {self.number}"
            self._thread = threading.Thread(target=self._main, name=name, daemon=True)
            self._thread.start()

    def pause(self) -> None:
        """Stop between two instructions, with what the last one wanted done. ``immediate_exit``
        makes KVM finish that before it returns. One that is paused stays so."""
        if self._pausing and self._paused.is_set():
            return
        self._paused.clear()
        self._going.clear()
        self._pausing, self._page[1] = True, 1
        thread = self._thread
        while thread is not None and thread.is_alive() and thread.ident is not None:
            if self._paused.is_set():
                return
            signal.pthread_kill(thread.ident, _KICK)
            self._paused.wait(_PAUSE_SECONDS)

    def is_halted(self) -> bool:
        """Whether the guest waits for an interrupt on it: its thread sleeps inside KVM, and not
        before a lock of ours."""
        thread = self._thread
        if thread is None or thread.native_id is None:
            return False
        try:
            text = self._call_of(thread)
        except OSError:  # it has ended
            return False
        number, *arguments = text.split()
        return number == _IOCTL and int(arguments[1], 16) == kvm.RUN

    def _call_of(self, thread: threading.Thread) -> bytes:
        """What the kernel tells of the call that the thread sleeps in. Its file stays open: whoever
        waits for a rest looks a hundred times a second. Raises OSError."""
        if self._looked_at is not thread:
            self._forget_thread()
            self._call = os.open(f"/proc/self/task/{thread.native_id}/syscall", os.O_RDONLY)
            self._looked_at = thread
        return os.pread(self._call, _LONGEST_CALL, 0)

    def _forget_thread(self) -> None:
        if self._looked_at is not None:
            os.close(self._call)
        self._looked_at = None

    def _main(self) -> None:
        why = f"{OURS}: its processor's thread has failed"
        try:
            why = self._run()
        finally:
            self._owner.stopped(why)

    def _run(self) -> str:
        page, owner, descriptor = self._page, self._owner, self._descriptor
        while True:
            try:
                kvm.call(descriptor, kvm.RUN)
            except (InterruptedError, BlockingIOError):  # the latter: it waits to be started
                if self._pausing:
                    self._paused.set()
                    self._going.wait()
                continue
            (reason,) = struct.unpack_from("<I", page, 8)
            self.exits[reason] = self.exits.get(reason, 0) + 1
            if reason == _IO:
                out, size, port, count, at = struct.unpack_from("<BBHIQ", page, 32)
                owner.port_io(page, bool(out), size, port, count, at)
            elif reason == _MMIO:
                self._memory_access()
            elif reason == _HYPERV:
                self._hyper_v()
            elif reason == _SYSTEM_EVENT:
                (event,) = struct.unpack_from("<I", page, 32)
                if event != _CRASH:
                    return _ENDS.get(event) or f"{OURS}: KVM stopped for system event {event}"
                owner.crashed()
            elif reason == _SHUTDOWN:
                return _RESET_ITSELF
            else:
                return f"{OURS}: KVM stopped for reason {reason}"

    def _memory_access(self) -> None:
        page = self._page
        (address,) = struct.unpack_from("<Q", page, 32)
        size, is_write = struct.unpack_from("<IB", page, 48)
        if is_write:
            self._owner.memory_write(address, bytes(page[40 : 40 + size]))
        else:
            page[40 : 40 + size] = self._owner.memory_read(address, size)

    def _hyper_v(self) -> None:
        page = self._page
        (kind,) = struct.unpack_from("<I", page, 32)
        if kind == 1:
            _, control, events, messages = struct.unpack_from("<I4xQQQ", page, 40)
            self._owner.synic_changed(self.number, control, events, messages)
        elif kind == 2:
            value, _, first, second = struct.unpack_from("<4Q", page, 40)
            result = self._owner.hypercall(self.number, value, first, second)
            struct.pack_into("<Q", page, 48, result)

    # State

    def msr(self, index: int) -> int | None:
        """The MSR; None where KVM has none of that number."""
        entry = bytearray(struct.pack("<IIIIQ", 1, 0, index, 0, 0))
        try:
            done = kvm.call(self._descriptor, kvm.GET_MSRS, entry)
        except OSError:
            return None
        return int(struct.unpack_from("<Q", entry, 16)[0]) if done else None

    def set_msr(self, index: int, value: int) -> bool:
        """Whether KVM has taken the value."""
        entry = bytearray(struct.pack("<IIIIQ", 1, 0, index, 0, value))
        try:
            return kvm.call(self._descriptor, kvm.SET_MSRS, entry) == 1
        except OSError:
            return False

    def save(self, msrs: list[int]) -> VcpuState:
        """While paused: everything, with those MSRs that it has."""
        get = self._descriptor
        return VcpuState(
            tuple(bytes(kvm.read(get, request, size)) for request, _, size in kvm.REGISTERS),
            tuple((index, value) for index in msrs if (value := self.msr(index)) is not None),
            tuple(bytes(kvm.read(get, request, size)) for request, _, size in kvm.EVENTS),
        )

    def restore(self, state: VcpuState) -> None:
        """While paused; the order matters: MSRs need registers, events need both."""
        for (_, request, _), data in zip(kvm.REGISTERS, state.registers, strict=True):
            kvm.call(self._descriptor, request, bytearray(data))
        for index, value in state.msrs:
            self.set_msr(index, value)
        for (_, request, _), data in zip(kvm.EVENTS, state.events, strict=True):
            kvm.call(self._descriptor, request, data)

    def set_time(self, state: VcpuState) -> None:
        """Its time-stamp counter as it was, once more."""
        for index, value in state.msrs:
            if index == _TIME_STAMP:
                self.set_msr(index, value)

    def close(self) -> None:
        """Paused or ended by now."""
        self._forget_thread()
        for descriptor in (self.interrupt_event, self.acknowledged_event):
            os.close(descriptor)
        os.close(self._descriptor)


def _address(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
