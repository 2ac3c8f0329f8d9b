"""The KMCL table of a shared library as a Python object, by the rules of ``kmcl_adapters.driver``.

The layout is that of ``adapters/native/kmcl.h``; a test compares the two.
"""

from __future__ import annotations

import ctypes as c
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from kmcl_model.api import FUNCTIONS, OPENED, STATE_CHANGE_CALLBACKS

__all__ = ["TABLE_VERSION", "NativeLibrary", "NotAKmclLibrary", "Table", "load"]

TABLE_VERSION: Final = 1
"""KMCL_TABLE_VERSION of the header."""

CAPABILITIES: Final = frozenset(
    ["server", "client", "mmio", "vtl", "save-restore", "crash", "malformed", "spurious"]
)
"""The words of the header."""
_POINTER_MASK: Final = (1 << 64) - 1
_ACTIONS: Final = {"crash": 1, "malformed": 2, "spurious": 3}


class NotAKmclLibrary(Exception):
    """The file cannot be used: one line that says why."""


class Guid(c.Structure):
    _fields_ = [("bytes", c.c_uint32 * 4)]


class UnicodeString(c.Structure):
    _fields_ = [
        ("Length", c.c_uint16),
        ("MaximumLength", c.c_uint16),
        ("Buffer", c.c_void_p),
    ]


_HANDLE = c.c_void_p
_STATUS = c.c_uint32
_UINT32 = c.c_uint32

# Callbacks.
_STATE_STATUS = c.CFUNCTYPE(_STATUS, _HANDLE)
_STATE = c.CFUNCTYPE(None, _HANDLE)
_PROCESS_PACKET = c.CFUNCTYPE(None, _HANDLE, _HANDLE, c.c_void_p, _UINT32, _UINT32)
_PROCESSING_COMPLETE = c.CFUNCTYPE(None, _HANDLE, _UINT32)
_COMPLETION_ROUTINE = c.CFUNCTYPE(None, _HANDLE, _STATUS, c.c_void_p, _UINT32)
_PNP_FAILURE = c.CFUNCTYPE(None, _HANDLE, _STATUS)
_SAVE_PACKET = c.CFUNCTYPE(_STATUS, _HANDLE, _HANDLE, c.c_void_p, _UINT32, c.POINTER(_UINT32))
_RESTORE_PACKET = c.CFUNCTYPE(_STATUS, _HANDLE, c.c_void_p, _UINT32, c.c_void_p, _UINT32)


class StateChangeCallbacks(c.Structure):
    _fields_ = [
        ("Version", _UINT32),
        ("Size", _UINT32),
        *((name, _STATE_STATUS if name == OPENED else _STATE) for name in STATE_CHANGE_CALLBACKS),
    ]


def _status(*arguments: Any) -> Any:
    return c.CFUNCTYPE(_STATUS, *arguments)


def _void(*arguments: Any) -> Any:
    return c.CFUNCTYPE(None, *arguments)


_LATER: Final = c.c_void_p

