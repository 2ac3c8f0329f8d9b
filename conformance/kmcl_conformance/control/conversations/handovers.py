"""Conversations in which another kernel takes over (kexec), at every waiting point."""

from __future__ import annotations

from typing import Final

from kmcl_conformance.control.setup import SETTLE, post, user

from .steps import (
    DEVICE,
    OTHER,
    Steps,
    bind,
    closed,
    connected,
    created,
    heartbeat,
    kexec,
    ready,
    rest_after,
    running,
    unload,
)

__all__ = ["CONVERSATIONS"]


def handed_over() -> Steps:
    """Another kernel takes over with a channel open, and uses the same device and relid."""
    yield from running()
    yield from kexec()
    yield from running()
    yield from closed()


def handed_over_bound() -> Steps:
    """Another kernel takes over with two devices, one bound, one idle; it finds one of them."""
    yield from connected(1, 2)
    yield from bind()
    yield from kexec()
    yield from ready()
    yield from unload()


def handed_over_waiting() -> Steps:
    """Another kernel takes over while two opens wait for their answers; what the host owed the old
    one never comes."""
    yield from connected(1, 2)
    yield from bind()
    yield from bind(2, OTHER)
    yield from rest_after(user("open", DEVICE))
    yield from rest_after(user("open", OTHER, by="u1"))
    yield from kexec(by="u2")
    yield from ready()


def handed_over_opening() -> Steps:
    """Another kernel takes over while an open waits for the host, after its ring was created."""
    yield from ready()
    yield from rest_after(user("open", DEVICE))
    yield from created()
    yield from kexec(by="u1")
    yield from running()


def handed_over_closing() -> Steps:
    """Another kernel takes over while the teardown of a ring has no answer; the host takes its time
    to answer UNLOAD."""
    yield from running()
    yield from rest_after(user("close", DEVICE))
    yield from rest_after(user("kexec", by="u1"))
    yield SETTLE
    yield from rest_after(post("UNLOAD_RESPONSE"))
    yield from running()


def handed_over_rescinded() -> Steps:
    """Another kernel takes over right behind the rescind of an open channel."""
    yield from running()
    yield post("RESCIND_CHANNELOFFER", 1)
    yield from kexec()
    yield from connected()


def handed_over_old() -> Steps:
    """The oldest version has no UNLOAD: the host learns of the other kernel by its contact."""
    yield from running(refusals=7)
    yield from rest_after(user("kexec"))
    yield from running()


def handed_over_apart() -> Steps:
    """Kernels follow each other that have not loaded the driver, or have unloaded it."""
    yield from rest_after(user("kexec"))
    yield from connected()
    yield from unload()
    yield from rest_after(user("kexec"))
    yield from connected()


def handed_over_with_drivers() -> Steps:
    """A driver of the kernel's own has its device open when another kernel takes over."""
    yield from heartbeat(0, 0)
    yield from kexec()
    yield from heartbeat(0, 0)


CONVERSATIONS: Final = (
    handed_over,
    handed_over_bound,
    handed_over_waiting,
    handed_over_opening,
    handed_over_closing,
    handed_over_rescinded,
    handed_over_old,
    handed_over_apart,
    handed_over_with_drivers,
)
