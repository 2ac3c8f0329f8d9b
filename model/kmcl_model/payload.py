"""Payloads that say which message they are.

A test cannot ask an implementation which packet it delivers, so the bytes tell: a payload
is built from a small *tag* and a length, and no two tags share a byte at any offset.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

__all__ = [
    "TAGS",
    "Payload",
    "matches",
    "matches_bytes",
    "payload_bytes",
    "round_up_to_eight",
    "tag_of",
    "written",
]

TAGS = 16


class Payload(NamedTuple):
    """What a test sends: ``tag`` (0 to 15) and ``length`` in bytes."""

    tag: int
    length: int


@lru_cache(maxsize=4096)
def payload_bytes(payload: Payload) -> bytes:
    """The bytes of a payload: byte *i* is ``tag + 16 * (i mod 15 + 1)``."""
    unit = bytes(payload.tag + 16 * (i + 1) for i in range(15))
    return (unit * (payload.length // 15 + 1))[: payload.length]


def round_up_to_eight(length: int) -> int:
    """The length a packet descriptor can carry: whole units of eight bytes (A71, A105)."""
    return (length + 7) & ~7


def matches(payload: Payload, seen: bytes | None) -> bool:
    """Whether ``seen`` is the payload, possibly followed by padding up to eight (A71, A105)."""
    return matches_bytes(payload_bytes(payload), seen)


def matches_bytes(sent: bytes, seen: bytes | None) -> bool:
    """Whether ``seen`` is ``sent``, possibly followed by padding up to eight (A71, A105)."""
    if seen is None:
        return not sent
    return len(sent) <= len(seen) <= round_up_to_eight(len(sent)) and seen.startswith(sent)


@lru_cache(maxsize=4096)
def tag_of(data: bytes | None) -> int:
    """The tag that the first byte tells, or -1 for no bytes at all."""
    return data[0] % TAGS if data else -1


@lru_cache(maxsize=4096)
def written(data: bytes) -> str:
    """Bytes as text without loss: ``pattern:TAG:LENGTH`` where they are one, else ``hex:…``."""
    if data:
        candidate = Payload(data[0] % TAGS, len(data))
        if payload_bytes(candidate) == data:
            return f"pattern:{candidate.tag}:{candidate.length}"
    return f"hex:{data.hex()}"