_SLOTS: Final[tuple[tuple[str, Any], ...]] = (
    ("VmbChannelAllocate", _status(c.c_void_p, c.c_uint8, c.POINTER(_HANDLE))),
    ("VmbChannelCleanup", _void(_HANDLE)),
    ("VmbChannelCreateGpadlFromBuffer", _LATER),
    ("VmbChannelCreateGpadlFromMdl", _LATER),
    ("VmbChannelDeleteGpadl", _LATER),
    ("VmbChannelDisable", _void(_HANDLE)),
    ("VmbChannelEnable", _status(_HANDLE)),
    ("VmbChannelGetInterfaceInstance", _LATER),
    ("VmbChannelGetMmioSpace", _LATER),
    ("VmbChannelGetPointer", c.CFUNCTYPE(c.c_void_p, _HANDLE)),
    ("VmbChannelInitSetClientContextSize", _status(_HANDLE, _UINT32)),
    ("VmbChannelInitSetFlags", _status(_HANDLE, _UINT32)),
    ("VmbChannelInitSetFriendlyName", _status(_HANDLE, c.POINTER(UnicodeString))),
    ("VmbChannelInitSetMaximumExternalData", _status(_HANDLE, _UINT32, _UINT32)),
    ("VmbChannelInitSetMaximumPacketSize", _status(_HANDLE, _UINT32)),
    (
        "VmbChannelInitSetProcessPacketCallbacks",
        _status(_HANDLE, _PROCESS_PACKET, _PROCESSING_COMPLETE),
    ),
    (
        "VmbChannelInitSetStateChangeCallbacks",
        _status(_HANDLE, c.POINTER(StateChangeCallbacks)),
    ),
    ("VmbChannelPacketComplete", _void(_HANDLE, c.c_char_p, _UINT32)),
    ("VmbChannelPacketDeferToPassive", _LATER),
    ("VmbChannelPacketFail", _void(_HANDLE)),
    ("VmbChannelPacketGetExternalData", _LATER),
    ("VmbChannelPause", _void(_HANDLE)),
    ("VmbChannelSendSynchronousRequest", _LATER),
    ("VmbChannelSetIncomingProcessingAtPassive", _LATER),
    ("VmbChannelSetInterruptLatency", _status(_HANDLE, c.c_uint16, c.POINTER(c.c_uint16))),
    ("VmbChannelSetPointer", _void(_HANDLE, c.c_void_p)),
    ("VmbChannelSetTransactionQuota", _void(_HANDLE, _UINT32)),
    ("VmbChannelSizeofPacket", c.CFUNCTYPE(_UINT32, _HANDLE)),
    ("VmbChannelStart", _void(_HANDLE)),
    ("VmbClientChannelInitSetRingBufferPageCount", _status(_HANDLE, _UINT32, _UINT32)),
    (
        "VmbClientChannelInitSetTargetPnp",
        _status(_HANDLE, c.POINTER(Guid), c.POINTER(Guid), _PNP_FAILURE),
    ),
    ("VmbPacketAllocate", c.CFUNCTYPE(_HANDLE, _HANDLE)),
    ("VmbPacketFree", _void(_HANDLE)),
    ("VmbPacketGetChannel", c.CFUNCTYPE(_HANDLE, _HANDLE)),
    ("VmbPacketGetPointer", c.CFUNCTYPE(c.c_void_p, _HANDLE)),
    ("VmbPacketInitialize", _status(_HANDLE, _HANDLE, _UINT32)),
    ("VmbPacketSend", _status(_HANDLE, c.c_char_p, _UINT32, c.c_void_p, _UINT32)),
    ("VmbPacketSendWithExternalMdl", _LATER),
    ("VmbPacketSendWithExternalPfns", _LATER),
    ("VmbPacketSetCompletionRoutine", _void(_HANDLE, _COMPLETION_ROUTINE)),
    ("VmbPacketSetPointer", _void(_HANDLE, c.c_void_p)),
    ("VmbChannelMapGpadl", _LATER),
    ("VmbChannelRestoreFromBuffer", _LATER),
    ("VmbChannelSaveBegin", _LATER),
    ("VmbChannelSaveContinue", _LATER),
    ("VmbChannelSaveEnd", _LATER),
    ("VmbChannelUnmapGpadl", _LATER),
    ("VmbConvertVmbusHandleToKernelHandle", _LATER),
    ("VmbPacketRestore", _LATER),
    ("VmbServerChannelInitSetFlags", _status(_HANDLE, _UINT32)),
    ("VmbServerChannelInitSetMmioMegabytes", _status(_HANDLE, c.c_uint16, c.c_uint16)),
    (
        "VmbServerChannelInitSetSaveRestorePacketCallbacks",
        _status(_HANDLE, _SAVE_PACKET, _RESTORE_PACKET),
    ),
    ("VmbServerChannelInitSetTargetInterfaceId", _status(_HANDLE, Guid, Guid)),
    ("VmbServerChannelInitSetTargetVtl", _status(_HANDLE, c.c_uint8)),
    ("VmbServerChannelInitSetVmbusHandle", _status(_HANDLE, c.c_void_p)),
)


class Table(c.Structure):
    """KMCL_TABLE."""

    _fields_ = [
        ("Size", _UINT32),
        ("Version", _UINT32),
        ("Name", c.c_char_p),
        ("LibraryVersion", c.c_char_p),
        ("Capabilities", c.c_char_p),
        ("Reset", c.CFUNCTYPE(c.c_uint8)),
        ("WaitIdle", c.CFUNCTYPE(c.c_uint8, _UINT32, c.POINTER(_UINT32), c.POINTER(_UINT32))),
        ("Act", _void(_HANDLE, c.c_int)),
        *_SLOTS,
    ]


class Memory:
    """Bytes that belong to the library; each ``bytes()`` reads them anew."""

    __slots__ = ("address", "length")

    def __init__(self, address: int | None, length: int) -> None:
        self.address = address
        self.length = length

    def __bytes__(self) -> bytes:
        return c.string_at(self.address, self.length) if self.address and self.length else b""


