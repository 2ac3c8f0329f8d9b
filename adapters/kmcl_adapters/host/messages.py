"""The channel messages of VMBus: names, numbers, layouts.

Names are those of Linux' ``enum vmbus_channel_message_type`` without ``CHANNELMSG_``, fields those
of its structures in ``include/linux/hyperv.h``. Every message begins with its number and four
bytes of padding. GUIDs are texts, user data bytes; the page frames of a GPADL are no field, but
what follows the fields.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

__all__ = ["LAYOUTS", "LONGEST", "Layout", "Message", "Unreadable", "decode", "encode"]

LONGEST: Final = 240
"""Bytes that fit a message of the SynIC."""
_HEADER: Final = struct.Struct("<II")
_GUIDS: Final = frozenset({"if_type", "if_instance"})


class Layout(NamedTuple):
    """``sender``: whose message it is; ``status``: the field that tells of a failure."""

    number: int
    sender: str
    body: struct.Struct
    fields: tuple[str, ...]
    status: str = ""

    @property
    def size(self) -> int:
        """Bytes, header included, without what may follow the fields."""
        return _HEADER.size + self.body.size


class Message(NamedTuple):
    """A message from the guest, read from a private copy. ``rest``: what follows the fields."""

    name: str
    fields: dict[str, Any]
    rest: bytes


class Unreadable(Exception):
    """The bytes are no message that a guest may send: one line that says why."""


def _layout(number: int, sender: str, form: str, fields: str, status: str = "") -> Layout:
    return Layout(number, sender, struct.Struct("<" + form), tuple(fields.split()), status)


_OFFER_FIELDS: Final = (
    "if_type if_instance chn_flags mmio_megabytes user_def sub_channel_index child_relid "
    "monitorid monitor_allocated is_dedicated_interrupt connection_id"
)
_OPEN_FIELDS: Final = (
    "child_relid openid ring_buffer_gpadlhandle target_vp downstream_ringbuffer_pageoffset userdata"
)
_CONTACT_FIELDS: Final = (
    "vmbus_version_requested target_vcpu interrupt_page monitor_page1 monitor_page2"
)
_GPADL_FIELDS: Final = "child_relid gpadl range_buflen rangecount"

LAYOUTS: Final[Mapping[str, Layout]] = {
    "OFFERCHANNEL": _layout(1, "host", "16s16s16xHH120sHxxIBBHI", _OFFER_FIELDS),
    "RESCIND_CHANNELOFFER": _layout(2, "host", "I", "child_relid"),
    "REQUESTOFFERS": _layout(3, "guest", "", ""),
    "ALLOFFERS_DELIVERED": _layout(4, "host", "", ""),
    "OPENCHANNEL": _layout(5, "guest", "IIIII120s", _OPEN_FIELDS),
    "OPENCHANNEL_RESULT": _layout(6, "host", "III", "child_relid openid status", "status"),
    "CLOSECHANNEL": _layout(7, "guest", "I", "child_relid"),
    "GPADL_HEADER": _layout(8, "guest", "IIHH", _GPADL_FIELDS),
    "GPADL_BODY": _layout(9, "guest", "II", "msgnumber gpadl"),
    "GPADL_CREATED": _layout(
        10, "host", "III", "child_relid gpadl creation_status", "creation_status"
    ),
    "GPADL_TEARDOWN": _layout(11, "guest", "II", "child_relid gpadl"),
    "GPADL_TORNDOWN": _layout(12, "host", "I", "gpadl"),
    "RELID_RELEASED": _layout(13, "guest", "I", "child_relid"),
    "INITIATE_CONTACT": _layout(14, "guest", "IIQQQ", _CONTACT_FIELDS),
    "VERSION_RESPONSE": _layout(
        15, "host", "BBxxI", "version_supported connection_state msg_conn_id", "connection_state"
    ),
    "UNLOAD": _layout(16, "guest", "", ""),
    "UNLOAD_RESPONSE": _layout(17, "host", "", ""),
    "TL_CONNECT_REQUEST": _layout(21, "guest", "", ""),
    "MODIFYCHANNEL": _layout(22, "guest", "II", "child_relid target_vp"),
    "TL_CONNECT_RESULT": _layout(23, "host", "", ""),
    "MODIFYCHANNEL_RESPONSE": _layout(24, "host", "II", "child_relid status", "status"),
}
"""By name."""

_NAMES: Final = {layout.number: name for name, layout in LAYOUTS.items()}


def encode(name: str, fields: Mapping[str, Any]) -> bytes:
    """The message as bytes. Raises ValueError where a field is missing or does not fit."""
    layout = LAYOUTS[name]
    try:
        values = [_packed(field, fields[field]) for field in layout.fields]
        return _HEADER.pack(layout.number, 0) + layout.body.pack(*values)
    except KeyError as missing:
        raise ValueError(f"{name} needs {missing.args[0]}") from None
    except struct.error as error:
        raise ValueError(f"{name}: {error}") from None


def _packed(field: str, value: Any) -> Any:
    return uuid.UUID(value).bytes_le if field in _GUIDS else value


def decode(data: bytes) -> Message:
    """A message of the guest, or of ours. Raises Unreadable."""
    if len(data) < _HEADER.size:
        raise Unreadable(f"{len(data)} bytes are too few for a message")
    number, _ = _HEADER.unpack_from(data)
    name = _NAMES.get(number)
    if name is None:
        raise Unreadable(f"no message has the number {number}")
    layout = LAYOUTS[name]
    if len(data) < layout.size:
        raise Unreadable(f"{name} has {layout.size} bytes, not {len(data)}")
    values = layout.body.unpack_from(data, _HEADER.size)
    fields = {
        field: str(uuid.UUID(bytes_le=value)) if field in _GUIDS else value
        for field, value in zip(layout.fields, values, strict=True)
    }
    return Message(name, fields, data[layout.size :])
