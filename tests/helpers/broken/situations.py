"""Where two drivers have come to when something breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from conversations import (
    ANSWER,
    MESSAGE,
    OTHER,
    TARGET,
    Conversation,
    answered,
    closed,
    closed_from_afar,
    configured,
    opened,
    sent,
    started,
)
from kmcl_model.api import CLOSED, OPENED, POST_STARTED, STARTED, STATE_CHANGE_CALLBACKS, SUSPEND
from kmcl_model.events import Call

__all__ = [
    "COMPLETE",
    "ERROR",
    "FAIL",
    "LATENCY",
    "SEND",
    "Make",
    "allocated",
    "asked_in_vain",
    "bare",
    "inside",
    "lacking",
    "latencies",
    "only_server_opens",
    "outgoing",
    "packet",
    "paused",
    "posted",
    "reopened",
    "restarting",
    "second",
    "server_gone",
    "sized",
    "two",
]

ERROR = 0xC0000001
LATENCY = "VmbChannelSetInterruptLatency"
COMPLETE, FAIL, SEND = "VmbChannelPacketComplete", "VmbChannelPacketFail", "VmbPacketSend"

Make: TypeAlias = Callable[[], Conversation]


def allocated(end: str) -> Conversation:
    return Conversation().do(end, "VmbChannelAllocate", end == "server", status=0)


def packet(it: Conversation, end: str, name: str) -> Conversation:
    it.do(end, "VmbPacketAllocate", name, out=(True,))
    return it.do(end, "VmbPacketSetCompletionRoutine", name)


def paused() -> Conversation:
    """The server is paused, and all is done."""
    it = answered().call("server", "VmbChannelPause").state("server", SUSPEND)
    return it.back("server", "VmbChannelPause").quiet()


def second(it: Conversation) -> Conversation:
    """The client sends another packet."""
    return packet(it, "client", "p1").do("client", SEND, "p1", OTHER, 1, status=0)


def two(quota: int) -> Conversation:
    """Two packets for a server with a quota; the first is with its driver."""
    it = configured(quota=quota)
    for end in ("server", "client"):
        it.do(end, "VmbChannelEnable", status=0)
    it.state("server", OPENED).state("client", OPENED).do("server", "VmbChannelStart")
    for callback in (STARTED, POST_STARTED):
        it.state("server", callback).state("client", callback)
    packet(it, "client", "p0").do("client", SEND, "p0", MESSAGE, 1, status=0)
    return second(it).process("server", "c0", MESSAGE)


def bare() -> Conversation:
    """A server without state change callbacks."""
    it = allocated("server").do("server", "VmbChannelInitSetMaximumPacketSize", 1024, status=0)
    it.do("server", "VmbServerChannelInitSetTargetInterfaceId", *TARGET, status=0)
    it.do("server", "VmbServerChannelInitSetVmbusHandle", 1, status=0)
    return it.do("server", "VmbChannelInitSetProcessPacketCallbacks", True, True, status=0)


def server_gone() -> Conversation:
    """The server was disabled, and both ends know."""
    return closed_from_afar().quiet()


def reopened() -> Conversation:
    """The client was disabled, and both ends have opened anew."""
    it = closed().do("client", "VmbChannelEnable", status=0)
    return it.state("server", OPENED).state("client", OPENED)


def only_server_opens(it: Conversation) -> Conversation:
    """The server is open and runs before the client's Opened is called."""
    return it.state("server", OPENED).do("server", "VmbChannelStart").state("server", STARTED)


def outgoing() -> Conversation:
    """The server has a packet to send when the client closes."""
    it = packet(started(), "server", "p5").call("client", "VmbChannelDisable")
    it.state("client", SUSPEND, CLOSED).back("client", "VmbChannelDisable")
    return it.state("server", SUSPEND).enter("server", CLOSED, "server")


def latencies(*values: int) -> Conversation:
    """The client has set its interrupt latency to one value after the other."""
    it, before = started(), 77
    for value in values:
        it.do("client", LATENCY, value, status=0, out=(before,))
        before = value
    return it


def asked_in_vain() -> Conversation:
    """The client asks for a latency before anything is open, and is refused."""
    it = configured().do("client", LATENCY, 200, status=ERROR, out=(0,))
    for end in ("server", "client"):
        it.do(end, "VmbChannelEnable", status=0)
    return it.state("server", OPENED).state("client", OPENED)


def restarting() -> Conversation:
    """The client waits for an answer while it is paused, and its Started runs."""
    it = sent().call("client", "VmbChannelPause").state("client", SUSPEND)
    it.back("client", "VmbChannelPause").do("client", "VmbChannelStart")
    return it.enter("client", STARTED, "client")


def inside(
    it: Conversation, end: str, callback: str, function: str, *arguments: Any
) -> Conversation:
    by = callback.removeprefix("EvtVmbChannel")
    return it.call(end, function, *arguments, by=by)


def sized(size: int, byte_count: str, status: int) -> Conversation:
    it = configured().do("client", "VmbChannelSizeofPacket", out=(size,))
    return it.do("client", "VmbPacketInitialize", "p0", byte_count, status=status)


def posted() -> Conversation:
    """PostStarted of the client sends a packet and waits; the server's driver completes it."""
    it = packet(opened(), "client", "p0").do("server", "VmbChannelStart")
    it.state("server", STARTED, POST_STARTED).state("client", STARTED)
    it.enter("client", POST_STARTED, "client")
    inside(it, "client", POST_STARTED, SEND, "p0", MESSAGE, 1)
    it.back("client", SEND, 0, by="PostStarted").process("server", "c0", MESSAGE).batch("server", 1)
    return it.do("server", COMPLETE, "c0", ANSWER, MESSAGE)


def lacking(callback: str, end: str, it: Conversation) -> Conversation:
    """The conversation with a table in which the handler is missing."""
    table = tuple(name for name in STATE_CHANGE_CALLBACKS if name != callback)
    return Conversation(
        *(
            event._replace(arguments=(1, "size", table))
            if isinstance(event, Call)
            and event.function == "VmbChannelInitSetStateChangeCallbacks"
            and event.endpoint == end
            else event
            for event in it.events
        )
    )
