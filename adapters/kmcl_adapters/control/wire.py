"""What a VMBus host has written down, as a port tells it.

A host's trace is a list of entries: who sent, the name, the fields of Linux' structure. This turns
an entry into what a session reads. Signals are entries with the name ``SIGNAL``, the death of the
guest is one with the name ``CRASH``. Messages that the protocol has and nobody judges (reserved
channels, hv_sock) and remarks of the host itself give nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

from kmcl_model.control import GUEST, MESSAGES, RANGE_HEADER

from .port import Gone, Seen, Sent, Signalled

__all__ = ["SPELLINGS", "described", "frames_of", "seen_of"]

SPELLINGS: Final = {"ring_buffer_gpadlhandle": "ringbuffer_gpadlhandle"}
"""Other spellings of a field than Linux' own."""

_RANGE: Final = struct.Struct("<II")
_PFN: Final = 8


def seen_of(sender: str, name: str, fields: Mapping[str, Any], flaw: str = "") -> Seen | None:
    """The entry as a port tells it; None for what nobody judges."""
    if name == "SIGNAL":
        return Signalled(sender, int(fields["child_relid"]))
    if name == "CRASH":
        return Gone("crash", "the guest has said that it panics")
    if name == "UNREADABLE" and sender == GUEST:
        return Gone("garbage", "the guest has posted what is no message")
    if name not in MESSAGES:
        return None
    return Sent(
        sender,
        name,
        {SPELLINGS.get(field, field): value for field, value in fields.items()},
        flaw,
    )


def frames_of(name: str, rest: bytes) -> tuple[int, ...]:
    """The page frame numbers in what follows the fields of a GPADL message."""
    frames = rest[RANGE_HEADER:] if name == "GPADL_HEADER" else rest
    count = len(frames) // _PFN
    return struct.unpack_from(f"<{count}Q", frames)


def described(name: str, rest: bytes) -> dict[str, int]:
    """What the bytes behind the fields of a GPADL message say: ``byte_count``, ``byte_offset`` and
    ``pfns`` of GPADL_HEADER, ``pfns`` of GPADL_BODY. A range that is cut off counts as empty."""
    if name == "GPADL_BODY":
        return {"pfns": len(rest) // _PFN}
    if name != "GPADL_HEADER":
        return {}
    if len(rest) < RANGE_HEADER:
        return {"byte_count": 0, "byte_offset": 0, "pfns": 0}
    count, offset = _RANGE.unpack_from(rest)
    return {
        "byte_count": count,
        "byte_offset": offset,
        "pfns": (len(rest) - RANGE_HEADER) // _PFN,
    }
