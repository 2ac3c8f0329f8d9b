"""The driver's side of one end: names for handles, and how each function is called.

An *implementation* here is any object whose methods carry the header's names, with these
conventions, the same for Python implementations and for the binding of a native library:

* A handle is any hashable object. Statuses are integers, signed or unsigned. Buffers are
  passed as ``bytes``; what is received may be anything that ``bytes()`` reads, and is read again
  when the packet is completed.
* Outputs are returned: ``VmbChannelAllocate(is_server) -> (status, channel)`` and
  ``VmbPacketInitialize(channel, memory, byte_count) -> (status, packet)``, where ``memory`` is a
  bytearray of the harness that lives as long as the session.
* ``VmbChannelInitSetStateChangeCallbacks(channel, version, size, handlers)`` takes a mapping
  from the callbacks' names to functions; ``size`` is in bytes as on a 64-bit target.
* ``VmbPacketSend(packet, buffer, flags)`` has no external data yet.
* Handlers are called as the header says, a buffer and its length being one argument.

A method that is missing is a function not offered: calls of it are skipped.

What makes no sense is skipped and leaves no event, by the same rules as in the harness of the
reference, so that a case runs the same everywhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from kmcl_model.api import CALLBACKS, COMPLETION_ROUTINE, FUNCTIONS, PNP_FAILURE, PROCESS_PACKET
from kmcl_model.api import PROCESSING_COMPLETE as BATCH
from kmcl_model.events import Argument
from kmcl_model.status import is_success
from kmcl_model.stimuli import Reaction

__all__ = ["POINTER_SIZE", "TABLE_SIZE", "UNKNOWN", "End", "Packet", "Prepared", "short_name"]

POINTER_SIZE: Final = 8
TABLE_SIZE: Final = 48
"""Bytes of VMB_CHANNEL_STATE_CHANGE_CALLBACKS: version, size and five pointers (D07)."""

UNKNOWN: Final = "?"
"""What a handle is called that the harness never saw."""

_STATUS_MASK: Final = 0xFFFFFFFF
_NO_REACTION: Final = Reaction()

Arguments: TypeAlias = tuple[Any, ...]
Returned: TypeAlias = tuple[int | None, tuple[Argument, ...]]
Handler: TypeAlias = Callable[..., int]


class Prepared(NamedTuple):
    """A call about to be made: the arguments to show, those to pass, and how to read the result."""

    shown: Arguments
    passed: Arguments
    finish: Callable[[Any], Returned]


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
    """What the harness knows of one end. Used under the session's lock."""

    def __init__(self, endpoint: str, handlers: Mapping[str, Handler]) -> None:
        self.endpoint = endpoint
        self.handlers = handlers
        self.activations: dict[str, Any] = {}
        self.calls = 0  # in progress, from driver threads and from handlers
        self.dead = False
        self.kept: list[object] = []  # what the implementation may still read
        self._armed: dict[str, deque[Reaction]] = {}
        self._forget_channel()

    def _forget_channel(self) -> None:
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

    # Reactions

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

    # Calls

    def prepare(self, function: str, arguments: Arguments, this: str | None) -> Prepared | None:
        """The call with its handles, or None where it makes no sense."""
        if self.dead or self.allocated == (function == "VmbChannelAllocate"):
            return None
        return _PREPARE.get(function, _plain)(self, function, arguments, this)

    def left(self, callback: str, status: int | None) -> None:
        """A handler returns: what that tells of the channel's state."""
        if callback == "EvtVmbChannelOpened":
            self.open = is_success(status or 0)
            self.disabled |= not self.open and self.endpoint == "client"
        elif callback == "EvtVmbChannelClosed":
            self.open = False
            self.disabled |= self.endpoint == "client"

    # Callbacks: the arguments as events show them, and what ``this`` means

    def entered(
        self, callback: str, passed: Arguments, endpoint_of: Callable[[Any], str]
    ) -> tuple[tuple[Argument, ...], str | None]:
        """Translate the arguments of a handler. Raises ValueError or TypeError for unfit ones."""
        if callback == COMPLETION_ROUTINE:
            handle, status, buffer = passed
            packet = self.by_handle.get(handle)
            name = packet.name if packet else UNKNOWN
            if packet:
                packet.in_flight = False
            return (name, _status(status), _bytes(buffer) or None), name
        channel = endpoint_of(passed[0])
        if callback == PROCESS_PACKET:
            name = self._name_context(passed[1], passed[2])
            return (channel, name, _bytes(passed[2]), int(passed[3])), name
        if callback == BATCH:
            return (channel, int(passed[1])), None
        if callback == PNP_FAILURE:
            return (channel, _status(passed[1])), None
        return (channel,), None

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


