"""What can break in the life of a packet; it shows in the last event."""

from __future__ import annotations

from conversations import (
    ANSWER,
    MESSAGE,
    OTHER,
    answered,
    closed,
    completed,
    configured,
    opened,
    queued,
    ready,
    sending,
    sent,
    started,
    unsent,
)
from kmcl_model.api import CLOSED, COMPLETION_ROUTINE, PROCESS_PACKET, PROCESSING_COMPLETE, STARTED
from kmcl_model.payload import Payload, payload_bytes

from .situations import (
    COMPLETE,
    ERROR,
    FAIL,
    LATENCY,
    SEND,
    Make,
    asked_in_vain,
    inside,
    latencies,
    only_server_opens,
    outgoing,
    packet,
    posted,
    restarting,
    second,
    sized,
    two,
)

__all__ = ["PACKETS"]

PACKETS: dict[str, tuple[Make, str]] = {
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
