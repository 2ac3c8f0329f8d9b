"""The machine without KVM: what a guest finds at its start, and its devices, piece by piece."""

import ctypes
import mmap
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kmcl_lab.probe import Facts
from kmcl_lab.problem import OURS, LabProblem
from kmcl_lab.vmm import acpi, cpuid, kvm, linux, vcpu
from kmcl_lab.vmm.serial import Serial
from kmcl_lab.vmm.state import copy_differences, copy_pages
from kmcl_lab.vmm.virtio import Console

ALL = Facts("", True, (), "AMD with svm")
MIB = 1 << 20


# A KVM that will not do


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (ALL, ""),
        (ALL._replace(problem="/dev/kvm: Permission denied"), "no machine without KVM: /dev/kvm"),
        (
            ALL._replace(missing=("HYPERV_SYNIC",)),
            "no machine on this KVM: it has no HYPERV_SYNIC (AMD with svm)",
        ),
        (ALL._replace(machine=False), "no machine on this KVM: it makes none"),
    ],
    ids=["all", "closed", "no SynIC", "none"],
)
def test_a_kvm_that_will_not_do_is_refused_in_one_line(facts: Facts, words: str) -> None:
    told = kvm.refusal(facts)

    assert told.startswith(words)
    assert bool(told) == bool(words)
    assert "\n" not in told


def test_a_machine_is_not_built_without_kvm(tmp_path: Path) -> None:
    with pytest.raises(LabProblem, match=r"no machine without KVM: .*No such file"):
        kvm.open_kvm(tmp_path / "kvm")


def test_calls_have_the_numbers_of_the_header() -> None:
    assert kvm.SET_MEMORY == 0x4020AE46
    assert kvm.GET_SREGS == 0x8138AE83
    assert kvm.HYPERV_CPUID == 0xC008AEC1
    assert kvm.IRQFD == 0x4020AE76
    assert kvm.SET_IRQCHIP == 0x8208AE63
    assert [size for _, _, size in kvm.REGISTERS] == [0x138, 0x90, 0x1000, 0x188, 0x400]


# Identity


def test_a_guest_sees_hyper_v_without_synthetic_timers() -> None:
    everything = 0xFFFFFFFF
    offered = [
        cpuid.Leaf(0x40000000 + n, a=everything, b=everything, c=1, d=everything)
        for n in (0, 1, 2, 3, 4, 5, 0x80, 0x81)
    ]
    first, *_, features, hints, limits = cpuid.as_hyper_v(offered)

    assert struct.pack("<3I", first.b, first.c, first.d) == b"Microsoft Hv"
    assert first.a == limits.function == 0x40000005
    assert (features.function, features.a >> 3 & 1, features.a >> 2 & 1) == (0x40000003, 0, 1)
    assert (features.b, features.c, features.d) == (0x30, 0, 0x500)
    assert (hints.a, hints.b) == (0x228, everything)


def test_kvm_does_not_show_itself_and_processors_are_numbered() -> None:
    offered = [
        cpuid.Leaf(1, b=0x12345678, c=0, d=0),
        cpuid.Leaf(0xB, d=99),
        cpuid.Leaf(0x40000000),
        cpuid.Leaf(0x40000001),
        cpuid.Leaf(0x80000008, c=77),
    ]
    one, topology, sizes = cpuid.tailored(offered, 1, 2)

    assert (one.b, one.c, one.d) == (0x01025678, 1 << 31, 1 << 28)
    assert (topology.d, sizes.c) == (1, 1)


# ACPI


def checked(data: bytes) -> bool:
    return sum(data) & 0xFF == 0


def test_tables_are_found_from_the_first_and_add_up() -> None:
    found = dict(acpi.tables(0xE0000, 2, [(0x3F8, 4)], (0xD0000000, 0x200, 5)))
    first = found[0xE0000]
    assert first.startswith(b"RSD PTR ")
    assert checked(first[:20])
    assert checked(first[:36])
    (at,) = struct.unpack_from("<Q", first, 24)
    fadt, madt = (found[place] for place in struct.unpack_from("<QQ", found[at], 36))
    (at_dsdt,) = struct.unpack_from("<Q", fadt, 140)
    dsdt = found[at_dsdt]

    for name, data in ((b"FACP", fadt), (b"APIC", madt), (b"DSDT", dsdt), (b"XSDT", found[at])):
        assert (data[:4], len(data)) == (name, struct.unpack_from("<I", data, 4)[0])
        assert checked(data)
    assert struct.unpack_from("<I", fadt, 112)[0] >> 20 & 1  # hardware-reduced
    assert madt.count(struct.pack("<BB", 0, 8)) >= 2
    assert b"\x0dVMBus\0" in dsdt
    assert b"\x0dLNRO0005\0" in dsdt
    assert struct.pack("<II", 0xD0000000, 0x200) in dsdt
    places = sorted((place, place + len(data)) for place, data in found.items())
    assert all(end <= start for (_, end), (start, _) in pairwise(places))


