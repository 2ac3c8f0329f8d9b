"""Conversations that are broken in one place, with the requirements they break there."""

from __future__ import annotations

from collections.abc import Iterator

from conversations import Conversation

from .configuration import BY_HANDLER, BY_SETTING, handlers, settings
from .lifecycle import LIFECYCLE
from .packets import PACKETS
from .session import SESSION

__all__ = ["by_hand"]


def by_hand() -> Iterator[tuple[str, Conversation, int, str]]:
    """Every conversation that is broken: its name, itself, the place, counted from the end, and the
    requirements broken."""
    for name, (make, place, ids) in SESSION.items():
        yield name, make(), place, ids
    for name, (make_last, ids) in (LIFECYCLE | PACKETS).items():
        yield name, make_last(), -1, ids
    for name, it in settings():
        yield name, it, -1, BY_SETTING[name]
    for name, it in handlers():
        yield name, it, -1, BY_HANDLER[name]
