"""What can break in the life of a channel; it shows in the last event."""

from __future__ import annotations

from conversations import (
    ANSWER,
    MESSAGE,
    OTHER,
    Conversation,
    answered,
    closed,
    configured,
    disabling,
    meeting,
    opened,
    sending,
    sent,
    started,
)
from kmcl_model.api import (
    CLOSED,
    OPENED,
    PNP_FAILURE,
    POST_STARTED,
    PROCESS_PACKET,
    STARTED,
    SUSPEND,
)
from kmcl_model.events import Environment

from .situations import COMPLETE, ERROR, Make, bare, lacking, paused, reopened, second, server_gone

__all__ = ["LIFECYCLE"]

LIFECYCLE: dict[str, tuple[Make, str]] = {
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
}