# Starting Linux


def elf(address: int, code: bytes) -> bytes:
    head = b"\x7fELF" + bytes(20) + struct.pack("<QQ", address + 4, 64) + bytes(14)
    head += struct.pack("<HH", 56, 1)
    return (
        head.ljust(64, b"\0")
        + struct.pack("<IIQQQQ", 1, 5, 120, 0, address, len(code)).ljust(56, b"\0")
        + code
    )


def test_an_elf_kernel_is_laid_out_with_what_it_needs() -> None:
    start = linux.layout(elf(0x1000000, b"code"), b"files" * 1000, "quiet", 256 * MIB)
    pieces = dict(start.pieces)
    zero_page = pieces[linux.ZERO_PAGE]
    at, size = struct.unpack_from("<II", zero_page, 0x218)
    (line,) = struct.unpack_from("<I", zero_page, 0x228)

    assert (start.entry, pieces[0x1000000]) == (0x1000004, b"code")
    assert (pieces[at], size) == (b"files" * 1000, 5000)
    assert pieces[line] == b"quiet\0"
    assert zero_page[0x202:0x206] == b"HdrS"
    assert struct.unpack_from("<Q", zero_page, 0x70) == (linux.ACPI_BASE,)
    zones = [struct.unpack_from("<QQI", zero_page, 0x2D0 + 20 * n) for n in range(zero_page[0x1E8])]
    assert zones[-1] == (MIB, 255 * MIB, 1)


def test_of_what_is_booted_nothing_is_copied() -> None:
    files = [mmap.mmap(-1, 8192) for _ in range(2)]
    files[0][:200] = elf(0x1000000, b"code").ljust(200, b"\0")
    start = linux.layout(files[0], files[1], "quiet", 256 * MIB)
    views = [piece for _, piece in start.pieces if isinstance(piece, memoryview)]

    assert [view.obj for view in views] == files
    assert [len(view) for view in views] == [4, 8192]


def test_a_compressed_kernel_starts_behind_its_set_up() -> None:
    image = bytearray(1024 * 3)
    image[0x1F1], image[0x201] = 2, 0x60
    image[0x202:0x206] = b"HdrS"
    image[1536:] = b"k" * 1536
    start = linux.layout(bytes(image), b"", "", 256 * MIB)

    assert start.entry == MIB + 0x200
    assert dict(start.pieces)[MIB] == b"k" * 1536


@pytest.mark.parametrize(
    ("kernel", "memory", "words"),
    [(b"MZ" * 600, 256, "neither an ELF file nor a bzImage"), (elf(MIB, b"c"), 32, "32 MiB")],
    ids=["kernel", "memory"],
)
def test_what_cannot_be_booted_is_told(kernel: bytes, memory: int, words: str) -> None:
    with pytest.raises(LabProblem, match=words):
        linux.layout(kernel, b"files", "", memory * MIB)


# The serial port


def test_a_serial_port_sends_receives_and_interrupts() -> None:
    sent, levels = bytearray(), list[bool]()
    port = Serial(sent.extend, levels.append)
    port.write(3, 0x80)
    port.write(0, 1)
    port.write(3, 3)
    port.write(4, 8)  # OUT2: interrupts pass
    for byte in b"up":
        port.write(0, byte)
    assert (bytes(sent), levels) == (b"up", [])
    port.write(1, 3)
    assert (port.read(2), levels) == (2, [True, False])
    port.feed(b"in")
    assert (port.read(2), port.read(5) & 1, levels[-1]) == (4, 1, True)
    state = port.save()
    assert (port.read(0), port.read(0), port.read(5) & 1) == (ord("i"), ord("n"), 0)
    assert levels[-1] is False
    port.restore(state)

    assert port.read(0) == ord("i")


def test_a_serial_port_loops_back_when_told() -> None:
    sent = bytearray()
    port = Serial(sent.extend, lambda level: None)
    assert port.read(6) == 0xB0
    port.write(4, 0x10 | 0x02)
    port.write(0, 7)

    assert (port.read(6), bytes(sent)) == (0x10, b"")


# The virtio console


