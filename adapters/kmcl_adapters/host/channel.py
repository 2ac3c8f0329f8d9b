"""A channel as the host sees it: what is offered, how far it has come, and its rings."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol

from kmcl_adapters.uio.bus import ring_views
from kmcl_adapters.uio.ring import HEADER_BYTES

from .gpadl import Gpadl
from .machine import PAGE
from .memory import piece
from .messages import encode

__all__ = [
    "TEST_CLASS",
    "HostChannel",
    "HostOffer",
    "HostOpening",
    "Listener",
    "Rings",
    "State",
    "Unfit",
    "rings_of",
]

TEST_CLASS: Final = "6b6d636c-0001-4d42-9000-746573746564"
"""A class of devices that no driver of a guest claims by itself."""
_USER_BYTES: Final = 120
_FIRST_CONNECTION: Final = 0x2000
_LEAST_PAGES: Final = 2
_MONITORS: Final = 128
"""Bits of a monitor page."""


class State(StrEnum):
    """How far a channel has come."""

    WAITING = "waiting"
    """The guest has not been told of it yet."""
    OFFERED = "offered"
    """It may be opened: never was, or was closed."""
    OPENING = "opening"
    """The guest has asked to open it and waits for the answer: of whoever serves the channel, or
    until that one has let an earlier opening's rings go."""
    OPEN = "open"
    RESCINDED = "rescinded"
    """Taken back; the guest has not released its id yet."""
    RELEASED = "released"


class HostOffer(NamedTuple):
    """What a guest is told. ``instance``: a GUID, made up where it is empty; ``monitor``: the
    number of the bit by which the guest signals, None for a hypercall; ``subchannel``: 0 for a
    primary channel."""

    class_id: str = TEST_CLASS
    instance: str = ""
    flags: int = 0
    mmio_megabytes: int = 0
    user_data: bytes = b""
    subchannel: int = 0
    monitor: int | None = None

    def complete(self) -> HostOffer:
        """With an instance of its own, GUIDs as we write them. Raises ValueError."""
        instance = uuid.UUID(self.instance) if self.instance else uuid.uuid4()
        if len(self.user_data) > _USER_BYTES:
            raise ValueError(f"{len(self.user_data)} bytes of user data; {_USER_BYTES} fit")
        if self.monitor is not None and not 0 <= self.monitor < _MONITORS:
            raise ValueError(f"monitor {self.monitor}: a monitor page has {_MONITORS} bits")
        found = self._replace(class_id=str(uuid.UUID(self.class_id)), instance=str(instance))
        encode("OFFERCHANNEL", HostChannel(found, 0).fields())  # it must fit before it is offered
        return found


class Unfit(Exception):
    """The guest's memory is no pair of rings: one line that says why."""


class Rings(NamedTuple):
    """Header words and data of both directions, as ``uio.ring`` takes them."""

    from_guest: tuple[Any, Any]
    to_guest: tuple[Any, Any]


def rings_of(memory: memoryview, gpadl: Gpadl, first_pages: int) -> Rings:
    """The rings in a GPADL: ``first_pages`` that the guest writes, the others that it reads.

    Raises Unfit.
    """
    if gpadl.problem:
        raise Unfit(gpadl.problem)
    for entry in gpadl.ranges:
        if entry.offset or entry.length % PAGE:
            raise Unfit(f"{entry.length} bytes at {entry.offset} are no whole pages")
    frames = gpadl.frames
    if first_pages < _LEAST_PAGES or len(frames) - first_pages < _LEAST_PAGES:
        raise Unfit(f"{first_pages} of {len(frames)} pages leave no header and data for both")
    both = (frames[:first_pages], frames[first_pages:])
    first, second = (_ring(memory, part) for part in both)
    return Rings(first, second)


def _ring(memory: memoryview, frames: tuple[int, ...]) -> tuple[Any, Any]:
    whole = piece(memory, frames)
    if isinstance(whole, memoryview):
        return ring_views(whole, 0, len(whole))
    header = memory[frames[0] * PAGE : frames[0] * PAGE + HEADER_BYTES].cast("I")
    return header, piece(memory, frames[1:])


class HostOpening:
    """One time that the guest opens a channel. Whoever serves the channel answers it, and lets its
    rings go, by this: so what is said of an earlier opening never touches a later one. ``id``: the
    guest's name for it; ``gpadl``: the handle of its rings, of which the guest writes the first
    ``first_pages``; ``rings``: these, as soon as they may be used."""

    def __init__(self, channel: HostChannel, fields: Mapping[str, Any]) -> None:
        self.channel = channel
        self.id: int = fields["openid"]
        self.gpadl: int = fields["ring_buffer_gpadlhandle"]
        self.first_pages: int = fields["downstream_ringbuffer_pageoffset"]
        self.rings: Rings | None = None


class Listener(Protocol):
    """Who serves a channel. Called with the host's lock held: it must not wait."""

    def asked(self, opening: HostOpening) -> None:
        """The guest wants to open the channel, and ``rings`` are there: answer by ``answer_open``.
        They may be used until ``let_go`` is called."""

    def signalled(self, channel: HostChannel) -> None:
        """The guest has signalled."""

    def left(self, opening: HostOpening) -> None:
        """The guest has closed the channel, or is gone: call ``let_go``, and never later than the
        guest may wait for its memory."""


class HostChannel:
    """``opening``: the guest's, from its wish to open the channel until it is closed;
    ``target_vp``: the processor that the guest wants to be interrupted; ``signals`` counts those of
    the guest."""

    def __init__(self, offer: HostOffer, relid: int, listener: Listener | None = None) -> None:
        self.offer = offer
        self.relid = relid
        self.connection_id = _FIRST_CONNECTION + relid
        self.listener = listener
        self.state = State.WAITING
        self.opening: HostOpening | None = None
        self.target_vp = 0
        self.signals = 0

    def fields(self) -> dict[str, Any]:
        """Of the message that offers it."""
        offer = self.offer
        return {
            "if_type": offer.class_id,
            "if_instance": offer.instance,
            "chn_flags": offer.flags,
            "mmio_megabytes": offer.mmio_megabytes,
            "user_def": offer.user_data,
            "sub_channel_index": offer.subchannel,
            "child_relid": self.relid,
            "monitorid": offer.monitor or 0,
            "monitor_allocated": int(offer.monitor is not None),
            "is_dedicated_interrupt": 1,
            "connection_id": self.connection_id,
        }
