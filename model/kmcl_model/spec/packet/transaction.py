"""The transaction of a packet: sent, delivered, answered, completed or cancelled."""

from __future__ import annotations

from typing import Any, Final

from kmcl_model.api import COMPLETION_ROUTINE, PROCESS_PACKET
from kmcl_model.events import Argument, Call, Enter, Event
from kmcl_model.payload import matches_bytes
from kmcl_model.spec.cases import Case, because
from kmcl_model.spec.flow.state import SEND_FLAGS
from kmcl_model.spec.observer import Move, Rule, need, never, witness
from kmcl_model.status import STATUS_CANCELLED, STATUS_DEVICE_REMOVED, is_success

from .state import FLYING, IDLE, NONE, SENDING, PacketState, assume, fresh, landed

__all__ = ["RULES", "WAIT_FOR_COMPLETION"]

WAIT_FOR_COMPLETION = 0x1
"""The flag of VmbPacketSend that asks for an answer of the peer."""

FORCE_MDL_LENGTH = 0x2
"""The flag that makes the length of external data count; there is none in a plain send."""


_FORCED = "force-mdl-length"


def _unusual(flags: int) -> str:
    """Which flags mean nothing in a plain send: the point of A101 that speaks of them."""
    if not flags & ~SEND_FLAGS:
        return ""
    return "unknown-bits" if flags & ~(SEND_FLAGS | FORCE_MDL_LENGTH) else _FORCED


def _after_send_call(s: PacketState, e: Event) -> PacketState:
    assert isinstance(e, Call)
    buffer, flags = e.arguments[1], e.arguments[2]
    assert isinstance(buffer, bytes)
    assert isinstance(flags, int)
    return s._replace(
        status=SENDING,
        by=e.by,
        wait=bool(flags & WAIT_FOR_COMPLETION),
        length=len(buffer),
        unusual=_unusual(flags),
        cancel=s.leaving,
        late=s.leaving,
        rested=s.connection in ("enabled", "opening", "open") and s.run == "paused",
        assumed=(),
    )


def _accepted(s: PacketState, e: Event) -> PacketState:
    s = s._replace(status=FLYING, by="")
    if s.connection == "disabled":
        s = assume(s, "A90:R1")
    if s.length > s.maximum:
        s = assume(s, "A98/above:R2")
    if s.unusual:
        s = assume(s, f"A101/{s.unusual}:{'R1' if s.unusual == _FORCED else 'R2'}")
    if not s.routine:
        return fresh(s)  # the default routine frees the object, and nobody sees when
    return s._replace(length=0, unusual="")  # they were a matter of being accepted


def _refused(s: PacketState, e: Event) -> PacketState:
    after = landed(s._replace(status=FLYING))._replace(assumed=())
    if s.length > s.maximum:
        return assume(after, "A98/above:R1")
    if s.connection == "disabled":
        return assume(after, "A90:R2")
    if s.length == 0:
        return assume(after, "A97:R2")
    if s.unusual:
        return assume(after, f"A101/{s.unusual}:{'R2' if s.unusual == _FORCED else 'R1'}")
    if s.connection != "open" or s.cancel:
        return after
    return assume(after, "A89:R2" if s.run in ("starting", "started") else "A66:R3")


def _may_refuse(s: PacketState, e: Event) -> bool:
    if s.offered and s.connection == "closing":
        return s.length > s.maximum or s.length == 0 or bool(s.unusual)
    if s.unusual:
        return True
    return s.length > s.maximum or not s.enabled or s.length == 0 or s.cancel or s.can_place


def _is_answer(s: PacketState, seen: Any) -> bool:
    """Whether the answer came as given, but for padding to a multiple of eight bytes (A105)."""
    return s.alone or matches_bytes(s.answer, seen)


