"""Conversations of one end with a host that is known, and what they make of those of two ends.

A host cannot be told to send, but it can be asked: its answers are the packets that come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from kmcl_conformance.generate.setup import MAXIMUM, SETTLE
from kmcl_model.api import CLOSED, OPENED, PROCESS_PACKET, STARTED
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec.host import Host
from kmcl_model.stimuli import Act, Invoke, Stimulus

from .steps import DONE, answered, call, close, complete, configured, control, packet, quota, react

__all__ = ["CONVERSATIONS", "asked_instead", "introduced"]

ASKER: Final = "t4"
"""The thread that asks, so that a call that waits is in nobody's way."""
HUGE: Final = 256 << 10
"""Bytes of a packet of which few fill a ring of the sizes that drivers use."""
MANY: Final = 12
SIZES: Final = (0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, MAXIMUM - 1, MAXIMUM, MAXIMUM + 1, HUGE)


def _ask(me: str, host: Host, *numbers: int) -> Iterator[Stimulus]:
    """Questions that are as good as packets from the host. Their own packets free themselves."""
    for number in numbers:
        yield call(me, "VmbPacketAllocate", f"q{number}", by=ASKER)
        question = host.question(number)
        yield call(me, "VmbPacketSend", f"q{number}", question, 0, by=ASKER)


def asked_instead(me: str, host: Host, stimuli: Iterable[Stimulus]) -> Iterator[Stimulus]:
    """A conversation of two ends, of which the other one is a host: where its driver would send,
    it is asked. Nothing else can be told to it."""
    number = 0
    for stimulus in stimuli:
        if getattr(stimulus, "endpoint", me) == me:
            yield stimulus
        elif isinstance(stimulus, Invoke) and stimulus.function == "VmbPacketSend":
            yield from _ask(me, host, number)
            number += 1


def _configured(me: str, maximum: int = MAXIMUM) -> Iterator[Stimulus]:
    yield from (s for s in configured() if getattr(s, "endpoint", me) == me)
    if maximum != MAXIMUM:
        yield call(me, "VmbChannelInitSetMaximumPacketSize", maximum)


def _running(me: str) -> Iterator[Stimulus]:
    yield from _configured(me)
    yield control(me, "Enable")
    yield SETTLE


def _questions_in_a_row(me: str, host: Host) -> Iterator[Stimulus]:
    """Many answers in one batch, given back in another order than they came (A84)."""
    yield from _running(me)
    yield from _ask(me, host, *range(MANY))
    yield SETTLE
    for n in (3, 0, *range(MANY - 1, 3, -1), 2, 1):
        yield complete(me, f"c{n}")
    yield SETTLE
    yield from _ask(me, host, 0)
    yield SETTLE
    yield from answered(me, 1)
    yield from close(me)


def _questions_over_sessions(me: str, host: Host) -> Iterator[Stimulus]:
    """Each session has its own conversation, and its own packets in hand when it ends."""
    yield from _configured(me)
    yield react(me, PROCESS_PACKET, DONE, sticky=True)
    for n in range(6):
        yield control(me, "Enable")
        yield SETTLE
        yield from _ask(me, host, 2 * n, 2 * n + 1)
        if n % 2:
            yield SETTLE
        yield control(me, "Disable")
        yield SETTLE


def _questions_while_pausing(me: str, host: Host) -> Iterator[Stimulus]:
    """Pause and Start while answers come; those that come meanwhile wait in the ring."""
    yield from _running(me)
    yield react(me, PROCESS_PACKET, DONE, sticky=True)
    for n in range(4):
        yield from _ask(me, host, 3 * n, 3 * n + 1, 3 * n + 2)
        yield control(me, "Pause")
        if n % 2:
            yield SETTLE
        yield control(me, "Start")
        yield SETTLE
    yield from close(me)


def _questions_held_by_the_quota(me: str, host: Host) -> Iterator[Stimulus]:
    """The quota keeps answers in the ring, over a pause as well, until packets are given back."""
    yield from _running(me)
    yield quota(me, 2)
    yield from _ask(me, host, *range(5))
    yield SETTLE
    yield quota(me, 3)
    yield SETTLE
    yield complete(me, "c1")
    yield SETTLE
    yield quota(me, 1)
    yield complete(me, "c0")
    yield SETTLE
    yield control(me, "Pause", by="t1")
    yield SETTLE
    for n in (2, 1, 0, 0):
        yield complete(me, f"c{n}")
    yield SETTLE
    yield control(me, "Start")
    yield SETTLE
    yield from (complete(me, f"c{n}") for n in range(3))
    yield SETTLE
    yield from (complete(me, f"c{n}") for n in range(3))
    yield SETTLE
    yield from close(me)


