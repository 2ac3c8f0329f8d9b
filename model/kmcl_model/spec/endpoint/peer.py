"""The other end: what its phases mean to this one, and the failure to connect to it."""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model import api
from kmcl_model.spec.observer import Rule, Shadow, need
from kmcl_model.status import is_success

from .state import ENABLED, OPEN, OPENING, REJECTED, STEADY, EndpointState, Phase, assume

__all__ = ["RULES", "PeerView", "unseen"]


class PeerView(NamedTuple):
    """What matters of the other end: its connection as this end may know it, and whether it is
    open for itself, so that it has accepted."""

    stance: str
    opened: bool

    @classmethod
    def each(cls, phases: tuple[Phase, ...]) -> tuple[PeerView, ...]:
        """Of all the phases that the other end may be in: all views, in fixed order."""
        return tuple(sorted({cls(p.stance, p.connection == OPEN) for p in phases}))


def _hear(s: EndpointState, e: Shadow) -> list[EndpointState]:
    """One explanation for each view of the peer."""
    views: Any = e.states
    return [_hear_one(s, view) for view in views]


def _hear_one(s: EndpointState, other: PeerView) -> EndpointState:
    now = other.stance
    before, s = s.peer, s._replace(peer=now, offered=s.offered or now != "away")
    in_session = s.connection in (OPENING, OPEN)
    # A peer that is leaving already may still have accepted: its Disable takes effect later.
    if other.opened and s.connection in (ENABLED, OPENING, OPEN):
        s = s._replace(accepted=True)
    if now == "rejected" and s.connection == ENABLED:
        return s._replace(failed=True)
    if now in ("away", "rejected") and in_session:
        return s._replace(cause=2)
    if now == "leaving" and in_session:
        return s._replace(cause=max(s.cause, 1))
    if s.endpoint == "server":
        if now == "ready" and before in ("away", "leaving"):
            return s._replace(invited=min(2, s.invited + 1))
    elif s.connection == ENABLED and now in ("ready", "opening", "open", "closing"):
        return s._replace(invited=1)
    return s


def unseen(s: EndpointState) -> list[EndpointState]:
    """What a peer that is not observed may do: be there, accept the open, end the session."""
    if not s.alone or s.peer == STEADY:
        return []
    after = []
    if s.connection in (ENABLED, REJECTED) and not s.invited:
        after.append(s._replace(invited=1))
    if s.connection in (ENABLED, OPENING, OPEN) and not s.accepted:
        after.append(s._replace(accepted=True))
    if s.connection in (OPENING, OPEN) and not s.cause:
        after.append(s._replace(cause=1))
    return after


_FAILURE = (
    Rule(
        "EP-pnp-failure",
        ("enter", api.PNP_FAILURE),
        (
            need(
                "a connect failure concerns a client that waits for an offer it has found",
                "F027",
                lambda s, e: (
                    s.endpoint == "client"
                    and s.connection in (ENABLED, REJECTED)
                    and (s.invited > 0 or s.peer not in ("away", "leaving"))
                ),
            ),
            need(
                "a host that accepts whoever opens gives no cause for a failure",
                "F027",
                lambda s, e: s.peer != STEADY,
            ),
            need(
                "a connect failure has a failure status",
                "F027 A52",
                lambda s, e: not is_success(e.arguments[1]),
            ),
        ),
        lambda s, e: assume(s._replace(others=s.others + 1, told=True), "A46:R1"),
    ),
    Rule(
        "EP-pnp-failure-exit",
        ("exit", api.PNP_FAILURE),
        (),
        lambda s, e: s._replace(others=s.others - 1),
    ),
)

_PEER = (Rule("EP-peer", ("peer", ""), (), _hear),)

RULES = (*_FAILURE, *_PEER)
