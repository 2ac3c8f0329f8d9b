"""Opening, pausing, closing, and handlers that take their time.

``me`` sends, the other end receives; every conversation is held once from each end.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmcl_conformance.generate.setup import SETTLE
from kmcl_model.api import (
    CLOSED,
    OPENED,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STARTED,
    SUSPEND,
)
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec.specification import ENDPOINTS, peer_of
from kmcl_model.stimuli import HOLD, Act, Invoke, Stimulus

from .steps import (
    BIG,
    DONE,
    ODD,
    SMALL,
    WAIT,
    Conversation,
    answered,
    call,
    close,
    complete,
    configured,
    control,
    let_go,
    packet,
    quota,
    react,
    reopen,
    running,
    send,
    sends,
)

__all__ = ["CONVERSATIONS"]


def _pause_while_processing(me: str) -> Iterator[Stimulus]:
    """Pause while a handler runs, several times in one run."""
    peer = peer_of(me)
    yield from running()
    for i in range(3):
        yield react(
            peer, PROCESS_PACKET, HOLD, Act("VmbChannelPacketComplete", ("this", None, None))
        )
        if not i:
            yield from packet(me, "p0")
        yield send(me, "p0", i)
        yield SETTLE
        if i:
            yield control(peer, "Pause", "t1")
            yield SETTLE
        yield let_go(peer, "ProcessPacket")
        yield SETTLE
        if i:
            yield control(peer, "Start")
            yield SETTLE
    yield from close()


def _two_packets_then_pause(me: str) -> Iterator[Stimulus]:
    """The second packet's handler is running when Pause comes, the first is still outstanding."""
    peer = peer_of(me)
    yield from running()
    yield from sends(me, 1)
    yield SETTLE
    yield react(peer, PROCESS_PACKET, HOLD)
    yield from sends(me, 2, first=1)
    yield SETTLE
    yield control(peer, "Pause", "t1")
    yield SETTLE
    yield complete(peer, "c0")
    yield SETTLE
    yield let_go(peer, "ProcessPacket")
    yield SETTLE
    yield complete(peer, "c1")
    yield SETTLE
    yield control(peer, "Start")
    yield SETTLE
    yield complete(peer, "c0")
    yield SETTLE
    yield from close()


def _two_waiters(me: str) -> Iterator[Stimulus]:
    """Two calls of Pause, then Pause and Disable wait for the same packet."""
    peer = peer_of(me)
    yield from running()
    yield from sends(me, 1)
    yield SETTLE
    yield control(peer, "Pause", "t1")
    yield control(peer, "Pause", "t2")
    yield SETTLE
    yield complete(peer, "c0", SMALL)
    yield SETTLE
    yield control(peer, "Start")
    yield SETTLE
    yield send(me, "p0", 1)
    yield SETTLE
    yield control(peer, "Pause", "t2")
    yield SETTLE
    yield control(peer, "Disable")
    yield SETTLE
    yield complete(peer, "c0", SMALL)
    yield SETTLE
    yield from close()


def _answer_while_starting(me: str) -> Iterator[Stimulus]:
    """The peer completes a packet while this end's Started runs."""
    peer = peer_of(me)
    yield from running()
    yield from sends(me, 1)
    yield SETTLE
    yield control(me, "Pause")
    yield SETTLE
    yield react(me, STARTED, HOLD)
    yield control(me, "Start", "t1")
    yield SETTLE
    yield complete(peer, "c0", SMALL)
    yield SETTLE
    yield let_go(me, "Started")
    yield SETTLE
    yield from close()


