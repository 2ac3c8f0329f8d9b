"""The two ends: what their phases and limits mean to the messages on their way."""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model.spec.endpoint import Phase
from kmcl_model.spec.observer import Rule, Shadow

from .state import Entry, FlowState, assume

__all__ = ["RULES", "ReceiverView", "SenderView"]


class SenderView(NamedTuple):
    """What matters of the sender: its connection, whether it may be open, whether its session may
    be ending, whether it surely runs, and whether its Started does."""

    sending: str
    opened: bool
    ending: bool
    running: bool
    starting: bool

    @classmethod
    def of(cls, phases: tuple[Phase, ...]) -> SenderView:
        """Of all the phases that the sender may be in."""
        opened = any(p.connection == "open" for p in phases)
        return cls(
            phases[0].connection if len(phases) == 1 else "open" if opened else "enabled",
            opened,
            any(p.leaving or p.connection in ("disabled", "rejected", "closing") for p in phases),
            all(p.connection == "open" and p.run in ("starting", "started") for p in phases),
            all(p.connection == "open" and p.run == "starting" for p in phases),
        )


class ReceiverView(NamedTuple):
    """What matters of the receiver. Where a hidden step may lie between, it is what is common to
    all phases; the rest is unknown."""

    run: str
    connection: str
    stopping: bool

    @classmethod
    def of(cls, phases: tuple[Phase, ...]) -> ReceiverView:
        """Of all the phases that the receiver may be in."""
        runs = {p.run for p in phases}
        connections = {p.connection for p in phases}
        return cls(
            runs.pop() if len(runs) == 1 else "unknown",
            connections.pop() if len(connections) == 1 else "unknown",
            any(p.stopping for p in phases),
        )


def _hear_sender(s: FlowState, e: Shadow) -> FlowState:
    view: Any = e.states[0]
    entries = s.entries
    if view.ending:
        entries = tuple(x._replace(optional=True) if x.silent else x for x in entries)
    if view.opened and not s.send_open:
        entries = tuple(x._replace(launched=True, sure=False) for x in entries if not x.over)
    elif s.send_open and not view.opened:
        entries = tuple(x._replace(optional=True) if x.launched else x for x in entries)
    return s._replace(
        sending=view.sending,
        send_open=view.opened,
        ending=view.ending,
        send_running=view.running,
        send_starting=view.starting,
        entries=entries,
        closed=s.closed or (s.send_open and not view.opened),
    )


def _hear_receiver(s: FlowState, e: Shadow) -> list[FlowState]:
    view: Any = e.states[0]
    run, connection, stopping = view
    after = s._replace(
        run=run,
        connection=connection,
        stopping=stopping,
        doubtful=bool(s.stopped) and (s.doubtful or connection == "unknown"),
    )
    if s.alone and connection not in ("opening", "open", "unknown"):
        after = after._replace(entries=())  # a host has its answers in the ring, which is gone
    if connection == "none":
        # A new channel has no quota, and has delivered nothing.
        after = after._replace(quota=0, quota_calls=(), blocked=0, served=False)
    if s.connection == "open" and connection not in ("open", "unknown"):
        after = after._replace(
            entries=() if s.alone else _left_behind(s),
            stopped=0,
            broken=0,
            doubtful=False,
            blocked=0,
            woken=False,
            batch=0,
        )
    if _has_closed(s, connection):
        return [one for told in _forgotten(after) for one in _started_anew(s, told)]
    return _started_anew(s, after)


def _has_closed(s: FlowState, connection: str) -> bool:
    """The session is over, or may have ended and begun anew where nobody saw it."""
    if s.connection == "open":
        return connection not in ("open", "unknown")
    return s.connection == "unknown" != connection and s.stopping


def _forgotten(s: FlowState) -> list[FlowState]:
    """What a close may have made of the quota (A87). One that is being set may have come before."""
    found = [s]
    if s.quota:
        found.append(assume(s._replace(quota=0, blocked=0), "A87/lifetime:R2"))
    if any(value for _, value in s.quota_calls):
        lost = tuple((by, 0) for by, _ in s.quota_calls)
        found.append(assume(s._replace(quota=0, quota_calls=lost, blocked=0), "A87/lifetime:R2"))
    return found


def _started_anew(s: FlowState, after: FlowState) -> list[FlowState]:
    """A queue that runs again, and what it does with a batch that it had not reported (A75)."""
    if after.run == "started" and s.run != "started":
        after = after._replace(
            blocked=int(0 < after.quota <= s.outstanding), stopped=min(after.stopped, 1)
        )
        found = [after]
        if after.stopped and s.doubtful:
            # Perhaps it was closed and opened again in the meantime, and nothing stops it.
            found = [after._replace(doubtful=False, stopped=n) for n in (after.stopped, 0)]
        if after.batch:
            found += [assume(one._replace(batch=0), "A75:R2") for one in found]
        return found
    return [after]


def _left_behind(s: FlowState) -> tuple[Entry, ...]:
    """What is on its way when the session ends."""
    return tuple(
        x._replace(optional=True, launched=s.sending == "open", sure=False) if x.launched else x
        for x in s.entries
        if not x.over
    )


RULES = (
    Rule("FL-sender", ("sender", ""), (), _hear_sender),
    Rule("FL-receiver", ("receiver", ""), (), _hear_receiver),
    Rule(
        "FL-limits",
        ("limits", ""),
        (),
        lambda s, e: (
            s._replace(maximum=e.states[0].maximum, reports=e.states[0].reports)
            if e.about == s.receiver
            else s
        ),
    ),
)
