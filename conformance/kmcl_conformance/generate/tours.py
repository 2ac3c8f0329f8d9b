"""Directed sequences: short conversations for what random walks meet rarely.

Each is written as the two drivers would act it. What an implementation answers is not foreseen
here, the judge follows it; what a driver may not do in the state that came about is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from kmcl_model.api import (
    CLOSED,
    COMPLETION_ROUTINE,
    OPENED,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STARTED,
    SUSPEND,
)
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec.specification import ENDPOINTS, peer_of
from kmcl_model.stimuli import (
    HOLD,
    Act,
    Arm,
    Environ,
    Invoke,
    Reaction,
    Release,
    Settle,
    Stimulus,
)

from .explorer import MAXIMUM, prelude

__all__ = ["TOURS", "Tour"]

WAIT = 1
SETTLE = Settle("settle")
SMALL, ODD, BIG, FILLER = 8, 13, MAXIMUM, 888
"""Three of BIG and one of FILLER leave little room in a ring of one page."""
DONE = Act("VmbChannelPacketComplete", ("this", None, None))


class Tour(NamedTuple):
    """A directed sequence and what it is for."""

    name: str
    purpose: str
    stimuli: tuple[Stimulus, ...]


def _call(endpoint: str, function: str, *arguments: Any, by: str = "t0") -> Stimulus:
    return Invoke("invoke", endpoint, by, function, arguments)


def _control(endpoint: str, verb: str, by: str = "") -> Stimulus:
    """Disable is called from a thread of its own, so that others can end its wait."""
    return _call(endpoint, f"VmbChannel{verb}", by=by or ("t1" if verb == "Disable" else "t0"))


def _quota(endpoint: str, quota: int) -> Stimulus:
    return _call(endpoint, "VmbChannelSetTransactionQuota", quota)


def _react(endpoint: str, callback: str, *steps: Any, status: int = 0, sticky: bool = False) -> Arm:
    return Arm("arm", endpoint, callback, Reaction(tuple(steps), status, sticky))


def _let_go(endpoint: str, activation: str) -> Stimulus:
    return Release("release", endpoint, activation)


def _configured() -> Iterator[Stimulus]:
    """Both channels with all handlers and no quota, as a seed of the walks has it."""
    yield from prelude(_Plain())


class _Plain(Random):
    """Takes the plain branch of every variation of the prelude."""

    def random(self) -> float:
        return 0.75


def _running(server_starts: bool = True) -> Iterator[Stimulus]:
    yield from _configured()
    yield _control("server", "Enable")
    if server_starts:
        yield _control("server", "Start")
    yield _control("client", "Enable")
    yield SETTLE


def _packet(endpoint: str, name: str, initialized: bool = False) -> Iterator[Stimulus]:
    if initialized:
        yield _call(endpoint, "VmbChannelSizeofPacket")
        yield _call(endpoint, "VmbPacketInitialize", name, "sizeof")
    else:
        yield _call(endpoint, "VmbPacketAllocate", name)
    yield _call(endpoint, "VmbPacketSetCompletionRoutine", name)


def _send(endpoint: str, name: str, tag: int, length: int = SMALL, flags: int = WAIT) -> Stimulus:
    buffer = payload_bytes(Payload(tag, length))
    return _call(endpoint, "VmbPacketSend", name, buffer, flags)


def _complete(endpoint: str, context: str, answer: int | None = None) -> Stimulus:
    buffer = None if answer is None else payload_bytes(Payload(15, answer))
    return _call(endpoint, "VmbChannelPacketComplete", context, buffer, None)


def _sends(
    endpoint: str, count: int, length: int = SMALL, flags: int = WAIT, first: int = 0
) -> Iterator[Stimulus]:
    for i in range(first, first + count):
        yield from _packet(endpoint, f"p{i}")
        yield _send(endpoint, f"p{i}", i, length, flags)


def _close(*ends: str) -> Iterator[Stimulus]:
    for end in ends or ("client", "server"):
        yield _control(end, "Disable")
        yield SETTLE


# The conversations; ``me`` sends, the other end receives ------------------------------------


def _quota_raised(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from _running()
    yield _quota(peer, 1)
    yield from _sends(me, 4)
    yield SETTLE
    yield _quota(peer, 3)
    yield SETTLE
    yield _complete(peer, "c0", ODD)
    yield SETTLE
    yield _complete(peer, "c0")
    yield _complete(peer, "c1", SMALL)
    yield SETTLE
    yield from _close()


def _quota_lowered(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from _running()
    yield _quota(peer, 3)
    yield from _sends(me, 4)
    yield SETTLE
    yield _quota(peer, 1)
    for context in ("c1", "c0", "c2"):
        yield _complete(peer, context)
        yield SETTLE
    yield _complete(peer, "c0")
    yield SETTLE
    yield from _close()


def _quota_one_by_one(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from _running()
    yield _quota(peer, 2)
    yield from _sends(me, 4)
    yield SETTLE
    for context in ("c0", "c1", "c0", "c1"):
        yield _complete(peer, context, ODD)
        yield SETTLE
    yield from _close()


def _quota_over_sessions(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from _running()
    yield _quota(peer, 1)
    yield from _sends(me, 3)
    yield SETTLE
    yield _control("client", "Disable")
    yield SETTLE
    yield _complete(peer, "c0")
    yield SETTLE
    yield _quota(peer, 1)
    yield _control("client", "Enable")
    yield SETTLE
    yield _send(me, "p0", 4)
    yield SETTLE
    yield _complete(peer, "c0")
    yield SETTLE
    yield _send(me, "p1", 5)
    yield SETTLE
    yield _complete(peer, "c0")
    yield SETTLE
    yield from _close()


def _blocked_over_pause(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from _running()
    yield _quota(peer, 2)
    yield from _sends(me, 4)
    yield SETTLE
    yield _control(peer, "Pause", "t1")
    yield SETTLE
    yield _complete(peer, "c1")
    yield SETTLE
    yield _complete(peer, "c0")
    yield SETTLE
    yield _control(peer, "Start")
    yield SETTLE
    yield _complete(peer, "c0")
    yield _complete(peer, "c1")
    yield SETTLE
    yield from _close()


def _full_ring(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from _running()
    yield _control(peer, "Pause")
    yield SETTLE
    for flags in (WAIT, 0):
        for i in range(4):
            if flags:
                yield from _packet(me, f"p{i}")
            yield _send(me, f"p{i}", i if flags else i + 4, BIG, flags)
        yield SETTLE
        yield _control(peer, "Start")
        yield SETTLE
        for i in range(4):
            yield _complete(peer, f"c{i}", SMALL)
        yield SETTLE
        for i in range(4):
            yield _complete(peer, f"c{i}", SMALL)
        yield SETTLE
        yield _control(peer, "Pause")
        yield SETTLE
    yield from _close()


def _fill(sender: str) -> Iterator[Stimulus]:
    """Fill the ring from ``sender``: its peer holds one packet and may hold no other."""
    yield _quota(peer_of(sender), 1)
    yield from _sends(sender, 1, SMALL, 0)
    yield SETTLE
    yield _send(sender, "p0", 8, BIG, 0)
    yield from _sends(sender, 2, BIG, 0, first=1)
    yield from _sends(sender, 1, FILLER, 0, first=3)
    yield SETTLE


def _queue_at_close(me: str) -> Iterator[Stimulus]:
    """What the ring had no room for when the session ended is sent in the next one, or fails."""
    peer = peer_of(me)
    yield from _running()
    yield _control(peer, "Pause")
    yield from _sends(me, 4, BIG)
    yield SETTLE
    for end in ("client", "server"):
        yield _control(end, "Disable")
        yield SETTLE
        yield _control(end, "Enable")
        yield _control("client", "Enable")
        yield _control("server", "Start")
        yield _control("client", "Start")
        yield SETTLE
        for context in ("c0", "c1", "c2", "c3"):
            yield _complete(peer, context)
        yield SETTLE
        yield _control(peer, "Pause")
        for i in range(4):
            yield _send(me, f"p{i}", 5 + i, BIG)
        yield SETTLE
    yield from _close()


def _full_ring_of_answers(me: str) -> Iterator[Stimulus]:
    """The ring towards the sender is full when its packets are completed."""
    peer = peer_of(me)
    yield from _running()
    yield from _sends(me, 2)
    yield SETTLE
    yield from _fill(peer)
    yield _complete(peer, "c0", 200)
    yield _complete(peer, "c1", 203)
    yield SETTLE
    for _ in range(5):
        yield _complete(me, "c0")
        yield SETTLE
    yield from _close()


def _answers_wait_at_close(me: str) -> Iterator[Stimulus]:
    """Completions that wait for room are gone with their session."""
    peer = peer_of(me)
    yield from _running()
    yield from _sends(me, 2)
    yield SETTLE
    yield from _fill(peer)
    yield _complete(peer, "c0", 200)
    yield _complete(peer, "c1", 203)
    yield _control("client", "Disable")
    yield _complete(me, "c0")
    yield SETTLE
    yield _complete(me, "c0")
    yield SETTLE
    yield _react(me, OPENED, Act("VmbPacketSend", ("p0", payload_bytes(Payload(4, SMALL)), WAIT)))
    yield _react(me, STARTED, Act("VmbPacketSend", ("p1", payload_bytes(Payload(5, SMALL)), WAIT)))
    yield _control("client", "Enable")
    yield SETTLE
    for context in ("c0", "c1", "c0", "c1"):
        yield _complete(peer, context)
        yield _complete(me, context)
        yield SETTLE
    yield from _close()


def _out_of_order(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from _running()
    yield from _sends(me, 4, ODD)
    yield SETTLE
    for context, answer in (("c2", 24), ("c0", None), ("c3", ODD), ("c1", SMALL)):
        yield _complete(peer, context, answer)
    yield SETTLE
    yield from _close()


def _fail_and_reopen(me: str) -> Iterator[Stimulus]:
    peer = peer_of(me)
    yield from _running()
    fail = Act("VmbChannelPacketFail", ("this",))
    yield _react(peer, PROCESS_PACKET, fail)
    yield from _sends(me, 2)
    yield SETTLE
    for then in ("complete", "fail", "fail", "pend"):
        yield _control(peer, "Pause")
        yield SETTLE
        yield _control(peer, "Start")
        yield SETTLE
        yield _control("client", "Disable")
        yield SETTLE
        yield _complete(peer, "c0")
        yield SETTLE
        yield _control("client", "Enable")
        yield SETTLE
        if then == "fail":
            yield _react(peer, PROCESS_PACKET, fail)
        yield _send(me, "p0", 3, SMALL, 0)
        yield SETTLE
        if then == "complete":
            yield _complete(peer, "c0")
        yield SETTLE
    yield from _close()


def _caller_memory(me: str) -> Iterator[Stimulus]:
    """Every way in which the transaction of an initialized packet can go."""
    peer = peer_of(me)
    yield from _configured()
    yield from _packet(me, "p0", initialized=True)
    yield from _packet(me, "p1", initialized=True)
    yield _control("server", "Enable")
    yield _control("server", "Start")
    yield _control("client", "Enable")
    yield SETTLE
    yield _send(me, "p0", 0, MAXIMUM + 8)
    yield _send(me, "p0", 0, MAXIMUM + 8)
    yield _send(me, "p0", 0)
    yield SETTLE
    yield _complete(peer, "c0", SMALL)
    yield SETTLE
    yield _send(me, "p0", 1, flags=0)
    yield SETTLE
    yield _complete(peer, "c0")
    yield _send(me, "p0", 2)
    yield _send(me, "p1", 3)
    yield SETTLE
    yield _control("server", "Disable")
    yield _complete(peer, "c0")
    yield _complete(peer, "c1")
    yield SETTLE
    yield _control("server", "Enable")
    yield _send("server", "p0", 4)
    yield _control("server", "Disable")
    yield SETTLE
    yield _control("server", "Enable")
    yield _control("server", "Start")
    yield _control("client", "Enable")
    yield SETTLE
    yield _send(me, "p0", 5)
    yield SETTLE
    yield _control("client", "Disable")
    yield SETTLE
    yield _complete(peer, "c0")
    yield SETTLE
    yield from _close()


def _fates_of(me: str, initialized: bool) -> Iterator[Stimulus]:
    """A packet is cancelled while queued, cancelled in the ring, completed from there, refused."""
    peer = peer_of(me)

    def renew() -> Iterator[Stimulus]:
        yield _call(me, "VmbPacketFree", "p0")
        yield from _packet(me, "p0", initialized)

    yield from _configured()
    yield from _packet(me, "p0", initialized)
    yield from renew()
    for tag in (0, 1):
        yield _control(me, "Enable")
        yield _send(me, "p0", tag)
        yield SETTLE
        yield _control(me, "Disable")
        yield SETTLE
    yield from renew()
    for tag, end in ((2, "client"), (3, "server"), (4, me)):
        yield _control("server", "Enable")
        yield _control("server", "Start")
        yield _control("client", "Enable")
        yield _control("client", "Start")
        yield SETTLE
        yield _control(peer, "Pause")
        yield SETTLE
        yield _send(me, "p0", tag + 4, flags=0)
        yield SETTLE
        if tag == 3:
            yield from renew()
        yield _send(me, "p0", tag + 7, MAXIMUM + 8)
        yield _send(me, "p0", tag + 7, MAXIMUM + 8)
        if tag == 2:
            yield from renew()
        yield _send(me, "p0", tag)
        yield SETTLE
        yield _control(end, "Disable")
        yield SETTLE
        if tag == 3:
            yield from renew()
    yield _control("server", "Enable")
    yield _control("server", "Start")
    yield _control("client", "Enable")
    yield _control("client", "Start")
    for tag in (11, 12):
        yield _send(me, "p0", tag)
        yield SETTLE
        yield _complete(peer, "c0")
        yield SETTLE
    yield _send(me, "p0", 13)
    yield SETTLE
    yield _control(me, "Disable")
    yield SETTLE
    yield _complete(peer, "c0")
    yield SETTLE
    yield from renew()
    yield from _close()


def _fates(me: str) -> Iterator[Stimulus]:
    """Every way in which the transaction of an allocated packet can go."""
    yield from _fates_of(me, initialized=False)


def _fates_in_caller_memory(me: str) -> Iterator[Stimulus]:
    """Every way in which the transaction of an initialized packet can go."""
    yield from _fates_of(me, initialized=True)


def _left_to_the_library(me: str) -> Iterator[Stimulus]:
    """Packets with the default routine, whose names are used again at once."""
    peer = peer_of(me)
    yield from _running()
    yield _react(peer, PROCESS_PACKET, DONE, sticky=True)
    for tag, flags in ((0, WAIT), (1, 0)):
        yield _call(me, "VmbPacketAllocate", "p0")
        yield _send(me, "p0", tag, flags=flags)
        yield SETTLE
    yield from _packet(me, "p0", initialized=True)
    yield _send(me, "p0", 2)
    yield SETTLE
    yield _call(me, "VmbPacketAllocate", "p1")
    yield _send(me, "p1", 3)
    yield from _packet(me, "p1", initialized=True)
    yield SETTLE
    yield from _close()


def _fails_and_completes(me: str) -> Iterator[Stimulus]:
    """After a failed packet and a reopen the same context is completed inside its handler."""
    peer = peer_of(me)
    yield from _running()
    yield from _packet(me, "p0")
    yield from _packet(me, "p1")
    for tag in (0, 2, 4):
        yield _react(peer, PROCESS_PACKET, Act("VmbChannelPacketFail", ("this",)))
        yield _send(me, "p0", tag)
        yield SETTLE
        yield _control("client", "Disable")
        yield SETTLE
        yield _control("client", "Enable")
        yield SETTLE
        if tag:
            yield _react(peer, PROCESS_PACKET, DONE)
        yield _send(me, "p1", tag + 1)
        yield SETTLE
        yield _complete(peer, "c0")
        yield SETTLE
    yield from _close()


def _pause_while_processing(me: str) -> Iterator[Stimulus]:
    """Pause while a handler runs, several times in one run."""
    peer = peer_of(me)
    yield from _running()
    for i in range(3):
        yield _react(
            peer, PROCESS_PACKET, HOLD, Act("VmbChannelPacketComplete", ("this", None, None))
        )
        if not i:
            yield from _packet(me, "p0")
        yield _send(me, "p0", i)
        yield SETTLE
        if i:
            yield _control(peer, "Pause", "t1")
            yield SETTLE
        yield _let_go(peer, "ProcessPacket")
        yield SETTLE
        if i:
            yield _control(peer, "Start")
            yield SETTLE
    yield from _close()


def _two_packets_then_pause(me: str) -> Iterator[Stimulus]:
    """The second packet's handler is running when Pause comes, the first is still outstanding."""
    peer = peer_of(me)
    yield from _running()
    yield from _sends(me, 1)
    yield SETTLE
    yield _react(peer, PROCESS_PACKET, HOLD)
    yield from _sends(me, 2, first=1)
    yield SETTLE
    yield _control(peer, "Pause", "t1")
    yield SETTLE
    yield _complete(peer, "c0")
    yield SETTLE
    yield _let_go(peer, "ProcessPacket")
    yield SETTLE
    yield _complete(peer, "c1")
    yield SETTLE
    yield _control(peer, "Start")
    yield SETTLE
    yield _complete(peer, "c0")
    yield SETTLE
    yield from _close()