def _sends_in_callbacks(me: str) -> Iterator[Stimulus]:
    """Sends from inside Opened, Started and Closed, each for the next open."""
    peer = peer_of(me)
    yield from configured()
    for name in ("p0", "p1", "p2"):
        yield from packet(me, name)
    yield react(
        peer, PROCESS_PACKET, Act("VmbChannelPacketComplete", ("this", None, None)), sticky=True
    )
    tag = 0
    for end in ("client", "server", "client"):
        for name, callback in (("p0", OPENED), ("p1", STARTED), ("p2", CLOSED)):
            buffer = payload_bytes(Payload(tag, SMALL))
            yield react(me, callback, Act("VmbPacketSend", (name, buffer, WAIT)))
            tag += 1
        yield control("server", "Enable")
        yield control("server", "Start")
        yield control("client", "Enable")
        yield SETTLE
        yield control(end, "Disable")
        yield SETTLE
    yield control("server", "Enable")
    yield control("server", "Start")
    yield control("client", "Enable")
    yield SETTLE
    yield from close()


def _held_everywhere(me: str) -> Iterator[Stimulus]:
    """The peer closes while each handler of this end is running."""
    peer = peer_of(me)
    yield from configured()
    for callback, name in (
        (OPENED, "Opened"),
        (STARTED, "Started"),
        (POST_STARTED, "PostStarted"),
        (SUSPEND, "Suspend"),
        (CLOSED, "Closed"),
    ):
        yield control("server", "Enable")
        yield control("server", "Start")
        yield react(me, callback, HOLD)
        yield control("client", "Enable")
        yield SETTLE
        yield control(peer, "Disable")
        yield SETTLE
        yield let_go(me, name)
        yield SETTLE
        yield control(me, "Disable")
        yield SETTLE
    yield from close()


def _rejected(me: str) -> Iterator[Stimulus]:
    """Opened fails, then a new attempt is accepted."""
    yield from configured()
    yield control("server", "Enable")
    yield control("server", "Start")
    yield react(me, OPENED, status=0xC0000001)
    yield control("client", "Enable")
    yield SETTLE
    yield control("client", "Disable")
    yield SETTLE
    yield control("server", "Disable")
    yield SETTLE
    yield control("server", "Enable")
    yield control("client", "Enable")
    yield SETTLE
    yield from close()


def _pause_wishes(me: str) -> Iterator[Stimulus]:
    """The pause part over Disable and Enable, and Start against it while disabled."""
    yield from configured()
    for wishes in (("Pause",), (), ("Pause", "Start"), ()):
        for verb in wishes:
            yield control(me, verb)
        for end in ENDPOINTS:
            yield control(end, "Enable")
            if end != me:
                yield control(end, "Start")
        yield SETTLE
        if not wishes:
            yield control(me, "Start")
            yield SETTLE
            yield control(me, "Pause")
            yield SETTLE
        yield from close()


def _second_session(me: str) -> Iterator[Stimulus]:
    """Everything once more in a second session, after a pause in the first."""
    peer = peer_of(me)
    yield from running()
    yield from sends(me, 2, ODD)
    yield SETTLE
    yield complete(peer, "c0", ODD)
    yield complete(peer, "c1")
    yield SETTLE
    yield control(peer, "Pause")
    yield control(peer, "Start")
    yield SETTLE
    yield control("client", "Disable")
    yield SETTLE
    yield control("client", "Enable")
    yield control("server", "Start")
    yield SETTLE
    yield send(me, "p0", 2, ODD)
    yield send(me, "p1", 3, flags=0)
    yield SETTLE
    yield complete(peer, "c1")
    yield complete(peer, "c0", 24)
    yield SETTLE
    yield from close()


def _left_over_batch(me: str) -> Iterator[Stimulus]:
    """A batch that a pause cut short is not reported while Started runs, nor counted again."""
    peer = peer_of(me)
    yield from running()
    yield react(peer, PROCESS_PACKET, HOLD, DONE)
    yield from sends(me, 3, SMALL, 0)
    yield SETTLE
    yield control(peer, "Pause", "t1")
    yield SETTLE
    yield let_go(peer, "ProcessPacket")
    yield SETTLE
    yield quota(peer, 1)
    yield react(peer, STARTED, HOLD)
    yield control(peer, "Start")
    yield SETTLE
    yield let_go(peer, "Started")
    yield SETTLE
    yield complete(peer, "c0")
    yield SETTLE
    yield complete(peer, "c0")
    yield SETTLE
    yield from close()


