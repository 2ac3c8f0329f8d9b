"""Conversations in which the host or the world does wrong."""

from __future__ import annotations

from typing import Final

from kmcl_conformance.control.setup import SETTLE, UNKNOWN, happens, offer, post, user

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


def wrong_answers() -> Steps:
    """Answers that bear another relid or id come before the right ones."""
    yield from ready()
    yield user("open", DEVICE)
    yield SETTLE
    for flaw in ("wrong relid", "wrong id", ""):
        yield post("GPADL_CREATED", 1, 0, flaw=flaw)
        yield SETTLE
    for flaw in ("wrong relid", "wrong id", ""):
        yield post("OPENCHANNEL_RESULT", 1, 0, flaw=flaw)
        yield SETTLE
    yield user("close", DEVICE)
    yield SETTLE
    for flaw in ("wrong id", ""):
        yield post("GPADL_TORNDOWN", 1, flaw=flaw)
        yield SETTLE


def answers_again() -> Steps:
    """Every answer comes twice."""
    yield from connected()
    yield post("VERSION_RESPONSE", False)
    yield SETTLE
    yield from bind()
    yield from created()
    yield from opened()
    yield post("OPENCHANNEL_RESULT", 1, 0)
    yield SETTLE
    yield from closed()
    yield from torn()
    yield from opened()
    yield from closed()


def unasked() -> Steps:
    """Answers without a request, rescinds of nothing, offers that come again."""
    yield from connected()
    yield post("OPENCHANNEL_RESULT", UNKNOWN, 0)
    yield SETTLE
    yield post("GPADL_TORNDOWN", 1)
    yield SETTLE
    yield from rescind(UNKNOWN)
    yield offer(1)
    yield SETTLE
    yield happens("spurious")
    yield SETTLE
    yield from rescind()


def malformed() -> Steps:
    """Messages that are cut short or of a type that nobody knows."""
    yield from running()
    for flaw in ("short", "unknown type"):
        yield offer(UNKNOWN)._replace(flaw=flaw)
        yield SETTLE
        yield post("RESCIND_CHANNELOFFER", 1, flaw=flaw)
        yield SETTLE
    yield user("close", DEVICE)
    yield SETTLE
    yield post("GPADL_TORNDOWN", 1, flaw="short")
    yield SETTLE
    yield from torn()


def busy() -> Steps:
    """The host has no room for a message now and then."""
    yield from connected()
    for function, answers in (("bind", 2), ("open", 1)):
        yield happens("busy")
        yield user(function, DEVICE)
        yield SETTLE
        yield happens("busy")
        yield from created(1, answers)
    yield post("OPENCHANNEL_RESULT", 1, 0)
    yield SETTLE
    yield happens("busy")
    yield from closed()
    yield happens("busy")
    yield from rescind()


def busy_contact() -> Steps:
    """The host has no room for the first messages of the guest."""
    yield user("load")
    yield happens("busy")
    yield SETTLE
    yield happens("busy")
    yield post("VERSION_RESPONSE", True)
    yield SETTLE
    yield offer(1)
    yield post("ALLOFFERS_DELIVERED")
    yield SETTLE


def reset() -> Steps:
    """The guest is reset while requests wait, and starts anew."""
    yield from ready()
    yield user("open", DEVICE)
    yield SETTLE
    yield happens("reset")
    yield from running()
    yield happens("reset")
    yield from connected()


CONVERSATIONS: Final = (
    wrong_answers,
    answers_again,
    unasked,
    malformed,
    busy,
    busy_contact,
    reset,
)
