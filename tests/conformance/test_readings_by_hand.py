"""Readings in traces written by hand: each is accepted, and told, and no other of its point is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conversations import (
    CANCELLED,
    MESSAGE,
    OTHER,
    TARGET,
    Conversation,
    configured,
    meeting,
    posting,
    ready,
    sending,
    sent,
    small,
    started,
)
from kmcl_conformance.coverage import seen
from kmcl_conformance.oracle import judge_trace
from kmcl_model.api import (
    CLOSED,
    OPENED,
    PNP_FAILURE,
    POST_STARTED,
    PROCESS_PACKET,
    SUSPEND,
)
from kmcl_model.events import Enter, Exit
from kmcl_model.spec import Specification
from kmcl_model.status import (
    STATUS_INVALID_DEVICE_STATE,
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_PARAMETER_1,
    STATUS_INVALID_PARAMETER_2,
    STATUS_INVALID_PARAMETER_3,
    STATUS_UNSUCCESSFUL,
)

ENABLE = "VmbChannelEnable"


def readings(it: Conversation) -> set[str]:
    specification = Specification()
    judge = judge_trace(it.events, specification)
    assert judge.failure is None, judge.failure
    return set(seen(specification).readings)


def setting(function: str, *arguments: Any, status: int = 0) -> Callable[[], Conversation]:
    """A setting of a channel that is disabled; of the server's, where both have it."""
    end = "client" if function.startswith("VmbClient") else "server"
    return lambda: configured().do(end, function, *arguments, status=status)


def packet(it: Conversation, end: str, name: str) -> Conversation:
    it.do(end, "VmbPacketAllocate", name, out=(True,))
    return it.do(end, "VmbPacketSetCompletionRoutine", name)


def rejected(end: str, it: Conversation) -> Conversation:
    """The end does not want the channel."""
    return it.enter(end, OPENED, end).leave(end, OPENED, STATUS_UNSUCCESSFUL)


def told() -> Conversation:
    """The server has rejected the open, and PnpFailure has said so to the client."""
    it = configured()
    it.do("client", "VmbClientChannelInitSetTargetPnp", *TARGET, True, status=0)
    for end in ("server", "client"):
        it.do(end, ENABLE, status=0)
    rejected("server", it).enter("client", PNP_FAILURE, "client", STATUS_UNSUCCESSFUL)
    return it.leave("client", PNP_FAILURE).quiet()


def anew() -> Conversation:
    """The server has rejected an open; the client was disabled and is enabled again."""
    it = rejected("server", meeting()).quiet().do("client", "VmbChannelDisable").quiet()
    return it.do("client", ENABLE, status=0)


def failed() -> Conversation:
    """Enable has refused the client's rings; it has asked for larger ones."""
    it = small().do("server", ENABLE, status=0)
    it.do("client", ENABLE, status=STATUS_INVALID_PARAMETER)
    return it.do("client", "VmbClientChannelInitSetRingBufferPageCount", 8, 8, status=0)


def held() -> Conversation:
    """The server's driver holds a packet while its channel is being disabled."""
    return sent().call("server", "VmbChannelDisable").state("server", SUSPEND)


def two_on_the_way(quota: int) -> Conversation:
    """ProcessPacket runs for the first of two packets."""
    it = packet(packet(started(), "client", "p0"), "client", "p1")
    it.do("server", "VmbChannelSetTransactionQuota", quota)
    for name, message in (("p0", MESSAGE), ("p1", OTHER)):
        it.do("client", "VmbPacketSend", name, message, 1, status=0)
    return it.enter("server", PROCESS_PACKET, "server", "c0", MESSAGE, 0)


def in_parallel() -> Conversation:
    it = two_on_the_way(3)
    second = ("server", "ProcessPacket.2", PROCESS_PACKET)
    it.events.append(Enter("enter", *second, ("server", "c1", OTHER, 0), 0))
    it.events.append(Exit("exit", *second, None))
    return it.leave("server", PROCESS_PACKET).batch("server", 2)


def flagged(flags: int) -> Conversation:
    it = sending().enter("server", PROCESS_PACKET, "server", "c0", MESSAGE, flags)
    return it.leave("server", PROCESS_PACKET)


def taken_again(pointer: int | None) -> Conversation:
    it = configured().do("client", "VmbPacketAllocate", "p0", out=(True,))
    it.do("client", "VmbPacketSetPointer", "p0", 77).do("client", "VmbPacketFree", "p0")
    it.do("client", "VmbPacketAllocate", "p0", out=(True,))
    return it.do("client", "VmbPacketGetPointer", "p0", out=(pointer,))


def never_set(pointer: int | None) -> Conversation:
    it = configured().do("client", "VmbPacketAllocate", "p0", out=(True,))
    return it.do("client", "VmbPacketGetPointer", "p0", out=(pointer,))


def closing_flush(*, before: bool) -> Conversation:
    """The server's transaction ends before its Suspend, or after it."""
    it = packet(started(), "server", "p0").do("server", "VmbPacketSend", "p0", MESSAGE, 1, status=0)
    it.process("client", "c0", MESSAGE).batch("client", 1).quiet()
    it.call("client", "VmbChannelDisable").state("client", SUSPEND)
    if before:
        return it.completion("server", "p0", CANCELLED, None).state("server", SUSPEND)
    return it.state("server", SUSPEND).completion("server", "p0", CANCELLED, None)


