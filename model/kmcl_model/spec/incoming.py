"""The incoming packet: one completion context, from ProcessPacket until it is given back."""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model.api import PROCESS_PACKET
from kmcl_model.events import Call, Enter, Event, Exit, Return

from .observer import Due, Move, Rule, Rules, Silence, need, witness

__all__ = ["INCOMING", "IncomingState", "initial"]

FREE, INDICATED, PENDING = "free", "indicated", "pending"


class IncomingState(NamedTuple):
    """One explanation of what was seen of a context; ``buffer`` as ProcessPacket showed it.

    ``handlers`` are ProcessPacket activations that go on after their packet was given back;
    ``calls`` the callers of Complete and Fail that have not returned.
    """

    status: str = FREE
    activation: str = ""
    buffer: bytes = b""
    over: str = "completed"
    calls: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()


State = IncomingState


def initial() -> IncomingState:
    """The context is not in use."""
    return IncomingState()


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
    return s._replace(
        status=FREE, activation="", buffer=b"", over=over, calls=tuple(sorted((*s.calls, e.by)))
    )


def _returned(s: State, e: Event) -> State:
    assert isinstance(e, Return)
    calls = list(s.calls)
    calls.remove(e.by)
    return s._replace(calls=tuple(calls))


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
            witness("F255", lambda s, e: s.status == INDICATED),
            witness("F256", lambda s, e: s.status == PENDING),
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
    Rule("IN-failed", ("return", "VmbChannelPacketFail"), (), _returned, shows=("F264",)),
)

INCOMING = Rules(
    name="incoming",
    rules=_RULES,
    dues=(
        Due(
            "IN-due-return",
            "the return of PacketComplete or PacketFail",
            ("F255", "F256", "A82"),
            lambda s, q: bool(s.calls),
        ),
    ),
    silences=(Silence("IN-quiet-pending", ("F050",), lambda s, q: s.status == PENDING),),
    regions=(("incoming", _region),),
    idle=lambda s: s.status == FREE and not s.calls,
)
"""The rules of an incoming packet."""
