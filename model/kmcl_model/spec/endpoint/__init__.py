"""The endpoint: connection and activity of one end of a channel.

Two orthogonal regions (A04). *Connection*: disabled, enabled, opening, open, closing.
*Activity*: paused, starting, started, suspended. The states of the header are
configurations of both: started is open and started; suspended is open and suspended; paused
is open, drained and not active.
"""

from __future__ import annotations

from kmcl_model.spec.observer import Hidden, Rules

from . import activity, connection, opening, packets, peer, settling, silence
from .peer import PeerView
from .state import (
    EndpointState,
    PendingCall,
    Phase,
    activity_region,
    connection_region,
    initial,
    phase,
)

__all__ = [
    "ENDPOINT",
    "EndpointState",
    "PeerView",
    "PendingCall",
    "Phase",
    "initial",
    "phase",
]

_RULES = (
    *connection.RULES,
    *opening.RULES,
    *activity.RULES,
    *packets.RULES,
    *peer.RULES,
)

ENDPOINT = Rules(
    name="endpoint",
    rules=_RULES,
    hidden=(
        Hidden("EP-effect", silence.take_effect),
        silence.unregistered(_RULES),
        Hidden("EP-peer-unseen", peer.unseen),
    ),
    dues=silence.DUES,
    silences=silence.SILENCES,
    settle=settling.settle,
    regions=(("connection", connection_region), ("activity", activity_region)),
    summary=phase,
)
"""The rules of an endpoint, both roles."""