def _all_sizes(me: str, host: Host) -> Iterator[Stimulus]:
    """Packets of every size up to the limit, and beyond it."""
    yield from _running(me)
    yield from packet(me, "p0")
    yield from packet(me, "p1", initialized=True)
    for tag, length in enumerate(SIZES):
        name = f"p{tag % 2}"
        yield call(me, "VmbPacketSend", name, payload_bytes(Payload(tag % 15, length)), 0)
        yield SETTLE
    yield from _ask(me, host, 0)
    yield SETTLE
    yield from answered(me, 1)
    yield from close(me)


def _filled(me: str, *, first: str) -> Iterator[Stimulus]:
    """More is sent inside a handler, before the channel is open, than a ring takes."""
    for n in range(MANY):
        yield from packet(me, f"p{n}")
    bodies = [payload_bytes(Payload(n, HUGE)) for n in range(MANY)]
    sends = [Act("VmbPacketSend", (f"p{n}", body, n % 2)) for n, body in enumerate(bodies)]
    yield react(me, first, *sends)
    yield control(me, "Enable")


def _full_ring(me: str, host: Host) -> Iterator[Stimulus]:
    """The ring is full: what does not fit waits for the host, and goes in order; then once more
    around the ring."""
    yield from _configured(me, HUGE)
    yield from _filled(me, first=OPENED)
    yield SETTLE
    for n in range(0, MANY, 2):
        yield call(me, "VmbPacketSend", f"p{n}", payload_bytes(Payload(n, HUGE - n)), 0)
    yield from _ask(me, host, 0)
    yield SETTLE
    yield from answered(me, 1)
    yield from close(me)


def _closed_with_a_full_ring(me: str, host: Host) -> Iterator[Stimulus]:
    """Disable while the queue and the ring are full; the next session starts empty."""
    yield from _configured(me, HUGE)
    yield from _filled(me, first=STARTED)
    yield control(me, "Disable")
    yield SETTLE
    yield control(me, "Enable")
    yield SETTLE
    yield from _ask(me, host, 0)
    yield SETTLE
    yield from answered(me, 1)
    yield from close(me)


def _whole_conversation(me: str, host: Host) -> Iterator[Stimulus]:
    """What means something to the host, each message as a transaction that is to be completed."""
    yield from _running(me)
    yield react(me, PROCESS_PACKET, DONE, sticky=True)
    for n, message in enumerate(host.messages()):
        yield from packet(me, f"p{n}")
        yield call(me, "VmbPacketSend", f"p{n}", message, 1)
        yield SETTLE
    yield from close(me)
    yield control(me, "Enable")
    yield SETTLE
    yield from _ask(me, host, 1)
    yield SETTLE
    yield from close(me)


def introduced(me: str, host: Host, messages: int) -> Iterator[Stimulus]:
    """The first of the host's messages, each with its answer; packets are completed at once."""
    yield from _running(me)
    yield react(me, PROCESS_PACKET, DONE, sticky=True)
    yield from packet(me, "p0")
    for message in host.messages()[:messages]:
        yield call(me, "VmbPacketSend", "p0", message, 0)
        yield SETTLE


def _asked_from_handlers(me: str, host: Host) -> Iterator[Stimulus]:
    """Questions that are sent inside Opened, Started and Closed."""
    yield from _configured(me)
    yield react(me, PROCESS_PACKET, DONE, sticky=True)
    for n, callback in enumerate((OPENED, STARTED, CLOSED)):
        yield from packet(me, f"p{n}")
        yield react(me, callback, Act("VmbPacketSend", (f"p{n}", host.question(n), 0)))
    for _ in range(2):
        yield control(me, "Enable")
        yield SETTLE
        yield control(me, "Disable")
        yield SETTLE


def _questions_queued_before_the_open(me: str, host: Host) -> Iterator[Stimulus]:
    """What is sent inside Opened waits for its return, and is answered in the order of sending."""
    yield from _configured(me)
    yield react(me, PROCESS_PACKET, DONE, sticky=True)
    names = [f"p{n}" for n in range(6)]
    for name in names:
        yield from packet(me, name)
    for again in range(2):
        questions = [host.question(6 * again + n) for n in range(6)]
        sends = [Act("VmbPacketSend", (p, q, 0)) for p, q in zip(names, questions, strict=True)]
        yield react(me, OPENED, *sends)
        yield control(me, "Enable")
        yield SETTLE
        yield control(me, "Disable")
        yield SETTLE


CONVERSATIONS = (
    ("questions in a row", _questions_in_a_row),
    ("questions over sessions", _questions_over_sessions),
    ("questions queued before the open", _questions_queued_before_the_open),
    ("questions while pausing", _questions_while_pausing),
    ("questions held by the quota", _questions_held_by_the_quota),
    ("all sizes", _all_sizes),
    ("full ring of a host", _full_ring),
    ("closed with a full ring", _closed_with_a_full_ring),
    ("whole conversation", _whole_conversation),
    ("asked from handlers", _asked_from_handlers),
)
"""By name: what one end says to a known host."""
