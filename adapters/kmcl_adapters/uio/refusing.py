"""The endpoint where uio is beneath it: what the header has and uio cannot express is refused.

``uio_hv_generic`` gives its user two rings and a signal. It shares no other memory with the host,
so there is no GPADL, no data outside of a packet and no memory-mapped space; it is a guest's
driver, so nothing of a server; and of its device it tells what sysfs shows, not what the header's
functions ask for. None of it is declared as a capability, so no test is made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kmcl_model.status import STATUS_NOT_SUPPORTED, status_name

from .library import Library

__all__ = ["REFUSED", "UioLibrary", "refusal"]

_MEMORY: Final = "uio shares no memory with the host but the rings"
_SERVER: Final = "uio is a guest's driver: only a server has this"
_SAVING: Final = "uio is a guest's driver: only a server is saved and restored"
_WINDOW: Final = "uio_hv_generic gives its user no memory-mapped space"
_LATENCY: Final = "uio_hv_generic has no way to ask for a latency"
_LEVELS: Final = "in a process everything runs at one level"
_KERNEL: Final = "there are no kernel handles in a process"
_IDENTITY: Final = "the device's class and instance are in sysfs"
_WHOLE: Final = "only VmbPacketSend sends: wait for its completion routine"

REFUSED: Final[Mapping[str, str]] = {
    "VmbChannelCreateGpadlFromBuffer": _MEMORY,
    "VmbChannelCreateGpadlFromMdl": _MEMORY,
    "VmbChannelDeleteGpadl": _MEMORY,
    "VmbChannelGetInterfaceInstance": _IDENTITY,
    "VmbChannelGetMmioSpace": _WINDOW,
    "VmbChannelMapGpadl": _MEMORY,
    "VmbChannelPacketDeferToPassive": _LEVELS,
    "VmbChannelPacketGetExternalData": _MEMORY,
    "VmbChannelRestoreFromBuffer": _SAVING,
    "VmbChannelSaveBegin": _SAVING,
    "VmbChannelSaveContinue": _SAVING,
    "VmbChannelSaveEnd": _SAVING,
    "VmbChannelSendSynchronousRequest": _WHOLE,
    "VmbChannelSetIncomingProcessingAtPassive": _LEVELS,
    "VmbChannelSetInterruptLatency": _LATENCY,
    "VmbChannelUnmapGpadl": _MEMORY,
    "VmbConvertVmbusHandleToKernelHandle": _KERNEL,
    "VmbPacketRestore": _SAVING,
    "VmbPacketSendWithExternalMdl": _MEMORY,
    "VmbPacketSendWithExternalPfns": _MEMORY,
    "VmbServerChannelInitSetMmioMegabytes": _SERVER,
    "VmbServerChannelInitSetSaveRestorePacketCallbacks": _SERVER,
    "VmbServerChannelInitSetTargetVtl": _SERVER,
}
"""The header's functions that are refused, and why."""


class UioLibrary(Library):
    """A client's end over uio. A function of ``REFUSED`` changes nothing and answers
    STATUS_NOT_SUPPORTED whatever it is given, also where the header's returns nothing."""

    Unasked = frozenset({"VmbChannelSetInterruptLatency"})
    """See ``ThreadedSession``: an open channel may not refuse it (F334)."""

    def VmbChannelSetInterruptLatency(self, *_: object) -> tuple[int, int]:
        """Refused, with the latency that it would have replaced: none was ever set."""
        return STATUS_NOT_SUPPORTED, 0

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name in REFUSED:
            return _refuse
        raise AttributeError(f"{type(self).__name__} has no {name}", name=name, obj=self)


def _refuse(*_: object, **__: object) -> int:
    return STATUS_NOT_SUPPORTED


def refusal(function: str) -> str | None:
    """For people, the status with which a function is refused and why; None for any other."""
    why = REFUSED.get(function)
    return why and f"{function}: {status_name(STATUS_NOT_SUPPORTED)}: {why}"
