"""ACPI tables of a machine without legacy hardware.

Hardware-reduced: no PIC, no PIT, no PM timer, nothing to look for. The namespace has the VMBus (a
device whose ``_HID`` is the string ``VMBus``), the serial ports, whose interrupts nothing else
would map, and the virtio console (``LNRO0005``). Layouts: ACPI specification 6.5, chapters 5, 6
and 20.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

__all__ = ["LENGTH", "tables"]

LENGTH: Final = 0x20000
"""Bytes that the tables may take."""
_FADT_BYTES: Final = 276
_NO_VGA_NO_CLOCK: Final = 1 << 2 | 1 << 5
_HARDWARE_REDUCED: Final = 1 << 20
_LOCAL_APIC: Final = 0xFEE00000
_IO_APIC: Final = 0xFEC00000
_NAME, _DEVICE, _SCOPE, _BUFFER = b"\x08", b"\x5b\x82", b"\x10", b"\x11"
_END_TAG: Final = b"\x79\0"
_EDGE, _LEVEL = 3, 1


def _table(signature: bytes, revision: int, body: bytes) -> bytes:
    head = (signature, 36 + len(body), revision, 0, b"KMCL  ", b"KMCLLAB ", 1, b"KMCL", 1)
    data = bytearray(struct.pack("<4sIBB6s8sI4sI", *head) + body)
    data[9] = -sum(data) & 0xFF
    return bytes(data)


def _package(opcode: bytes, body: bytes) -> bytes:
    """An AML term with its length, which counts its own bytes."""
    if len(body) + 1 < 64:
        return opcode + bytes([len(body) + 1]) + body
    length = len(body) + 2
    return opcode + bytes([0x40 | length & 15, length >> 4]) + body


def _named(name: bytes, value: bytes) -> bytes:
    return _NAME + name + value


def _byte(value: int) -> bytes:
    return b"\x0a" + bytes([value])


def _device(name: bytes, hid: bytes, number: int, resources: bytes) -> bytes:
    resources += _END_TAG
    settings = _package(_BUFFER, _byte(len(resources)) + resources)
    body = name + _named(b"_HID", hid) + _named(b"_UID", _byte(number))
    return _package(_DEVICE, body + _named(b"_STA", _byte(15)) + _named(b"_CRS", settings))


def _text(value: bytes) -> bytes:
    return b"\x0d" + value + b"\0"


def _interrupt(line: int, trigger: int) -> bytes:
    return struct.pack("<BHBBI", 0x89, 6, trigger, 1, line)


def _serial(number: int, port: int, line: int) -> bytes:
    ports = struct.pack("<BBHHBB", 0x47, 1, port, port, 1, 8)
    pnp0501 = b"\x0c\x41\xd0\x05\x01"
    return _device(b"COM%d" % number, pnp0501, number, ports + _interrupt(line, _EDGE))


def _virtio(address: int, size: int, line: int) -> bytes:
    memory = struct.pack("<BHBII", 0x86, 9, 1, address, size)
    return _device(b"VIRT", _text(b"LNRO0005"), 0, memory + _interrupt(line, _LEVEL))


def tables(
    base: int,
    processors: int,
    serial: Sequence[tuple[int, int]],
    virtio: tuple[int, int, int],
) -> list[tuple[int, bytes]]:
    """The tables with the addresses they belong to; the first one, at ``base``, is the RSDP.

    ``serial``: I/O port and interrupt line of each serial port; ``virtio``: address, bytes and
    interrupt line of the virtio device.
    """
    devices = _device(b"VMBS", _text(b"VMBus"), 0, b"")
    devices += b"".join(_serial(n, *place) for n, place in enumerate(serial, start=1))
    devices += _virtio(*virtio)
    dsdt = _table(b"DSDT", 2, _package(_SCOPE, b"\\_SB_" + devices))
    cores = b"".join(struct.pack("<BBBBI", 0, 8, n, n, 1) for n in range(processors))
    pins = struct.pack("<BBBBII", 1, 12, 0, 0, _IO_APIC, 0)
    madt = _table(b"APIC", 4, struct.pack("<II", _LOCAL_APIC, 0) + cores + pins)
    at_dsdt = base + 64
    at_madt = _aligned(at_dsdt + len(dsdt))
    at_fadt = _aligned(at_madt + len(madt))
    at_xsdt = _aligned(at_fadt + _FADT_BYTES)
    fadt = bytearray(_FADT_BYTES)
    struct.pack_into("<H", fadt, 109, _NO_VGA_NO_CLOCK)
    struct.pack_into("<I", fadt, 112, _HARDWARE_REDUCED)
    struct.pack_into("<Q", fadt, 140, at_dsdt)
    xsdt = _table(b"XSDT", 1, struct.pack("<QQ", at_fadt, at_madt))
    return [
        (base, _rsdp(at_xsdt)),
        (at_dsdt, dsdt),
        (at_madt, madt),
        (at_fadt, _table(b"FACP", 6, bytes(fadt[36:]))),
        (at_xsdt, xsdt),
    ]


def _aligned(address: int) -> int:
    return (address + 15) & ~15


def _rsdp(xsdt: int) -> bytes:
    data = bytearray(struct.pack("<8sB6sBIIQBxxx", b"RSD PTR ", 0, b"KMCL  ", 2, 0, 36, xsdt, 0))
    data[8] = -sum(data[:20]) & 0xFF
    data[32] = -sum(data) & 0xFF
    return bytes(data)