def _completed(s: PacketState, e: Event) -> PacketState:
    assert isinstance(e, Enter)
    seen = e.arguments[2]
    after = landed(s)._replace(used=True)
    if s.status == SENDING:
        after = assume(after, "A95:R1")
    if s.wait and s.connection == "open" and s.run in ("paused", "suspended"):
        after = assume(assume(after, "A65:R1"), "A61/reach:R1")
    if not s.wait and s.rested and s.connection == "open" and s.run == "paused":
        after = assume(after, "A66:R4")  # over once it is in the ring
    if isinstance(seen, bytes) and len(s.answer) % 8 and not s.alone:
        after = assume(after, "A105/length:R1" if len(seen) == len(s.answer) else "A105/length:R2")
    return after


def _delivered(s: PacketState, _e: Event) -> PacketState:
    after = s._replace(delivered=True, placed=True)
    if s.rested and s.connection == "open" and s.run == "paused":
        after = assume(after, "A66:R4")
    return after


def _cancelled(s: PacketState, e: Event) -> PacketState:
    """The code is the library's choice (A94), unless the peer has failed the packet."""
    assert isinstance(e, Enter)
    after = assume(landed(s)._replace(used=True), "A94:R2")
    if not s.failed:
        after = assume(after, f"A94/code:{_CODES.get(e.arguments[1], 'R3')}")
    if s.delivered or (s.placed and s.wait):
        after = _note_flush(s, after)
        return assume(after, "A92:R1" if s.connection == "open" else "A92:R2")
    # What is not to be answered is over once it is in the ring, so it never got there.
    return assume(after, f"A91/{s.ending}:R1") if s.ending and not s.late else after


def _note_flush(s: PacketState, after: PacketState) -> PacketState:
    """Whether what a server had sent has ended when its Suspend comes (A60)."""
    if s.endpoint != "server" or s.failed or s.rested:
        return after
    if s.connection == "open" and s.run == "started":
        return assume(after, "A60:R1")
    stopped = s.connection in ("closing", "enabled") or s.run in _STOPPED
    return assume(after, "A60:R2") if stopped else after


_STOPPED = ("suspending", "suspended", "paused")

_CODES: Final[dict[Argument, str]] = {STATUS_CANCELLED: "R1", STATUS_DEVICE_REMOVED: "R2"}
"""The reading of A94 that a status shows."""


def _success(s: PacketState, e: Event) -> bool:
    assert isinstance(e, Enter)
    status = e.arguments[1]
    assert isinstance(status, int)
    return is_success(status)


_ONCE = need(
    "the completion routine runs once for a packet in flight",
    "F132 F395 F133 F137",
    lambda s, e: s.status in (SENDING, FLYING) and s.routine,
)

