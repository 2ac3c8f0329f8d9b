"""One console port on virtio-mmio: bytes to and from the guest in bulk, unlike a serial port.

Layouts are those of the Virtual I/O Device specification 1.2: 4.2 (the registers), 2.7 (split
queues) and 5.3 (the console device with multiple ports). What the guest writes into its queues
is checked; a queue that makes no sense is not served any more.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

__all__ = ["BYTES", "Console", "ConsoleState", "Queue"]

BYTES: Final = 0x200
"""Of the registers."""
QUEUE_SIZE: Final = 32
_LONGEST_WRITE: Final = 1 << 20
_PAGE: Final = 4096
_MAGIC, _VERSION, _CONSOLE, _VENDOR = 0x74726976, 2, 3, 0x4C434D4B
_VERSION_1: Final = 1  # in the upper word of the features
_MULTIPORT: Final = 1 << 1
_CONFIGURATION: Final = 0x100
_PORTS: Final = 1
_RECEIVE, _TRANSMIT, _CONTROL_RECEIVE, _CONTROL_TRANSMIT = range(4)
_DEVICE_READY, _DEVICE_ADD, _PORT_READY, _PORT_OPEN, _PORT_NAME = 0, 1, 3, 6, 7
_CONTROL: Final = struct.Struct("<IHH")
_NEXT, _WRITABLE = 1, 2


class Queue(NamedTuple):
    """A split queue as the guest has set it up, and how far we have come. ``broken``: what is in
    it makes no sense."""

    size: int = 0
    ready: bool = False
    descriptors: int = 0
    driver: int = 0
    device: int = 0
    taken: int = 0
    used: int = 0
    broken: bool = False


class ConsoleState(NamedTuple):
    """All that the device remembers."""

    status: int
    interrupt: int
    features: tuple[int, int]
    selectors: tuple[int, int, int]
    queues: tuple[Queue, ...]
    pending: tuple[bytes, bytes]


class Console:
    """``memory`` is the guest's; ``output`` gets what it writes to the port called ``name``;
    ``line`` sets the level of the interrupt."""

    def __init__(
        self,
        memory: memoryview,
        name: str,
        output: Callable[[bytes], object],
        line: Callable[[bool], object],
    ) -> None:
        self._memory = memory
        self.written = 0
        """One bit for each page that was ever written here."""
        self._name = name.encode()
        self._output = output
        self._line = line
        self._lock = threading.RLock()
        self._reset()

    # What the machine asks

    def feed(self, data: bytes) -> None:
        """Bytes for the guest to read from the port."""
        with self._lock:
            self._data += data
            self._deliver()

    def idle(self) -> bool:
        """Whether the guest has taken all that was fed."""
        with self._lock:
            return not self._data and not self._orders

    def read(self, offset: int, size: int) -> bytes:
        """The guest reads ``size`` bytes of the registers."""
        with self._lock:
            if offset >= _CONFIGURATION:
                settings = struct.pack("<HHII", 0, 0, _PORTS, 0)
                at = offset - _CONFIGURATION
                return settings[at : at + size].ljust(size, b"\0")
            return self._register(offset).to_bytes(4, "little")[:size].ljust(size, b"\0")

    def write(self, offset: int, data: bytes) -> None:
        """The guest writes the registers."""
        if len(data) == 4:
            with self._lock:
                self._set_register(offset, int.from_bytes(data, "little"))

    def save(self) -> ConsoleState:
        """For ``restore``."""
        with self._lock:
            return ConsoleState(
                self._status,
                self._interrupt,
                (self._features[0], self._features[1]),
                (self._feature_word, self._driver_word, self._queue),
                tuple(self._queues),
                (bytes(self._data), bytes(self._orders)),
            )

    def restore(self, state: ConsoleState) -> None:
        """As it was; the level of the interrupt is the chip's business."""
        with self._lock:
            self._status, self._interrupt = state.status, state.interrupt
            self._features = list(state.features)
            self._feature_word, self._driver_word, self._queue = state.selectors
            self._queues = list(state.queues)
            self._data, self._orders = (bytearray(part) for part in state.pending)

    def forget(self) -> None:
        """Drop what the guest has not taken yet."""
        with self._lock:
            self._data.clear()

    # Registers

    def _reset(self) -> None:
        self.restore(ConsoleState(0, 0, (0, 0), (0, 0, 0), (Queue(),) * 4, (b"", b"")))

    def _register(self, offset: int) -> int:
        match offset:
            case 0x000:
                return _MAGIC
            case 0x004:
                return _VERSION
            case 0x008:
                return _CONSOLE
            case 0x00C:
                return _VENDOR
            case 0x010:
                return (_MULTIPORT, _VERSION_1)[self._feature_word] if self._feature_word < 2 else 0
            case 0x034:
                return QUEUE_SIZE if self._queue < len(self._queues) else 0
            case 0x044:
                return int(self._chosen().ready)
            case 0x060:
                return self._interrupt
            case 0x070:
                return self._status
        return 0

    def _set_register(self, offset: int, value: int) -> None:
        match offset:
            case 0x014:
                self._feature_word = value
            case 0x020 if self._driver_word < 2:
                self._features[self._driver_word] = value
            case 0x024:
                self._driver_word = value
            case 0x030:
                self._queue = value
            case 0x038:
                self._change(size=value if 0 < value <= QUEUE_SIZE else 0)
            case 0x044:
                self._change(ready=bool(value))
            case 0x050:
                self._notified(value)
            case 0x064:
                self._interrupt &= ~value
                self._line(bool(self._interrupt))
            case 0x070:
                self._set_status(value)
            case 0x080 | 0x084:
                self._change(descriptors=_half(self._chosen().descriptors, offset & 4, value))
            case 0x090 | 0x094:
                self._change(driver=_half(self._chosen().driver, offset & 4, value))
            case 0x0A0 | 0x0A4:
                self._change(device=_half(self._chosen().device, offset & 4, value))

    def _set_status(self, value: int) -> None:
        if value:
            self._status = value
        else:
            self._reset()
            self._line(False)

    def _chosen(self) -> Queue:
        return self._queues[self._queue] if self._queue < len(self._queues) else Queue()

    def _change(self, **fields: int) -> None:
        if self._queue < len(self._queues):
            self._queues[self._queue] = self._chosen()._replace(**fields)  # type: ignore[arg-type]

    # Queues

    def _notified(self, number: int) -> None:
        if number == _TRANSMIT:
            for data in self._sent(number):
                self._output(data)
        elif number == _CONTROL_TRANSMIT:
            for data in self._sent(number):
                self._ordered(data)
        self._deliver()

    def _ordered(self, message: bytes) -> None:
        """A control message of the guest."""
        if len(message) < _CONTROL.size:
            return
        _, event, value = _CONTROL.unpack_from(message)
        if event == _DEVICE_READY and value:
            self._order(_DEVICE_ADD, 0)
        elif event == _PORT_READY and value:
            self._order(_PORT_NAME, 1, self._name)
            self._order(_PORT_OPEN, 1)

    def _order(self, event: int, value: int, more: bytes = b"") -> None:
        message = _CONTROL.pack(0, event, value) + more
        self._orders += bytes([len(message)]) + message

    def _deliver(self) -> None:
        """Put what waits into the buffers that the guest has made available."""
        told = False
        while self._orders:
            length = self._orders[0]
            if not self._give(_CONTROL_RECEIVE, bytes(self._orders[1 : length + 1])):
                break
            del self._orders[: length + 1]
            told = True
        while self._data:
            count = self._give(_RECEIVE, bytes(self._data[:_LONGEST_WRITE]))
            if not count:
                break
            del self._data[:count]
            told = True
        if told:
            self._announce()

    def _announce(self) -> None:
        self._interrupt |= 1
        self._line(True)

    def _sent(self, number: int) -> Iterator[bytes]:
        """What the guest has put into a queue, buffer by buffer."""
        while (found := self._next_chain(number)) is not None:
            head, pieces = found
            data = b"".join(
                bytes(self._memory[at : at + length])
                for at, length, writable in pieces
                if not writable
            )
            self._finish(number, head, 0)
            yield data

    def _give(self, number: int, data: bytes) -> int:
        """Write data into the next buffer; how much of it went in, 0 where there is none."""
        found = self._next_chain(number)
        if found is None:
            return 0
        head, pieces = found
        done = 0
        for at, length, writable in pieces:
            part = data[done : done + length] if writable else b""
            self._memory[at : at + len(part)] = part
            self._note(at, len(part))
            done += len(part)
        self._finish(number, head, done)
        return done

    def _note(self, at: int, length: int) -> None:
        if length:  # a buffer of no bytes may begin where the memory ends
            for page in range(at // _PAGE, (at + length - 1) // _PAGE + 1):
                self.written |= 1 << page

    def _next_chain(self, number: int) -> tuple[int, list[tuple[int, int, bool]]] | None:
        """The next available chain: its head, and its pieces (address, length, writable)."""
        queue = self._queues[number]
        if not queue.ready or not queue.size or queue.broken:
            return None
        try:
            if queue.device + 4 + 8 * queue.size > len(self._memory):
                raise ValueError("a used ring outside the memory")
            (available,) = struct.unpack_from("<H", self._memory, queue.driver + 2)
            if available == queue.taken & 0xFFFF:
                return None
            place = queue.driver + 4 + 2 * (queue.taken % queue.size)
            (head,) = struct.unpack_from("<H", self._memory, place)
            pieces = list(self._pieces(queue, head))
        except (struct.error, ValueError, OverflowError):  # the last from 2**63 on
            self._queues[number] = queue._replace(broken=True)
            return None
        self._queues[number] = queue._replace(taken=queue.taken + 1)
        return head, pieces

    def _pieces(self, queue: Queue, index: int) -> Iterator[tuple[int, int, bool]]:
        for _ in range(queue.size):
            if index >= queue.size:
                raise ValueError("a descriptor outside the table")
            at, length, flags, following = struct.unpack_from(
                "<QIHH", self._memory, queue.descriptors + 16 * index
            )
            if at + length > len(self._memory) or length > _LONGEST_WRITE:
                raise ValueError("a buffer outside the memory")
            yield at, length, bool(flags & _WRITABLE)
            if not flags & _NEXT:
                return
            index = following
        raise ValueError("a chain without an end")

    def _finish(self, number: int, head: int, written: int) -> None:
        """Give a chain back."""
        queue = self._queues[number]
        place = queue.device + 4 + 8 * (queue.used % queue.size)
        self._note(place, 8)
        self._note(queue.device, 4)
        struct.pack_into("<II", self._memory, place, head, written)
        struct.pack_into("<H", self._memory, queue.device + 2, (queue.used + 1) & 0xFFFF)
        self._queues[number] = queue._replace(used=queue.used + 1)


def _half(address: int, upper: int, value: int) -> int:
    """The address with one of its halves replaced."""
    if upper:
        return address & 0xFFFFFFFF | value << 32
    return address & ~0xFFFFFFFF | value
