"""What a host and the guest's user do, in few words: the steps of conversations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from kmcl_conformance.control.setup import DEVICES, HEARTBEAT, SETTLE, offer, post, user
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
    "heartbeat",
    "kexec",
    "opened",
    "ready",
    "rescind",
    "rest_after",
    "running",
    "torn",
    "unbind",
    "unload",
]

DEVICE, OTHER = DEVICES

Steps: TypeAlias = Iterator[Stimulus]


def rest_after(stimulus: Stimulus) -> Steps:
    """One thing, and whatever the guest makes of it."""
    yield stimulus
    yield SETTLE


def accepted(refusals: int = 0) -> Steps:
    """A guest in contact, after so many refused versions."""
    yield from rest_after(user("load"))
    for _ in range(refusals):
        yield from rest_after(post("VERSION_RESPONSE", False))
    yield from rest_after(post("VERSION_RESPONSE", True))


def connected(*relids: int, refusals: int = 0) -> Steps:
    """A guest that was offered the first devices under these relids."""
    yield from accepted(refusals)
    for relid, device in zip(relids or (1,), DEVICES, strict=False):
        yield offer(relid, device)
    yield from rest_after(post("ALLOFFERS_DELIVERED"))


def created(relid: int = 1, times: int = 1) -> Steps:
    """The host creates GPADLs as they are asked for."""
    for _ in range(times):
        yield from rest_after(post("GPADL_CREATED", relid, 0))


def torn(relid: int = 1, times: int = 1) -> Steps:
    """The host lets go of GPADLs as it is asked to."""
    for _ in range(times):
        yield from rest_after(post("GPADL_TORNDOWN", relid))


def heartbeat(*answers: int) -> Steps:
    """A device with a driver of the kernel's own; the status of each answer to its requests."""
    yield from accepted()
    yield offer(3, HEARTBEAT)
    yield from rest_after(post("ALLOFFERS_DELIVERED"))
    for message, status in zip(("GPADL_CREATED", "OPENCHANNEL_RESULT"), answers, strict=False):
        yield from rest_after(post(message, 3, status))


def bind(relid: int = 1, device: str = DEVICE) -> Steps:
    """A device in the hands of the driver for programs."""
    yield from rest_after(user("bind", device))
    yield from created(relid, 2)


def opened(relid: int = 1, device: str = DEVICE) -> Steps:
    """A device that is bound is opened."""
    yield from rest_after(user("open", device))
    yield from created(relid)
    yield from rest_after(post("OPENCHANNEL_RESULT", relid, 0))


def closed(relid: int = 1, device: str = DEVICE) -> Steps:
    """The last close of a device."""
    yield from rest_after(user("close", device))
    yield from torn(relid)


def unbind(relid: int = 1, device: str = DEVICE) -> Steps:
    """A device is given up."""
    yield from rest_after(user("unbind", device))
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
    yield from rest_after(post("RESCIND_CHANNELOFFER", relid))


def kexec(by: str = "u0") -> Steps:
    """Another kernel takes over, as soon as the host has heard of it and answered."""
    yield from rest_after(user("kexec", by=by))
    yield from rest_after(post("UNLOAD_RESPONSE"))


def unload() -> Steps:
    """The driver of the bus is unloaded."""
    yield from rest_after(user("unload"))
    yield from torn(1, 2)
    yield from rest_after(post("UNLOAD_RESPONSE"))
