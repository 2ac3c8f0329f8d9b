"""What a host and the guest's user do, in few words: the steps of conversations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from kmcl_conformance.control.setup import DEVICES, SETTLE, offer, post, user
from kmcl_model.stimuli import Stimulus

__all__ = [
    "DEVICE",
    "OTHER",
    "Steps",
    "accepted",
    "bind",
    "closed",
    "connected",
    "created",
    "opened",
    "ready",
    "rescind",
    "running",
    "torn",
    "unbind",
    "unload",
]

DEVICE, OTHER = DEVICES

Steps: TypeAlias = Iterator[Stimulus]


def accepted(refusals: int = 0) -> Steps:
    """A guest in contact, after so many refused versions."""
    yield user("load")
    yield SETTLE
    for _ in range(refusals):
        yield post("VERSION_RESPONSE", False)
        yield SETTLE
    yield post("VERSION_RESPONSE", True)
    yield SETTLE


def connected(*relids: int, refusals: int = 0) -> Steps:
    """A guest that was offered the first devices under these relids."""
    yield from accepted(refusals)
    for relid, device in zip(relids or (1,), DEVICES, strict=False):
        yield offer(relid, device)
    yield post("ALLOFFERS_DELIVERED")
    yield SETTLE


def created(relid: int = 1, times: int = 1) -> Steps:
    """The host creates GPADLs as they are asked for."""
    for _ in range(times):
        yield post("GPADL_CREATED", relid, 0)
        yield SETTLE


def torn(relid: int = 1, times: int = 1) -> Steps:
    """The host lets go of GPADLs as it is asked to."""
    for _ in range(times):
        yield post("GPADL_TORNDOWN", relid)
        yield SETTLE


def bind(relid: int = 1, device: str = DEVICE) -> Steps:
    """A device in the hands of the driver for programs."""
    yield user("bind", device)
    yield SETTLE
    yield from created(relid, 2)


def opened(relid: int = 1, device: str = DEVICE) -> Steps:
    """A device that is bound is opened."""
    yield user("open", device)
    yield SETTLE
    yield from created(relid)
    yield post("OPENCHANNEL_RESULT", relid, 0)
    yield SETTLE


def closed(relid: int = 1, device: str = DEVICE) -> Steps:
    """The last close of a device."""
    yield user("close", device)
    yield SETTLE
    yield from torn(relid)


def unbind(relid: int = 1, device: str = DEVICE) -> Steps:
    """A device is given up."""
    yield user("unbind", device)
    yield SETTLE
    yield from torn(relid, 2)


def ready(refusals: int = 0) -> Steps:
    """A device that can be opened."""
    yield from connected(refusals=refusals)
    yield from bind()


def running(refusals: int = 0) -> Steps:
    """A device that is open."""
    yield from ready(refusals)
    yield from opened()


def rescind(relid: int = 1) -> Steps:
    """The host takes a channel back."""
    yield post("RESCIND_CHANNELOFFER", relid)
    yield SETTLE


def unload() -> Steps:
    """The driver of the bus is unloaded."""
    yield user("unload")
    yield SETTLE
    yield from torn(1, 2)
    yield post("UNLOAD_RESPONSE")
    yield SETTLE
