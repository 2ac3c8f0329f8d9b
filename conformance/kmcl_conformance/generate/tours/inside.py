"""The calls that may be made inside callbacks, all of a kind in one handler (A147)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from kmcl_conformance.generate.expected import EXPECTED_ACTS, OBJECTS
from kmcl_conformance.generate.setup import SETTLE
from kmcl_model.api import POST_STARTED, PROCESS_PACKET, STARTED
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec.specification import peer_of
from kmcl_model.stimuli import HOLD, Act, Stimulus

from .steps import (
    DONE,
    SMALL,
    WAIT,
    Conversation,
    call,
    close,
    complete,
    configured,
    control,
    let_go,
    packet,
    react,
    reopen,
    send,
)

__all__ = ["CONVERSATIONS", "EXPECTED"]

_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "VmbPacketGetChannel": ("p0",),
    "VmbPacketGetPointer": ("p0",),
    "VmbPacketSetPointer": ("p0", 77),
    "VmbPacketSetCompletionRoutine": ("p0",),
    "VmbPacketFree": ("p1",),
    "VmbPacketAllocate": ("p2",),
    "VmbPacketInitialize": ("p3", "maximum+pointer"),
    "VmbPacketSend": ("p4", payload_bytes(Payload(9, SMALL)), WAIT),
    "VmbChannelSetTransactionQuota": (1,),
}
"""In the order in which a handler makes the calls; each has a packet object to itself."""


def _inside(callback: str, functions: frozenset[str], me: str) -> Iterator[Stimulus]:
    """One handler makes all calls of a kind that may be made in it; then all goes on as usual."""
    peer = peer_of(me)
    yield from configured()
    for name in ("p0", "p1", "p4", "p5"):
        yield from packet(me, name)
    for name in ("p5", "p6"):
        yield from packet(peer, name)
    acts = [Act(f, a) for f, a in _ARGUMENTS.items() if f in functions]
    yield react(me, callback, *acts, *((DONE,) if callback == PROCESS_PACKET else ()))
    yield react(peer, PROCESS_PACKET, DONE, sticky=True)
    yield from reopen()
    yield send(me, "p5", 1)
    yield send(peer, "p5", 2)
    yield SETTLE
    yield send(peer, "p6", 3)
    yield SETTLE
    for context in ("c0", "c1", "c0"):
        yield complete(me, context)
        yield SETTLE
    yield control(me, "Pause", "t1")
    yield SETTLE
    yield control(me, "Start")
    yield SETTLE
    yield call(me, "VmbPacketGetPointer", "p0")
    yield from close()
    yield from reopen()
    yield send(me, "p0", 4)
    yield send(peer, "p5", 5)
    yield send(peer, "p6", 6)
    yield SETTLE
    for context in ("c0", "c1", "c0"):
        yield complete(me, context)
        yield SETTLE
    yield from close()


def _waits_in_post_started(me: str) -> Iterator[Stimulus]:
    """A handler of PostStarted sends, and returns when the answer has come."""
    peer = peer_of(me)
    yield from configured()
    yield from packet(me, "p0")
    yield react(
        me, POST_STARTED, Act("VmbPacketSend", ("p0", payload_bytes(Payload(1, SMALL)), WAIT)), HOLD
    )
    yield react(peer, PROCESS_PACKET, DONE)
    yield from reopen()
    yield let_go(me, "PostStarted")
    yield SETTLE
    yield from close()


CONVERSATIONS: tuple[tuple[str, Conversation], ...] = (
    *(
        (f"calls in {callback}", partial(_inside, callback, OBJECTS))
        for callback in (STARTED, POST_STARTED)
    ),
    ("waits in PostStarted", _waits_in_post_started),
)

EXPECTED: tuple[tuple[str, Conversation], ...] = tuple(
    (f"calls expected to work in {callback}", partial(_inside, callback, functions))
    for callback, functions in EXPECTED_ACTS.items()
)
