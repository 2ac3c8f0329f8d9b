"""What is known of a packet object, and the small changes many rules make."""

from __future__ import annotations

from typing import NamedTuple

from kmcl_model.events import Call, Event, Return
from kmcl_model.spec.changes import quickly_replaced

__all__ = [
    "FLYING",
    "IDLE",
    "NEVER_SET",
    "NONE",
    "SENDING",
    "SET_BEFORE",
    "PacketState",
    "assume",
    "begin",
    "end",
    "fresh",
    "initial",
    "landed",
    "region",
]

NONE, IDLE, SENDING, FLYING = "none", "idle", "sending", "flying"

NEVER_SET, SET_BEFORE = -1, -2
"""The pointer of an object that was given none; the object of that name before it was, or not."""


@quickly_replaced
class PacketState(NamedTuple):
    """One explanation of what was seen of a packet object.

    ``by`` is the caller of the current send; ``finished`` are callers whose send has not returned
    although its packet has completed (A95). ``wait``: an answer was asked for; ``answer`` is what
    the peer gave to PacketComplete. ``offered``: the host goes on offering while it closes
    (F011); ``can_place``: the sender may be open; ``leaving``: the session may be ending;
    ``cancel``: it may have ended since the send, so the transaction may fail; ``ending``: what ends
    it or has ended the last one, ``disable`` or ``remote-close``, empty if that is not sure.
    ``late``: the session was ending when the packet was sent. ``rested``: the channel has not run
    since the send (A66). ``used``: a transaction of the object is over. ``scant``: the memory
    offered is below SizeofPacket (A115). ``unusual``: the flags of the send that mean nothing
    (A101). ``alone``: the other end is not observed, so a packet that
    reached the ring may have been answered or failed.
    """

    endpoint: str
    alone: bool = False
    status: str = NONE
    initialized: bool = False
    routine: bool = False
    pointer: int | None = NEVER_SET
    by: str = ""
    finished: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    wait: bool = False
    placed: bool = False
    delivered: bool = False
    answered: bool = False
    failed: bool = False
    answer: bytes = b""
    length: int = 0
    unusual: str = ""
    maximum: int = 0
    connection: str = "none"
    offered: bool = False
    run: str = "paused"
    can_place: bool = False
    enabled: bool = False
    leaving: bool = False
    cancel: bool = False
    over: bool = False
    ending: str = ""
    late: bool = False
    rested: bool = False
    used: bool = False
    scant: bool = False
    assumed: tuple[str, ...] = ()


def initial(endpoint: str, alone: bool = False) -> PacketState:
    """No packet object yet. ``alone``: the other end is not observed."""
    return PacketState(endpoint, alone)


def assume(s: PacketState, reading: str) -> PacketState:
    """The state, explained by a reading of an interpretation, such as ``A90:R1``."""
    return s._replace(assumed=tuple(sorted({*s.assumed, reading})))


def begin(s: PacketState, e: Event) -> PacketState:
    """A call on the object is under way."""
    assert isinstance(e, Call)
    return s._replace(calls=tuple(sorted((*s.calls, (e.by, e.function)))))


def end(s: PacketState, e: Event) -> PacketState:
    """A call on the object has returned."""
    assert isinstance(e, Return)
    return s._replace(calls=tuple(c for c in s.calls if c[0] != e.by))


def fresh(s: PacketState) -> PacketState:
    """The object is gone; what the channel is like stays."""
    return s._replace(
        status=NONE,
        initialized=False,
        routine=False,
        pointer=NEVER_SET if s.pointer == NEVER_SET or s.initialized else SET_BEFORE,
        by="",
        wait=False,
        placed=False,
        delivered=False,
        answered=False,
        failed=False,
        answer=b"",
        length=0,
        late=False,
        rested=False,
        used=False,
        assumed=(),
    )


def landed(s: PacketState) -> PacketState:
    """The transaction is over; the object is idle again."""
    finished = (*s.finished, s.by) if s.status == SENDING else s.finished
    return s._replace(
        status=IDLE,
        by="",
        finished=finished,
        wait=False,
        placed=False,
        delivered=False,
        answered=False,
        failed=False,
        answer=b"",
        length=0,
        late=False,
        rested=False,
    )


def region(s: PacketState) -> str:
    """The state as the chart shows it."""
    if s.status == NONE:
        return "freed"
    if s.status == IDLE:
        return "initialized" if s.initialized else "allocated"
    if s.delivered:
        return "awaiting completion"
    return "in ring" if s.placed else "queued"
