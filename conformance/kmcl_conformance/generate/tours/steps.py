"""What two drivers do, in few words: the steps that directed sequences are written in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, TypeAlias

from kmcl_conformance.generate.setup import MAXIMUM, SETTLE, prelude
from kmcl_model.payload import TAGS, Payload, payload_bytes
from kmcl_model.spec.specification import peer_of
from kmcl_model.stimuli import Act, Arm, Environ, Invoke, Reaction, Release, Stimulus

__all__ = [
    "BIG",
    "DONE",
    "FAIL",
    "FILLER",
    "ODD",
    "SMALL",
    "WAIT",
    "Conversation",
    "answered",
    "call",
    "close",
    "complete",
    "configured",
    "control",
    "fill",
    "happens",
    "let_go",
    "packet",
    "quota",
    "react",
    "reopen",
    "running",
    "send",
    "sends",
]

Conversation: TypeAlias = Callable[[str], Iterator[Stimulus]]

WAIT = 1
SMALL, ODD, BIG, FILLER = 8, 13, MAXIMUM, 840
"""Three of BIG and one of FILLER leave little room in a ring of one page."""
DONE = Act("VmbChannelPacketComplete", ("this", None, None))
FAIL = Act("VmbChannelPacketFail", ("this",))


def call(endpoint: str, function: str, *arguments: Any, by: str = "t0") -> Stimulus:
    return Invoke("invoke", endpoint, by, function, arguments)


def control(endpoint: str, verb: str, by: str = "") -> Stimulus:
    """Disable is called from a thread of its own, so that others can end its wait."""
    return call(endpoint, f"VmbChannel{verb}", by=by or ("t1" if verb == "Disable" else "t0"))


def quota(endpoint: str, quota: int) -> Stimulus:
    return call(endpoint, "VmbChannelSetTransactionQuota", quota)


def react(endpoint: str, callback: str, *steps: Any, status: int = 0, sticky: bool = False) -> Arm:
    return Arm("arm", endpoint, callback, Reaction(tuple(steps), status, sticky))


def let_go(endpoint: str, activation: str) -> Stimulus:
    return Release("release", endpoint, activation)


def happens(endpoint: str, action: str) -> Stimulus:
    """A crash of this end, a broken packet from it, or a signal to it that announces nothing."""
    return Environ("environment", endpoint, action)


def configured() -> Iterator[Stimulus]:
    """Both channels with all handlers and no quota, as a seed of the walks has it."""
    yield from prelude(_Plain())


class _Plain(Random):
    """Takes the plain branch of every variation of the prelude."""

    def random(self) -> float:
        return 0.75


def running(server_starts: bool = True) -> Iterator[Stimulus]:
    yield from configured()
    yield from reopen(server_starts)


def reopen(server_starts: bool = True) -> Iterator[Stimulus]:
    """Enable both ends, as far as they are disabled, and let them run."""
    yield control("server", "Enable")
    if server_starts:
        yield control("server", "Start")
    yield control("client", "Enable")
    yield SETTLE


def packet(endpoint: str, name: str, initialized: bool = False) -> Iterator[Stimulus]:
    if initialized:
        yield call(endpoint, "VmbChannelSizeofPacket")
        yield call(endpoint, "VmbPacketInitialize", name, "sizeof")
    else:
        yield call(endpoint, "VmbPacketAllocate", name)
    yield call(endpoint, "VmbPacketSetCompletionRoutine", name)


def send(endpoint: str, name: str, tag: int, length: int = SMALL, flags: int = WAIT) -> Stimulus:
    buffer = payload_bytes(Payload(tag, length))
    return call(endpoint, "VmbPacketSend", name, buffer, flags)


def complete(
    endpoint: str, context: str, answer: int | None = None, tag: int = TAGS - 1
) -> Stimulus:
    buffer = None if answer is None else payload_bytes(Payload(tag, answer))
    return call(endpoint, "VmbChannelPacketComplete", context, buffer, None)


def sends(
    endpoint: str, count: int, length: int = SMALL, flags: int = WAIT, first: int = 0
) -> Iterator[Stimulus]:
    for i in range(first, first + count):
        yield from packet(endpoint, f"p{i}")
        yield send(endpoint, f"p{i}", i, length, flags)


def answered(endpoint: str, count: int, answer: int | None = None) -> Iterator[Stimulus]:
    """Complete so many packets, each with an answer of its own."""
    for i in range(count):
        yield complete(endpoint, f"c{i}", answer, TAGS - 1 - i % 3)
    yield SETTLE


def close(*ends: str) -> Iterator[Stimulus]:
    for end in ends or ("client", "server"):
        yield control(end, "Disable")
        yield SETTLE


def fill(sender: str) -> Iterator[Stimulus]:
    """Fill the ring from ``sender``: its peer holds one packet and may hold no other."""
    yield quota(peer_of(sender), 1)
    yield from sends(sender, 1, SMALL, 0)
    yield SETTLE
    yield send(sender, "p0", 8, BIG, 0)
    yield from sends(sender, 2, BIG, 0, first=1)
    yield from sends(sender, 1, FILLER, 0, first=3)
    yield SETTLE
