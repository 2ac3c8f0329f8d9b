"""Conversations between two drivers, written by hand: what several tests begin with."""

from __future__ import annotations

from typing import Any

from kmcl_conformance.oracle import Judge, judge_trace
from kmcl_model.api import (
    CLOSED,
    COMPLETION_ROUTINE,
    OPENED,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STARTED,
    STATE_CHANGE_CALLBACKS,
    SUSPEND,
)
from kmcl_model.events import Call, Enter, Event, Exit, Quiescence, Return
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec import Specification

__all__ = [
    "ANSWER",
    "CANCELLED",
    "MESSAGE",
    "OTHER",
    "QUIET",
    "TARGET",
    "Conversation",
    "answered",
    "both_answered",
    "closed",
    "closed_from_afar",
    "completed",
    "configured",
    "disabling",
    "drained",
    "draining",
    "judged",
    "meeting",
    "opened",
    "posting",
    "queued",
    "ready",
    "resting",
    "sending",
    "sent",
    "short",
    "small",
    "started",
    "unsent",
]

QUIET = Quiescence("quiescence", True)
MESSAGE = payload_bytes(Payload(1, 13))
ANSWER = payload_bytes(Payload(15, 8))
CANCELLED = 0xC0000120
TARGET = ("11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-aaaaaaaaaaaa")


def short(callback: str) -> str:
    return callback.removeprefix("EvtVmbChannel").removeprefix("EvtVmbPacket")


class Conversation:
    """A trace under construction; every method adds events and returns the conversation."""

    def __init__(self, *events: Event) -> None:
        self.events = list(events)

    def call(self, end: str, function: str, *arguments: Any, by: str = "t0") -> Conversation:
        self.events.append(Call("call", end, by, function, arguments))
        return self

    def back(
        self, end: str, function: str, status: int | None = None, *out: Any, by: str = "t0"
    ) -> Conversation:
        self.events.append(Return("return", end, by, function, status, out))
        return self

    def do(
        self, end: str, function: str, *arguments: Any, status: int | None = None, out: Any = ()
    ) -> Conversation:
        return self.call(end, function, *arguments).back(end, function, status, *out)

    def enter(self, end: str, callback: str, *arguments: Any, irql: int = 0) -> Conversation:
        self.events.append(Enter("enter", end, short(callback), callback, arguments, irql))
        return self

    def leave(self, end: str, callback: str, status: int | None = None) -> Conversation:
        self.events.append(Exit("exit", end, short(callback), callback, status))
        return self

    def state(self, end: str, *callbacks: str) -> Conversation:
        """State change callbacks that return at once."""
        for callback in callbacks:
            self.enter(end, callback, end).leave(end, callback, 0 if callback == OPENED else None)
        return self

    def process(self, end: str, context: str, message: bytes) -> Conversation:
        return self.enter(end, PROCESS_PACKET, end, context, message, 0).leave(end, PROCESS_PACKET)

    def batch(self, end: str, count: int) -> Conversation:
        return self.enter(end, PROCESSING_COMPLETE, end, count).leave(end, PROCESSING_COMPLETE)

    def completion(self, end: str, packet: str, status: int, answer: bytes | None) -> Conversation:
        self.enter(end, COMPLETION_ROUTINE, packet, status, answer)
        return self.leave(end, COMPLETION_ROUTINE)

    def quiet(self) -> Conversation:
        self.events.append(QUIET)
        return self


def configured(*, quota: int = 0) -> Conversation:
    """Both channels allocated and configured."""
    it = Conversation()
    for end in ("server", "client"):
        it.do(end, "VmbChannelAllocate", end == "server", status=0)
        it.do(
            end,
            "VmbChannelInitSetStateChangeCallbacks",
            *(1, "size", STATE_CHANGE_CALLBACKS),
            status=0,
        )
        it.do(end, "VmbChannelInitSetMaximumPacketSize", 1024, status=0)
        it.do(end, "VmbChannelInitSetProcessPacketCallbacks", True, True, status=0)
        if end == "server":
            it.do(end, "VmbServerChannelInitSetTargetInterfaceId", *TARGET, status=0)
            it.do(end, "VmbServerChannelInitSetVmbusHandle", 1, status=0)
        else:
            it.do(end, "VmbClientChannelInitSetTargetPnp", *TARGET, False, status=0)
        if quota:
            it.do(end, "VmbChannelSetTransactionQuota", quota)
    return it


def opened() -> Conversation:
    """Both ends have returned from Opened; the server is still paused."""
    it = configured()
    for end in ("server", "client"):
        it.do(end, "VmbChannelEnable", status=0)
    return it.state("server", OPENED).state("client", OPENED)


def started() -> Conversation:
    """Both ends run, and nothing is on its way."""
    it = opened().do("server", "VmbChannelStart")
    for callback in (STARTED, POST_STARTED):
        it.state("server", callback).state("client", callback)
    return it.quiet()


def ready() -> Conversation:
    """As started, and the client has a packet to send."""
    it = started().do("client", "VmbPacketAllocate", "p0", out=(True,))
    return it.do("client", "VmbPacketSetCompletionRoutine", "p0")


