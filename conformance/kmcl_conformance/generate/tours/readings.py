"""Open points: each conversation lets an implementation show which reading it takes.

``me`` sends, the other end receives; every conversation is held once from each end.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmcl_conformance.generate.setup import INSTANCE, SETTLE, TYPE
from kmcl_model.api import CLOSED, COMPLETION_ROUTINE, OPENED, POST_STARTED, PROCESS_PACKET
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec.specification import ENDPOINTS, peer_of
from kmcl_model.status import STATUS_UNSUCCESSFUL
from kmcl_model.stimuli import HOLD, Act, Stimulus

from .steps import (
    BIG,
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

HUGE = 8192
"""The largest packet of a channel whose rings are asked to have one page."""


def _sends_while_paused(me: str) -> Iterator[Stimulus]:
    """An end that opens paused has packets queued, and sends one again from their routine (A65,
    A66)."""
    peer = peer_of(me)
    again = payload_bytes(Payload(2, ODD))
    yield from configured()
    yield from packet(me, "p0")
    yield from packet(me, "p1")
    yield control(me, "Pause")
    yield control(me, "Enable")
    yield react(me, COMPLETION_ROUTINE, Act("VmbPacketSend", ("this", again, WAIT)))
    yield send(me, "p0", 0, flags=0)
    yield send(me, "p1", 1)
    yield control(peer, "Enable")
    yield control(peer, "Start")
    yield SETTLE
    for context in ("c0", "c1"):
        yield complete(peer, context, ODD)
    yield SETTLE
    yield control(me, "Start")
    yield SETTLE
    for context in ("c0", "c1", "c2"):
        yield complete(peer, context, SMALL)
    yield SETTLE
    yield from close()


def _answers_in_order(me: str) -> Iterator[Stimulus]:
    """Several packets are completed before the sender hears of any (A84)."""
    peer = peer_of(me)
    yield from running()
    yield from sends(me, 4)
    yield SETTLE
    yield from answered(peer, 4, ODD)
    yield from close()


def _quota_of_another_session(me: str) -> Iterator[Stimulus]:
    """A quota that is set once, over a close and a Disable (A87)."""
    peer = peer_of(me)
    yield from running()
    yield quota(peer, 1)
    yield from packet(me, "p0")
    yield from packet(me, "p1")
    for tag, end in enumerate(ENDPOINTS):
        yield from close(end)
        yield from reopen()
        yield send(me, "p0", 2 * tag)
        yield send(me, "p1", 2 * tag + 1)
        yield SETTLE
        yield complete(peer, "c0")
        yield SETTLE
        yield complete(peer, "c0")
        yield complete(peer, "c1")
        yield SETTLE
    yield from close()


def _server_left_to_itself(me: str) -> Iterator[Stimulus]:
    """A server that nobody starts, with a packet on its way (A34)."""
    yield from running(server_starts=False)
    yield from sends(me, 1)
    yield SETTLE
    yield control("server", "Start")
    yield SETTLE
    yield from answered(peer_of(me), 1)
    yield from close()


def _sends_while_disabled(me: str) -> Iterator[Stimulus]:
    """A packet is sent in Closed, and again where it is cancelled on a disabled channel (A90)."""
    buffers = [payload_bytes(Payload(tag, SMALL)) for tag in range(2)]
    yield from running()
    yield from packet(me, "p0")
    yield react(me, CLOSED, Act("VmbPacketSend", ("p0", buffers[0], 0)))
    yield react(me, COMPLETION_ROUTINE, Act("VmbPacketSend", ("this", buffers[1], WAIT)))
    yield from close("server")
    yield from reopen()
    yield from answered(peer_of(me), 2)
    yield from close()


def _settings_out_of_place(me: str) -> Iterator[Stimulus]:
    """Settings of the other role, and settings of an enabled channel (A08, A09)."""
    other = "VmbServerChannelInitSetTargetVtl" if me == "client" else None
    yield from configured()
    if other:
        yield call(me, other, 0)
    else:
        yield call(me, "VmbClientChannelInitSetRingBufferPageCount", 1, 1)
    yield from reopen()
    yield call(me, "VmbChannelInitSetFriendlyName", "Network")
    yield call(me, "VmbChannelInitSetClientContextSize", 16)
    yield SETTLE
    yield from close()


def _small_ring(me: str) -> Iterator[Stimulus]:
    """Pages are asked for that a maximal packet does not fit; then enough of them (A21)."""
    peer = peer_of(me)
    yield from configured()
    for end in ENDPOINTS:
        yield call(end, "VmbChannelInitSetMaximumPacketSize", HUGE)
    yield from packet(me, "p0")
    for tag, pages in enumerate((1, 4)):
        yield call("client", "VmbClientChannelInitSetRingBufferPageCount", pages, pages)
        yield from reopen()
        yield send(me, "p0", tag, HUGE)
        yield SETTLE
        yield from answered(peer, 1, SMALL)
        yield from close()


def _scant_memory(me: str) -> Iterator[Stimulus]:
    """A packet in one byte less than SizeofPacket, between the sizes of the page (A115)."""
    peer = peer_of(me)
    yield from configured()
    yield call(me, "VmbChannelSizeofPacket")
    yield call(me, "VmbPacketInitialize", "p0", "sizeof-1")
    yield call(me, "VmbPacketInitialize", "p0", "sizeof")
    yield call(me, "VmbPacketSetCompletionRoutine", "p0")
    yield from reopen()
    for tag, (length, flags) in enumerate(((BIG, WAIT), (SMALL, 0))):
        yield send(me, "p0", tag, length, flags)
        yield SETTLE
        yield from answered(peer, 1, ODD)
    yield from close()


def _settings_in_doubt(me: str) -> Iterator[Stimulus]:
    """Arguments that may be accepted or refused, and several bad ones at once; the channel is not
    used (A10, A15, A22, A24, A25, A26)."""
    yield from configured()
    yield call(me, "VmbChannelInitSetMaximumExternalData", 0, 0)
    yield call(me, "VmbChannelInitSetClientContextSize", 0)
    yield call(me, "VmbChannelInitSetFlags", 2)
    if me == "server":
        yield call(me, "VmbServerChannelInitSetFlags", 0x20)
        yield call(me, "VmbServerChannelInitSetMmioMegabytes", 0, 5)
        yield call(me, "VmbServerChannelInitSetTargetVtl", 5)
    else:
        for instance, callback in ((INSTANCE, False), (None, True)):
            yield call(me, "VmbClientChannelInitSetTargetPnp", TYPE, instance, callback)


def _pointers(me: str) -> Iterator[Stimulus]:
    """The pointers of a channel and a packet that were given none, and of a packet that takes the
    place of another one (A120)."""
    yield from configured()
    yield call(me, "VmbChannelGetPointer")
    yield call(me, "VmbPacketAllocate", "p0")
    yield call(me, "VmbPacketGetPointer", "p0")
    yield call(me, "VmbPacketSetPointer", "p0", 77)
    yield call(me, "VmbPacketFree", "p0")
    yield from packet(me, "p0")
    yield call(me, "VmbPacketGetPointer", "p0")
    yield from reopen()
    yield send(me, "p0", 1)
    yield SETTLE
    yield from answered(peer_of(me), 1)
    yield from close()


def _nobody_there(me: str) -> Iterator[Stimulus]:
    """A client is enabled while nothing is offered, and again when there is an offer (A31, A52)."""
    yield from configured()
    yield from packet(me, "p0")
    yield control("client", "Enable")
    yield SETTLE
    yield from reopen()
    yield send(me, "p0", 1)
    yield SETTLE
    yield from answered(peer_of(me), 1)
    yield from close()


def _enabled_again(me: str) -> Iterator[Stimulus]:
    """Where Enable refuses the rings that were asked for, larger ones are asked for (A33)."""
    yield from configured()
    for end in ENDPOINTS:
        yield call(end, "VmbChannelInitSetMaximumPacketSize", HUGE)
    yield from packet(me, "p0")
    yield call("client", "VmbClientChannelInitSetRingBufferPageCount", 1, 1)
    yield from reopen()
    yield call("client", "VmbClientChannelInitSetRingBufferPageCount", 4, 4)
    yield control("client", "Enable")
    yield SETTLE
    yield from close()
    yield from reopen()
    yield send(me, "p0", 1)
    yield SETTLE
    yield from answered(peer_of(me), 1)
    yield from close()


def _rejected(me: str) -> Iterator[Stimulus]:
    """One end rejects the first open; the client is configured, disabled, and enabled anew (A44,
    A46, A52)."""
    yield from configured()
    yield react(me, OPENED, status=STATUS_UNSUCCESSFUL)
    yield from reopen()
    yield call("client", "VmbChannelInitSetFlags", 0)
    yield control("client", "Disable")
    yield SETTLE
    yield from reopen()
    yield from close()
    yield from reopen()
    yield from close()


def _packets_while_one_is_processed(me: str) -> Iterator[Stimulus]:
    """ProcessPacket has not returned when the next packet comes, which the quota allows (A70)."""
    peer = peer_of(me)
    yield from running()
    yield quota(peer, 3)
    yield react(peer, PROCESS_PACKET, HOLD)
    yield from sends(me, 2)
    yield SETTLE
    yield let_go(peer, "ProcessPacket")
    yield SETTLE
    yield from answered(peer, 2)
    yield from close()


def _packets_while_post_started_runs(me: str) -> Iterator[Stimulus]:
    """PostStarted has not returned when a packet comes (A55)."""
    peer = peer_of(me)
    yield from configured()
    yield from packet(me, "p0")
    yield react(peer, POST_STARTED, HOLD)
    yield from reopen()
    yield send(me, "p0", 1)
    yield SETTLE
    yield let_go(peer, "PostStarted")
    yield SETTLE
    yield from answered(peer, 1)
    yield from close()


CONVERSATIONS: tuple[tuple[str, Conversation], ...] = (
    ("sends while paused", _sends_while_paused),
    ("answers in order", _answers_in_order),
    ("quota of another session", _quota_of_another_session),
    ("server left to itself", _server_left_to_itself),
    ("sends while disabled", _sends_while_disabled),
    ("settings out of place", _settings_out_of_place),
    ("small ring", _small_ring),
    ("scant memory", _scant_memory),
    ("settings in doubt", _settings_in_doubt),
    ("pointers", _pointers),
    ("nobody there", _nobody_there),
    ("enabled again", _enabled_again),
    ("rejected", _rejected),
    ("packets while one is processed", _packets_while_one_is_processed),
    ("packets while PostStarted runs", _packets_while_post_started_runs),
)