class Driver:
    """What Linux' driver does, over the device's registers and 1 MiB of memory."""

    SIZE = 8

    def __init__(self) -> None:
        self.memory = memoryview(bytearray(MIB))
        self.sent = bytearray()
        self.levels: list[bool] = []
        self.device = Console(self.memory, "kmcl.guest", self.sent.extend, self.levels.append)
        self.seen = [0] * 4
        self.offered = [0] * 4
        assert self.get(0) == 0x74726976
        assert (self.get(4), self.get(8)) == (2, 3)
        self.set(0x14, 1)
        assert self.get(0x10) == 1
        for queue in range(4):
            self.set(0x30, queue)
            assert self.get(0x34) >= self.SIZE
            base = 0x10000 * (queue + 1)
            for register, place in ((0x80, base), (0x90, base + 0x1000), (0xA0, base + 0x2000)):
                self.set(register, place)
                self.set(register + 4, 0)
            self.set(0x38, self.SIZE)
            self.set(0x44, 1)
        self.set(0x70, 0xF)

    def get(self, offset: int) -> int:
        return int.from_bytes(self.device.read(offset, 4), "little")

    def set(self, offset: int, value: int) -> None:
        self.device.write(offset, struct.pack("<I", value))

    def offer(self, queue: int, pieces: list[tuple[int, int, int, int]]) -> None:
        """One chain of descriptors (address, length, flags, next), at the first place that fits."""
        base, count = 0x10000 * (queue + 1), self.offered[queue]
        for n, piece in enumerate(pieces):
            struct.pack_into("<QIHH", self.memory, base + 16 * ((count + n) % self.SIZE), *piece)
        struct.pack_into(
            "<H", self.memory, base + 0x1004 + 2 * (count % self.SIZE), count % self.SIZE
        )
        self.offered[queue] += 1
        struct.pack_into("<H", self.memory, base + 0x1002, self.offered[queue])
        self.set(0x50, queue)

    def buffer(self, queue: int, length: int) -> None:
        """Make a buffer available to the device."""
        place = 0x80000 + 0x8000 * queue + 0x100 * (self.offered[queue] % self.SIZE)
        self.offer(queue, [(place, length, 2, 0)])

    def write(self, queue: int, data: bytes) -> None:
        self.memory[0x70000 : 0x70000 + len(data)] = data
        self.offer(queue, [(0x70000, len(data), 0, 0)])

    def received(self, queue: int) -> Iterator[bytes]:
        base = 0x10000 * (queue + 1)
        (used,) = struct.unpack_from("<H", self.memory, base + 0x2002)
        while self.seen[queue] < used:
            place = base + 0x2004 + 8 * (self.seen[queue] % self.SIZE)
            head, length = struct.unpack_from("<II", self.memory, place)
            at, _, _, _ = struct.unpack_from("<QIHH", self.memory, base + 16 * head)
            self.seen[queue] += 1
            yield bytes(self.memory[at : at + length])


def test_the_port_is_announced_named_and_opened() -> None:
    driver = Driver()
    for _ in range(3):
        driver.buffer(2, 64)
    driver.write(3, struct.pack("<IHH", 0, 0, 1))  # the device is ready
    assert list(driver.received(2)) == [struct.pack("<IHH", 0, 1, 0)]
    driver.write(3, struct.pack("<IHH", 0, 3, 1))  # the port is ready
    name, opened = driver.received(2)

    assert name == struct.pack("<IHH", 0, 7, 1) + b"kmcl.guest"
    assert opened == struct.pack("<IHH", 0, 6, 1)
    assert driver.levels[-1] is True
    driver.set(0x64, 1)
    assert (driver.levels[-1], driver.get(0x60)) == (False, 0)


def test_bytes_go_both_ways_and_wait_for_room() -> None:
    driver = Driver()
    driver.write(1, b"from the guest")
    assert driver.sent == b"from the guest"
    driver.device.feed(b"0123456789")
    assert not driver.device.idle()
    driver.buffer(0, 4)
    driver.buffer(0, 4)
    assert list(driver.received(0)) == [b"0123", b"4567"]
    driver.buffer(0, 4)

    assert list(driver.received(0)) == [b"89"]
    assert driver.device.idle()


def test_a_saved_console_goes_on_where_it_was() -> None:
    driver = Driver()
    driver.device.feed(b"waits")
    state, memory = driver.device.save(), bytes(driver.memory)
    driver.buffer(0, 16)
    assert list(driver.received(0)) == [b"waits"]
    driver.device.restore(state)
    driver.memory[:] = memory
    driver.seen, driver.offered = [0] * 4, [0] * 4
    driver.buffer(0, 16)

    assert list(driver.received(0)) == [b"waits"]


LOOP = [(0x70000, 8, 1, n + 1) for n in range(7)] + [(0x70000, 8, 1, 0)]


@pytest.mark.parametrize(
    "pieces",
    [[(MIB - 4, 8, 0, 0)], [(0x70000, 8, 1, 99)], LOOP, [(1 << 63, 1 << 31, 0, 0)]],
    ids=["outside", "no such descriptor", "a loop", "far outside"],
)
def test_a_queue_that_makes_no_sense_is_not_served(pieces: list[tuple[int, int, int, int]]) -> None:
    driver = Driver()
    driver.offer(1, pieces)
    driver.write(1, b"after it")

    assert driver.sent == b""
    driver.set(0x70, 0)
    assert driver.levels[-1] is False
    assert driver.get(0x44) == 0


