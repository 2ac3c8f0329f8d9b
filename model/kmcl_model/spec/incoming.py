"""The incoming packet: one completion context, from ProcessPacket until it is given back."""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model.api import PROCESS_PACKET
from kmcl_model.events import Call, Enter, Event, Exit, Return

from .observer import Due, Move, Rule, Rules, Silence, need

__all__ = ["INCOMING", "IncomingState", "initial"]

FREE, INDICATED, PENDING = "free", "indicated", "pending"


class IncomingState(NamedTuple):
    """One explanation of what was seen of a context; ``buffer`` as ProcessPacket showed it.

    ``handlers`` are ProcessPacket activations that go on after their packet was given back;
    ``calls`` the callers of Complete and Fail that have not returned, each with what it does.
    """

    endpoint: str = ""

    status: str = FREE
    activation: str = ""
    buffer: bytes = b""
    over: str = "completed"
    calls: tuple[tuple[str, str], ...] = ()
    assumed: tuple[str, ...] = ()


State = IncomingState


def initial(endpoint: str) -> IncomingState:
    """The context is not in use."""
    return IncomingState(endpoint)


def _indicate(s: State, e: Event) -> State:
    assert isinstance(e, Enter)
    buffer = e.arguments[2]
    return s._replace(
        status=INDICATED,
        activation=e.activation,
        buffer=buffer if isinstance(buffer, bytes) else b"",
    )


def _leave(s: State, e: Event) -> State:
    assert isinstance(e, Exit)
    if s.status == INDICATED and s.activation == e.activation:
        return s._replace(status=PENDING, activation="")
    return s


def _give_back(s: State, e: Event, over: str) -> State:
    assert isinstance(e, Call)
    how = over
    if over == "completed" and s.status == PENDING:
        how = "later"
    elif over == "completed" and s.activation == e.by:
        how = "inside"
    calls = tuple(sorted((*s.calls, (e.by, how))))
    return s._replace(status=FREE, activation="", buffer=b"", over=over, calls=calls)


def _returned(s: State, e: Event) -> State:
    assert isinstance(e, Return)
    return s._replace(calls=tuple(call for call in s.calls if call[0] != e.by))


def _due(id: str, what: str, requirements: str, how: str, end: str = "") -> Due:
    """The return of a call that gives the packet back; ``end``: only at this one."""
    return Due(
        id,
        what,
        tuple(requirements.split()),
        lambda s, q: end in ("", s.endpoint) and any(call[1] == how for call in s.calls),
        ("return", "VmbChannelPacketFail" if how == "failed" else "VmbChannelPacketComplete"),
    )


def _unchanged(s: State, e: Any) -> bool:
    seen = e.arguments[2]
    return seen is None or seen == s.buffer


def _region(s: State) -> str:
    return s.over if s.status == FREE else s.status


_RULES = (
    Rule(
        "IN-process-packet",
        ("enter", PROCESS_PACKET),
        (need("a context names one live packet", "F044", lambda s, e: s.status == FREE),),
        _indicate,
        moves=(Move("incoming", "completed", "indicated"), Move("incoming", "failed", "indicated")),
    ),
    Rule(
        "IN-process-packet-exit",
        ("exit", PROCESS_PACKET),
        (),
        _leave,
        moves=(Move("incoming", "indicated", "pending"),),
    ),
    Rule(
        "IN-complete",
        ("call", "VmbChannelPacketComplete"),
        (
            need("the received bytes stay until PacketComplete", "F248 F045 F050", _unchanged),
            need(
                "a packet stays with the driver until it is completed",
                "F050",
                lambda s, e: s.status != FREE,
            ),
        ),
        lambda s, e: _give_back(s, e, "completed"),
        moves=(
            Move("incoming", "indicated", "completed"),
            Move("incoming", "pending", "completed"),
        ),
    ),
    Rule(
        "IN-completed",
        ("return", "VmbChannelPacketComplete"),
        (),
        _returned,
        shows=("F249", "F252"),
    ),
    Rule(
        "IN-fail",
        ("call", "VmbChannelPacketFail"),
        (),
        lambda s, e: _give_back(s, e, "failed"),
        moves=(Move("incoming", "indicated", "failed"),),
    ),
    Rule("IN-failed", ("return", "VmbChannelPacketFail"), (), _returned),
)

INCOMING = Rules(
    name="incoming",
    rules=_RULES,
    dues=(
        _due("IN-due-return", "the return of PacketComplete", "F249 A82", "completed"),
        _due("IN-due-inside", "the return of PacketComplete inside the handler", "F255", "inside"),
        _due("IN-due-later", "the return of PacketComplete after the handler", "F256", "later"),
        _due("IN-due-failed", "the return of PacketFail", "F262", "failed"),
        _due("IN-due-failed-server", "the return of PacketFail", "F264", "failed", "server"),
    ),
    silences=(Silence("IN-quiet-pending", ("F050",), lambda s, q: s.status == PENDING),),
    regions=(("incoming", _region),),
    idle=lambda s: s.status == FREE and not s.calls,
)
"""The rules of an incoming packet."""
