"""A channel as the host sees it: what is offered, how far it has come, and its rings."""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol

from kmcl_adapters.uio.bus import ring_views
from kmcl_adapters.uio.ring import HEADER_BYTES

from .gpadl import Gpadl
from .machine import PAGE
from .memory import piece

__all__ = [
    "TEST_CLASS",
    "HostChannel",
    "HostOffer",
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


class State(StrEnum):
    """How far a channel has come."""

    WAITING = "waiting"
    """The guest has not been told of it yet."""
    OFFERED = "offered"
    """It may be opened: never was, or was closed."""
    OPENING = "opening"
    """The guest has asked to open it and waits for the answer."""
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
        return self._replace(class_id=str(uuid.UUID(self.class_id)), instance=str(instance))


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


class Listener(Protocol):
    """Who serves a channel. Called with the host's lock held: it must not wait."""

    def asked(self, channel: HostChannel) -> None:
        """The guest wants to open it, and ``rings`` are there: answer by ``answer_open``."""

    def signalled(self, channel: HostChannel) -> None:
        """The guest has signalled."""

    def left(self, channel: HostChannel) -> None:
        """The guest has closed it, or is gone. The rings may be used until ``let_go`` is called."""


class HostChannel:
    """``rings`` are there from the guest's wish to open it until it is closed; ``target_vp`` is
    the processor that the guest wants to be interrupted; ``signals`` counts those of the guest."""

    def __init__(self, offer: HostOffer, relid: int, listener: Listener | None = None) -> None:
        self.offer = offer
        self.relid = relid
        self.connection_id = _FIRST_CONNECTION + relid
        self.listener = listener
        self.state = State.WAITING
        self.rings: Rings | None = None
        self.ring_gpadl = 0
        self.open_id = 0
        self.target_vp = 0
        self.signals = 0
        self.holds_rings = False
        """The listener may still use the rings: their GPADL is torn down when it has let go."""

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