def _guid(value: object) -> Guid:
    """A GUID for whatever a test writes for one: equal values give equal GUIDs."""
    text = str(value)
    try:
        number = uuid.UUID(text)
    except ValueError:
        number = uuid.uuid5(uuid.NAMESPACE_OID, text)
    return Guid.from_buffer_copy(number.bytes_le)


def _optional_guid(value: object) -> Any:
    return None if value is None else c.pointer(_guid(value))


def _pointer(value: Any) -> Any:
    """A PVOID that says something, for an integer or any other value."""
    if value is None:
        return None
    return (value if isinstance(value, int) else hash(value)) & _POINTER_MASK


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def load(path: str) -> Table:
    """The table of the library at ``path``; raises NotAKmclLibrary."""
    try:
        library = c.CDLL(path)
    except OSError as error:
        raise NotAKmclLibrary(f"cannot be loaded: {error}") from error
    try:
        get_table = library.KmclGetTable
    except AttributeError:
        raise NotAKmclLibrary("does not export KmclGetTable; see kmcl.h") from None
    get_table.restype = c.c_void_p
    get_table.argtypes = [_UINT32]
    address = get_table(TABLE_VERSION)
    if not address:
        raise NotAKmclLibrary(f"has no function table of version {TABLE_VERSION}")
    size, version = (_UINT32 * 2).from_address(address)
    if version != TABLE_VERSION:
        raise NotAKmclLibrary(f"its table has version {version}; we speak version {TABLE_VERSION}")
    if size < Table.Reset.offset:
        raise NotAKmclLibrary(f"its table has {size} bytes, too few to be one")
    table = Table()  # slots the library does not know are null
    c.memmove(c.byref(table), address, min(size, c.sizeof(Table)))
    return table


class NativeLibrary:
    """The functions that a library offers, as methods; those it lacks are missing."""

    def __init__(self, path: str) -> None:
        table = self._table = load(path)
        if not table.Name:
            raise NotAKmclLibrary("its table has no Name, which is required; see kmcl.h")
        self.Name = _text(table.Name)
        self.LibraryVersion = _text(table.LibraryVersion)
        self.Capabilities = _text(table.Capabilities)
        if unknown := sorted(set(self.Capabilities.split()) - CAPABILITIES):
            raise NotAKmclLibrary(
                f"its capabilities have the unknown word {unknown[0]!r}; see kmcl.h"
            )
        if not any(getattr(table, name) for name in FUNCTIONS):
            raise NotAKmclLibrary("its table has no function; see kmcl.h")
        self._thunks: dict[object, Any] = {}
        self._kept: list[Any] = []
        for name in FUNCTIONS:
            if function := getattr(table, name):
                wrap = _WRAPPERS.get(name)
                setattr(self, name, wrap(self, function) if wrap else function)
        if table.WaitIdle:
            self.WaitIdle = self._wait_idle
        if table.Act:
            self.Act = lambda channel, action: table.Act(channel, _ACTIONS[action])
        if table.Reset:
            self.Reset = self._reset

    def _wait_idle(self, milliseconds: int) -> tuple[int, int] | None:
        calls, callbacks = _UINT32(), _UINT32()
        if not self._table.WaitIdle(milliseconds, c.byref(calls), c.byref(callbacks)):
            return None
        return calls.value, callbacks.value

    def _reset(self) -> bool:
        done = bool(self._table.Reset())
        if done:
            self._thunks.clear()
            self._kept.clear()
        return done

    def _thunk(self, kind: Any, handler: Callable[..., Any] | None) -> Any:
        """A C function that calls ``handler``; it lives until the library is reset."""
        if handler is None:
            return kind()
        thunk = self._thunks.get((kind, handler))
        if thunk is None:
            thunk = self._thunks[kind, handler] = kind(handler)
        return thunk


# Functions whose arguments need more than ctypes does by itself.


def _allocate(_: NativeLibrary, function: Any) -> Callable[..., Any]:
    def call(is_server: bool) -> tuple[int, int | None]:
        channel = _HANDLE()
        return function(None, is_server, c.byref(channel)), channel.value

    return call


def _interrupt_latency(_: NativeLibrary, function: Any) -> Callable[..., Any]:
    def call(channel: Any, latency: int) -> tuple[int, int]:
        original = c.c_uint16()
        return function(channel, latency, c.byref(original)), original.value

    return call


