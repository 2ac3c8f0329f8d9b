"""Conversations in which the host takes a channel back, at every point of its life."""

from __future__ import annotations

from typing import Final

from kmcl_conformance.control.setup import FAILURE, SETTLE, offer, post, user

from .steps import (
    DEVICE,
    Steps,
    bind,
    closed,
    connected,
    created,
    opened,
    ready,
    rescind,
    running,
    torn,
)

__all__ = ["CONVERSATIONS"]


def rescinded_idle() -> Steps:
    """A channel that nobody uses is rescinded twice, then offered anew."""
    yield from connected()
    yield from rescind()
    yield from rescind()
    yield offer(1)
    yield SETTLE
    yield from bind()


def rescinded_bound() -> Steps:
    """A channel is rescinded whose device is bound; a program still tries to open it."""
    yield from ready()
    yield from rescind()
    yield user("open", DEVICE)
    yield SETTLE
    yield offer(2)
    yield SETTLE
    yield from bind(2)
    yield from opened(2)


def rescinded_creating() -> Steps:
    """A channel is rescinded while the GPADL of its ring has no answer; the answer comes late."""
    yield from ready()
    yield user("open", DEVICE)
    yield SETTLE
    yield from rescind()
    yield from created()
    yield from rescind()


def rescinded_binding() -> Steps:
    """A channel is rescinded while its device is being bound."""
    yield from connected()
    yield user("bind", DEVICE)
    yield SETTLE
    yield from rescind()
    yield from created()


def rescinded_between() -> Steps:
    """The rescind comes right behind the answer."""
    yield from ready()
    yield user("open", DEVICE)
    yield SETTLE
    yield post("GPADL_CREATED", 1, 0)
    yield from rescind()


def rescinded_opening() -> Steps:
    """A channel is rescinded while OPENCHANNEL has no answer; none ever comes."""
    yield from ready()
    yield user("open", DEVICE)
    yield SETTLE
    yield from created()
    yield from rescind()
    yield offer(1)
    yield SETTLE


def rescinded_open() -> Steps:
    """A channel is rescinded while it is open; the program notifies and closes afterwards."""
    yield from running()
    yield from rescind()
    yield user("notify", DEVICE)
    yield SETTLE
    yield user("close", DEVICE)
    yield SETTLE
    yield offer(2)
    yield SETTLE
    yield from bind(2)
    yield from rescind(2)


def rescinded_closing() -> Steps:
    """A channel is rescinded while the teardown of its ring has no answer."""
    yield from running()
    yield user("close", DEVICE)
    yield SETTLE
    yield from rescind()
    yield from torn()


def rescinded_unbinding() -> Steps:
    """A channel is rescinded while its device is being given up."""
    yield from ready()
    yield user("unbind", DEVICE)
    yield SETTLE
    yield from rescind()


def rescinded_refused() -> Steps:
    """A channel is rescinded while the ring of a refused open is given back."""
    yield from ready()
    yield user("open", DEVICE)
    yield SETTLE
    yield from created()
    yield post("OPENCHANNEL_RESULT", 1, FAILURE)
    yield SETTLE
    yield from rescind()


def subchannel_rescinded() -> Steps:
    """A subchannel is rescinded while it is open; it is released at the latest with its primary."""
    yield from running()
    yield offer(3, DEVICE, 1)
    yield SETTLE
    yield from created(3)
    yield post("OPENCHANNEL_RESULT", 3, 0)
    yield SETTLE
    yield from rescind(3)
    yield from closed()
    yield from torn(3)


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
)
