"""Every configuration call, at a channel that is disabled, enabled, open, and disabled again; and
channels that lack a setting.

``me`` is configured; every conversation is held once from each end. They come first: a setting is
judged by its answer, so that a short campaign has them all; ``LATER`` is apart from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from kmcl_conformance.generate.setup import ENABLED_ONLY, HARMLESS, SETTLE
from kmcl_model.api import STATE_CHANGE_CALLBACKS
from kmcl_model.spec.configuration import SETTERS
from kmcl_model.spec.specification import peer_of
from kmcl_model.stimuli import Act, Invoke, Stimulus

from .steps import (
    Conversation,
    answered,
    call,
    close,
    configured,
    control,
    packet,
    react,
    reopen,
    send,
)

__all__ = ["CONVERSATIONS", "LATER"]

_Row: TypeAlias = tuple[str, tuple[Any, ...]]

_REFUSALS = {setter.function: setter.refusals for setter in SETTERS}


def _is_accepted(row: _Row) -> bool:
    function, arguments = row
    return not any(refusal.when(arguments) for refusal in _REFUSALS[function])


_ROWS: Final[list[_Row]] = sorted(HARMLESS, key=_is_accepted)
"""What is to be refused comes first: a setting that was accepted may be final (A29)."""

_ENABLED: Final[list[_Row]] = [*_ROWS, *ENABLED_ONLY]


def _exchange(me: str) -> Iterator[Stimulus]:
    """A packet passes, and its answer, as if nothing had been asked for."""
    yield from packet(me, "p0")
    yield send(me, "p0", 1)
    yield SETTLE
    yield from answered(peer_of(me), 1)


def _settings(me: str) -> Iterator[Stimulus]:
    """All settings before the first Enable, before the channel is open, and while it is; they are
    in force, and so is the channel's pointer."""
    yield from configured()
    for function, arguments in _ROWS:
        yield call(me, function, *arguments)
    yield call(me, "VmbChannelSetPointer", 77)
    yield call(me, "VmbChannelGetPointer")
    yield call(me, "VmbChannelSetPointer", 5)
    yield control(me, "Enable")
    yield SETTLE
    for function, arguments in _ENABLED:
        yield call(me, function, *arguments)
    yield control(peer_of(me), "Enable")
    yield control("server", "Start")
    yield SETTLE
    for function, arguments in _ENABLED:
        yield call(me, function, *arguments)
    yield call(me, "VmbChannelGetPointer")
    yield from _exchange(me)
    yield from close()


def _settings_after_disable(me: str) -> Iterator[Stimulus]:
    """A channel that was used is configured for the first time beyond the least."""
    yield from configured()
    yield from reopen()
    yield from close()
    for function, arguments in filter(_is_accepted, _ROWS):
        yield call(me, function, *arguments)


def _without_callbacks(me: str) -> Iterator[Stimulus]:
    """A channel that has registered no state change callbacks opens, works, pauses and closes."""
    register = "VmbChannelInitSetStateChangeCallbacks"
    for stimulus in configured():
        if not isinstance(stimulus, Invoke) or (stimulus.endpoint, stimulus.function) != (
            me,
            register,
        ):
            yield stimulus
    yield from reopen()
    yield from _exchange(me)
    yield control(me, "Pause", "t1")
    yield SETTLE
    yield control(me, "Start")
    yield SETTLE
    yield from close()


def _other_callbacks(me: str) -> Iterator[Stimulus]:
    """Each table of state change callbacks takes the place of the one before, and each lacks
    another one."""
    yield from configured()
    yield from packet(me, "p0")
    for tag, callback in enumerate(STATE_CHANGE_CALLBACKS, 1):
        table = tuple(name for name in STATE_CHANGE_CALLBACKS if name != callback)
        yield call(me, "VmbChannelInitSetStateChangeCallbacks", 1, "size", table)
        yield from reopen()
        yield control(me, "Start")
        yield SETTLE
        yield send(me, "p0", tag)
        yield SETTLE
        yield from answered(peer_of(me), tag)
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


def _latencies(me: str) -> Iterator[Stimulus]:
    """The interrupt latency before and after the session, inside it, and inside its handlers."""
    function = "VmbChannelSetInterruptLatency"
    values = iter(range(200, 65_000, 731))
    yield from configured()
    yield call(me, function, next(values))
    for callback in STATE_CHANGE_CALLBACKS:
        yield react(me, callback, Act(function, (next(values),)))
    yield from reopen()
    yield control(me, "Start")
    yield SETTLE
    for _ in range(3):
        yield call(me, function, next(values))
    yield from close()
    yield call(me, function, next(values))
    yield from reopen()
    for _ in range(2):
        yield call(me, function, next(values))
    yield from close()


CONVERSATIONS: tuple[tuple[str, Conversation], ...] = (
    ("settings", _settings),
    ("no callbacks", _without_callbacks),
    ("paused beforehand", _paused_beforehand),
)

LATER: tuple[tuple[str, Conversation], ...] = (
    ("settings after Disable", _settings_after_disable),
    ("latencies", _latencies),
    ("other callbacks", _other_callbacks),
)
"""About channels that were in use; they need not come first."""
