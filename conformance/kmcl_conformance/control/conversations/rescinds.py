"""Conversations in which the host takes a channel back, at every point of its life."""

from __future__ import annotations

from typing import Final

from kmcl_conformance.control.setup import FAILURE, HEARTBEAT, offer, post, user

from .steps import (
    DEVICE,
    Steps,
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
)

__all__ = ["CONVERSATIONS"]


def rescinded_idle() -> Steps:
    """A channel that nobody uses is rescinded twice, then offered anew."""
    yield from connected()
    yield from rescind()
    yield from rescind()
    yield from rest_after(offer(1))
    yield from bind()


def rescinded_bound() -> Steps:
    """A channel is rescinded whose device is bound; a program still tries to open it."""
    yield from ready()
    yield from rescind()
    yield from rest_after(user("open", DEVICE))
    yield from rest_after(offer(2))
    yield from bind(2)
    yield from opened(2)


def rescinded_creating() -> Steps:
    """A channel is rescinded while the GPADL of its ring has no answer; the answer comes late."""
    yield from ready()
    yield from rest_after(user("open", DEVICE))
    yield from rescind()
    yield from created()
    yield from rescind()


def rescinded_binding() -> Steps:
    """A channel is rescinded while its device is being bound."""
    yield from connected()
    yield from rest_after(user("bind", DEVICE))
    yield from rescind()
    yield from created()


def rescinded_between() -> Steps:
    """The rescind comes right behind the answer."""
    yield from ready()
    yield from rest_after(user("open", DEVICE))
    yield post("GPADL_CREATED", 1, 0)
    yield from rescind()


def rescinded_opening() -> Steps:
    """A channel is rescinded while OPENCHANNEL has no answer; none ever comes."""
    yield from ready()
    yield from rest_after(user("open", DEVICE))
    yield from created()
    yield from rescind()
    yield from rest_after(offer(1))


def rescinded_open() -> Steps:
    """A channel is rescinded while it is open; the program notifies and closes afterwards."""
    yield from running()
    yield from rescind()
    yield from rest_after(user("notify", DEVICE))
    yield from rest_after(user("close", DEVICE))
    yield from rest_after(offer(2))
    yield from bind(2)
    yield from rescind(2)


def rescinded_closing() -> Steps:
    """A channel is rescinded while the teardown of its ring has no answer."""
    yield from running()
    yield from rest_after(user("close", DEVICE))
    yield from rescind()
    yield from torn()


def rescinded_unbinding() -> Steps:
    """A channel is rescinded while its device is being given up."""
    yield from ready()
    yield from rest_after(user("unbind", DEVICE))
    yield from rescind()


def rescinded_refused() -> Steps:
    """A channel is rescinded while the ring of a refused open is given back."""
    yield from ready()
    yield from rest_after(user("open", DEVICE))
    yield from created()
    yield from rest_after(post("OPENCHANNEL_RESULT", 1, FAILURE))
    yield from rescind()


def subchannel_rescinded() -> Steps:
    """A subchannel is rescinded while it is open; it is released at the latest with its primary."""
    yield from running()
    yield from rest_after(offer(3, DEVICE, 1))
    yield from created(3)
    yield from rest_after(post("OPENCHANNEL_RESULT", 3, 0))
    yield from rescind(3)
    yield from closed()
    yield from torn(3)


def rescinded_stock_driver() -> Steps:
    """A device of a driver of the kernel's own is rescinded at each step of its opening."""
    yield from heartbeat()
    yield from rescind(3)
    yield from rest_after(offer(3, HEARTBEAT))
    yield from created(3)
    yield from rescind(3)
    yield from rest_after(offer(3, HEARTBEAT))
    yield from created(3)
    yield from rest_after(post("OPENCHANNEL_RESULT", 3, 0))
    yield from rescind(3)


CONVERSATIONS: Final = (
    rescinded_idle,
    rescinded_bound,
    rescinded_creating,
    rescinded_binding,
    rescinded_between,
    rescinded_opening,
    rescinded_open,
    rescinded_closing,
    rescinded_unbinding,
    rescinded_refused,
    subchannel_rescinded,
    rescinded_stock_driver,
)