def _two_waiters(me: str) -> Iterator[Stimulus]:
    """Two calls of Pause, then Pause and Disable wait for the same packet."""
    peer = peer_of(me)
    yield from _running()
    yield from _sends(me, 1)
    yield SETTLE
    yield _control(peer, "Pause", "t1")
    yield _control(peer, "Pause", "t2")
    yield SETTLE
    yield _complete(peer, "c0", SMALL)
    yield SETTLE
    yield _control(peer, "Start")
    yield SETTLE
    yield _send(me, "p0", 1)
    yield SETTLE
    yield _control(peer, "Pause", "t2")
    yield SETTLE
    yield _control(peer, "Disable")
    yield SETTLE
    yield _complete(peer, "c0", SMALL)
    yield SETTLE
    yield from _close()


def _answer_while_starting(me: str) -> Iterator[Stimulus]:
    """The peer completes a packet while this end's Started runs."""
    peer = peer_of(me)
    yield from _running()
    yield from _sends(me, 1)
    yield SETTLE
    yield _control(me, "Pause")
    yield SETTLE
    yield _react(me, STARTED, HOLD)
    yield _control(me, "Start", "t1")
    yield SETTLE
    yield _complete(peer, "c0", SMALL)
    yield SETTLE
    yield _let_go(me, "Started")
    yield SETTLE
    yield from _close()