def _pause_while_reporting(me: str) -> Iterator[Stimulus]:
    """Pause, then Disable, while ProcessingComplete runs."""
    peer = peer_of(me)
    yield from running()
    yield from packet(me, "p0")
    for tag, verb in enumerate(("Pause", "Disable")):
        yield react(peer, PROCESSING_COMPLETE, HOLD)
        yield react(peer, PROCESS_PACKET, DONE)
        yield send(me, "p0", tag)
        yield SETTLE
        yield control(peer, verb, "t1")
        yield SETTLE
        yield let_go(peer, "ProcessingComplete")
        yield SETTLE
        yield control(peer, "Start")
        yield SETTLE
    yield from close()


def _rejected_late(me: str) -> Iterator[Stimulus]:
    """The client takes its time over Opened and rejects; the next attempt is accepted."""
    yield from configured()
    yield from packet(me, "p0")
    yield react("client", OPENED, HOLD, status=0xC0000001)
    yield control("server", "Enable")
    yield send(me, "p0", 0)
    yield from reopen()
    yield let_go("client", "Opened")
    yield SETTLE
    yield from close("client")
    yield from reopen()
    yield send(me, "p0", 1)
    yield SETTLE
    yield from answered(peer_of(me), 1)
    yield from close()


def _offer_while_closing(me: str) -> Iterator[Stimulus]:
    """The server offers anew while the client's Closed is still running."""
    yield from running()
    yield from packet(me, "p0")
    yield react("client", CLOSED, HOLD)
    yield from close("server")
    yield control("server", "Enable")
    yield control("server", "Start")
    yield SETTLE
    yield let_go("client", "Closed")
    yield SETTLE
    yield control("client", "Enable")
    yield SETTLE
    yield send(me, "p0", 0)
    yield SETTLE
    yield from answered(peer_of(me), 1)
    yield from close()


def _maximal_again(me: str) -> Iterator[Stimulus]:
    """A maximal packet in the first session and in the second."""
    peer = peer_of(me)
    yield from running()
    yield from sends(me, 1, BIG)
    for tag, end in enumerate(ENDPOINTS, 1):
        yield SETTLE
        yield from answered(peer, 1, ODD)
        yield from close(end)
        yield from reopen()
        yield send(me, "p0", tag, BIG)
    yield SETTLE
    yield from answered(peer, 1, ODD)
    yield from close()


def _allocated_again(me: str) -> Iterator[Stimulus]:
    """Channels are cleaned up, allocated and configured again: both, then one."""
    peer = peer_of(me)
    for ends in (ENDPOINTS, ENDPOINTS, (me,), (peer,)):
        for end in ends:
            yield control(end, "Cleanup")
        for stimulus in configured():
            if isinstance(stimulus, Invoke) and stimulus.endpoint in ends:
                yield stimulus
        yield from reopen()
        yield from sends(me, 2, ODD)
        yield SETTLE
        yield from answered(peer, 2, ODD)
        yield from close()
        for name in ("p0", "p1"):
            yield call(me, "VmbPacketFree", name)
        yield SETTLE


CONVERSATIONS: tuple[tuple[str, Conversation], ...] = (
    ("pause while processing", _pause_while_processing),
    ("two packets then pause", _two_packets_then_pause),
    ("two waiters", _two_waiters),
    ("answer while starting", _answer_while_starting),
    ("sends in callbacks", _sends_in_callbacks),
    ("held everywhere", _held_everywhere),
    ("rejected", _rejected),
    ("pause wishes", _pause_wishes),
    ("second session", _second_session),
    ("batch cut by a pause", _left_over_batch),
    ("pause while reporting", _pause_while_reporting),
    ("rejected late", _rejected_late),
    ("offer while closing", _offer_while_closing),
    ("maximal packet again", _maximal_again),
    ("allocated again", _allocated_again),
)
