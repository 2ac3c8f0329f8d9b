"""Configuration: every setting, asked for in its place and out of it, and channels that lack one.

They come first: a setting is judged by its answer, so that a short campaign has them all.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmcl_conformance.generate.setup import ENABLED_ONLY, HARMLESS, SETTLE
from kmcl_model.spec.specification import peer_of
from kmcl_model.stimuli import Stimulus

from .steps import (
    Conversation,
    answered,
    call,
    close,
    configured,
    control,
    packet,
    reopen,
    running,
    send,
)

__all__ = ["CONVERSATIONS"]

_HANDLERS = "VmbChannelInitSetStateChangeCallbacks"


def _exchange(me: str) -> Iterator[Stimulus]:
    """A packet passes, and its answer, as if nothing had been asked for."""
    yield from packet(me, "p0")
    yield send(me, "p0", 1)
    yield SETTLE
    yield from answered(peer_of(me), 1)


def _every_setting(me: str) -> Iterator[Stimulus]:
    """All that can be set on a disabled channel, also what is refused, and its pointer."""
    yield from configured()
    for function, arguments in HARMLESS:
        yield call(me, function, *arguments)
    yield call(me, "VmbChannelSetPointer", 77)
    yield call(me, "VmbChannelGetPointer")
    yield from reopen()
    yield call(me, "VmbChannelGetPointer")
    yield from _exchange(me)
    yield from close()


def _settings_while_enabled(me: str) -> Iterator[Stimulus]:
    """The same on a channel that is enabled, which changes nothing any more."""
    yield from running()
    for function, arguments in (*HARMLESS, *ENABLED_ONLY):
        yield call(me, function, *arguments)
    yield SETTLE
    yield from _exchange(me)
    yield from close()


def _without_handlers(me: str) -> Iterator[Stimulus]:
    """One end has set no handlers of state changes."""
    for stimulus in configured():
        if (getattr(stimulus, "endpoint", ""), getattr(stimulus, "function", "")) != (
            me,
            _HANDLERS,
        ):
            yield stimulus
    yield from reopen()
    yield SETTLE
    yield from _exchange(me)
    yield from close()


def _paused_beforehand(me: str) -> Iterator[Stimulus]:
    """One end is to be paused as soon as it is enabled, and a packet waits for it."""
    peer = peer_of(me)
    yield from configured()
    yield control(me, "Start")
    yield control(me, "Pause")
    yield from packet(peer, "p0")
    yield from reopen(server_starts=me != "server")
    yield send(peer, "p0", 1)
    yield SETTLE
    yield control(me, "Start")
    yield SETTLE
    yield from answered(me, 1)
    yield from close()


CONVERSATIONS: tuple[tuple[str, Conversation], ...] = (
    ("every setting", _every_setting),
    ("settings while enabled", _settings_while_enabled),
    ("without handlers", _without_handlers),
    ("paused beforehand", _paused_beforehand),
)
