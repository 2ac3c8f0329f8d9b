"""What the host at the other end of a device is known to do.

The model treats a host as an environment that may do whatever its role allows. A *peer* adds what
is known of one kind of host: packets that provoke an answer, the answer it owes, and what a guest
owes to the host's own requests. A peer that can be controlled may have more methods; these three
are what every peer has. Pure functions of bytes, so that they serve on either side of a wire.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

__all__ = ["PEERS", "DynamicMemory", "Peer", "Provocation", "Unknown", "peer"]

Judge = Callable[[bytes], str]


class Provocation(NamedTuple):
    """A packet for the host. ``after``: provocations whose answers must have come before; ``owes``:
    judges a packet as the answer, with what is wrong with it in words, nothing where it is right;
    None where no answer is owed."""

    name: str
    payload: bytes
    after: tuple[str, ...] = ()
    owes: Judge | None = None


class Peer(Protocol):
    """A kind of host. ``completes``: it answers packets that ask for a completion with one."""

    name: str
    class_id: str | None
    completes: bool | None

    def provocations(self) -> tuple[Provocation, ...]:
        """Packets that the host understands, in an order in which they may be sent."""

    def recognise(self, payload: bytes) -> str:
        """What a packet from the host is; an empty text for what this kind of host never sends."""

    def reply(self, payload: bytes) -> bytes | None:
        """What a guest owes to a packet from the host; None where it owes nothing."""


class Unknown:
    """A host of which nothing is known: whatever its role allows."""

    name = "unknown"
    class_id: str | None = None
    completes: bool | None = None

    def provocations(self) -> tuple[Provocation, ...]:
        """None: a packet that means nothing to the host may do harm."""
        return ()

    def recognise(self, payload: bytes) -> str:
        """Anything may come."""
        return "packet"

    def reply(self, payload: bytes) -> bytes | None:
        """Nobody knows."""
        return None


class DynamicMemory:
    """Hyper-V's dynamic memory protocol as QEMU's hv-balloon speaks it.

    Each message starts with its type, its size and a transaction number. The guest tells version
    and capabilities; then the host may ask for pages. A guest of ours gives none: the host
    discards every page that a balloon response names.
    """

    name = "dynmem"
    class_id: str | None = "525074dc-8985-46e2-8057-a307dc18a502"
    completes: bool | None = False

    _HEADER: Final = struct.Struct("<HHI")
    _TYPES: Final[Mapping[int, str]] = {
        2: "version response",
        4: "capabilities response",
        6: "balloon request",
        8: "unballoon request",
        10: "hot-add request",
        12: "information",
    }
    _LEAST: Final[Mapping[int, int]] = {2: 16, 4: 16, 6: 16, 8: 24, 10: 24, 12: 8}
    NEWEST: Final = (2, 0)
    """Major and minor; 1.0 and 0.3 are accepted as well."""

    def provocations(self) -> tuple[Provocation, ...]:
        """A version nobody has, the newest one, capabilities, and a report."""
        strange = Provocation(
            "version 9.9", self.version(9, 9, 1), (), self._version_judge(1, False)
        )
        major, minor = self.NEWEST
        newest = Provocation(
            f"version {major}.{minor}",
            self.version(major, minor, 2),
            (strange.name,),
            self._version_judge(2, True),
        )
        able = self._message(3, 3, struct.pack("<QQQ", 0x1, 0, 0))
        able_to = Provocation("capabilities", able, (newest.name,), self._capable)
        report = self._message(5, 4, struct.pack("<QQQQII", 1 << 28, 1 << 27, 0, 1 << 20, 0, 0))
        return strange, newest, able_to, Provocation("status report", report, (able_to.name,))

    def version(self, major: int, minor: int, number: int, *, last: bool = False) -> bytes:
        """A version request with this transaction number."""
        return self._message(1, number, struct.pack("<HHI", minor, major, int(last)))

    def _message(self, type: int, number: int, body: bytes) -> bytes:
        return self._HEADER.pack(type, self._HEADER.size + len(body), number) + body

    def _version_judge(self, number: int, accepted: bool) -> Judge:
        def judge(answer: bytes) -> str:
            if self.recognise(answer) != "version response":
                return f"a {self.recognise(answer) or 'packet of another kind'} instead"
            _, _, theirs, flags = struct.unpack_from("<HHIQ", answer)
            if theirs != number:
                return f"transaction {theirs} instead of {number}"
            if bool(flags & 1) != accepted:
                return "accepted" if flags & 1 else "refused"
            return ""

        return judge

    def _capable(self, answer: bytes) -> str:
        if self.recognise(answer) != "capabilities response":
            return f"a {self.recognise(answer) or 'packet of another kind'} instead"
        (flags,) = struct.unpack_from("<Q", answer, self._HEADER.size)
        return "" if flags & 1 else "refused"

    def recognise(self, payload: bytes) -> str:
        """The kind of message, if it is long enough to be one."""
        if len(payload) < self._HEADER.size:
            return ""
        type, _, _ = self._HEADER.unpack_from(payload)
        return self._TYPES.get(type, "") if len(payload) >= self._LEAST.get(type, 0) else ""

    def reply(self, payload: bytes) -> bytes | None:
        """No pages for a balloon request, thanks for the last part of an unballoon request, and no
        pages added."""
        kind = self.recognise(payload)
        if kind in ("", "version response", "capabilities response", "information"):
            return None
        _, _, number = self._HEADER.unpack_from(payload)
        match kind:
            case "balloon request":
                return self._message(7, number, struct.pack("<II", 0, 0))
            case "unballoon request":
                (more,) = struct.unpack_from("<I", payload, self._HEADER.size)
                return None if more & 1 else self._message(9, number, b"")
            case _:
                return self._message(11, number, struct.pack("<II", 0, 0))


PEERS: Final[Mapping[str, Callable[[], Peer]]] = {"dynmem": DynamicMemory, "unknown": Unknown}
"""The kinds of hosts, by name."""


def peer(class_id: str) -> Peer:
    """The host behind a device of this interface class."""
    found = (make() for make in PEERS.values())
    return next((one for one in found if one.class_id == class_id), Unknown())