def _sends_in_callbacks(me: str) -> Iterator[Stimulus]:
    """Sends from inside Opened, Started and Closed, each for the next open."""
    peer = peer_of(me)
    yield from _configured()
    for name in ("p0", "p1", "p2"):
        yield from _packet(me, name)
    yield _react(
        peer, PROCESS_PACKET, Act("VmbChannelPacketComplete", ("this", None, None)), sticky=True
    )
    tag = 0
    for end in ("client", "server", "client"):
        for name, callback in (("p0", OPENED), ("p1", STARTED), ("p2", CLOSED)):
            buffer = payload_bytes(Payload(tag, SMALL))
            yield _react(me, callback, Act("VmbPacketSend", (name, buffer, WAIT)))
            tag += 1
        yield _control("server", "Enable")
        yield _control("server", "Start")
        yield _control("client", "Enable")
        yield SETTLE
        yield _control(end, "Disable")
        yield SETTLE
    yield _control("server", "Enable")
    yield _control("server", "Start")
    yield _control("client", "Enable")
    yield SETTLE
    yield from _close()


def _work_in_flight(me: str) -> Iterator[Stimulus]:
    """Each end closes while packets are queued, in the ring, delivered and answered."""
    peer = peer_of(me)
    tag = 0
    yield from _configured()
    for i in range(4):
        yield from _packet(me, f"p{i}")
    for end in ("client", "server"):
        yield _control("server", "Enable")
        yield _send(me, "p3", tag + 3)
        yield _control("server", "Start")
        yield _control("client", "Enable")
        yield SETTLE
        for i in range(3):
            yield _send(me, f"p{i}", tag + i, BIG if i == 2 else SMALL)
        yield SETTLE
        yield _complete(peer, "c0", ODD)
        yield _control(end, "Disable")
        yield SETTLE
        for i in range(4):
            yield _complete(peer, f"c{i}", SMALL)
        yield SETTLE
        tag += 4
    yield from _close()