@pytest.mark.parametrize("place", [MIB - 8, 1 << 40, (1 << 64) - 8])
def test_a_used_ring_outside_the_memory_is_not_written(place: int) -> None:
    driver = Driver()
    driver.set(0x30, 1)
    driver.set(0xA0, place & 0xFFFFFFFF)
    driver.set(0xA4, place >> 32)
    driver.write(1, b"lost")

    assert (bytes(driver.sent), driver.device.written) == (b"", 0)


@pytest.mark.parametrize("register", [0x80, 0x90])
@pytest.mark.parametrize("place", [1 << 40, 1 << 63, (1 << 64) - 8])
def test_a_queue_outside_the_memory_is_not_served(register: int, place: int) -> None:
    driver = Driver()
    driver.set(0x30, 1)
    driver.set(register, place & 0xFFFFFFFF)
    driver.set(register + 4, place >> 32)
    driver.write(1, b"lost")

    assert (bytes(driver.sent), driver.device.written) == (b"", 0)
    assert driver.device.save().queues[1].broken


def test_a_buffer_without_bytes_behind_the_memory_has_written_no_page() -> None:
    driver = Driver()
    driver.offer(0, [(MIB, 0, 2 | 1, 1), (0x80000, 4, 2, 0)])
    driver.device.feed(b"four")

    assert list(driver.received(0)) == [b""]
    assert bytes(driver.memory[0x80000:0x80004]) == b"four"
    assert driver.device.written >> MIB // 4096 == 0


def test_only_the_pages_that_were_written_are_copied_back() -> None:
    then, now = mmap.mmap(-1, 40 * 4096), mmap.mmap(-1, 40 * 4096)
    for page in range(40):
        then[page * 4096], now[page * 4096] = 1, 2
    written = sum(1 << page for page in (0, 7, 8, 9, 39))
    base, saved = (ctypes.addressof(ctypes.c_char.from_buffer(m)) for m in (now, then))
    copy_pages(base, saved, written)

    assert [p for p in range(40) if now[p * 4096] == 1] == [0, 7, 8, 9, 39]


@pytest.mark.parametrize("page", [0, 15, 16, 511, 512, 1023, 1024, 1043])
def test_a_page_that_differs_is_found_in_blocks_of_every_size(page: int) -> None:
    pages = 2 * 512 + 20  # two of the largest blocks, and a piece of one
    then, now = mmap.mmap(-1, pages * 4096), mmap.mmap(-1, pages * 4096)
    then[page * 4096 + 4095] = 1
    base, saved = (ctypes.addressof(ctypes.c_char.from_buffer(m)) for m in (now, then))
    copy_differences(base, saved, len(now))

    assert now[:] == then[:]


# A processor

SHUTDOWN, SYSTEM_EVENT, NOBODY_KNOWS = 8, 24, 99
SHUT_DOWN, RESET, CRASH, SEV_TERM = 1, 2, 3, 4


@pytest.mark.parametrize(
    ("exits", "told"),
    [
        ([(SHUTDOWN, 0)], ["the guest has reset itself"]),
        ([(SYSTEM_EVENT, RESET)], ["the guest has reset itself"]),
        ([(SYSTEM_EVENT, SHUT_DOWN)], ["the guest has shut itself down"]),
        ([(SYSTEM_EVENT, CRASH), (SHUTDOWN, 0)], ["crashed", "the guest has reset itself"]),
        ([(SYSTEM_EVENT, SEV_TERM)], [f"{OURS}: KVM stopped for system event 4"]),
        ([(NOBODY_KNOWS, 0)], [f"{OURS}: KVM stopped for reason 99"]),
    ],
    ids=["triple fault", "reset", "shut down", "crash", "another event", "another reason"],
)
def test_how_a_guest_ends_is_told_and_what_else_stops_it_is_no_doing_of_its(
    exits: list[tuple[int, int]], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    processor: Any = vcpu.Vcpu.__new__(vcpu.Vcpu)
    processor.exits, processor._descriptor = {}, -1
    processor._page = bytearray(4096)
    processor._owner = SimpleNamespace(crashed=lambda: said.append("crashed"), stopped=said.append)
    left = iter(exits)

    def run(_: int, request: int) -> int:
        assert request == kvm.RUN
        reason, event = next(left)
        struct.pack_into("<I", processor._page, 8, reason)
        struct.pack_into("<I", processor._page, 32, event)
        return 0

    monkeypatch.setattr(kvm, "call", run)
    processor._main()

    assert said == told
    assert sum(processor.exits.values()) == len(exits)
