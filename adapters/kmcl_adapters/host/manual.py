"""The host by hand: it answers nothing by itself, and a test sends whatever it likes.

For tests of a guest's side of the control protocol. What the guest posts is accepted and told, with
the page lists counted; no GPADL is kept, no ring is mapped, no channel is served.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from kmcl_adapters.control import described, frames_of

from .channel import HostChannel, HostOffer, State
from .control import Control, version
from .messages import Message, encode

if TYPE_CHECKING:
    from .host import VmbusHost

__all__ = ["FLAWS", "ByHand"]

FLAWS: Final = ("", "short", "unknown type", "wrong id", "wrong relid")
"""What can be wrong with a message: cut by one byte, of a type that nobody knows, or with fields
that are wrong already when they are given to be sent."""

_NUMBER: Final = struct.Struct("<I")
_UNKNOWN_NUMBER: Final = 200
_FIRST_WITH_ID: Final = version(5, 0)


class ByHand(Control):
    """Put into ``VmbusHost.control`` before the guest makes contact. ``wanted``: the version it has
    asked for last."""

    _STATE = ("agreed", "connection", "wanted")

    def __init__(self, host: VmbusHost) -> None:
        super().__init__(host)
        self.wanted = 0
        self._frames: dict[int, set[int]] = {}
        """The page frames that have come of each GPADL."""
        self._heard = 0

    def is_connected(self, connection: int, message: Message) -> bool:
        """Whatever the guest says is heard, wherever it says it; what is told says where."""
        self._heard = connection
        return True

    def handle(self, message: Message, connection: int) -> str:
        """Keep only what is needed to deliver messages and signals."""
        fields = message.fields
        if message.name == "INITIATE_CONTACT":
            self.forget()
            self.connection = connection
            self.wanted = fields["vmbus_version_requested"]
            if fields["target_vcpu"] < self.host.machine.processors:
                self.host.direct_messages(fields["target_vcpu"])
        elif message.name == "RELID_RELEASED":
            self.host.channels.pop(fields["child_relid"], None)
        return ""

    def forget(self) -> None:
        """No connection and no channel."""
        self.connection = self.wanted = 0
        self._frames.clear()
        self.host.slot.clear()
        self.host.channels.clear()

    def told(self, message: Message) -> dict[str, Any]:
        """The fields, where they were posted, and of a page list what is in it."""
        more = described(message.name, message.rest)
        if message.name in ("GPADL_HEADER", "GPADL_BODY"):
            more["repeated"] = self._repeated(message)
        if message.name == "INITIATE_CONTACT":
            more["processors"] = self.host.machine.processors
        return message.fields | more | {"connection": self._heard}

    def _repeated(self, message: Message) -> int:
        """How many page frames of a fragment the GPADL had before."""
        if message.name == "GPADL_HEADER":
            self._frames[message.fields["gpadl"]] = set()
        known = self._frames.setdefault(message.fields["gpadl"], set())
        frames = frames_of(message.name, message.rest)
        before = len(known)
        known.update(frames)
        return len(frames) - (len(known) - before)

    def post(self, name: str, fields: Mapping[str, Any], flaw: str = "") -> None:
        """Send a message with these fields, others as a host has them; a guest that has taken its
        message page down does not get it. Raises ValueError."""
        if flaw not in FLAWS:
            raise ValueError(f"{flaw}: no flaw of a message; there are: {', '.join(FLAWS[1:])}")
        host = self.host
        fields = self._complete(name, fields, flaw)
        payload = encode(name, fields)
        if flaw == "short":
            payload = payload[:-1]
        elif flaw == "unknown type":
            payload = _NUMBER.pack(_UNKNOWN_NUMBER) + payload[_NUMBER.size :]
        if host.slot.page is None:  # nobody is there: it is lost, and must not wait for the next
            host.note("host", name, fields, flaw)
        else:
            host.slot.put(payload, lambda: host.note("host", name, fields, flaw))

    def _complete(self, name: str, fields: Mapping[str, Any], flaw: str) -> dict[str, Any]:
        if name == "OFFERCHANNEL":
            return self._offered(fields, flaw)
        if name == "VERSION_RESPONSE":
            named = int(fields.get("msg_conn_id") or self.connection)
            number = named if self.wanted >= _FIRST_WITH_ID else 0
            supported = int(fields["version_supported"])
            return {
                "version_supported": supported,
                "connection_state": 0,
                "msg_conn_id": number,
            }
        return dict(fields)

    def _offered(self, fields: Mapping[str, Any], flaw: str) -> dict[str, Any]:
        relid = int(fields["child_relid"])
        offer = HostOffer(
            class_id=fields["if_type"],
            instance=fields["if_instance"],
            flags=int(fields.get("chn_flags") or 0),
            subchannel=int(fields["sub_channel_index"]),
            monitor=int(fields.get("monitorid") or 0) if fields["monitor_allocated"] else None,
        ).complete()
        channel = HostChannel(offer, relid)
        channel.state = State.OFFERED
        if not flaw:
            self.host.channels[relid] = channel
        return channel.fields()
