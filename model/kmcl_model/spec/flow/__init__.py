"""The flow of one direction: which packet may be delivered next, and when it must be.

The sender's calls put entries into a queue; ProcessPacket at the receiver takes them off, in order
(A70, A104). Whether an entry waits at the sender or lies in the ring is hidden; what matters is
told by marks on the entry.
"""

from __future__ import annotations

from kmcl_model.spec.observer import Rules

from . import delivery, ends, quota, sending, silence
from .ends import ReceiverView, SenderView
from .state import LARGE, Entry, FlowState, has_room, initial

__all__ = ["FLOW", "LARGE", "Entry", "FlowState", "ReceiverView", "SenderView", "initial"]

FLOW = Rules(
    name="flow",
    rules=(*sending.RULES, *delivery.RULES, *quota.RULES, *ends.RULES),
    dues=silence.DUES,
    silences=silence.SILENCES,
    settle=silence.settle,
    summary=lambda s: (
        has_room(s),
        bool(s.entries),
        bool(s.stopped),
        0 < max(1, s.quota) <= s.outstanding,
        bool(s.blocked),
        bool(s.entries or s.outstanding or s.stopped),
    ),
)
"""The rules of one direction."""