def _held_everywhere(me: str) -> Iterator[Stimulus]:
    """The peer closes while each handler of this end is running."""
    peer = peer_of(me)
    yield from _configured()
    for callback, name in (
        (OPENED, "Opened"),
        (STARTED, "Started"),
        (POST_STARTED, "PostStarted"),
        (SUSPEND, "Suspend"),
        (CLOSED, "Closed"),
    ):
        yield _control("server", "Enable")
        yield _control("server", "Start")
        yield _react(me, callback, HOLD)
        yield _control("client", "Enable")
        yield SETTLE
        yield _control(peer, "Disable")
        yield SETTLE
        yield _let_go(me, name)
        yield SETTLE
        yield _control(me, "Disable")
        yield SETTLE
    yield from _close()


def _rejected(me: str) -> Iterator[Stimulus]:
    """Opened fails, then a new attempt is accepted."""
    yield from _configured()
    yield _control("server", "Enable")
    yield _control("server", "Start")
    yield _react(me, OPENED, status=0xC0000001)
    yield _control("client", "Enable")
    yield SETTLE
    yield _control("client", "Disable")
    yield SETTLE
    yield _control("server", "Disable")
    yield SETTLE
    yield _control("server", "Enable")
    yield _control("client", "Enable")
    yield SETTLE
    yield from _close()


