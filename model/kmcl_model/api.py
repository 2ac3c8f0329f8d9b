"""The functions and callbacks of the header, as the vocabulary knows them.

Names, parameter order and roles are the header's. Three conventions make a call
or a callback printable and comparable across implementations:

* The ``Channel`` handle of a *call* is the event's endpoint and is left out of the
  arguments. A *callback* keeps it as its first argument, translated back into an endpoint
  name, so that a handler invoked with a foreign handle is seen.
* Handles are names given by the tester (``p0`` for a packet object) or by the harness in
  order of appearance (``c0`` for a completion context). A handle the harness never saw is
  reported as ``?``.
* A buffer and its length are one value of type ``bytes``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = [
    "CALLBACKS",
    "CLOSED",
    "COMPLETION_ROUTINE",
    "FUNCTIONS",
    "OPENED",
    "PNP_FAILURE",
    "POST_STARTED",
    "PROCESSING_COMPLETE",
    "PROCESS_PACKET",
    "STARTED",
    "STATE_CHANGE_CALLBACKS",
    "SUSPEND",
    "Callback",
    "Function",
]


class Function(NamedTuple):
    """One function of the interface.

    ``role`` is ``both``, ``client`` or ``server``; ``returns`` is ``status``, ``void`` or
    ``value``; ``outputs`` names what a return event carries besides the status;
    ``waits`` tells that a page lets the call block.
    """

    name: str
    parameters: tuple[str, ...] = ()
    returns: str = "status"
    outputs: tuple[str, ...] = ()
    role: str = "both"
    capability: str = "core"
    waits: bool = False


class Callback(NamedTuple):
    """One callback of the interface; ``returns`` is ``status`` or ``void``."""

    name: str
    parameters: tuple[str, ...]
    returns: str = "void"
    role: str = "both"
    capability: str = "core"


OPENED: Final = "EvtVmbChannelOpened"
CLOSED: Final = "EvtVmbChannelClosed"
SUSPEND: Final = "EvtVmbChannelSuspend"
STARTED: Final = "EvtVmbChannelStarted"
POST_STARTED: Final = "EvtVmbChannelPostStarted"
PROCESS_PACKET: Final = "EvtVmbChannelProcessPacket"
PROCESSING_COMPLETE: Final = "EvtVmbChannelProcessingComplete"
COMPLETION_ROUTINE: Final = "EvtVmbPacketCompletionRoutine"
PNP_FAILURE: Final = "EvtChannelPnpFailure"

STATE_CHANGE_CALLBACKS: Final = (OPENED, CLOSED, SUSPEND, STARTED, POST_STARTED)
"""In the order of the members of VMB_CHANNEL_STATE_CHANGE_CALLBACKS."""

_F = Function
FUNCTIONS: Final[dict[str, Function]] = {
    f.name: f
    for f in (
        _F("VmbChannelAllocate", ("IsServer",)),
        _F("VmbChannelCleanup", returns="void"),
        _F("VmbChannelInitSetClientContextSize", ("ContextSize",)),
        _F("VmbChannelInitSetFlags", ("Flags",)),
        _F("VmbChannelInitSetFriendlyName", ("Name",)),
        _F("VmbChannelInitSetMaximumExternalData", ("DataSize", "ChainLength")),
        _F("VmbChannelInitSetMaximumPacketSize", ("PacketSize",)),
        # True stands for the harness' handler, False for a null pointer.
        _F("VmbChannelInitSetProcessPacketCallbacks", ("ProcessPacket", "ProcessingComplete")),
        # Handlers: the names of the non-null members. Version and Size as given to the call;
        # Size counts bytes and "size" stands for what the INIT helper fills in.
        _F("VmbChannelInitSetStateChangeCallbacks", ("Version", "Size", "Handlers")),
        _F(
            "VmbClientChannelInitSetRingBufferPageCount",
            ("IncomingPageCount", "OutgoingPageCount"),
            role="client",
        ),
        _F(
            "VmbClientChannelInitSetTargetPnp",
            ("InterfaceType", "InterfaceInstance", "PnpFailureCallback"),
            role="client",
        ),
        _F("VmbServerChannelInitSetFlags", ("Flags",), role="server"),
        _F(
            "VmbServerChannelInitSetMmioMegabytes",
            ("MmioMegabytes", "MmioMegabytesOptional"),
            role="server",
            capability="mmio",
        ),
        _F(
            "VmbServerChannelInitSetSaveRestorePacketCallbacks",
            ("SavePacket", "RestorePacket"),
            role="server",
            capability="save-restore",
        ),
        _F(
            "VmbServerChannelInitSetTargetInterfaceId",
            ("InterfaceType", "InterfaceInstance"),
            role="server",
        ),
        _F("VmbServerChannelInitSetTargetVtl", ("TargetVtl",), role="server", capability="vtl"),
        _F("VmbServerChannelInitSetVmbusHandle", ("VmbusHandle",), role="server"),
        _F("VmbChannelSetPointer", ("Pointer",), returns="void"),
        _F("VmbChannelGetPointer", returns="value", outputs=("Pointer",)),
        _F("VmbChannelSetTransactionQuota", ("Quota",), returns="void"),
        # In units of 100 ns.
        _F(
            "VmbChannelSetInterruptLatency",
            ("Latency",),
            outputs=("OriginalLatency",),
            capability="interrupt-latency",
        ),
        _F("VmbChannelEnable"),
        _F("VmbChannelDisable", returns="void", waits=True),
        _F("VmbChannelPause", returns="void", waits=True),
        _F("VmbChannelStart", returns="void"),
        _F("VmbChannelSizeofPacket", returns="value", outputs=("Size",)),
        # Packet is the name the tester gives to the object; the output tells whether
        # an object was returned (False: null).
        _F("VmbPacketAllocate", ("Packet",), returns="value", outputs=("Allocated",)),
        # ByteCount: "sizeof" (what VmbChannelSizeofPacket returned last), "sizeof-1" (one byte
        # less), "maximum+pointer" (maximum packet size plus one pointer) or a number of bytes.
        _F("VmbPacketInitialize", ("Packet", "ByteCount")),
        _F("VmbPacketFree", ("Packet",), returns="void"),
        _F("VmbPacketGetChannel", ("Packet",), returns="value", outputs=("Channel",)),
        _F("VmbPacketSetPointer", ("Packet", "Pointer"), returns="void"),
        _F("VmbPacketGetPointer", ("Packet",), returns="value", outputs=("Pointer",)),
        # The harness' own routine; an allocated packet without this call has the default one.
        _F("VmbPacketSetCompletionRoutine", ("Packet",), returns="void"),
        _F("VmbPacketSend", ("Packet", "Buffer", "Flags")),
        # Buffer: the answer or None. Seen: the received buffer as the driver reads it at the
        # moment of this call (filled in by the harness; None in a stimulus).
        _F("VmbChannelPacketComplete", ("Context", "Buffer", "Seen"), returns="void"),
        _F("VmbChannelPacketFail", ("Context",), returns="void"),
    )
}
"""Every function that a stimulus can name so far, by name."""

_C = Callback
CALLBACKS: Final[dict[str, Callback]] = {
    c.name: c
    for c in (
        _C(OPENED, ("Channel",), "status"),
        _C(CLOSED, ("Channel",)),
        _C(SUSPEND, ("Channel",)),
        _C(STARTED, ("Channel",)),
        _C(POST_STARTED, ("Channel",)),
        # Packet: the completion context, as a name. Flags as passed.
        _C(PROCESS_PACKET, ("Channel", "Packet", "Buffer", "Flags")),
        _C(PROCESSING_COMPLETE, ("Channel", "PacketsProcessed")),
        # Buffer: the answer; None for a null pointer or length 0.
        _C(COMPLETION_ROUTINE, ("Packet", "Status", "Buffer")),
        _C(PNP_FAILURE, ("Channel", "FailureStatus"), role="client"),
    )
}
"""Every callback an implementation may invoke so far, by name."""
