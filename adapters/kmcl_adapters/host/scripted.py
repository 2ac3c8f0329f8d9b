"""A guest without a machine: memory, and the few things that a VMBus driver does, one by one.

For trying a host: everything happens when it is called for, in one thread.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .control import NEWEST
from .host import SOUND, HostParts, VmbusHost
from .machine import PAGE, SINT
from .messages import Message, decode, encode

__all__ = ["ScriptedGuest", "ScriptedMachine"]

_PAGES: Final = 512
_MESSAGES, _EVENTS, _INPUT, _MONITOR = (PAGE * n for n in range(1, 5))
_SLOT: Final = _MESSAGES + 256 * SINT
_POST, _SIGNAL = 0x5C, 0x5D
_HEADER_FRAMES, _BODY_FRAMES = 26, 28
_NEW_CONNECTION: Final = 4


class ScriptedMachine:
    """Memory and what was raised in it. ``on_fence`` is called where the host waits for its writes
    to be seen: whatever happens then happens between its write and its next look."""

    def __init__(self, pages: int = _PAGES, processors: int = 1) -> None:
        self._bytes = bytearray(pages * PAGE)
        self.memory = memoryview(self._bytes)
        self.words = self.memory.cast("I")
        self.processors = processors
        self.interrupts: list[int] = []
        self.on_fence: Callable[[], object] = lambda: None

    def interrupt(self, vp: int) -> None:
        """See ``machine``."""
        self.interrupts.append(vp)

    def set_bits(self, address: int, bits: int) -> None:
        """See ``machine``."""
        self.words[address // 4] |= bits

    def clear_bits(self, address: int, bits: int) -> None:
        """See ``machine``."""
        self.words[address // 4] &= ~bits

    def fence(self) -> None:
        """See ``machine``."""
        self.on_fence()


class ScriptedGuest:
    """``machine``, its ``host``, and the driver's side of the protocol. Pages from 8 on are free
    for whatever is shared."""

    def __init__(self, parts: HostParts = SOUND, machine: ScriptedMachine | None = None) -> None:
        self.machine = machine or ScriptedMachine()
        self.later: list[tuple[float, Callable[[], object]]] = []
        self.host = VmbusHost(
            self.machine, parts=parts, later=lambda s, call: self.later.append((s, call))
        )
        self.connection = _NEW_CONNECTION
        self.host.synic_changed(0, 1, _EVENTS | 1, _MESSAGES | 1)

    def power_on(self) -> None:
        """Set up the pages of the only processor anew, after a reset of the machine."""
        self.machine.words[_SLOT // 4] = 0
        self.host.synic_changed(0, 1, _EVENTS | 1, _MESSAGES | 1)

    # One step

    def post(self, name: str, *, rest: bytes = b"", **fields: Any) -> int:
        """Post a message; the status of the hypercall."""
        return self.post_bytes(encode(name, fields) + rest)

    def post_bytes(self, data: bytes) -> int:
        """Post any bytes."""
        head = struct.pack("<4I", self.connection, 0, 1, len(data))
        self.machine.memory[_INPUT : _INPUT + 16 + len(data)] = head + data
        return self.host.hypercall(0, _POST, False, _INPUT, 0)

    def signal(self, connection: int) -> int:
        """Signal; the status of the hypercall."""
        return self.host.hypercall(0, _SIGNAL, True, connection, 0)

    def read(self) -> Message | None:
        """Take the message in the slot, and tell if the host has asked for that."""
        memory = self.machine.memory
        if not self.machine.words[_SLOT // 4]:
            return None
        data = bytes(memory[_SLOT + 16 : _SLOT + 16 + memory[_SLOT + 4]])
        self.machine.words[_SLOT // 4] = 0
        if memory[_SLOT + 5] & 1:
            self.host.message_taken(0)
        return decode(data)

    def read_all(self) -> list[Message]:
        """Everything that comes."""
        messages = []
        while (message := self.read()) is not None:
            messages.append(message)
        return messages

    def names(self) -> list[str]:
        """The names of all that comes."""
        return [message.name for message in self.read_all()]

    def events(self) -> list[int]:
        """The ids of the channels that the host has signalled; they are cleared."""
        place = _EVENTS + 256 * SINT
        found = []
        for word in range(64):
            bits = self.machine.words[place // 4 + word]
            found += [32 * word + bit for bit in range(32) if bits >> bit & 1]
            self.machine.words[place // 4 + word] = 0
        return found

    # Several

    def begin(self, version: int = NEWEST) -> int:
        """Ask for a version, whenever the answer comes; the status of the hypercall."""
        return self.post(
            "INITIATE_CONTACT",
            vmbus_version_requested=version,
            target_vcpu=0,
            interrupt_page=SINT,
            monitor_page1=0,
            monitor_page2=_MONITOR,
        )

    def contact(self, version: int = NEWEST) -> Mapping[str, Any]:
        """Ask for a version; the fields of the answer."""
        self.begin(version)
        (answer,) = self.read_all()
        assert answer.name == "VERSION_RESPONSE"
        return answer.fields

    def connect(self) -> list[Mapping[str, Any]]:
        """Agree on a version and ask for offers; the fields of each."""
        assert self.contact()["version_supported"]
        self.post("REQUESTOFFERS")
        *offers, last = self.read_all()
        assert last.name == "ALLOFFERS_DELIVERED"
        return [offer.fields for offer in offers]

    def share(
        self, relid: int, handle: int, frames: Sequence[int], size: int | None = None
    ) -> list[Message]:
        """Describe one range of pages, in as many messages as it takes; what comes of it."""
        length = len(frames) * PAGE if size is None else size
        data = struct.pack(f"<II{len(frames)}Q", length, 0, *frames)
        cut = 8 + 8 * _HEADER_FRAMES
        head = {"child_relid": relid, "gpadl": handle, "range_buflen": len(data), "rangecount": 1}
        self.post("GPADL_HEADER", rest=data[:cut], **head)
        step = 8 * _BODY_FRAMES
        for place in range(cut, len(data), step):
            self.post("GPADL_BODY", rest=data[place : place + step], msgnumber=0, gpadl=handle)
        return self.read_all()

    def open(
        self, relid: int, handle: int = 900, frames: Sequence[int] = range(8, 16)
    ) -> list[Message]:
        """Share rings, the first half for us to write, and ask to open; what comes."""
        messages = self.share(relid, handle, frames)
        self.post(
            "OPENCHANNEL",
            child_relid=relid,
            openid=relid,
            ring_buffer_gpadlhandle=handle,
            target_vp=0,
            downstream_ringbuffer_pageoffset=len(frames) // 2,
            userdata=b"",
        )
        return messages + self.read_all()

    def close(self, relid: int, handle: int = 900) -> list[Message]:
        """Close, and take the rings back; what comes."""
        self.post("CLOSECHANNEL", child_relid=relid)
        self.post("GPADL_TEARDOWN", child_relid=relid, gpadl=handle)
        return self.read_all()

    def set_monitor_bit(self, number: int) -> None:
        """Signal as a monitored channel does."""
        self.machine.set_bits(_MONITOR + 8 + 8 * (number // 32), 1 << number % 32)

    def run_later(self) -> list[float]:
        """Make the calls that were put off; by how many seconds each was."""
        calls, self.later = self.later, []
        for _, call in calls:
            call()
        return [seconds for seconds, _ in calls]