def sent() -> Conversation:
    """The client's packet has reached the server's driver, which keeps it."""
    it = ready().do("client", "VmbPacketSend", "p0", MESSAGE, 1, status=0)
    return it.process("server", "c0", MESSAGE).batch("server", 1).quiet()


def answered() -> Conversation:
    """The server's driver has completed the packet, and the client knows."""
    it = sent().do("server", "VmbChannelPacketComplete", "c0", ANSWER, MESSAGE)
    return it.completion("client", "p0", 0, ANSWER).quiet()


def closed() -> Conversation:
    """The client has disabled its channel; the server offers again."""
    it = answered().call("client", "VmbChannelDisable").state("client", SUSPEND, CLOSED)
    it.back("client", "VmbChannelDisable")
    return it.state("server", SUSPEND, CLOSED).quiet()


def judged(it: Conversation) -> Judge:
    return judge_trace(it.events, Specification())


def disabling() -> Conversation:
    """The client is about to disable its channel; the peer has heard."""
    return answered().call("client", "VmbChannelDisable")


def sending() -> Conversation:
    return ready().do("client", "VmbPacketSend", "p0", MESSAGE, 1, status=0)


def meeting() -> Conversation:
    """An offer and an opener."""
    it = configured()
    for end in ("server", "client"):
        it.do(end, "VmbChannelEnable", status=0)
    return it


def completed() -> Conversation:
    return sent().do("server", "VmbChannelPacketComplete", "c0", ANSWER, MESSAGE)


OTHER = payload_bytes(Payload(2, 13))


def draining() -> Conversation:
    """The server's Pause has called Suspend and waits for a packet; another thread calls Start."""
    return (
        sent()
        .call("server", "VmbChannelPause")
        .state("server", SUSPEND)
        .call("server", "VmbChannelStart", by="t1")
    )


def drained(it: Conversation) -> Conversation:
    """The packet that Pause waited for is given back."""
    complete = ("server", "VmbChannelPacketComplete")
    it.call(*complete, "c0", None, MESSAGE, by="t2").back(*complete, by="t2")
    return it.completion("client", "p0", 0, None)


def closed_from_afar() -> Conversation:
    """The server was disabled; the client's Closed has returned a moment ago."""
    it = started().call("server", "VmbChannelDisable").state("server", SUSPEND)
    it.state("client", SUSPEND).state("server", CLOSED).back("server", "VmbChannelDisable")
    return it.state("client", CLOSED)


def queued() -> Conversation:
    """The client waits for an offer with a packet in its queue."""
    it = configured().do("client", "VmbPacketAllocate", "p0", out=(True,))
    it.do("client", "VmbPacketSetCompletionRoutine", "p0")
    it.do("client", "VmbChannelEnable", status=0)
    return it.do("client", "VmbPacketSend", "p0", MESSAGE, 1, status=0).quiet()


def posting() -> Conversation:
    """The client has sent; the server has returned from Started alone."""
    it = opened().do("server", "VmbChannelStart").state("server", STARTED)
    it.state("client", STARTED, POST_STARTED).do("client", "VmbPacketAllocate", "p0", out=(True,))
    it.do("client", "VmbPacketSetCompletionRoutine", "p0")
    return it.do("client", "VmbPacketSend", "p0", MESSAGE, 1, status=0)


def unsent() -> Conversation:
    it = configured().do("client", "VmbPacketAllocate", "p0", out=(True,))
    return it.do("client", "VmbPacketSetCompletionRoutine", "p0")


def small() -> Conversation:
    """The client has asked for rings of a page, and its packets may be larger."""
    it = configured().do("client", "VmbClientChannelInitSetRingBufferPageCount", 1, 1, status=0)
    return it.do("client", "VmbChannelInitSetMaximumPacketSize", 8192, status=0)


def resting() -> Conversation:
    """The server, which nobody has started, has queued a packet; the client runs."""
    it = configured().do("server", "VmbPacketAllocate", "p0", out=(True,))
    it.do("server", "VmbPacketSetCompletionRoutine", "p0")
    it.do("server", "VmbChannelEnable", status=0)
    it.do("server", "VmbPacketSend", "p0", MESSAGE, 1, status=0)
    it.do("client", "VmbChannelEnable", status=0)
    it.state("server", OPENED).state("client", OPENED)
    return it.state("client", STARTED, POST_STARTED)


def both_answered() -> Conversation:
    """The server's driver completes two packets, and the client has heard of none."""
    it = ready().do("client", "VmbPacketAllocate", "p1", out=(True,))
    it.do("client", "VmbPacketSetCompletionRoutine", "p1")
    for packet, message in (("p0", MESSAGE), ("p1", OTHER)):
        it.do("client", "VmbPacketSend", packet, message, 1, status=0)
    it.process("server", "c0", MESSAGE).process("server", "c1", OTHER).batch("server", 2).quiet()
    it.do("server", "VmbChannelPacketComplete", "c0", ANSWER, MESSAGE)
    return it.do("server", "VmbChannelPacketComplete", "c1", ANSWER, OTHER)