_SHORT: Final = {name: short_name(name) for name in CALLBACKS}


# Results ----------------------------------------------------------------------------------


def _bytes(buffer: Any) -> bytes:
    return b"" if buffer is None else bytes(buffer)


def _status(value: Any) -> int:
    return int(value) & _STATUS_MASK


def _returned_status(result: Any) -> Returned:
    return _status(result), ()


def _returned_nothing(_: Any) -> Returned:
    return None, ()


# How each function is called ----------------------------------------------------------------


def _plain(end: End, function: str, arguments: Arguments, _: str | None) -> Prepared:
    """A function of the channel that takes its arguments as they are."""
    void = FUNCTIONS[function].returns == "void"
    finish = _returned_nothing if void else _returned_status
    return Prepared(arguments, (end.channel, *arguments), finish)


def _allocate(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared | None:
    def finish(result: Any) -> Returned:
        status, channel = result
        if is_success(_status(status)):
            end.channel, end.allocated = channel, True
        return _status(status), ()

    if bool(arguments[0]) != (end.endpoint == "server"):
        return None
    return Prepared(arguments, (bool(arguments[0]),), finish)


def _cleanup(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared | None:
    def finish(_: Any) -> Returned:
        end._forget_channel()
        return None, ()

    if not end.disabled or end.calls or end.activations:
        return None
    return Prepared(arguments, (end.channel,), finish)


def _enable(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    was_disabled, end.disabled = end.disabled, False

    def finish(result: Any) -> Returned:
        if not is_success(_status(result)):
            end.disabled |= was_disabled
        return _status(result), ()

    return Prepared(arguments, (end.channel,), finish)


def _disable(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    def finish(_: Any) -> Returned:
        end.disabled = True
        return None, ()

    return Prepared(arguments, (end.channel,), finish)


def _maximum_packet_size(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    def finish(result: Any) -> Returned:
        if is_success(_status(result)):
            end.maximum = arguments[0]
        return _status(result), ()

    return Prepared(arguments, (end.channel, *arguments), finish)


def _process_packet_callbacks(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    names = (PROCESS_PACKET, BATCH)
    chosen = (end.handlers[n] if a else None for n, a in zip(names, arguments, strict=True))
    return Prepared(arguments, (end.channel, *chosen), _returned_status)


def _state_change_callbacks(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    version, size, names = arguments
    chosen = {name: end.handlers[name] for name in names if name in end.handlers}
    passed = (end.channel, version, TABLE_SIZE if size == "size" else size, chosen)
    return Prepared(arguments, passed, _returned_status)


def _target_pnp(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    kind, instance, callback = arguments
    handler = end.handlers[PNP_FAILURE] if callback else None
    return Prepared(arguments, (end.channel, kind, instance, handler), _returned_status)


def _save_restore(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    chosen = (_nothing_to_save if a else None for a in arguments)
    return Prepared(arguments, (end.channel, *chosen), _returned_status)


def _nothing_to_save(*_: Any) -> int:
    return 0


def _sizeof_packet(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    def finish(result: Any) -> Returned:
        end.sizeof = int(result)
        return None, (end.sizeof,)

    return Prepared(arguments, (end.channel,), finish)


def _set_pointer(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    end.pointers[""] = arguments[0]
    return Prepared(arguments, (end.channel, arguments[0]), _returned_nothing)


def _get_pointer(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    return Prepared(arguments, (end.channel,), lambda raw: (None, (_pointer(end, "", raw),)))


def _pointer(end: End, owner: str, raw: Any) -> Argument:
    """Null has two spellings, None and 0: it is read in the one in which it was written."""
    if raw:
        return int(raw)
    given = end.pointers.get(owner)
    return None if given else given


def _packet_allocate(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared | None:
    name = arguments[0]

    def finish(handle: Any) -> Returned:
        if handle is not None:
            end.pointers.pop(name, None)
            end.add_packet(Packet(name, handle, allocated=True))
        return None, (handle is not None,)

    return None if name in end.packets else Prepared(arguments, (end.channel,), finish)


def _packet_initialize(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared | None:
    name, size = arguments
    if size == "sizeof":
        size = end.sizeof
    elif size == "maximum+pointer":
        size = None if end.maximum is None else end.maximum + POINTER_SIZE
    if size is None or name in end.packets:
        return None
    memory = bytearray(size)
    end.kept.append(memory)

    def finish(result: Any) -> Returned:
        status, handle = result
        if is_success(_status(status)):
            end.pointers.pop(name, None)
            end.add_packet(Packet(name, handle, allocated=False))
        return _status(status), ()

    return Prepared(arguments, (end.channel, memory, size), finish)


def _packet_free(end: End, _f: str, arguments: Arguments, this: str | None) -> Prepared | None:
    packet = end.packet(arguments[0], this)
    if packet is None or packet.in_flight or not packet.allocated:
        return None
    end.drop_packet(packet)
    return Prepared((packet.name,), (packet.handle,), _returned_nothing)


def _packet_routine(end: End, _f: str, arguments: Arguments, this: str | None) -> Prepared | None:
    packet = end.packet(arguments[0], this)
    if packet is None or packet.in_flight:
        return None
    packet.routine = True
    passed = (packet.handle, end.handlers[COMPLETION_ROUTINE])
    return Prepared((packet.name,), passed, _returned_nothing)


def _packet_channel(end: End, _f: str, arguments: Arguments, this: str | None) -> Prepared | None:
    packet = end.packet(arguments[0], this)
    if packet is None:
        return None

    def finish(handle: Any) -> Returned:
        return None, (end.endpoint if handle == end.channel else UNKNOWN,)

    return Prepared((packet.name,), (packet.handle,), finish)


def _packet_set_pointer(
    end: End, _f: str, arguments: Arguments, this: str | None
) -> Prepared | None:
    packet = end.packet(arguments[0], this)
    if packet is None:
        return None
    pointer = end.pointers[packet.name] = arguments[1]
    return Prepared((packet.name, pointer), (packet.handle, pointer), _returned_nothing)


def _packet_get_pointer(
    end: End, _f: str, arguments: Arguments, this: str | None
) -> Prepared | None:
    packet = end.packet(arguments[0], this)
    if packet is None:
        return None
    name = packet.name
    return Prepared((name,), (packet.handle,), lambda raw: (None, (_pointer(end, name, raw),)))


def _packet_send(end: End, _f: str, arguments: Arguments, this: str | None) -> Prepared | None:
    packet = end.packet(arguments[0], this)
    if packet is None or packet.in_flight:
        return None
    _, buffer, flags = arguments
    end.kept.append(buffer)  # it may be read until the packet is completed (A96)
    packet.in_flight = True
    packet.sends += 1
    this_one = packet.sends

    def finish(result: Any) -> Returned:
        status = _status(result)
        if is_success(status):
            if not packet.routine:
                end.drop_packet(packet)  # the default routine frees it
        elif packet.sends == this_one:
            packet.in_flight = False
        return status, ()

    return Prepared((packet.name, buffer, flags), (packet.handle, buffer, flags), finish)


def _packet_complete(end: End, _f: str, arguments: Arguments, this: str | None) -> Prepared | None:
    name = this if arguments[0] == "this" and this else arguments[0]
    received = end.contexts.pop(name, None)
    if received is None:
        return None
    shown = (name, arguments[1], _bytes(received.buffer))
    return Prepared(shown, (received.handle, arguments[1]), _returned_nothing)


def _packet_fail(end: End, _f: str, arguments: Arguments, this: str | None) -> Prepared | None:
    name = this if arguments[0] == "this" and this else arguments[0]
    received = end.contexts.pop(name, None)
    if received is None:
        return None
    return Prepared((name,), (received.handle,), _returned_nothing)


_PREPARE: Final[dict[str, Callable[[End, str, Arguments, str | None], Prepared | None]]] = {
    "VmbChannelAllocate": _allocate,
    "VmbChannelCleanup": _cleanup,
    "VmbChannelDisable": _disable,
    "VmbChannelEnable": _enable,
    "VmbChannelGetPointer": _get_pointer,
    "VmbChannelInitSetMaximumPacketSize": _maximum_packet_size,
    "VmbChannelInitSetProcessPacketCallbacks": _process_packet_callbacks,
    "VmbChannelInitSetStateChangeCallbacks": _state_change_callbacks,
    "VmbChannelPacketComplete": _packet_complete,
    "VmbChannelPacketFail": _packet_fail,
    "VmbChannelSetPointer": _set_pointer,
    "VmbChannelSizeofPacket": _sizeof_packet,
    "VmbClientChannelInitSetTargetPnp": _target_pnp,
    "VmbPacketAllocate": _packet_allocate,
    "VmbPacketFree": _packet_free,
    "VmbPacketGetChannel": _packet_channel,
    "VmbPacketGetPointer": _packet_get_pointer,
    "VmbPacketInitialize": _packet_initialize,
    "VmbPacketSend": _packet_send,
    "VmbPacketSetCompletionRoutine": _packet_routine,
    "VmbPacketSetPointer": _packet_set_pointer,
    "VmbServerChannelInitSetSaveRestorePacketCallbacks": _save_restore,
}
