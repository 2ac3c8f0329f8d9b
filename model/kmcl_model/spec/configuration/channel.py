"""The rest of a configured channel: its pointer, the size of its packets, its phase."""

from __future__ import annotations

from typing import Any

from kmcl_model.spec.endpoint import Phase
from kmcl_model.spec.observer import Rule, Shadow, need

from .state import ConfigurationState, begin, end, initial

__all__ = ["RULES", "span_of", "stance_of"]

POINTER_SIZE = 8
"""Bytes of a pointer."""


def stance_of(phases: tuple[Phase, ...]) -> str:
    """Whether the channel is enabled, disabled, or ``between`` for all that is known; ``told``: its
    PnpFailure has said that connecting failed, which may have disabled it (A52)."""
    if all(p.told for p in phases):
        return "told"
    apart = [p.connection in ("none", "disabled") for p in phases]
    if any(p.leaving or p.connection == "rejected" for p in phases) or any(apart) > all(apart):
        return "between"
    return "disabled" if all(apart) else "enabled"


def span_of(phases: tuple[Phase, ...]) -> str:
    """Whether the channel is between the calls of Opened and Closed, both included (F334)."""
    inside = [p.connection in ("opening", "open", "closing") for p in phases]
    return "within" if all(inside) else "between" if any(inside) else "outside"


def _hear(s: ConfigurationState, e: Shadow) -> ConfigurationState:
    """A call during which the stance changes is held to neither."""
    stance: Any = e.states[0]
    returned: Any = e.states[1]
    span: Any = e.states[2]
    calls = tuple(
        (*c[:3], c[3] if c[3] == stance else "between", c[4] if c[4] == span else "between")
        for c in s.calls
    )
    after = s._replace(stance=stance, returned=returned, span=span, calls=calls)
    if span == "within":
        return after
    return after._replace(latency=None, before=None)


def _got_pointer(s: ConfigurationState, e: Any) -> ConfigurationState:
    """The pointer of a channel that was never given one is null, or anything (A120)."""
    after = end(s, e)
    if s.pointer is not None:
        return after
    return after._replace(assumed=(f"A120/channel-never-set:{'R2' if e.outputs[0] else 'R1'}",))


RULES = (
    Rule(
        "CF-set-pointer",
        ("call", "VmbChannelSetPointer"),
        (),
        lambda s, e: begin(s, e)._replace(pointer=e.arguments[0]),
    ),
    Rule("CF-pointer-set", ("return", "VmbChannelSetPointer"), (), end),
    Rule("CF-get-pointer", ("call", "VmbChannelGetPointer"), (), begin),
    Rule(
        "CF-got-pointer",
        ("return", "VmbChannelGetPointer"),
        (
            need(
                "the channel keeps the pointer it was given",
                "F196 F197 F337",
                lambda s, e: e.outputs[0] == s.pointer or s.pointer is None,
            ),
        ),
        _got_pointer,
    ),
    Rule("CF-sizeof", ("call", "VmbChannelSizeofPacket"), (), begin),
    Rule(
        "CF-sized",
        ("return", "VmbChannelSizeofPacket"),
        (
            need(
                "a packet takes more than a maximal packet and a pointer",
                "F344 A115",
                lambda s, e: e.outputs[0] > s.maximum + POINTER_SIZE,
            ),
        ),
        end,
    ),
    Rule("CF-stance", ("stance", ""), (), _hear),
    Rule("CF-cleaned", ("return", "VmbChannelCleanup"), (), lambda s, e: initial(s.endpoint)),
)
