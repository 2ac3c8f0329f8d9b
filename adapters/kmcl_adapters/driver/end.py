"""What the driver of one end keeps: handles and their names, armed reactions, running handlers.

Used under the lock of the session.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from kmcl_model.api import (
    CALLBACKS,
    CLOSED,
    COMPLETION_ROUTINE,
    OPENED,
    PNP_FAILURE,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
)
from kmcl_model.events import Argument
from kmcl_model.status import is_success
from kmcl_model.stimuli import Reaction

__all__ = [
    "UNKNOWN",
    "Activation",
    "End",
    "Packet",
    "Received",
    "buffer_bytes",
    "short_name",
    "unsigned",
]

UNKNOWN: Final = "?"
"""What a handle is called that the harness never saw."""

_STATUS_MASK: Final = 0xFFFFFFFF
_NO_REACTION: Final = Reaction()

Handler: TypeAlias = Callable[..., int]


class Activation:
    """A handler between its entry and its exit."""

    __slots__ = ("held", "name", "thread")

    def __init__(self, name: str) -> None:
        self.name = name
        self.held = False
        self.thread = threading.get_ident()


class Packet:
    """An outgoing packet the tester has named; ``sends`` counts what was sent with it."""

    __slots__ = ("allocated", "handle", "in_flight", "name", "routine", "sends")

    def __init__(self, name: str, handle: Any, allocated: bool) -> None:
        self.name = name
        self.handle = handle
        self.allocated = allocated
        self.routine = False
        self.in_flight = False
        self.sends = 0


class Received(NamedTuple):
    """A packet the driver owns."""

    handle: Any
    buffer: Any


class End:
    """What the harness knows of one end.

    ``disabled`` and ``open`` are what a driver can know: Disable has returned, or the handlers
    Opened and Closed have. ``maximum`` and ``sizeof`` are what was last set and returned.
    """

    def __init__(self, endpoint: str, handlers: Mapping[str, Handler]) -> None:
        self.endpoint = endpoint
        self.handlers = handlers
        self.activations: dict[str, Activation] = {}
        self.calls = 0  # in progress, from driver threads and from handlers
        self.dead = False
        self.buried = False  # dead, and the implementation knows it: handlers may return
        self.kept: list[object] = []  # what the implementation may still read
        self._armed: dict[str, deque[Reaction]] = {}
        self.forget_channel()

    def forget_channel(self) -> None:
        """There is no channel, and nothing that belonged to one."""
        self.allocated = False
        self.channel: Any = None
        self.disabled = True
        self.open = False
        self.maximum: int | None = None
        self.sizeof: int | None = None
        self.packets: dict[str, Packet] = {}
        self.by_handle: dict[Any, Packet] = {}
        self.contexts: dict[str, Received] = {}
        self.pointers: dict[str, Argument] = {}

    def can_suffer(self, action: str, known: frozenset[str]) -> bool:
        """Whether the world can do this to the end now: most needs an open channel."""
        return action in known and (self.open or action in ("crash", "spurious"))

    # Handlers

    def arm(self, callback: str, reaction: Reaction) -> None:
        """Queue a reaction; it takes the place of a sticky one."""
        queue = self._armed.setdefault(callback, deque())
        if queue and queue[-1].sticky:
            queue.pop()
        queue.append(reaction)

    def reaction(self, callback: str) -> Reaction:
        """What the handler that was just entered does."""
        queue = self._armed.get(callback)
        if not queue:
            return _NO_REACTION
        return queue[0] if queue[0].sticky else queue.popleft()

    def activation_name(self, callback: str) -> str:
        """The callback's short name, numbered while another run of it goes on."""
        short = _SHORT[callback]
        name, number = short, 2
        while name in self.activations:
            name, number = f"{short}.{number}", number + 1
        return name

    def entered(
        self, callback: str, passed: tuple[Any, ...], endpoint_of: Callable[[Any], str]
    ) -> tuple[tuple[Argument, ...], str | None]:
        """The arguments of a handler as events show them, and the name that ``this`` means.

        Raises whatever unfit arguments lead to.
        """
        if callback == COMPLETION_ROUTINE:
            handle, status, buffer = passed
            packet = self.by_handle.get(handle)
            name = packet.name if packet else UNKNOWN
            if packet:
                packet.in_flight = False
            return (name, unsigned(status), buffer_bytes(buffer) or None), name
        channel = endpoint_of(passed[0])
        if callback == PROCESS_PACKET:
            name = self._name_context(passed[1], passed[2])
            return (channel, name, buffer_bytes(passed[2]), int(passed[3])), name
        if callback == PROCESSING_COMPLETE:
            return (channel, int(passed[1])), None
        if callback == PNP_FAILURE:
            return (channel, unsigned(passed[1])), None
        return (channel,), None

    def left(self, callback: str, status: int | None) -> None:
        """A handler returns: what that tells of the channel's state."""
        if callback == OPENED:
            self.open = is_success(status or 0)
            self.disabled |= not self.open and self.endpoint == "client"
        elif callback == CLOSED:
            self.open = False
            self.disabled |= self.endpoint == "client"

    # Names

    def _name_context(self, handle: Any, buffer: Any) -> str:
        for name, received in self.contexts.items():
            if received.handle == handle:
                return name
        number = 0
        while (name := f"c{number}") in self.contexts:
            number += 1
        self.contexts[name] = Received(handle, buffer)
        return name

    def packet(self, name: Argument, this: str | None) -> Packet | None:
        """The live packet of this name; ``this`` stands for the one just completed."""
        return self.packets.get(str(this if name == "this" and this else name))

    def add_packet(self, packet: Packet) -> None:
        """The tester's name for a new packet object."""
        self.packets[packet.name] = packet
        self.by_handle[packet.handle] = packet

    def drop_packet(self, packet: Packet) -> None:
        """The object behind the name is gone, or will free itself."""
        if self.packets.get(packet.name) is packet:
            del self.packets[packet.name]
        if self.by_handle.get(packet.handle) is packet:
            del self.by_handle[packet.handle]


def short_name(callback: str) -> str:
    """A callback's name without its prefix: ``Opened``, ``CompletionRoutine``."""
    for prefix in ("EvtVmbChannel", "EvtVmbPacket", "EvtChannel"):
        callback = callback.removeprefix(prefix)
    return callback


def unsigned(status: Any) -> int:
    """An NTSTATUS as events show it."""
    return int(status) & _STATUS_MASK


def buffer_bytes(buffer: Any) -> bytes:
    """What a buffer holds now; nothing for a null one."""
    return b"" if buffer is None else bytes(buffer)


_SHORT: Final = {name: short_name(name) for name in CALLBACKS}
