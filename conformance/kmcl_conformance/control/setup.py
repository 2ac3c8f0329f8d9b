"""The stimuli that tests of the control protocol are made of."""

from __future__ import annotations

from typing import Final

from kmcl_model.control import CLASS_FOR_PROGRAMS, CLASS_OF_HEARTBEAT, GUEST, HOST, MESSAGES
from kmcl_model.events import Argument
from kmcl_model.stimuli import Environ, Invoke, Post, Settle

__all__ = [
    "DEVICES",
    "ENUMERABLE",
    "FAILURE",
    "HEARTBEAT",
    "NAMED_PIPE",
    "RELIDS",
    "SETTLE",
    "UNKNOWN",
    "happens",
    "offer",
    "post",
    "signal",
    "user",
]

DEVICES: Final = (
    "00000000-0000-0000-0000-0000000000d0",
    "00000000-0000-0000-0000-0000000000d1",
)
"""The instances of the devices that are for programs."""

HEARTBEAT: Final = "00000000-0000-0000-0000-0000000000d2"
"""The instance of a device with a driver of the kernel's own."""

RELIDS: Final = tuple(range(1, 9))
UNKNOWN: Final = 99
"""A relid that is never offered, for directed sequences."""

NAMED_PIPE: Final = 0x10
ENUMERABLE: Final = 0x1
"""Flags of an offer, as ``include/linux/hyperv.h`` has them."""

FAILURE: Final = 1
"""A status that is not success."""

SETTLE: Final = Settle("settle")


def post(message: str, *fields: Argument, flaw: str = "") -> Post:
    """The host sends a message; fields that are left out at the end are as a host has them."""
    usual = (None,) * (len(MESSAGES[message].given) - len(fields))
    return Post("post", message, (*fields, *usual), flaw)


def offer(
    relid: int,
    device: str = DEVICES[0],
    index: int = 0,
    *,
    monitor: int | None = None,
    flags: int = 0,
) -> Post:
    """The host offers a channel of a device: its primary one, or a subchannel by its index.
    ``monitor``: the number of its bit in the monitor page; None: it has none."""
    kind = CLASS_OF_HEARTBEAT if device == HEARTBEAT else CLASS_FOR_PROGRAMS
    has_page = monitor is not None
    return post("OFFERCHANNEL", relid, kind, device, index, has_page, flags, monitor or 0)


def user(function: str, *arguments: Argument, by: str = "u0") -> Invoke:
    """A thread of the guest's user begins a call."""
    return Invoke("invoke", GUEST, by, function, arguments)


def signal(relid: int) -> Environ:
    """The host signals a channel, or a relid that is none, without a reason."""
    return happens(f"spurious {relid}")


def happens(action: str) -> Environ:
    """The world acts: on the guest, or on the host where that has no room."""
    return Environ("environment", HOST if action == "busy" else GUEST, action)