def _friendly_name(library: NativeLibrary, function: Any) -> Callable[..., Any]:
    def call(channel: Any, name: object) -> Any:
        text = str(name).encode("utf-16-le")[:0xFFFE]
        buffer = c.create_string_buffer(text, len(text) + 2)
        library._kept.append(buffer)
        string = UnicodeString(len(text), len(text) + 2, c.addressof(buffer))
        return function(channel, c.byref(string))

    return call


def _packet_callbacks(library: NativeLibrary, function: Any) -> Callable[..., Any]:
    def call(channel: Any, process: Any, complete: Any) -> Any:
        def with_memory(
            channel: int, context: int, buffer: int | None, length: int, flags: int
        ) -> None:
            process(channel, context, Memory(buffer, length), flags)

        return function(
            channel,
            library._thunk(_PROCESS_PACKET, with_memory if process else None),
            library._thunk(_PROCESSING_COMPLETE, complete),
        )

    return call


def _state_callbacks(library: NativeLibrary, function: Any) -> Callable[..., Any]:
    def call(channel: Any, version: int, size: int, handlers: Mapping[str, Any]) -> Any:
        table = StateChangeCallbacks(version, size)
        for name, handler in handlers.items():
            kind = _STATE_STATUS if name == OPENED else _STATE
            setattr(table, name, library._thunk(kind, handler))
        library._kept.append(table)
        return function(channel, c.byref(table))

    return call


def _target(library: NativeLibrary, function: Any) -> Callable[..., Any]:
    def call(channel: Any, kind: object, instance: object, failed: Any) -> Any:
        thunk = library._thunk(_PNP_FAILURE, failed)
        pointers = _optional_guid(kind), _optional_guid(instance)
        library._kept.append(pointers)
        return function(channel, *pointers, thunk)

    return call


def _offer(_: NativeLibrary, function: Any) -> Callable[..., Any]:
    return lambda channel, kind, instance: function(channel, _guid(kind), _guid(instance))


def _complete(_: NativeLibrary, function: Any) -> Callable[..., Any]:
    return lambda context, buffer: function(context, buffer, len(buffer or b""))


def _send(_: NativeLibrary, function: Any) -> Callable[..., Any]:
    return lambda packet, buffer, flags: function(packet, buffer, len(buffer or b""), None, flags)


def _initialize(_: NativeLibrary, function: Any) -> Callable[..., Any]:
    def call(channel: Any, memory: bytearray, size: int) -> tuple[int, int]:
        address = c.addressof(c.c_char.from_buffer(memory)) if memory else 0
        return function(channel, address, size), address

    return call


def _routine(library: NativeLibrary, function: Any) -> Callable[..., Any]:
    def call(packet: Any, routine: Callable[..., Any]) -> None:
        key = "routine", routine
        handler = library._thunks.get(key)
        if handler is None:

            def with_memory(packet: int, status: int, buffer: int | None, length: int) -> None:
                routine(packet, status, Memory(buffer, length))

            handler = library._thunks[key] = _COMPLETION_ROUTINE(with_memory)
        function(packet, handler)

    return call


def _save_restore(library: NativeLibrary, function: Any) -> Callable[..., Any]:
    return lambda channel, save, restore: function(
        channel, library._thunk(_SAVE_PACKET, save), library._thunk(_RESTORE_PACKET, restore)
    )


def _set_pointer(_: NativeLibrary, function: Any) -> Callable[..., Any]:
    return lambda handle, pointer: function(handle, _pointer(pointer))


_WRAPPERS: Final[dict[str, Callable[[NativeLibrary, Any], Callable[..., Any]]]] = {
    "VmbChannelAllocate": _allocate,
    "VmbChannelInitSetFriendlyName": _friendly_name,
    "VmbChannelInitSetProcessPacketCallbacks": _packet_callbacks,
    "VmbChannelInitSetStateChangeCallbacks": _state_callbacks,
    "VmbChannelPacketComplete": _complete,
    "VmbChannelSetInterruptLatency": _interrupt_latency,
    "VmbChannelSetPointer": _set_pointer,
    "VmbClientChannelInitSetTargetPnp": _target,
    "VmbPacketInitialize": _initialize,
    "VmbPacketSend": _send,
    "VmbPacketSetCompletionRoutine": _routine,
    "VmbPacketSetPointer": _set_pointer,
    "VmbServerChannelInitSetSaveRestorePacketCallbacks": _save_restore,
    "VmbServerChannelInitSetTargetInterfaceId": _offer,
    "VmbServerChannelInitSetVmbusHandle": _set_pointer,
}
