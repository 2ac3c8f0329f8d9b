"""How each function is called: from names to handles, and back from what it returns.

Whoever prepares a call makes it: what it takes from the driver (a context, a packet to be freed)
is gone from that moment on, because the implementation may reuse it before the call returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from kmcl_model.api import (
    COMPLETION_ROUTINE,
    FUNCTIONS,
    PNP_FAILURE,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
)
from kmcl_model.events import Argument
from kmcl_model.status import is_success

from .end import UNKNOWN, End, Packet, buffer_bytes, unsigned

__all__ = ["POINTER_SIZE", "TABLE_SIZE", "Prepared", "prepare"]

POINTER_SIZE: Final = 8
TABLE_SIZE: Final = 48
"""Bytes of VMB_CHANNEL_STATE_CHANGE_CALLBACKS: version, size and five pointers (D07)."""

Arguments: TypeAlias = tuple[Any, ...]
Returned: TypeAlias = tuple[int | None, tuple[Argument, ...]]


class Prepared(NamedTuple):
    """A call about to be made: the arguments to show, those to pass, and how to read the result."""

    shown: Arguments
    passed: Arguments
    finish: Callable[[Any], Returned]


def prepare(end: End, function: str, arguments: Arguments, this: str | None) -> Prepared | None:
    """The call with its handles, or None where it makes no sense. ``this``: see ``Act``."""
    if function not in FUNCTIONS or end.dead:
        return None
    if end.allocated == (function == "VmbChannelAllocate"):
        return None
    return _PREPARE.get(function, _plain)(end, function, arguments, this)


def _returned_status(result: Any) -> Returned:
    return unsigned(result), ()


def _returned_nothing(_: Any) -> Returned:
    return None, ()


def _plain(end: End, function: str, arguments: Arguments, _: str | None) -> Prepared:
    """A function of the channel that takes its arguments as they are."""
    void = FUNCTIONS[function].returns == "void"
    finish = _returned_nothing if void else _returned_status
    return Prepared(arguments, (end.channel, *arguments), finish)


def _allocate(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared | None:
    def finish(result: Any) -> Returned:
        status, channel = result
        if is_success(unsigned(status)):
            end.channel, end.allocated = channel, True
        return unsigned(status), ()

    if bool(arguments[0]) != (end.endpoint == "server"):
        return None
    return Prepared(arguments, (bool(arguments[0]),), finish)


def _cleanup(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared | None:
    def finish(_: Any) -> Returned:
        end.forget_channel()
        return None, ()

    if not end.disabled or end.calls or end.activations:
        return None
    return Prepared(arguments, (end.channel,), finish)


def _enable(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    was_disabled, end.disabled = end.disabled, False

    def finish(result: Any) -> Returned:
        if not is_success(unsigned(result)):
            end.disabled |= was_disabled
        return unsigned(result), ()

    return Prepared(arguments, (end.channel,), finish)


def _disable(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    def finish(_: Any) -> Returned:
        end.disabled = True
        return None, ()

    return Prepared(arguments, (end.channel,), finish)


def _maximum_packet_size(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    def finish(result: Any) -> Returned:
        if is_success(unsigned(result)):
            end.maximum = arguments[0]
        return unsigned(result), ()

    return Prepared(arguments, (end.channel, *arguments), finish)


def _process_packet_callbacks(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    names = (PROCESS_PACKET, PROCESSING_COMPLETE)
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


def _interrupt_latency(end: End, _f: str, arguments: Arguments, _t: str | None) -> Prepared:
    def finish(result: Any) -> Returned:
        status, original = result
        return unsigned(status), (int(original),)

    return Prepared(arguments, (end.channel, *arguments), finish)


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
    elif size == "sizeof-1":
        size = None if end.sizeof is None else end.sizeof - 1
    elif size == "maximum+pointer":
        size = None if end.maximum is None else end.maximum + POINTER_SIZE
    if size is None or name in end.packets:
        return None
    memory = bytearray(size)
    end.kept.append(memory)

    def finish(result: Any) -> Returned:
        status, handle = result
        if is_success(unsigned(status)):
            end.pointers.pop(name, None)
            end.add_packet(Packet(name, handle, allocated=False))
        return unsigned(status), ()

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
        status = unsigned(result)
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
    shown = (name, arguments[1], buffer_bytes(received.buffer))
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
    "VmbChannelSetInterruptLatency": _interrupt_latency,
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
