"""Settings and handlers that break; it shows in the last event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conversations import Conversation, answered, disabling, meeting, opened, started
from kmcl_model.api import CLOSED, OPENED, POST_STARTED, STARTED, STATE_CHANGE_CALLBACKS, SUSPEND
from kmcl_model.spec.specification import peer_of

from .situations import ERROR, Make, allocated, lacking

__all__ = ["BY_HANDLER", "BY_SETTING", "handlers", "settings"]

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
