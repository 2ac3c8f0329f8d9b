"""What can break in one session, from Enable to Disable."""

from __future__ import annotations

from conversations import (
    ANSWER,
    CANCELLED,
    MESSAGE,
    OTHER,
    answered,
    closed,
    completed,
    configured,
    disabling,
    meeting,
    opened,
    ready,
    sending,
    sent,
    small,
    started,
)
from kmcl_model.api import CLOSED, OPENED, POST_STARTED, STARTED, SUSPEND
from kmcl_model.payload import Payload, payload_bytes

from .situations import Make

__all__ = ["SESSION"]

# What goes wrong, where it is seen, counted from the end, and the requirements broken.
SESSION: dict[str, tuple[Make, int, str]] = {
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