def _pause_wishes(me: str) -> Iterator[Stimulus]:
    """The pause part over Disable and Enable, and Start against it while disabled."""
    yield from _configured()
    for wishes in (("Pause",), (), ("Pause", "Start"), ()):
        for verb in wishes:
            yield _control(me, verb)
        for end in ENDPOINTS:
            yield _control(end, "Enable")
            if end != me:
                yield _control(end, "Start")
        yield SETTLE
        if not wishes:
            yield _control(me, "Start")
            yield SETTLE
            yield _control(me, "Pause")
            yield SETTLE
        yield from _close()


def _second_session(me: str) -> Iterator[Stimulus]:
    """Everything once more in a second session, after a pause in the first."""
    peer = peer_of(me)
    yield from _running()
    yield from _sends(me, 2, ODD)
    yield SETTLE
    yield _complete(peer, "c0", ODD)
    yield _complete(peer, "c1")
    yield SETTLE
    yield _control(peer, "Pause")
    yield _control(peer, "Start")
    yield SETTLE
    yield _control("client", "Disable")
    yield SETTLE
    yield _control("client", "Enable")
    yield _control("server", "Start")
    yield SETTLE
    yield _send(me, "p0", 2, ODD)
    yield _send(me, "p1", 3, flags=0)
    yield SETTLE
    yield _complete(peer, "c1")
    yield _complete(peer, "c0", 24)
    yield SETTLE
    yield from _close()


