"""Conversations in which nothing goes wrong, or nothing but a refusal."""

from __future__ import annotations

from typing import Final

from kmcl_conformance.control.setup import FAILURE, HEARTBEAT, SETTLE, happens, offer, post, user

from .steps import (
    DEVICE,
    OTHER,
    Steps,
    accepted,
    bind,
    closed,
    connected,
    created,
    heartbeat,
    opened,
    ready,
    rescind,
    rest_after,
    running,
    torn,
    unbind,
    unload,
)

__all__ = ["CONVERSATIONS"]


def whole_life() -> Steps:
    """From contact to unload, with everything in between."""
    yield from running()
    yield from rest_after(user("notify", DEVICE))
    yield from closed()
    yield from opened()
    yield from closed()
    yield from unbind()
    yield from unload()
    yield from connected()
    yield from rescind()


def refused_versions() -> Steps:
    """The host supports none but an old version."""
    yield from connected(refusals=6)
    yield from unload()


def no_version() -> Steps:
    """The host supports none at all; later another load finds one that it does."""
    yield from rest_after(user("load"))
    for _ in range(12):
        yield from rest_after(post("VERSION_RESPONSE", False))
    yield from connected()


def oldest_version() -> Steps:
    """A connection by the oldest version that is proposed ends without UNLOAD."""
    yield from connected(refusals=7)
    yield from bind()
    yield from unload()


def late_offers() -> Steps:
    """The offers come one after the other."""
    yield from accepted()
    yield from rest_after(offer(1))
    yield from rest_after(offer(2, OTHER))
    yield from rest_after(post("ALLOFFERS_DELIVERED"))


def unload_bound() -> Steps:
    """The driver of the bus is unloaded while a device is bound."""
    yield from ready()
    yield from unload()
    yield from ready()


def unload_unanswered() -> Steps:
    """The host takes its time to answer UNLOAD."""
    yield from ready()
    yield from rest_after(user("unload"))
    yield from torn(1, 2)
    yield SETTLE
    yield from rest_after(post("UNLOAD_RESPONSE"))


def refused_gpadl_of_bind() -> Steps:
    """The second GPADL of a bind is refused: the first is given back."""
    yield from connected()
    yield from rest_after(user("bind", DEVICE))
    yield from created()
    yield from rest_after(post("GPADL_CREATED", 1, FAILURE))
    yield from torn()
    yield from bind()


def refused_gpadl() -> Steps:
    """The ring is refused; the next open is served."""
    yield from ready()
    yield from rest_after(user("open", DEVICE))
    yield from rest_after(post("GPADL_CREATED", 1, FAILURE))
    yield from opened()
    yield from closed()


def refused_open() -> Steps:
    """The open is refused: the ring is given back, and the next open is served."""
    yield from ready()
    yield from rest_after(user("open", DEVICE))
    yield from created()
    yield from rest_after(post("OPENCHANNEL_RESULT", 1, FAILURE))
    yield from torn()
    yield from opened()
    yield from closed()


def two_opens() -> Steps:
    """Two threads open one device, then a third time; the channel is opened once and closed by the
    last close."""
    yield from ready()
    yield user("open", DEVICE)
    yield from rest_after(user("open", DEVICE, by="u1"))
    yield from created()
    yield from rest_after(post("OPENCHANNEL_RESULT", 1, 0))
    yield from rest_after(user("open", DEVICE))
    yield from created()
    yield from rest_after(user("close", DEVICE))
    yield from rest_after(user("close", DEVICE))
    yield from closed()


def two_devices() -> Steps:
    """Two devices are bound and opened at the same time; their ids do not mix."""
    yield from connected(1, 2)
    yield user("bind", DEVICE)
    yield from rest_after(user("bind", OTHER, by="u1"))
    for relid in (2, 1, 1, 2):
        yield from created(relid)
    yield user("open", DEVICE)
    yield from rest_after(user("open", OTHER, by="u1"))
    yield from created(2)
    yield from created(1)
    yield from rest_after(post("OPENCHANNEL_RESULT", 2, 0))
    yield from rest_after(post("OPENCHANNEL_RESULT", 1, FAILURE))
    yield from torn()
    yield from closed(2, OTHER)
    yield from unbind(2, OTHER)
    yield from unbind()


def reused() -> Steps:
    """A GPADL is torn down, and others are made while the host still has it."""
    yield from connected(1, 2)
    yield from bind()
    yield from bind(2, OTHER)
    yield from opened()
    yield from rest_after(user("close", DEVICE))
    yield from rest_after(user("open", OTHER, by="u1"))
    yield from created(2)
    yield post("OPENCHANNEL_RESULT", 2, 0)
    yield from torn()
    yield from opened()


def moved() -> Steps:
    """A channel is moved, the host refuses once, and a third move is cut off by a rescind."""
    yield from running()
    for processor, status in ((1, 0), (0, FAILURE)):
        yield from rest_after(user("move", DEVICE, processor))
        yield from rest_after(post("MODIFYCHANNEL_RESPONSE", 1, status))
    yield from rest_after(user("move", DEVICE, 0))
    yield from rescind()


def moved_unanswered() -> Steps:
    """In version 5.2 a move has no answer, in 4.0 there is none."""
    yield from running(refusals=1)
    yield from rest_after(user("move", DEVICE, 1))
    yield happens("reset")
    yield from running(refusals=5)
    yield from rest_after(user("move", DEVICE, 1))


def subchannel() -> Steps:
    """A subchannel comes while its primary is open, and is closed with it."""
    yield from running()
    yield from rest_after(offer(3, DEVICE, 1))
    yield from created(3)
    yield from rest_after(post("OPENCHANNEL_RESULT", 3, 0))
    yield from rest_after(user("close", DEVICE))
    yield from torn(3)
    yield from torn()
    yield from rescind(3)
    yield from rescind()


def subchannel_early() -> Steps:
    """A subchannel comes while its primary is closed."""
    yield from ready()
    yield from rest_after(offer(3, DEVICE, 1))
    yield from opened()
    yield from created(3)
    yield from rest_after(post("OPENCHANNEL_RESULT", 3, 0))


def subchannel_refused() -> Steps:
    """A subchannel is refused; the primary goes on."""
    yield from running()
    yield from rest_after(offer(3, DEVICE, 1))
    yield from created(3)
    yield from rest_after(post("OPENCHANNEL_RESULT", 3, FAILURE))
    yield from torn(3)
    yield from closed()


def stock_driver() -> Steps:
    """A driver of the kernel's own opens its device when it is offered, and closes it when the bus
    is unloaded."""
    yield from heartbeat(0, 0)
    yield from rest_after(user("unload"))
    yield from torn(3)
    yield from rest_after(post("UNLOAD_RESPONSE"))


def stock_driver_refused() -> Steps:
    """A driver of the kernel's own is refused its channel, or its ring."""
    yield from heartbeat(0, FAILURE)
    yield from torn(3)
    yield from rescind(3)
    yield from rest_after(offer(3, HEARTBEAT))
    yield from rest_after(post("GPADL_CREATED", 3, FAILURE))
    yield from unload()


CONVERSATIONS: Final = (
    whole_life,
    refused_versions,
    no_version,
    oldest_version,
    late_offers,
    unload_bound,
    unload_unanswered,
    refused_gpadl_of_bind,
    refused_gpadl,
    refused_open,
    two_opens,
    two_devices,
    reused,
    moved,
    moved_unanswered,
    subchannel,
    subchannel_early,
    subchannel_refused,
    stock_driver,
    stock_driver_refused,
)