READINGS: dict[str, Callable[[], Conversation]] = {
    "A10:R1": setting(
        "VmbChannelInitSetMaximumExternalData", 0, 0, status=STATUS_INVALID_PARAMETER_2
    ),
    "A10:R2": setting(
        "VmbChannelInitSetMaximumExternalData", 0, 0, status=STATUS_INVALID_PARAMETER_3
    ),
    "A15/legal-bits:R1": setting("VmbChannelInitSetFlags", 2, status=STATUS_INVALID_PARAMETER_2),
    "A15/legal-bits:R2": setting("VmbServerChannelInitSetFlags", 0x20),
    "A17:R1": setting(
        "VmbChannelInitSetProcessPacketCallbacks", False, True, status=STATUS_INVALID_PARAMETER_2
    ),
    "A17:R3": setting("VmbChannelInitSetProcessPacketCallbacks", False, True),
    "A22/size-zero:R1": setting("VmbChannelInitSetClientContextSize", 0),
    "A22/size-zero:R2": setting(
        "VmbChannelInitSetClientContextSize", 0, status=STATUS_INVALID_PARAMETER_2
    ),
    "A24/null-arguments:R1": setting("VmbClientChannelInitSetTargetPnp", *TARGET, False),
    "A25/legal-set:R1": setting("VmbServerChannelInitSetTargetVtl", 5),
    "A25/legal-set:R2": setting(
        "VmbServerChannelInitSetTargetVtl", 5, status=STATUS_INVALID_PARAMETER_2
    ),
    "A26:R1": setting("VmbServerChannelInitSetMmioMegabytes", 0, 5),
    "A26:R2": setting(
        "VmbServerChannelInitSetMmioMegabytes", 0, 5, status=STATUS_INVALID_PARAMETER
    ),
    "A29:R1": setting("VmbChannelInitSetMaximumPacketSize", 2048),
    "A29:R2": setting(
        "VmbChannelInitSetMaximumPacketSize", 2048, status=STATUS_INVALID_DEVICE_STATE
    ),
    "A31:R1": lambda: configured().do("client", ENABLE, status=0).quiet(),
    "A31:R2": lambda: configured().call("client", ENABLE).quiet(),
    "A33:R1": lambda: failed().do("client", ENABLE, status=0),
    "A33:R2": lambda: failed().do("client", ENABLE, status=STATUS_INVALID_DEVICE_STATE),
    "A44:R1": lambda: anew().state("server", OPENED),
    "A44:R2": lambda: rejected("server", meeting()).state("server", CLOSED),
    "A44:R3": lambda: anew().quiet(),
    "A46:R1": told,
    "A46:R2": lambda: rejected("server", meeting().state("client", OPENED)).state("client", CLOSED),
    "A52/no-device:R1": lambda: configured().do("client", ENABLE, status=0),
    "A52/no-device:R2": lambda: configured().do("client", ENABLE, status=STATUS_UNSUCCESSFUL),
    "A52/state-afterwards:R1": lambda: told().do(
        "client", "VmbChannelInitSetFlags", 0, status=STATUS_INVALID_PARAMETER_1
    ),
    "A52/state-afterwards:R2": lambda: told().do("client", "VmbChannelInitSetFlags", 0, status=0),
    "A52/state-afterwards:R3": lambda: told().state("server", OPENED),
    "A55:R1": lambda: posting().enter("server", POST_STARTED, "server").quiet(),
    "A60:R1": lambda: closing_flush(before=True),
    "A60:R2": lambda: closing_flush(before=False),
    "A62:R1": lambda: held().quiet(),
    "A62:R2": lambda: held().state("server", CLOSED),
    "A70:R1": lambda: two_on_the_way(3).quiet(),
    "A70:R2": in_parallel,
    "A72/other-bits:R1": lambda: flagged(0),
    "A72/other-bits:R2": lambda: flagged(0x10),
    "A120/channel-never-set:R1": lambda: configured().do(
        "client", "VmbChannelGetPointer", out=(None,)
    ),
    "A120/channel-never-set:R2": lambda: configured().do(
        "client", "VmbChannelGetPointer", out=(77,)
    ),
    "A120/packet-never-set:R1": lambda: never_set(None),
    "A120/packet-never-set:R2": lambda: never_set(5),
    "A120/taken-again:R1": lambda: taken_again(None),
    "A120/taken-again:R2": lambda: taken_again(77),
    "A101/force-mdl-length:R1": lambda: ready().do(
        "client", "VmbPacketSend", "p0", MESSAGE, 3, status=0
    ),
    "A101/force-mdl-length:R2": lambda: ready().do(
        "client", "VmbPacketSend", "p0", MESSAGE, 3, status=STATUS_INVALID_PARAMETER
    ),
}
"""What shows each reading, in as few events as will do."""


@pytest.mark.parametrize("label", READINGS)
def test_a_reading_is_accepted_and_told(label: str) -> None:
    found = readings(READINGS[label]())
    place = label.partition(":")[0]

    assert {other for other in found if other.startswith(f"{place}:")} == {label}
