"""What an accepted silence tells of an endpoint: occasions that have passed, and readings."""

from __future__ import annotations

from kmcl_model import api
from kmcl_model.spec.observer import Quiet

from .activity import literal_started
from .places import must_close, stuck
from .state import (
    ACTIVE,
    DISABLED,
    ENABLED,
    OPEN,
    PAUSED,
    REJECTED,
    STARTED,
    SUSPENDED,
    EndpointState,
    PendingCall,
    assume,
    busy,
    disabling,
    pausing,
    pending,
)

__all__ = ["settle"]


def settle(s: EndpointState, q: Quiet) -> EndpointState:
    """Nothing is on its way any more, so an occasion that has passed is gone."""
    s = s._replace(
        lately=s.lately and busy(s),
        cut_short=s.cut_short and busy(s),
        lingers=s.lingers and "waiting" in q.facts,
    )
    if s.peer == "away" and s.connection in (ENABLED, DISABLED, REJECTED):
        s = s._replace(invited=0)
    return _note_activity(_note_connection(s), q)


def _note_connection(s: EndpointState) -> EndpointState:
    """What it shows that the channel is not open, or not yet closed."""
    if s.connection == ENABLED and s.endpoint == "client" and s.peer == "away":
        return assume(s, "A31:R2") if PendingCall("VmbChannelEnable", False) in s.calls else s
    if s.connection == ENABLED and s.failed and s.peer == "rejected" and not s.others:
        return assume(s, "A46:R3") if s.hears and not s.told else s
    if s.connection == REJECTED and s.endpoint == "server" and s.peer == "ready" and s.invited:
        return s if disabling(s) or busy(s) else assume(s, "A44:R3")
    if s.connection == OPEN and s.run == SUSPENDED and s.outstanding and must_close(s):
        # Where much is open already, one more label would double what there is to follow.
        return s if busy(s) or s.assumed else assume(s, "A62:R1")
    return s


def _note_activity(s: EndpointState, q: Quiet) -> EndpointState:
    """What it shows that a call has not returned, or that a handler was not called."""
    pauses = pending(s, "VmbChannelPause")
    if pauses and pending(s, "VmbChannelStart"):
        s = assume(s, "A148/start-during-pause:R3")
    if pauses and "waiting" in q.facts and not stuck(s) and s.run == PAUSED:
        s = assume(s, "A64:R2")
    if s.lingers and s.run == PAUSED and s.want == ACTIVE:
        s = assume(s, "A64:R2")
    alone = bool(s.post_running) and not (s.indicated or s.others)
    if alone and s.run == STARTED and (pausing(s) or must_close(s)):
        s = assume(s, "A56/close-meanwhile:R1")
    if literal_started(s) and not s.ran and api.STARTED in s.handlers:
        s = assume(s, "A53:R2")
    return s
