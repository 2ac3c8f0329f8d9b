"""Flow control: quota, batches, full rings.

``me`` sends, the other end receives; every conversation is held once from each end.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmcl_conformance.generate.setup import SETTLE
from kmcl_model.api import PROCESS_PACKET, PROCESSING_COMPLETE
from kmcl_model.spec.specification import peer_of
from kmcl_model.stimuli import Act, Stimulus

from .steps import (
    BIG,
    FAIL,
    ODD,
    SMALL,
    WAIT,
    Conversation,
    close,
    complete,
    control,
    fill,
    packet,
    quota,
    react,
    reopen,
    running,
    send,
    sends,
)

__all__ = ["CONVERSATIONS"]


def _quota_raised(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from running()
    yield quota(peer, 1)
    yield from sends(me, 4)
    yield SETTLE
    yield quota(peer, 3)
    yield SETTLE
    yield complete(peer, "c0", ODD)
    yield SETTLE
    yield complete(peer, "c0")
    yield complete(peer, "c1", SMALL)
    yield SETTLE
    yield from close()


def _quota_lowered(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from running()
    yield quota(peer, 3)
    yield from sends(me, 4)
    yield SETTLE
    yield quota(peer, 1)
    for context in ("c1", "c0", "c2"):
        yield complete(peer, context)
        yield SETTLE
    yield complete(peer, "c0")
    yield SETTLE
    yield from close()


def _quota_one_by_one(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from running()
    yield quota(peer, 2)
    yield from sends(me, 4)
    yield SETTLE
    for context in ("c0", "c1", "c0", "c1"):
        yield complete(peer, context, ODD)
        yield SETTLE
    yield from close()


def _quota_over_sessions(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from running()
    yield quota(peer, 1)
    yield from sends(me, 3)
    yield SETTLE
    yield control("client", "Disable")
    yield SETTLE
    yield complete(peer, "c0")
    yield SETTLE
    yield quota(peer, 1)
    yield control("client", "Enable")
    yield SETTLE
    yield send(me, "p0", 4)
    yield SETTLE
    yield complete(peer, "c0")
    yield SETTLE
    yield send(me, "p1", 5)
    yield SETTLE
    yield complete(peer, "c0")
    yield SETTLE
    yield from close()


def _blocked_over_pause(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from running()
    yield quota(peer, 2)
    yield from sends(me, 4)
    yield SETTLE
    yield control(peer, "Pause", "t1")
    yield SETTLE
    yield complete(peer, "c1")
    yield SETTLE
    yield complete(peer, "c0")
    yield SETTLE
    yield control(peer, "Start")
    yield SETTLE
    yield complete(peer, "c0")
    yield complete(peer, "c1")
    yield SETTLE
    yield from close()


def _full_ring(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from running()
    yield control(peer, "Pause")
    yield SETTLE
    for flags in (WAIT, 0):
        for i in range(4):
            if flags:
                yield from packet(me, f"p{i}")
            yield send(me, f"p{i}", i if flags else i + 4, BIG, flags)
        yield SETTLE
        yield control(peer, "Start")
        yield SETTLE
        for i in range(4):
            yield complete(peer, f"c{i}", SMALL)
        yield SETTLE
        for i in range(4):
            yield complete(peer, f"c{i}", SMALL)
        yield SETTLE
        yield control(peer, "Pause")
        yield SETTLE
    yield from close()


def _full_ring_of_answers(me: str) -> Iterator[Stimulus]:
    """The ring towards the sender is full when its packets are completed."""
    peer = peer_of(me)
    yield from running()
    yield from sends(me, 2)
    yield SETTLE
    yield from fill(peer)
    yield complete(peer, "c0", 200)
    yield complete(peer, "c1", 203)
    yield SETTLE
    for _ in range(5):
        yield complete(me, "c0")
        yield SETTLE
    yield from close()


def _batches(me: str) -> Iterator[Stimulus]:
    """A batch cut by the quota, by a pause and by a packet completed in ProcessingComplete."""
    peer = peer_of(me)
    yield from running()
    yield quota(peer, 2)
    yield react(peer, PROCESSING_COMPLETE, Act("VmbChannelPacketComplete", ("c0", None, None)))
    yield from sends(me, 4, flags=0)
    yield SETTLE
    yield control(peer, "Pause", "t1")
    yield SETTLE
    for context in ("c0", "c1", "c0", "c1"):
        yield complete(peer, context)
        yield SETTLE
    yield control(peer, "Start")
    yield SETTLE
    for context in ("c0", "c1", "c0", "c1"):
        yield complete(peer, context)
        yield SETTLE
    yield from close()


def _failed_for_good(me: str) -> Iterator[Stimulus]:
    """After a failed packet neither a completion nor a new quota starts the queue again."""
    peer = peer_of(me)
    yield from running()
    yield quota(peer, 2)
    yield from sends(me, 1)
    yield SETTLE
    yield react(peer, PROCESS_PACKET, FAIL)
    yield from sends(me, 3, first=1)
    yield SETTLE
    yield quota(peer, 8)
    yield SETTLE
    yield complete(peer, "c0", SMALL)
    yield SETTLE
    yield quota(peer, 1)
    yield SETTLE
    yield from close("client")
    yield from reopen()
    yield send(me, "p0", 4)
    yield SETTLE
    yield complete(peer, "c0", SMALL)
    yield SETTLE
    yield from close()


def _failed_at_quota_one(me: str) -> Iterator[Stimulus]:
    """A failed packet is outstanding no more: the next session has the whole quota."""
    peer = peer_of(me)
    yield from running()
    yield quota(peer, 1)
    yield from packet(me, "p1")
    yield from packet(me, "p0")
    for tag in (0, 2):
        yield react(peer, PROCESS_PACKET, FAIL)
        yield send(me, "p0", tag)
        yield SETTLE
        yield from close("client")
        yield quota(peer, 1)
        yield from reopen()
        yield send(me, "p1", tag + 1)
        yield SETTLE
        yield complete(peer, "c0")
        yield SETTLE
    yield from close()


CONVERSATIONS: tuple[tuple[str, Conversation], ...] = (
    ("quota raised", _quota_raised),
    ("quota lowered", _quota_lowered),
    ("quota one by one", _quota_one_by_one),
    ("quota over sessions", _quota_over_sessions),
    ("blocked over a pause", _blocked_over_pause),
    ("full ring", _full_ring),
    ("full ring of answers", _full_ring_of_answers),
    ("batches", _batches),
    ("failed for good", _failed_for_good),
    ("failed at a quota of one", _failed_at_quota_one),
)
