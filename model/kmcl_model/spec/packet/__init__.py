"""The outgoing packet: one packet object and the transaction it carries.

A packet object is idle, or it is in flight: a send was accepted and its completion routine has
not run. Whether a packet in flight is still queued or already in the ring is hidden;
``placed`` guesses it, and what is seen later keeps the guesses that were right.
"""

from __future__ import annotations

from kmcl_model.spec.observer import Hidden, Move, Rules

from . import channel, objects, silence, transaction
from .channel import ChannelView
from .state import FLYING, SENDING, PacketState, initial, region
from .transaction import WAIT_FOR_COMPLETION

__all__ = ["PACKET", "WAIT_FOR_COMPLETION", "ChannelView", "PacketState", "initial"]

PACKET = Rules(
    name="packet",
    rules=(*objects.RULES, *transaction.RULES, *channel.RULES),
    hidden=(
        Hidden("PK-place", silence.place, (Move("packet", "queued", "in ring"),)),
        Hidden("PK-receive-unseen", silence.receive_unseen),
    ),
    dues=silence.DUES,
    silences=silence.SILENCES,
    settle=silence.settle,
    regions=(("packet", region),),
    idle=lambda s: s.status in ("none", "idle") and not (s.calls or s.finished),
    summary=lambda s: s.status in (SENDING, FLYING) and s.wait,
)
"""The rules of an outgoing packet."""