def _batches(me: str) -> Iterator[Stimulus]:
    """A batch cut by the quota, by a pause and by a packet completed in ProcessingComplete."""
    peer = peer_of(me)
    yield from _running()
    yield _quota(peer, 2)
    yield _react(peer, PROCESSING_COMPLETE, Act("VmbChannelPacketComplete", ("c0", None, None)))
    yield from _sends(me, 4, flags=0)
    yield SETTLE
    yield _control(peer, "Pause", "t1")
    yield SETTLE
    for context in ("c0", "c1", "c0", "c1"):
        yield _complete(peer, context)
        yield SETTLE
    yield _control(peer, "Start")
    yield SETTLE
    for context in ("c0", "c1", "c0", "c1"):
        yield _complete(peer, context)
        yield SETTLE
    yield from _close()


def _faults(me: str) -> Iterator[Stimulus]:
    """A signal without content, a broken packet among good ones, the end of one side."""
    peer = peer_of(me)
    yield from _running()
    yield Environ("environment", me, "spurious")
    yield SETTLE
    yield from _sends(me, 2)
    yield SETTLE
    yield Environ("environment", me, "malformed")
    yield from _sends(me, 1, first=2)
    yield SETTLE
    yield Environ("environment", me, "crash")
    yield SETTLE
    yield _complete(peer, "c0")
    yield _complete(peer, "c1")
    yield SETTLE
    yield _control(peer, "Disable")
    yield SETTLE


