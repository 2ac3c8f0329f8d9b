"""What the world does: an end dies, a packet is broken, a signal announces nothing.

Every conversation is held once with each end as ``me``, to which the fault happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kmcl_conformance.generate.setup import SETTLE
from kmcl_model.api import OPENED, STARTED
from kmcl_model.spec.specification import peer_of
from kmcl_model.stimuli import HOLD, Stimulus

from .steps import (
    ODD,
    SMALL,
    Conversation,
    answered,
    close,
    complete,
    configured,
    control,
    happens,
    let_go,
    quota,
    react,
    reopen,
    running,
    send,
    sends,
)

__all__ = ["CONVERSATIONS", "OF_DEATH"]

OF_DEATH: Final = ("crash while draining", "crash with answers due")
"""In these an end dies with the most work on its hands."""


def _all_three(me: str) -> Iterator[Stimulus]:
    """A signal without content, a broken packet among good ones, the end of one side."""
    peer = peer_of(me)
    yield from running()
    yield happens(me, "spurious")
    yield SETTLE
    yield from sends(me, 2)
    yield SETTLE
    yield happens(me, "malformed")
    yield from sends(me, 1, first=2)
    yield SETTLE
    yield happens(me, "crash")
    yield SETTLE
    yield from answered(peer, 2)
    yield from close(peer)


def _crash_while_peer_is_paused(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from running()
    yield control(peer, "Pause")
    yield SETTLE
    yield happens(me, "crash")
    yield SETTLE
    yield from close(peer)


def _crash_during(callback: str, activation: str) -> Conversation:
    """One end dies while a callback of the other one runs."""

    def conversation(me: str) -> Iterator[Stimulus]:
        peer = peer_of(me)
        yield from configured()
        yield react(peer, callback, HOLD)
        yield from reopen()
        yield happens(me, "crash")
        yield SETTLE
        yield let_go(peer, activation)
        yield SETTLE
        yield from close(peer)

    return conversation


def _crash_while_draining(me: str) -> Iterator[Stimulus]:
    """One end dies while a Pause of the other one waits for a packet."""
    peer = peer_of(me)
    yield from running()
    yield from sends(me, 1)
    yield SETTLE
    yield control(peer, "Pause", "t1")
    yield SETTLE
    yield happens(me, "crash")
    yield SETTLE
    yield complete(peer, "c0")
    yield SETTLE
    yield from close(peer)


def _crash_with_answers_due(me: str) -> Iterator[Stimulus]:
    """One end dies with packets of the other one: in the ring, delivered, and answered."""
    peer = peer_of(me)
    yield from running()
    yield quota(me, 2)
    yield from sends(peer, 3)
    yield SETTLE
    yield complete(me, "c0", ODD)
    yield happens(me, "crash")
    yield SETTLE
    yield from close(peer)


def _spurious_signals(me: str) -> Iterator[Stimulus]:
    """Signals without content, to a queue stopped by its quota and to a paused one."""
    peer = peer_of(me)
    yield from running()
    yield happens(me, "spurious")
    yield SETTLE
    yield quota(me, 1)
    yield from sends(peer, 4)
    yield SETTLE
    yield happens(me, "spurious")
    yield SETTLE
    yield control(me, "Pause", "t1")
    yield SETTLE
    yield happens(me, "spurious")
    yield complete(me, "c0", SMALL)
    yield SETTLE
    yield happens(me, "spurious")
    yield SETTLE
    yield control(me, "Start")
    yield SETTLE
    for _ in range(3):
        yield from answered(me, 1)
    yield happens(me, "spurious")
    yield SETTLE
    yield from close()


def _broken_packet_and_good_ones(me: str) -> Iterator[Stimulus]:
    """What follows a broken packet is stopped or delivered, whole; a reopen ends that."""
    peer = peer_of(me)
    yield from running()
    yield happens(me, "malformed")
    yield from sends(me, 2)
    yield SETTLE
    yield from answered(peer, 2, ODD)
    yield control("client", "Disable")
    yield SETTLE
    yield from reopen()
    yield send(me, "p0", 2)
    yield send(me, "p1", 3)
    yield SETTLE
    yield from answered(peer, 2, ODD)
    yield from close()


def _broken_packet_before_the_answers(me: str) -> Iterator[Stimulus]:
    """The other end awaits answers when a broken packet reaches it; some never come."""
    peer = peer_of(me)
    yield from running()
    yield from sends(peer, 2)
    yield SETTLE
    yield happens(me, "malformed")
    yield SETTLE
    yield complete(me, "c1", ODD)
    yield SETTLE
    yield control(peer, "Disable")
    yield SETTLE
    yield complete(me, "c0")
    yield SETTLE
    yield from close()


CONVERSATIONS: tuple[tuple[str, Conversation], ...] = (
    ("faults", _all_three),
    ("crash while the peer is paused", _crash_while_peer_is_paused),
    ("crash while opening", _crash_during(OPENED, "Opened")),
    ("crash while starting", _crash_during(STARTED, "Started")),
    ("crash while draining", _crash_while_draining),
    ("crash with answers due", _crash_with_answers_due),
    ("spurious signals", _spurious_signals),
    ("broken packet and good ones", _broken_packet_and_good_ones),
    ("broken packet before the answers", _broken_packet_before_the_answers),
)
