"""What the world does to signals: they come late, one for many, to a ring that is masked.

Every conversation is held once with each end as ``me``, to which the signals come.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmcl_conformance.generate.setup import RUNS, SETTLE
from kmcl_model.spec.specification import peer_of
from kmcl_model.stimuli import Stimulus

from .steps import (
    BIG,
    ODD,
    SMALL,
    Conversation,
    answered,
    close,
    complete,
    fill,
    happens,
    running,
    send,
    sends,
)

__all__ = ["CONVERSATIONS"]

MOMENT = RUNS[:1] * 6
"""A few steps of whatever could take one."""


def _packets_and_answers(fault: str) -> Conversation:
    """Signals of packets to one end and of answers to its own, when nothing else wakes it."""

    def conversation(me: str) -> Iterator[Stimulus]:
        peer = peer_of(me)
        yield from running()
        yield happens(me, fault)
        yield from sends(peer, 3)
        yield SETTLE
        yield from answered(me, 3, SMALL)
        yield from sends(me, 3)
        yield SETTLE
        yield happens(me, fault)
        yield from answered(peer, 3, ODD)
        yield happens(me, fault)
        yield SETTLE
        yield send(peer, "p0", 3)
        yield SETTLE
        yield from answered(me, 1)
        yield from close()

    conversation.__doc__ = _packets_and_answers.__doc__
    return conversation


def _room(fault: str) -> Conversation:
    """The signal that there is room again, to an end with packets that wait for it."""

    def conversation(me: str) -> Iterator[Stimulus]:
        peer = peer_of(me)
        yield from running()
        yield from fill(me)
        yield send(me, "p0", 9, BIG, 0)
        yield SETTLE
        yield happens(me, fault)
        yield complete(peer, "c0")
        yield from MOMENT
        yield send(me, "p1", 10, SMALL, 0)
        yield SETTLE
        for _ in range(6):
            yield complete(peer, "c0")
            yield SETTLE
        yield from close()

    conversation.__doc__ = _room.__doc__
    return conversation


CONVERSATIONS: tuple[tuple[str, Conversation], ...] = tuple(
    (f"{fault}: {about}", make(fault))
    for fault in ("signal-delayed", "signal-coalesced", "signal-masked")
    for about, make in (("packets", _packets_and_answers), ("room", _room))
)
