"""The least that talks over ``/dev/uioN``: raw packets, and every header word in our hand.

For measurements and for the minimal cases of findings, where an endpoint that behaves would be
in the way; ``kmcl_adapters.uio`` is the one that does. Layout: Linux ``include/linux/hyperv.h``.
"""

from __future__ import annotations

import mmap
import os
import select
import struct
import time
from pathlib import Path
from typing import Final, NamedTuple

from kmcl_adapters.uio.device import monitor_of
from kmcl_adapters.uio.monitorpage import MONITOR_MAP, MonitorBit

__all__ = [
    "COMPLETION",
    "COMPLETION_REQUESTED",
    "FEATURES",
    "PENDING",
    "Endpoint",
    "Packet",
    "version_request",
]

_PAGE: Final = 4096
_WRITE, _READ, _MASK = 0, 4, 8
PENDING: Final = 12
"""Offset of ``pending_send_sz`` in a ring's header."""
FEATURES: Final = 64
"""Offset of the feature bits."""
COMPLETION_REQUESTED: Final = 1
"""Of a packet's flags."""
COMPLETION: Final = 11
"""The type of a packet that completes another."""
_IN_BAND: Final = 6
_DESCRIPTOR: Final = struct.Struct("<HHHHQ")
_TRAILER: Final = struct.Struct("<Q")
_VERSION_REQUEST: Final = 1
_VERSION: Final = (0, 2)


class Packet(NamedTuple):
    """A packet that came: its type, flags, transaction id, and payload with its padding."""

    kind: int
    flags: int
    transaction: int
    payload: bytes


class _Ring:
    """One direction: a header page and the data behind it."""

    def __init__(self, words: memoryview, data: memoryview) -> None:
        self._words = words
        self._data = data

    @property
    def capacity(self) -> int:
        """Bytes of the data area."""
        return len(self._data)

    def word(self, offset: int) -> int:
        return int(self._words[offset // 4])  # one aligned 32-bit access

    def set_word(self, offset: int, value: int) -> None:
        self._words[offset // 4] = value

    def write(self, index: int, data: bytes) -> None:
        head = min(len(data), self.capacity - index)
        self._data[index : index + head] = data[:head]
        self._data[: len(data) - head] = data[head:]

    def read(self, index: int, count: int) -> bytes:
        index %= self.capacity
        head = min(count, self.capacity - index)
        return bytes(self._data[index : index + head]) + bytes(self._data[: count - head])

    def release(self) -> None:
        self._words.release()
        self._data.release()


class Endpoint:
    """The channel behind a device, opened; ``subchannel``: the id of one of its subchannels, which
    the kernel has opened. A monitored channel is signalled by its bit. Raises OSError."""

    def __init__(self, device: str, subchannel: int = 0) -> None:
        self._descriptor = os.open(device, os.O_RDWR)
        self._bit: MonitorBit | None = None
        folder = Path("/sys/class/uio", Path(device).name)
        if subchannel:
            size = self._map_subchannel(folder / f"device/channels/{subchannel}/ring")
        else:
            size = int((folder / "maps/map0/size").read_text(), 16)
            self._memory = mmap.mmap(self._descriptor, size)
            monitor = monitor_of((folder / "device").resolve().name)
            if monitor is not None:
                offset = MONITOR_MAP * _PAGE
                self._bit = MonitorBit(mmap.mmap(self._descriptor, _PAGE, offset=offset), monitor)
        whole = memoryview(self._memory)
        words = whole.cast("I")
        half = size // 2
        self.tx = _Ring(words[: _PAGE // 4], whole[_PAGE:half])
        self.rx = _Ring(words[half // 4 : (half + _PAGE) // 4], whole[half + _PAGE :])
        words.release()
        whole.release()
        self.signal()

    def _map_subchannel(self, path: Path) -> int:
        """Map the rings of a subchannel, whose signals go through the device; their size."""
        ring = os.open(path, os.O_RDWR)
        try:
            size = os.fstat(ring).st_size
            self._memory = mmap.mmap(ring, size)
        finally:
            os.close(ring)
        return size

    def signal(self) -> None:
        """Signal the host, and unmask our own direction: one write does both, but for a monitored
        channel."""
        os.write(self._descriptor, struct.pack("<i", 1))
        if self._bit is not None:
            self._bit.set()

    def put(self, payload: bytes, transaction: int, flags: int = 0) -> bool:
        """Put a packet into the ring without a signal; False if there is no room for it."""
        length = (_DESCRIPTOR.size + len(payload) + 7) // 8
        total = length * 8 + _TRAILER.size
        start, end = self.tx.word(_WRITE), self.tx.word(_READ)
        if self.tx.capacity - (start - end) % self.tx.capacity <= total:
            return False
        packet = _DESCRIPTOR.pack(_IN_BAND, 2, length, flags, transaction) + payload
        packet += b"\0" * (-len(packet) % 8) + _TRAILER.pack(start << 32)
        self.tx.write(start, packet)
        self.tx.set_word(_WRITE, (start + total) % self.tx.capacity)
        return True

    def send(self, payload: bytes, transaction: int, flags: int = 0) -> None:
        """Put a packet into the ring and signal. Raises OSError if there is no room."""
        if not self.put(payload, transaction, flags):
            raise OSError("the ring is full")
        self.signal()

    def receive(self, limit: float) -> Packet | None:
        """The next packet, waiting at most ``limit`` seconds for it."""
        deadline = time.monotonic() + limit
        while self.rx.word(_READ) == self.rx.word(_WRITE):
            if not self.wait(deadline - time.monotonic()):
                return None
        index = self.rx.word(_READ)
        kind, offset, length, flags, transaction = _DESCRIPTOR.unpack(self.rx.read(index, 16))
        payload = self.rx.read(index, length * 8)[offset * 8 :]
        self.rx.set_word(_READ, (index + length * 8 + _TRAILER.size) % self.rx.capacity)
        return Packet(kind, flags, transaction, payload)

    def wait(self, limit: float) -> bool:
        """Whether the host has signalled within ``limit`` seconds; takes the signal."""
        if not select.select([self._descriptor], [], [], max(0.0, limit))[0]:
            return False
        os.read(self._descriptor, 4)
        return True

    @property
    def unread(self) -> int:
        """Bytes that the host has not read yet."""
        return (self.tx.word(_WRITE) - self.tx.word(_READ)) % self.tx.capacity

    def close(self) -> None:
        """Close the channel: a mapping keeps it open, so that goes first."""
        self.tx.release()
        self.rx.release()
        self._memory.close()
        if self._bit is not None:
            self._bit.release()
        os.close(self._descriptor)


def version_request(transaction: int) -> bytes:
    """The first message of a Dynamic Memory conversation: version 2.0."""
    return struct.pack("<HHIHHI", _VERSION_REQUEST, 16, transaction, *_VERSION, 0)
