"""The channel, as far as a packet is concerned: its phase and its limits."""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model.spec.endpoint import Phase
from kmcl_model.spec.observer import Rule, Shadow, need

from .state import FLYING, PacketState

__all__ = ["RULES", "ChannelView"]


class ChannelView(NamedTuple):
    """What matters of the channel: the cautious view where it may be in several phases.

    ``ending`` is what ends the session: ``disable``, ``close``, empty if that is not sure, or
    ``before`` where none is ending and what ended the last one still stands.
    """

    connection: str
    offered: bool
    run: str
    opened: bool
    enabled: bool
    leaving: bool
    over: bool
    rested: bool
    ending: str

    @classmethod
    def of(cls, phases: tuple[Phase, ...]) -> ChannelView:
        """Of all the phases that the endpoint may be in."""
        opened = any(p.connection == "open" for p in phases)
        return cls(
            connection=phases[0].connection
            if len(phases) == 1
            else "open"
            if opened
            else "enabled",
            offered=all(p.stance in ("ready", "closing") for p in phases),
            run=phases[0].run if len(phases) == 1 else "unknown",
            opened=opened,
            enabled=all(
                p.connection not in ("disabled", "none", "crashed", "rejected") for p in phases
            ),
            leaving=any(
                p.leaving or p.connection in ("disabled", "closing", "rejected", "crashed", "none")
                for p in phases
            ),
            over=all(p.over for p in phases),
            rested=all(p.run == "paused" for p in phases),
            ending=_ending(phases),
        )


def _ending(phases: tuple[Phase, ...]) -> str:
    stances = {p.stance for p in phases}
    if stances <= {"leaving", "away", "rejected"}:
        return "disable"
    if all(p.stance == "closing" or (p.stance == "open" and p.leaving) for p in phases):
        return "close"
    return "before" if stances <= {"ready", "opening"} else ""


def _ended_by(s: PacketState, ending: str) -> str:
    """A client's channel is disabled by every close."""
    if ending == "close":
        return "remote-close" if s.endpoint == "server" else "disable"
    return s.ending if ending == "before" else ending


def _hear(s: PacketState, e: Shadow) -> PacketState:
    """The channel as its phase shows it."""
    view: Any = e.states[0]
    ended = view.leaving or (s.connection == "open" and not view.opened)
    return s._replace(
        connection=view.connection,
        offered=view.offered,
        run=view.run,
        can_place=view.opened,
        enabled=view.enabled,
        leaving=view.leaving,
        cancel=ended or s.cancel,
        over=view.over,
        ending=_ended_by(s, view.ending),
        rested=s.rested and view.rested,
    )


def _passed(s: PacketState, _e: Shadow) -> PacketState:
    """Packets do not overtake each other in the queue: this one has left it."""
    return s._replace(placed=True) if s.status == FLYING and s.connection == "open" else s


RULES = (
    Rule(
        "PK-channel",
        ("channel", ""),
        (
            need(
                "every packet that was sent has ended when Disable returns",
                "F132 F181 A92",
                lambda s, e: (
                    not (s.status == FLYING and s.placed and not s.over and e.states[0].over)
                ),
            ),
        ),
        _hear,
    ),
    # Told only where the other end is not observed: a packet that was sent later has come through.
    Rule("PK-passed", ("passed", ""), (), _passed),
    Rule("PK-limits", ("limits", ""), (), lambda s, e: s._replace(maximum=e.states[0].maximum)),
)
