"""An adapter to start from: your library behind the names of the KMCL header.

    kmcl adapter python:my_adapter:Library     checks that it keeps the rules
    kmcl certify --adapter python:my_adapter:Library

Every method stands for a function of the header and passes its arguments on to your library. A
method that is missing is a function you do not offer: the suite then leaves its calls out. Handlers
are called as the header says, from any thread, a buffer and its length being one argument.
A blocking call may block: the suite calls from threads of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Channel", "Library"]

STATUS_SUCCESS = 0x00000000
STATUS_INVALID_PARAMETER_2 = 0xC00000F0

Handler = Callable[..., Any]


class Channel:
    """One end of the channel. Any hashable object will do as a handle."""

    def __init__(self, is_server: bool) -> None:
        self.is_server = is_server
        self.pointer = 0
        self.state_change: Mapping[str, Handler] = {}
        self.process_packet: Handler | None = None
        self.processing_complete: Handler | None = None


class Library:
    """A fresh implementation of both ends; the suite makes one for each test."""

    Name = "my library"
    LibraryVersion = "0.1"
    Capabilities = "server client"

    # Allocation -----------------------------------------------------------------------------

    def VmbChannelAllocate(self, is_server: bool) -> tuple[int, Channel | None]:
        """The status and, if it succeeds, the handle."""
        return STATUS_SUCCESS, Channel(is_server)

    def VmbChannelCleanup(self, channel: Channel) -> None:
        """Give the channel back."""

    # Configuration --------------------------------------------------------------------------

    def VmbChannelInitSetStateChangeCallbacks(
        self, channel: Channel, version: int, size: int, handlers: Mapping[str, Handler]
    ) -> int:
        """``handlers`` maps the callbacks' names to functions; what is missing is null."""
        if version != 1:
            return STATUS_INVALID_PARAMETER_2
        channel.state_change = handlers
        return STATUS_SUCCESS

    def VmbChannelInitSetProcessPacketCallbacks(
        self, channel: Channel, process_packet: Handler, processing_complete: Handler | None
    ) -> int:
        """``process_packet(channel, completion_context, buffer, flags)``."""
        channel.process_packet = process_packet
        channel.processing_complete = processing_complete
        return STATUS_SUCCESS

    def VmbChannelInitSetMaximumPacketSize(self, channel: Channel, size: int) -> int:
        """In bytes."""
        return STATUS_SUCCESS

    def VmbServerChannelInitSetVmbusHandle(self, channel: Channel, vmbus: int) -> int:
        """Any value stands for a bus."""
        return STATUS_SUCCESS

    def VmbServerChannelInitSetTargetInterfaceId(
        self, channel: Channel, interface: str, instance: str
    ) -> int:
        """Interface type and instance as text."""
        return STATUS_SUCCESS

    def VmbClientChannelInitSetTargetPnp(
        self, channel: Channel, interface: str, instance: str, pnp_failure: Handler | None
    ) -> int:
        """Interface type and instance as text."""
        return STATUS_SUCCESS

    def VmbClientChannelInitSetRingBufferPageCount(
        self, channel: Channel, incoming: int, outgoing: int
    ) -> int:
        """Pages without the control page."""
        return STATUS_SUCCESS

    def VmbChannelSetPointer(self, channel: Channel, pointer: int) -> None:
        """The driver's own pointer."""
        channel.pointer = pointer

    def VmbChannelGetPointer(self, channel: Channel) -> int:
        """What was set last."""
        return channel.pointer

    # Next: VmbChannelEnable and VmbChannelDisable, which lead to calls of the handlers in
    # ``channel.state_change``; then VmbPacketAllocate, VmbPacketSetCompletionRoutine,
    # VmbPacketSend(packet, buffer, flags) and VmbChannelPacketComplete(context, buffer).
    # ``kmcl spec VmbChannelEnable`` tells what is demanded of each.
    #
    # The world may also act on your library if it offers
    #
    #     def Act(self, channel, action): ...      action: "crash", "malformed", "spurious"
    #
    # and it is judged faster and more sharply if it can tell when it has come to rest:
    #
    #     def WaitIdle(self, milliseconds): ...    (calls inside, callbacks entered) or None
