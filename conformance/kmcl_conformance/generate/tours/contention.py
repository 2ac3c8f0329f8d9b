"""Control calls from several threads at the same time (A148), or right after a callback (A49).

``me`` sends, the other end receives; every conversation is held once from each end.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmcl_conformance.generate.setup import SETTLE
from kmcl_model.api import CLOSED, PROCESS_PACKET, SUSPEND
from kmcl_model.spec.specification import peer_of
from kmcl_model.stimuli import HOLD, Stimulus

from .steps import (
    Conversation,
    close,
    complete,
    control,
    let_go,
    packet,
    react,
    reopen,
    running,
    send,
)

__all__ = ["CONVERSATIONS"]


def _start_while_pausing(me: str) -> Iterator[Stimulus]:
    """Start from another thread while Pause waits for a handler, for Suspend and for a packet."""
    peer = peer_of(me)
    yield from running()
    yield from packet(me, "p0")
    for tag, (callback, held) in enumerate(
        ((PROCESS_PACKET, "ProcessPacket"), (SUSPEND, "Suspend"), (None, ""))
    ):
        if callback is not None:
            yield react(peer, callback, HOLD)
        yield send(me, "p0", tag)
        yield SETTLE
        yield control(peer, "Pause", "t1")
        yield SETTLE
        yield control(peer, "Start", "t2")
        yield SETTLE
        yield let_go(peer, held)
        yield SETTLE
        yield complete(peer, "c0")
        yield SETTLE
        yield control(peer, "Start")
        yield SETTLE
    yield send(me, "p0", 3)
    yield SETTLE
    yield complete(peer, "c0")
    yield from close()


def _enable_just_after_closed(me: str) -> Iterator[Stimulus]:
    """Another thread enables the client as soon as Closed has returned; the server offers anew,
    before that or after."""
    peer = peer_of(me)
    yield from running()
    yield from packet(me, "p0")
    for tag, offered in enumerate((True, False)):
        yield react("client", CLOSED, HOLD)
        yield from close("server")
        if offered:
            yield control("server", "Enable")
            yield control("server", "Start")
        yield let_go("client", "Closed")
        yield control("client", "Enable", "t2")
        yield SETTLE
        yield from reopen()
        yield send(me, "p0", tag)
        yield SETTLE
        yield complete(peer, "c0")
        yield SETTLE
    yield from close()


def _reopened_without_rest(me: str) -> Iterator[Stimulus]:
    """A packet is on its way while the client closes and opens again; then another is sent."""
    yield from running()
    yield from packet(me, "p0")
    yield SETTLE
    yield send(me, "p0", 1, flags=0)
    yield control("client", "Disable")
    yield control("client", "Enable")
    yield control("server", "Start")
    yield SETTLE
    yield send(me, "p0", 2, flags=0)
    yield SETTLE


CONVERSATIONS: tuple[tuple[str, Conversation], ...] = (
    ("start while pausing", _start_while_pausing),
    ("reopened without rest", _reopened_without_rest),
    ("enable just after closed", _enable_just_after_closed),
)
