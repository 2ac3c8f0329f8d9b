"""The hosts at the other end that are known, as far as a judge may rely on it.

What is said of a host here was seen of it and is asked of it in every certification: a host that
does otherwise, or an end that loses its packets, breaks an obligation.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from kmcl_adapters.uio.peers import DynamicMemory
from kmcl_model.spec.host import MakeHost

__all__ = ["HOSTS", "DynamicMemoryHost"]

_HEADER: Final = struct.Struct("<HHI")
_REQUEST: Final = struct.Struct("<HHIHHI")
_ANSWER: Final = struct.Struct("<HHIQ")
_VERSION_REQUEST, _VERSION_RESPONSE = 1, 2
_MESSAGES: Final = range(1, 13)
"""The types of messages that there are; whatever else comes is ignored."""


class DynamicMemoryHost:
    """QEMU's Dynamic Memory device. It takes what it is sent, and answers each request for a
    version that nobody has with a refusal, until it was asked for one that it speaks."""

    stays = True
    _peer: Final = DynamicMemory()

    def __init__(self) -> None:
        self._asks_for_version = False
        self._is_known = True
        self.drains = True

    def opened(self) -> None:
        """It forgets its conversation when a channel is closed."""
        self._asks_for_version = self.drains = True

    def hears(self, payload: bytes) -> bytes | None:
        """See ``Host``."""
        if not self._matters(payload):
            return None
        number = self._refused(payload)
        if number is None:
            self._asks_for_version = False
            return None
        if not (self._is_known and self._asks_for_version):
            return None
        return _ANSWER.pack(_VERSION_RESPONSE, _ANSWER.size, number, 0)

    def may_hear(self, payload: bytes) -> None:
        """See ``Host``. What is refused changes nothing; nobody knows when anything else does."""
        if self._matters(payload) and self._refused(payload) is None:
            self._is_known = False

    def broken(self) -> None:
        """It reads no further."""
        self._asks_for_version = self.drains = False

    def question(self, number: int) -> bytes:
        """A request for version 9.9, with a number of its own that the answer repeats."""
        return self._peer.version(9, 9, number)

    def messages(self) -> tuple[bytes, ...]:
        """See ``Host``."""
        return tuple(provocation.payload for provocation in self._peer.provocations())

    def copy(self) -> DynamicMemoryHost:
        """See ``Host``."""
        other = DynamicMemoryHost()
        other._asks_for_version, other._is_known = self._asks_for_version, self._is_known
        other.drains = self.drains
        return other

    def _refused(self, payload: bytes) -> int | None:
        """The number of a request that is refused for sure."""
        if len(payload) < _REQUEST.size:
            return None
        kind, size, number, minor, major, _ = _REQUEST.unpack_from(payload)
        newest = self._peer.NEWEST[0]
        refused = kind == _VERSION_REQUEST and size == _REQUEST.size and major > newest
        return number if refused and minor else None

    @staticmethod
    def _matters(payload: bytes) -> bool:
        """Whether the packet could be a message to it."""
        return len(payload) >= _HEADER.size and _HEADER.unpack_from(payload)[0] in _MESSAGES


HOSTS: Final[Mapping[str, MakeHost]] = {DynamicMemory.name: DynamicMemoryHost}
"""The known hosts, by the names of their kinds."""