def _completion_reactions(me: str) -> Iterator[Stimulus]:
    """Packets sent again and freed inside the completion routine."""
    peer = peer_of(me)
    yield from _running()
    yield _react(
        peer, PROCESS_PACKET, Act("VmbChannelPacketComplete", ("this", None, None)), sticky=True
    )
    yield from _packet(me, "p0")
    for flags in (WAIT, 0):
        again = Act("VmbPacketSend", ("this", payload_bytes(Payload(9, ODD)), flags))
        yield _react(me, COMPLETION_ROUTINE, again)
        yield _send(me, "p0", flags, flags=flags)
        yield SETTLE
    yield _react(me, COMPLETION_ROUTINE, Act("VmbPacketFree", ("this",)), HOLD)
    yield _send(me, "p0", 3)
    yield SETTLE
    yield _let_go(me, "CompletionRoutine")
    yield SETTLE
    yield from _close()


_CONVERSATIONS = (
    ("quota raised", _quota_raised),
    ("quota lowered", _quota_lowered),
    ("quota one by one", _quota_one_by_one),
    ("quota over sessions", _quota_over_sessions),
    ("blocked over a pause", _blocked_over_pause),
    ("full ring", _full_ring),
    ("queue at close", _queue_at_close),
    ("full ring of answers", _full_ring_of_answers),
    ("answers wait at close", _answers_wait_at_close),
    ("out of order", _out_of_order),
    ("fail and reopen", _fail_and_reopen),
    ("caller's memory", _caller_memory),
    ("fates of a packet", _fates),
    ("fates in the caller's memory", _fates_in_caller_memory),
    ("left to the library", _left_to_the_library),
    ("fails and completes", _fails_and_completes),
    ("pause while processing", _pause_while_processing),
    ("two packets then pause", _two_packets_then_pause),
    ("two waiters", _two_waiters),
    ("answer while starting", _answer_while_starting),
    ("sends in callbacks", _sends_in_callbacks),
    ("work in flight", _work_in_flight),
    ("held everywhere", _held_everywhere),
    ("rejected", _rejected),
    ("pause wishes", _pause_wishes),
    ("second session", _second_session),
    ("batches", _batches),
    ("faults", _faults),
    ("completion reactions", _completion_reactions),
)

TOURS: tuple[Tour, ...] = tuple(
    Tour(f"{name}, from the {me}", " ".join((tour.__doc__ or name).split()), tuple(tour(me)))
    for name, tour in _CONVERSATIONS
    for me in ENDPOINTS
)
"""Every conversation, once from each end."""
