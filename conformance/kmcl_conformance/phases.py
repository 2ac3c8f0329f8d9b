"""What the other observers are told of an endpoint's phase: each only what concerns it.

So situations that look alike to an observer are the same event to it, and its automaton stays
small.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model.spec import Node, Shadow
from kmcl_model.spec.configuration import span_of, stance_of
from kmcl_model.spec.endpoint import PeerView
from kmcl_model.spec.flow import ReceiverView, SenderView
from kmcl_model.spec.packet import ChannelView

__all__ = ["Told", "told_of"]


class Told(NamedTuple):
    """One derived event for each kind of listener: the endpoint's packets, the flows that it
    sends and receives, its configuration, and its peer."""

    packets: Shadow
    sent: Shadow
    received: Shadow
    configuration: Shadow
    peer: Shadow


def told_of(name: str, node: Node) -> Told:
    """What is told while the endpoint ``name`` has reached ``node``; kept with the node."""
    told: Told | None = node.notes.get("told")
    if told is None:
        phases: Any = node.summary
        told = node.notes["told"] = Told(
            Shadow("channel", name, (ChannelView.of(phases),)),
            Shadow("sender", name, (SenderView.of(phases),)),
            Shadow("receiver", name, (ReceiverView.of(phases),)),
            Shadow(
                "stance",
                name,
                (stance_of(phases), all(p.over for p in phases), span_of(phases)),
            ),
            Shadow("peer", name, PeerView.each(phases)),
        )
    return told
