"""The channel, as far as a packet is concerned: its phase and its limits."""

from __future__ import annotations

from typing import Any

from kmcl_model.spec.observer import Rule, Shadow, need

from .state import FLYING, PacketState

__all__ = ["RULES"]


def _ending(s: PacketState, phases: Any) -> str:
    """What ends the session; a client's channel is disabled by every close."""
    stances = {p.stance for p in phases}
    if stances <= {"leaving", "away", "rejected"}:
        return "disable"
    if all(p.stance == "closing" or (p.stance == "open" and p.leaving) for p in phases):
        return "remote-close" if s.endpoint == "server" else "disable"
    return s.ending if stances <= {"ready", "opening"} else ""


def _hear(s: PacketState, e: Shadow) -> PacketState:
    """The channel as its phase shows it; of several possible phases, the cautious view."""
    phases: Any = e.states
    opened = any(p.connection == "open" for p in phases)
    leaving = any(
        p.leaving or p.connection in ("disabled", "closing", "rejected", "crashed", "none")
        for p in phases
    )
    ended = leaving or (s.connection == "open" and not opened)
    return s._replace(
        connection=phases[0].connection if len(phases) == 1 else "open" if opened else "enabled",
        offered=all(p.stance in ("ready", "closing") for p in phases),
        run=phases[0].run if len(phases) == 1 else "unknown",
        can_place=opened,
        enabled=all(
            p.connection not in ("disabled", "none", "crashed", "rejected") for p in phases
        ),
        leaving=leaving,
        cancel=ended or s.cancel,
        over=all(p.over for p in phases),
        ending=_ending(s, phases),
        rested=s.rested and all(p.run == "paused" for p in phases),
    )


RULES = (
    Rule(
        "PK-phase",
        ("phase", ""),
        (
            need(
                "every packet that was sent has ended when Disable returns",
                "F132 F181 A92",
                lambda s, e: (
                    not (
                        s.status == FLYING
                        and s.placed
                        and not s.over
                        and all(p.over for p in e.states)
                    )
                ),
            ),
        ),
        _hear,
    ),
    Rule("PK-limits", ("limits", ""), (), lambda s, e: s._replace(maximum=e.states[0].maximum)),
)
