"""Every statement that is modelled, broken by hand, and refused under its own name.

A conversation is accepted as it stands; each defect changes it in one place and must be refused at
that place, with exactly the requirements it breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conversations import (
    ANSWER,
    CANCELLED,
    MESSAGE,
    OTHER,
    TARGET,
    Conversation,
    answered,
    closed,
    closed_from_afar,
    completed,
    configured,
    disabling,
    judged,
    meeting,
    opened,
    queued,
    ready,
    sending,
    sent,
    small,
    started,
    unsent,
)
from kmcl_model.api import (
    CLOSED,
    COMPLETION_ROUTINE,
    OPENED,
    PNP_FAILURE,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STARTED,
    STATE_CHANGE_CALLBACKS,
    SUSPEND,
)
from kmcl_model.catalogue import requirements
from kmcl_model.events import Call, Environment
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec.specification import peer_of

ERROR = 0xC0000001
LATENCY = "VmbChannelSetInterruptLatency"
COMPLETE, FAIL, SEND = "VmbChannelPacketComplete", "VmbChannelPacketFail", "VmbPacketSend"

Make = Callable[[], Conversation]

# What goes wrong, where it is seen, counted from the end, and the requirements broken.
DEFECTS: dict[str, tuple[Callable[[], Conversation], int, str]] = {
    "Enable fails": (
        lambda: configured().do("server", "VmbChannelEnable", status=0xC0000001),
        -1,
        "F183 F184 F187",
    ),
    "Opened after an Enable that failed": (
        lambda: (
            small()
            .do("server", "VmbChannelEnable", status=0)
            .do("client", "VmbChannelEnable", status=0xC000000D)
            .enter("client", OPENED, "client")
        ),
        -1,
        "F038 F187",
    ),
    "Enable fails although a maximal packet fits the pages": (
        lambda: (
            configured()
            .do("client", "VmbClientChannelInitSetRingBufferPageCount", 1, 1, status=0)
            .do("server", "VmbChannelEnable", status=0)
            .do("client", "VmbChannelEnable", status=0xC000000D)
        ),
        -1,
        "F183 F184 F187",
    ),
    "Opened before there is an offer": (
        lambda: (
            configured()
            .do("client", "VmbChannelEnable", status=0)
            .enter("client", OPENED, "client")
        ),
        -1,
        "F014 F038",
    ),
    "Opened for the other channel": (
        lambda: meeting().enter("server", OPENED, "client"),
        -1,
        "F015",
    ),
    "Started before Opened": (
        lambda: meeting().do("server", "VmbChannelStart").enter("server", STARTED, "server"),
        -1,
        "F021 F092 F098",
    ),
    "Started a second time": (
        lambda: started().enter("client", STARTED, "client"),
        -1,
        "F091 F113",
    ),
    "PostStarted before Started": (
        lambda: opened().do("server", "VmbChannelStart").enter("server", POST_STARTED, "server"),
        -1,
        "F033 F468",
    ),
    "Opened is missing": (
        lambda: meeting().quiet(),
        -1,
        "F014 F019 F038 F184",
    ),
    "Started is missing": (
        lambda: opened().do("server", "VmbChannelStart").quiet(),
        -1,
        "F091 F094",
    ),
    "PostStarted is missing": (
        lambda: (
            opened()
            .do("server", "VmbChannelStart")
            .state("server", STARTED)
            .state("client", STARTED, POST_STARTED)
            .quiet()
        ),
        -1,
        "F032",
    ),
    "ProcessPacket is missing": (
        lambda: sending().quiet(),
        -1,
        "F042 F225 F226 F386",
    ),
    "another message is delivered": (
        lambda: sending().process("server", "c0", OTHER),
        -2,
        "F042 F045 F046 F215 F216 F226 F262",
    ),
    "a message is delivered twice": (
        lambda: sent().process("server", "c1", MESSAGE),
        -2,
        "F042 F045 F046 F215 F216 F226 F262",
    ),
    "a batch is counted wrong": (
        lambda: sending().process("server", "c0", MESSAGE).batch("server", 2),
        -2,
        "F057",
    ),
    "the end of a batch is not told": (
        lambda: sending().process("server", "c0", MESSAGE).quiet(),
        -1,
        "F049 F053 F227",
    ),
    "success without an answer": (
        lambda: sent().completion("client", "p0", 0, None),
        -2,
        "F134 F138",
    ),
    "a failure without a reason": (
        lambda: sent().completion("client", "p0", CANCELLED, None),
        -2,
        "F132 F134",
    ),
    "another answer": (
        lambda: completed().completion("client", "p0", 0, payload_bytes(Payload(14, 8))),
        -2,
        "F135 F136 F251",
    ),
    "the completion routine is missing": (
        lambda: completed().quiet(),
        -1,
        "F132 F250 F252",
    ),
    "the completion routine is missing where silence was right before": (
        lambda: (
            answered()
            .quiet()
            .do("client", "VmbPacketSend", "p0", MESSAGE, 1, status=0)
            .process("server", "c1", MESSAGE)
            .batch("server", 1)
            .do("server", "VmbChannelPacketComplete", "c1", ANSWER, MESSAGE)
            .quiet()
        ),
        -1,
        "F132 F250 F252",
    ),
    "a setting does not return where silence was right before": (
        lambda: answered().quiet().call("client", "VmbChannelSetPointer", 5).quiet(),
        -1,
        "F147",
    ),
    "the received bytes change": (
        lambda: sent().call("server", "VmbChannelPacketComplete", "c0", ANSWER, OTHER),
        -1,
        "F045 F050 F248",
    ),
    "Suspend for nothing": (
        lambda: answered().enter("server", SUSPEND, "server"),
        -1,
        "F466",
    ),
    "Suspend at DISPATCH_LEVEL": (
        lambda: (
            answered().call("server", "VmbChannelPause").enter("server", SUSPEND, "server", irql=2)
        ),
        -1,
        "F131",
    ),
    "Suspend for the other channel": (
        lambda: answered().call("server", "VmbChannelPause").enter("server", SUSPEND, "client"),
        -1,
        "F111",
    ),
    "Pause returns before Suspend": (
        lambda: answered().do("server", "VmbChannelPause"),
        -1,
        "F113 F124 F285",
    ),
    "a packet for a paused channel": (
        lambda: (
            ready()
            .call("server", "VmbChannelPause")
            .state("server", SUSPEND)
            .call("client", "VmbPacketSend", "p0", MESSAGE, 1)
            .process("server", "c0", MESSAGE)
        ),
        -2,
        "F093 F283 F284 F287",
    ),
    "a server closes without Suspend": (
        lambda: (
            disabling()
            .state("client", SUSPEND, CLOSED)
            .back("client", "VmbChannelDisable")
            .enter("server", CLOSED, "server")
        ),
        -1,
        "F108 F110 F114 F115",
    ),
    "Disable never returns": (
        lambda: (
            disabling().state("client", SUSPEND, CLOSED).state("server", SUSPEND, CLOSED).quiet()
        ),
        -1,
        "F181",
    ),
    "the peer does not hear of the close": (
        lambda: (
            disabling().state("client", SUSPEND, CLOSED).back("client", "VmbChannelDisable").quiet()
        ),
        -1,
        "F108 F109 F115",
    ),
    "Opened a second time": (lambda: opened().enter("server", OPENED, "server"), -1, "F014 F464"),
    "Closed a second time": (lambda: closed().enter("server", CLOSED, "server"), -1, "F465"),
    "the completion routine a second time": (
        lambda: answered().completion("client", "p0", 0, ANSWER),
        -2,
        "F132 F133 F137 F395",
    ),
    "Pause returns with a packet outstanding": (
        lambda: (
            sent()
            .call("server", "VmbChannelPause")
            .state("server", SUSPEND)
            .back("server", "VmbChannelPause")
        ),
        -1,
        "F120 F125",
    ),
    "Disable returns at once": (
        lambda: answered().do("client", "VmbChannelDisable"),
        -1,
        "F126 F181",
    ),
    "the end of a batch is told twice": (
        lambda: sent().batch("server", 1),
        -2,
        "F053 F054",
    ),
}


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


BROKEN: dict[str, tuple[Make, str]] = {
    # Open and close
    "Allocate does not return": (
        lambda: Conversation().call("client", "VmbChannelAllocate", False).quiet(),
        "F141",
    ),
    "Allocate fails": (
        lambda: Conversation().do("client", "VmbChannelAllocate", False, status=ERROR),
        "F141 F143 F145 F146",
    ),
    "Cleanup does not return": (
        lambda: configured().call("client", "VmbChannelCleanup").quiet(),
        "F150",
    ),
    "Closed runs inside Cleanup": (
        lambda: configured().call("client", "VmbChannelCleanup").enter("client", CLOSED, "client"),
        "F150",
    ),
    "Enable wants state change callbacks": (
        lambda: bare().do("server", "VmbChannelEnable", status=ERROR),
        "F142",
    ),
    "a waiting client does not see the offer": (
        lambda: (
            configured()
            .do("client", "VmbChannelEnable", status=0)
            .do("server", "VmbChannelEnable", status=0)
            .quiet()
        ),
        "F014 F020 F038 F184",
    ),
    "the server is not opened again": (
        lambda: closed().do("client", "VmbChannelEnable", status=0).state("client", OPENED).quiet(),
        "F007 F014 F018 F038 F184",
    ),
    "the client does not open again": (
        lambda: closed().do("client", "VmbChannelEnable", status=0).state("server", OPENED).quiet(),
        "F009 F014 F019 F038 F184",
    ),
    "a disabled server is opened": (
        lambda: server_gone().enter("server", OPENED, "server"),
        "F008 F181 F182",
    ),
    "a closed client opens the next offer by itself": (
        lambda: (
            server_gone()
            .do("server", "VmbChannelEnable", status=0)
            .enter("client", OPENED, "client")
        ),
        "F010",
    ),
    "a withdrawn offer is opened": (
        lambda: (
            server_gone()
            .do("client", "VmbChannelEnable", status=0)
            .enter("client", OPENED, "client")
        ),
        "F180",
    ),
    "a rejected channel is started": (
        lambda: (
            meeting()
            .do("server", "VmbChannelStart")
            .enter("server", OPENED, "server")
            .leave("server", OPENED, ERROR)
            .enter("server", STARTED, "server")
        ),
        "F016 F024",
    ),
    "a failure to connect to nobody": (
        lambda: (
            configured()
            .do("client", "VmbChannelEnable", status=0)
            .enter("client", PNP_FAILURE, "client", ERROR)
        ),
        "F027",
    ),
    "the client's Disable calls no Closed": (
        lambda: disabling().state("client", SUSPEND).quiet(),
        "F001",
    ),
    "the client's Disable returns without Closed": (
        lambda: disabling().state("client", SUSPEND).back("client", "VmbChannelDisable"),
        "F001 F004 F127 F181",
    ),
    "the server's Disable calls no Closed": (
        lambda: answered().call("server", "VmbChannelDisable").state("server", SUSPEND).quiet(),
        "F004",
    ),
    "a rescind calls no Closed": (
        lambda: (
            started()
            .call("server", "VmbChannelDisable")
            .state("server", SUSPEND, CLOSED)
            .back("server", "VmbChannelDisable")
            .state("client", SUSPEND)
            .quiet()
        ),
        "F002 F003",
    ),
    "a close calls no Closed at the server": (
        lambda: (
            disabling()
            .state("client", SUSPEND, CLOSED)
            .back("client", "VmbChannelDisable")
            .state("server", SUSPEND)
            .quiet()
        ),
        "F003 F179",
    ),
    "Disable of a server hangs on a dead client": (
        lambda: (
            Conversation(*started().events, Environment("environment", "client", "crash"))
            .call("server", "VmbChannelDisable")
            .state("server", SUSPEND, CLOSED)
            .quiet()
        ),
        "F129 F181",
    ),
    "Closed before Opened returns": (
        lambda: (
            meeting()
            .enter("server", OPENED, "server")
            .call("server", "VmbChannelDisable", by="t1")
            .enter("server", CLOSED, "server")
        ),
        "A05 F021",
    ),
    # Start, pause and suspend
    "PostStarted before Opened": (
        lambda: meeting().enter("server", POST_STARTED, "server"),
        "F035",
    ),
    "no Started after a reopen": (lambda: reopened().quiet(), "F091 F095"),
    "no Started after a pause": (
        lambda: paused().do("server", "VmbChannelStart").quiet(),
        "F091 F099 F345",
    ),
    "Started in the place of PostStarted": (
        lambda: (
            opened()
            .do("server", "VmbChannelStart")
            .state("server", STARTED)
            .enter("server", STARTED, "server")
        ),
        "F467",
    ),
    "Closed in the place of Suspend": (
        lambda: answered().call("server", "VmbChannelPause").enter("server", CLOSED, "server"),
        "F465",
    ),
    "Suspend while ProcessPacket runs": (
        lambda: (
            sending()
            .enter("server", PROCESS_PACKET, "server", "c0", MESSAGE, 0)
            .call("server", "VmbChannelPause", by="t1")
            .enter("server", SUSPEND, "server")
        ),
        "F116",
    ),
    "a packet after Suspend": (
        lambda: second(sent().call("server", "VmbChannelPause").state("server", SUSPEND)).enter(
            "server", PROCESS_PACKET, "server", "c1", OTHER, 0
        ),
        "F110 F117",
    ),
    "Disable returns with a packet outstanding": (
        lambda: (
            sent()
            .call("server", "VmbChannelDisable")
            .state("server", SUSPEND)
            .back("server", "VmbChannelDisable")
        ),
        "F118 F120",
    ),
    "a completion after Suspend is not noticed": (
        lambda: (
            sent()
            .call("server", "VmbChannelPause")
            .state("server", SUSPEND)
            .call("server", COMPLETE, "c0", ANSWER, MESSAGE, by="t1")
            .back("server", COMPLETE, by="t1")
            .completion("client", "p0", 0, ANSWER)
            .quiet()
        ),
        "F119 F130 F285",
    ),
    "Pause hangs without a Suspend handler": (
        lambda: lacking(SUSPEND, "server", answered().call("server", "VmbChannelPause")).quiet(),
        "F112 F285",
    ),
    # Sending
    "a send before the open is refused": (
        lambda: (
            packet(configured(), "client", "p0")
            .do("client", "VmbChannelEnable", status=0)
            .do("client", SEND, "p0", MESSAGE, 1, status=ERROR)
        ),
        "F022 F395",
    ),
    "a send from Closed is refused": (
        lambda: inside(outgoing(), "server", CLOSED, SEND, "p5", MESSAGE, 1).back(
            "server", SEND, ERROR, by="Closed"
        ),
        "F011 F395",
    ),
    "a send from Started is refused": (
        lambda: inside(
            packet(opened(), "server", "p5")
            .do("server", "VmbChannelStart")
            .enter("server", STARTED, "server"),
            "server",
            STARTED,
            SEND,
            "p5",
            MESSAGE,
            1,
        ).back("server", SEND, ERROR, by="Started"),
        "F100 F395",
    ),
    "a packet leaves before its sender is open": (
        lambda: only_server_opens(queued().do("server", "VmbChannelEnable", status=0)).enter(
            "server", PROCESS_PACKET, "server", "c0", MESSAGE, 0
        ),
        "F021 F023",
    ),
    "a packet leaves before its sender is open again": (
        lambda: only_server_opens(
            packet(closed().do("client", "VmbChannelEnable", status=0), "client", "p1").do(
                "client", SEND, "p1", OTHER, 1, status=0
            )
        ).enter("server", PROCESS_PACKET, "server", "c1", OTHER, 0),
        "F012",
    ),
    "a queued packet completes with success": (
        lambda: (
            packet(configured(), "client", "p0")
            .do("client", "VmbChannelEnable", status=0)
            .do("client", SEND, "p0", MESSAGE, 0, status=0)
            .enter("client", COMPLETION_ROUTINE, "p0", 0, None)
        ),
        "F023 F134 F139",
    ),
    "a maximal packet is not delivered": (
        lambda: (
            ready().do("client", SEND, "p0", payload_bytes(Payload(1, 1024)), 1, status=0).quiet()
        ),
        "F042 F215 F221 F225 F226 F386",
    ),
    # Receiving
    "a context names two packets": (
        lambda: second(sent()).enter("server", PROCESS_PACKET, "server", "c0", OTHER, 0),
        "F044",
    ),
    "external data is told of a packet without any": (
        lambda: sending().enter("server", PROCESS_PACKET, "server", "c0", MESSAGE, 1),
        "F047",
    ),
    "the end of a batch while ProcessPacket runs": (
        lambda: (
            sending()
            .enter("server", PROCESS_PACKET, "server", "c0", MESSAGE, 0)
            .enter("server", PROCESSING_COMPLETE, "server", 1)
        ),
        "F228",
    ),
    "more packets than the quota": (
        lambda: two(1).enter("server", PROCESS_PACKET, "server", "c1", OTHER, 0),
        "F338 F339 F340 F341",
    ),
    "a raised quota wakes the queue": (
        lambda: (
            two(1)
            .quiet()
            .do("server", "VmbChannelSetTransactionQuota", 2)
            .enter("server", PROCESS_PACKET, "server", "c1", OTHER, 0)
        ),
        "A86 F342",
    ),
    "a completion does not wake the queue": (
        lambda: (
            two(1)
            .quiet()
            .do("server", COMPLETE, "c0", None, MESSAGE)
            .completion("client", "p0", 0, None)
            .quiet()
        ),
        "F042 F226 F249 F343 F386",
    ),
    "a packet after PacketFail": (
        lambda: second(sent().do("server", FAIL, "c0")).enter(
            "server", PROCESS_PACKET, "server", "c1", OTHER, 0
        ),
        "F262 F263",
    ),
    "PacketFail does not return": (lambda: sent().call("server", FAIL, "c0").quiet(), "F262 F264"),
    "PacketComplete does not return": (
        lambda: sent().call("server", COMPLETE, "c0", None, MESSAGE).quiet(),
        "F256",
    ),
    "PacketComplete inside ProcessPacket does not return": (
        lambda: inside(
            sending().enter("server", PROCESS_PACKET, "server", "c0", MESSAGE, 0),
            "server",
            PROCESS_PACKET,
            COMPLETE,
            "c0",
            None,
            MESSAGE,
        ).quiet(),
        "F255",
    ),
    # Completion
    "an answer while Started runs": (
        lambda: (
            restarting()
            .do("server", COMPLETE, "c0", ANSWER, MESSAGE)
            .enter("client", COMPLETION_ROUTINE, "p0", 0, ANSWER)
        ),
        "F103",
    ),
    "no answer while PostStarted waits": (lambda: posted().quiet(), "F036 F132 F250 F252"),
    "the completion routine above DISPATCH_LEVEL": (
        lambda: completed().enter("client", COMPLETION_ROUTINE, "p0", 0, ANSWER, irql=3),
        "F140",
    ),
    "ProcessPacket above DISPATCH_LEVEL": (
        lambda: sending().enter("server", PROCESS_PACKET, "server", "c0", MESSAGE, 0, irql=3),
        "F051",
    ),
    "ProcessPacket for the other channel": (
        lambda: sending().enter("server", PROCESS_PACKET, "client", "c0", MESSAGE, 0),
        "F043",
    ),
    "ProcessingComplete above DISPATCH_LEVEL": (
        lambda: (
            sending()
            .process("server", "c0", MESSAGE)
            .enter("server", PROCESSING_COMPLETE, "server", 1, irql=3)
        ),
        "F059",
    ),
    "ProcessingComplete for the other channel": (
        lambda: (
            sending()
            .process("server", "c0", MESSAGE)
            .enter("server", PROCESSING_COMPLETE, "client", 1)
        ),
        "F056",
    ),
    # Interrupt latency
    "the interrupt latency is refused": (
        lambda: started().do("client", LATENCY, 200, status=ERROR, out=(0,)),
        "F334",
    ),
    "the interrupt latency is as it was before": (
        lambda: latencies(200, 300).do("client", LATENCY, 400, status=0, out=(200,)),
        "F330",
    ),
    "the interrupt latency comes back in another unit": (
        lambda: latencies(200, 300).do("client", LATENCY, 400, status=0, out=(3000,)),
        "F331",
    ),
    "the interrupt latency comes back as another": (
        lambda: latencies(200, 300).do("client", LATENCY, 400, status=0, out=(301,)),
        "F332",
    ),
    "the interrupt latency was set by a call that failed": (
        lambda: asked_in_vain().do("client", LATENCY, 300, status=0, out=(200,)),
        "F333",
    ),
    # Objects
    "the pointer of a channel is lost": (
        lambda: (
            configured()
            .do("client", "VmbChannelSetPointer", 5)
            .do("client", "VmbChannelGetPointer", out=(0,))
        ),
        "F196 F197 F337",
    ),
    "the pointer of a packet is lost": (
        lambda: (
            unsent()
            .do("client", "VmbPacketSetPointer", "p0", 5)
            .do("client", "VmbPacketGetPointer", "p0", out=(0,))
        ),
        "F376",
    ),
    "a packet of the other channel": (
        lambda: unsent().do("client", "VmbPacketGetChannel", "p0", out=("server",)),
        "F368 F374 F375",
    ),
    "no packet is to be had": (
        lambda: started().do("client", "VmbPacketAllocate", "p0", out=(False,)),
        "F368 F369",
    ),
    "SizeofPacket tells less than a packet takes": (
        lambda: configured().do("client", "VmbChannelSizeofPacket", out=(1032,)),
        "A115 F344",
    ),
    "memory of SizeofPacket bytes is refused": (
        lambda: sized(2048, "sizeof", ERROR),
        "F344 F377 F378 F380 F381",
    ),
    "memory without room for more than the packet is accepted": (
        lambda: sized(2048, "maximum+pointer", 0),
        "F379",
    ),
    "an unsent packet cannot be freed": (
        lambda: unsent().call("client", "VmbPacketFree", "p0").quiet(),
        "F371",
    ),
    "a used packet cannot be freed": (
        lambda: answered().call("client", "VmbPacketFree", "p0").quiet(),
        "F372",
    ),
}

# Settings: a call that is accepted, one that is refused, and whether an enabled channel says so.
SETTINGS: tuple[tuple[str, tuple[Any, ...], tuple[tuple[Any, ...], ...], bool, str], ...] = (
    ("VmbChannelInitSetClientContextSize", (16,), (), False, "both"),
    ("VmbChannelInitSetFlags", (0,), ((0x80000000,),), True, "both"),
    ("VmbChannelInitSetFriendlyName", ("Network",), (), False, "both"),
    ("VmbChannelInitSetMaximumExternalData", (4096, 4), ((0, 4), (4096, 0)), True, "both"),
    ("VmbChannelInitSetMaximumPacketSize", (1024,), ((0,),), True, "both"),
    ("VmbChannelInitSetProcessPacketCallbacks", (True, True), (), True, "both"),
    (
        "VmbChannelInitSetStateChangeCallbacks",
        (1, "size", STATE_CHANGE_CALLBACKS),
        ((2, "size", ()), (1, 8, ())),
        True,
        "both",
    ),
    ("VmbClientChannelInitSetRingBufferPageCount", (4, 4), (), False, "client"),
    ("VmbClientChannelInitSetTargetPnp", ("type", "instance", True), (), True, "client"),
    ("VmbServerChannelInitSetFlags", (0,), ((0x80000000,),), True, "server"),
    ("VmbServerChannelInitSetMmioMegabytes", (5, 0), ((0, 0),), True, "server"),
    ("VmbServerChannelInitSetSaveRestorePacketCallbacks", (True, True), (), True, "server"),
    ("VmbServerChannelInitSetTargetInterfaceId", ("type", "instance"), (), False, "server"),
    ("VmbServerChannelInitSetTargetVtl", (0,), ((255,),), True, "server"),
    ("VmbServerChannelInitSetVmbusHandle", (1,), (), False, "server"),
)


def settings() -> Iterator[tuple[str, Conversation]]:
    """Each setting refused where it is valid, and accepted where it is not."""
    for function, valid, invalid, coded, role in SETTINGS:
        end = "client" if role == "both" else role
        yield f"{function} is refused", allocated(end).do(end, function, *valid, status=ERROR)
        for arguments in invalid:
            it = allocated(end).do(end, function, *arguments, status=0)
            yield f"{function}{arguments} is accepted", it
        if coded:
            it = allocated(end).do(end, "VmbChannelEnable", status=0)
            yield f"{function} of an enabled channel", it.do(end, function, *valid, status=0)
        if role != "both":
            it = allocated(peer_of(end)).do(peer_of(end), function, *valid, status=0)
            yield f"{function} of the other role", it
    it = started().call("server", "VmbChannelDisable").state("server", SUSPEND, CLOSED)
    it.back("server", "VmbChannelDisable").state("client", SUSPEND, CLOSED).quiet()
    it.do("server", "VmbServerChannelInitSetFlags", 0, status=ERROR)
    yield "a setting is refused after Disable", it


# State change handlers: where each is due, and the end.
DUE: dict[str, tuple[str, Make]] = {
    OPENED: ("server", meeting),
    STARTED: ("server", lambda: opened().do("server", "VmbChannelStart")),
    POST_STARTED: (
        "server",
        lambda: opened().do("server", "VmbChannelStart").state("server", STARTED),
    ),
    SUSPEND: ("server", lambda: answered().call("server", "VmbChannelPause")),
    CLOSED: ("client", lambda: disabling().state("client", SUSPEND)),
}


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


def handlers() -> Iterator[tuple[str, Conversation]]:
    """Each state change handler with the wrong handle, at the wrong level, and not registered."""
    for callback, (end, due) in DUE.items():
        yield f"{callback} for the other channel", due().enter(end, callback, peer_of(end))
        yield f"{callback} above PASSIVE_LEVEL", due().enter(end, callback, end, irql=2)
        yield (
            f"{callback} without a handler",
            lacking(callback, end, due()).enter(end, callback, end),
        )


BY_SETTING = {
    "VmbChannelInitSetClientContextSize is refused": "F147 F199 F200",
    "VmbChannelInitSetFlags is refused": "F147 F201",
    "VmbChannelInitSetFlags(2147483648,) is accepted": "F203",
    "VmbChannelInitSetFlags of an enabled channel": "F202",
    "VmbChannelInitSetFriendlyName is refused": "F147 F204 F205 F206 F207",
    "VmbChannelInitSetMaximumExternalData is refused": "F147 F210",
    "VmbChannelInitSetMaximumExternalData(0, 4) is accepted": "F212",
    "VmbChannelInitSetMaximumExternalData(4096, 0) is accepted": "F213",
    "VmbChannelInitSetMaximumExternalData of an enabled channel": "F211",
    "VmbChannelInitSetMaximumPacketSize is refused": "F147 F217",
    "VmbChannelInitSetMaximumPacketSize(0,) is accepted": "F219",
    "VmbChannelInitSetMaximumPacketSize of an enabled channel": "F218",
    "VmbChannelInitSetProcessPacketCallbacks is refused": "F049 F147 F223",
    "VmbChannelInitSetProcessPacketCallbacks of an enabled channel": "F224",
    "VmbChannelInitSetStateChangeCallbacks is refused": "F147 F230 F445 F446 F463",
    "VmbChannelInitSetStateChangeCallbacks(2, 'size', ()) is accepted": "F232 F463",
    "VmbChannelInitSetStateChangeCallbacks(1, 8, ()) is accepted": "F233 F463",
    "VmbChannelInitSetStateChangeCallbacks of an enabled channel": "F231",
    "VmbClientChannelInitSetRingBufferPageCount is refused": "F147 F353",
    "VmbClientChannelInitSetRingBufferPageCount of the other role": "F144 F352",
    "VmbClientChannelInitSetTargetPnp is refused": "F147",
    "VmbClientChannelInitSetTargetPnp of an enabled channel": "F359",
    "VmbClientChannelInitSetTargetPnp of the other role": "F144",
    "VmbServerChannelInitSetFlags is refused": "F147",
    "VmbServerChannelInitSetFlags(2147483648,) is accepted": "F419",
    "VmbServerChannelInitSetFlags of an enabled channel": "F418",
    "VmbServerChannelInitSetFlags of the other role": "F144 F417",
    "VmbServerChannelInitSetMmioMegabytes is refused": "F147 F424",
    "VmbServerChannelInitSetMmioMegabytes(0, 0) is accepted": "F423",
    "VmbServerChannelInitSetMmioMegabytes of an enabled channel": "F422",
    "VmbServerChannelInitSetMmioMegabytes of the other role": "F144",
    "VmbServerChannelInitSetSaveRestorePacketCallbacks is refused": "F147",
    "VmbServerChannelInitSetSaveRestorePacketCallbacks of an enabled channel": "F429",
    "VmbServerChannelInitSetSaveRestorePacketCallbacks of the other role": "F144",
    "VmbServerChannelInitSetTargetInterfaceId is refused": "F147 F434",
    "VmbServerChannelInitSetTargetInterfaceId of the other role": "F144",
    "VmbServerChannelInitSetTargetVtl is refused": "F147",
    "VmbServerChannelInitSetTargetVtl(255,) is accepted": "F438",
    "VmbServerChannelInitSetTargetVtl of an enabled channel": "F437",
    "VmbServerChannelInitSetTargetVtl of the other role": "F144",
    "VmbServerChannelInitSetVmbusHandle is refused": "F147 F444",
    "VmbServerChannelInitSetVmbusHandle of the other role": "F144",
    "a setting is refused after Disable": "F182",
}

BY_HANDLER = {
    "EvtVmbChannelOpened for the other channel": "F015",
    "EvtVmbChannelOpened above PASSIVE_LEVEL": "F025",
    "EvtVmbChannelOpened without a handler": "F017 F229",
    "EvtVmbChannelStarted for the other channel": "F096",
    "EvtVmbChannelStarted above PASSIVE_LEVEL": "F107",
    "EvtVmbChannelStarted without a handler": "F097 F229",
    "EvtVmbChannelPostStarted for the other channel": "F040",
    "EvtVmbChannelPostStarted above PASSIVE_LEVEL": "F041",
    "EvtVmbChannelPostStarted without a handler": "F039 F229",
    "EvtVmbChannelSuspend for the other channel": "F111",
    "EvtVmbChannelSuspend above PASSIVE_LEVEL": "F131",
    "EvtVmbChannelSuspend without a handler": "F112 F229",
    "EvtVmbChannelClosed for the other channel": "F005",
    "EvtVmbChannelClosed above PASSIVE_LEVEL": "F013",
    "EvtVmbChannelClosed without a handler": "F006 F229",
}


def by_hand() -> Iterator[tuple[str, Conversation, int, str]]:
    """Every conversation that is broken: its name, itself, the place, counted from the end, and the
    requirements broken."""
    for name, (make, place, ids) in DEFECTS.items():
        yield name, make(), place, ids
    for name, (make_last, ids) in BROKEN.items():
        yield name, make_last(), -1, ids
    for name, it in settings():
        yield name, it, -1, BY_SETTING[name]
    for name, it in handlers():
        yield name, it, -1, BY_HANDLER[name]


EVERY = {name: (it, place, ids) for name, it, place, ids in by_hand()}


@pytest.mark.parametrize("name", EVERY)
def test_what_is_broken_is_refused_where_it_shows_under_its_name(name: str) -> None:
    it, place, ids = EVERY[name]
    failure = judged(it).failure
    assert failure is not None
    assert failure.number == len(it.events) + place
    assert failure.event == it.events[place]
    assert failure.requirements == tuple(ids.split())
    assert all(broken.words for broken in failure.broken)
    assert failure.state


@pytest.mark.parametrize("name", EVERY)
def test_what_comes_before_is_accepted(name: str) -> None:
    it, place, _ = EVERY[name]
    assert judged(Conversation(*it.events[:place])).failure is None


def test_every_modelled_requirement_is_broken() -> None:
    """Each is named by a failure; what nothing here breaks is not known to be judged."""
    named = {id for it, _, _ in EVERY.values() for id in judged(it).failure.requirements}  # type: ignore[union-attr]
    modelled = {id for id, known in requirements().items() if known.status == "modelled"}
    assert modelled - named == set()