RULES = (
    Rule(
        "PK-send",
        ("call", "VmbPacketSend"),
        (),
        _after_send_call,
        when=lambda s, e: s.status == IDLE,
        moves=(Move("packet", "allocated", "queued"), Move("packet", "initialized", "queued")),
    ),
    Rule(
        "PK-sent",
        ("return", "VmbPacketSend"),
        (
            witness("F022", lambda s, e: s.connection in ("enabled", "opening")),
            witness("F011", lambda s, e: s.connection == "closing"),
            witness("F100", lambda s, e: s.connection == "open" and s.run == "starting"),
            witness("F215", lambda s, e: s.length == s.maximum),
        ),
        _accepted,
        when=lambda s, e: s.by == e.by and is_success(e.status),
        shows=("F395",),
        moves=(Move("packet", "queued", "freed"),),
    ),
    Rule(
        "PK-send-refused",
        ("return", "VmbPacketSend"),
        (
            *because(
                _may_refuse,
                Case(
                    "a send after Closed was called is accepted",
                    "F011 F395",
                    lambda s: s.connection == "closing",
                ),
                Case("a send before the channel is open is accepted", "F022 F395"),
            ),
            need(
                "a maximal packet is within the limits",
                "F215",
                lambda s, e: s.length != s.maximum or not s.enabled or s.cancel or s.can_place,
                never,
            ),
            witness("F216", lambda s, e: s.length > s.maximum),
        ),
        _refused,
        when=lambda s, e: s.by == e.by and not is_success(e.status),
        moves=(Move("packet", "queued", "allocated"), Move("packet", "queued", "initialized")),
    ),
    Rule(
        "PK-sent-and-over",
        ("return", "VmbPacketSend"),
        (
            need(
                "a send whose completion routine has run has succeeded",
                "F395",
                lambda s, e: is_success(e.status),
            ),
        ),
        lambda s, e: s._replace(finished=tuple(b for b in s.finished if b != e.by)),
        when=lambda s, e: e.by in s.finished and s.by != e.by,
    ),
    Rule(
        "PK-delivered",
        ("enter", PROCESS_PACKET),
        (),
        _delivered,
        when=lambda s, e: s.status in (SENDING, FLYING),
        moves=(Move("packet", "in ring", "awaiting completion"),),
    ),
    Rule(
        "PK-delivered-idle",
        ("enter", PROCESS_PACKET),
        (),
        lambda s, e: s,
        when=lambda s, e: s.status in (NONE, IDLE),
    ),
    Rule(
        "PK-answered",
        ("call", "VmbChannelPacketComplete"),
        (),
        lambda s, e: (
            s._replace(answered=True, answer=(e.arguments[1] or b"") if s.wait else b"")
            if s.status in (SENDING, FLYING)
            else s
        ),
    ),
    Rule("PK-failed", ("call", "VmbChannelPacketFail"), (), lambda s, e: s._replace(failed=True)),
    Rule(
        "PK-completed",
        ("enter", COMPLETION_ROUTINE),
        (
            _ONCE,
            need(
                "no answer is dispatched while Started runs",
                "F103",
                lambda s, e: not (s.wait and s.run == "starting"),
                never,
            ),
            need(
                "success with WAIT_FOR_COMPLETION means that the peer has completed the packet",
                "F138 F134",
                lambda s, e: not s.wait or s.answered,
                lambda s, e: s.wait and not s.alone,
            ),
            need(
                "success without the flag means that the packet is in the ring of an open channel",
                "F139 F134 F023",
                lambda s, e: s.wait or s.placed,
                never,
            ),
            witness("F139 F134", lambda s, e: not s.wait),
            need(
                "the routine gets the answer of the peer",
                "F135 F136 F251",
                lambda s, e: _is_answer(s, e.arguments[2]),
                never,
            ),
            witness("F135 F136", lambda s, e: bool(s.answer)),
            witness("F251", lambda s, e: not s.wait),
        ),
        _completed,
        when=_success,
        moves=(
            Move("packet", "in ring", "allocated"),
            Move("packet", "in ring", "initialized"),
            Move("packet", "awaiting completion", "allocated"),
            Move("packet", "awaiting completion", "initialized"),
        ),
    ),
    Rule(
        "PK-cancelled",
        ("enter", COMPLETION_ROUTINE),
        (
            _ONCE,
            need(
                "a transaction fails only with its session or its peer",
                "F134 F132",
                lambda s, e: s.cancel or s.failed,
                lambda s, e: not s.alone,
            ),
            need(
                "a cancelled packet brings no answer but that of the peer",
                "F135 F136",
                lambda s, e: not e.arguments[2] or (s.answered and _is_answer(s, e.arguments[2])),
                lambda s, e: not s.alone,
            ),
        ),
        _cancelled,
        when=lambda s, e: not _success(s, e),
        shows=("F134",),
        moves=(
            Move("packet", "queued", "allocated"),
            Move("packet", "queued", "initialized"),
            Move("packet", "in ring", "allocated"),
            Move("packet", "in ring", "initialized"),
            Move("packet", "awaiting completion", "allocated"),
            Move("packet", "awaiting completion", "initialized"),
        ),
    ),
    Rule("PK-routine-exit", ("exit", COMPLETION_ROUTINE), (), lambda s, e: s),
)
