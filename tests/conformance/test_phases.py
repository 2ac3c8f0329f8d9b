"""What the other observers are told of an endpoint's phase: only what concerns each."""

from __future__ import annotations

from kmcl_conformance.phases import told_of
from kmcl_model.spec import Node, Shadow
from kmcl_model.spec.endpoint import PeerView, Phase
from kmcl_model.spec.flow import ReceiverView, SenderView
from kmcl_model.spec.packet import ChannelView

STARTED = Phase("open", "open", "started", stopping=False, leaving=False, over=False, told=False)
STARTING = STARTED._replace(run="starting")
PAUSED = STARTED._replace(run="paused")
DISABLED = Phase("away", "disabled", "paused", stopping=False, leaving=False, over=True, told=False)
LEAVING = Phase("leaving", "open", "started", stopping=True, leaving=True, over=False, told=False)


def node(*phases: Phase) -> Node:
    return Node(frozenset(), phases)


def test_a_started_endpoint_tells_each_listener_its_part() -> None:
    assert told_of("client", node(STARTED)) == (
        Shadow(
            "channel",
            "client",
            (ChannelView("open", False, "started", True, True, False, False, False, ""),),
        ),
        Shadow("sender", "client", (SenderView("open", True, False, True, False),)),
        Shadow("receiver", "client", (ReceiverView("started", "open", False),)),
        Shadow("stance", "client", ("enabled", False, "within")),
        Shadow("peer", "client", (PeerView("open", True),)),
    )


def test_the_peer_does_not_see_whether_the_other_end_is_paused() -> None:
    told = [told_of("server", node(phase)) for phase in (STARTED, STARTING, PAUSED)]
    assert len({t.peer for t in told}) == 1
    assert len({t.received for t in told}) == 3


def test_of_several_phases_each_listener_hears_the_cautious_view() -> None:
    told = told_of("client", node(DISABLED, LEAVING))
    assert told.packets.states == (
        ChannelView("open", False, "unknown", True, False, True, False, False, "disable"),
    )
    assert told.sent.states == (SenderView("open", True, True, False, False),)
    assert told.received.states == (ReceiverView("unknown", "unknown", True),)
    assert told.configuration.states == ("between", False, "between")
    assert told.peer.states == (PeerView("away", False), PeerView("leaving", True))


def test_what_was_told_once_is_kept_with_the_node() -> None:
    reached = node(STARTED)
    assert told_of("client", reached) is told_of("client", reached)
