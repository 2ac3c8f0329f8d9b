"""What a Hypothesis machine can choose from: the enabled stimuli, as strategies.

A ``Menu`` is made after every step, so everything here is a look-up where the situation was met
before.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from itertools import product
from random import Random
from typing import Any, Final, NamedTuple, TypeAlias

from hypothesis import strategies as st

from kmcl_conformance.oracle import Judge
from kmcl_model.api import (
    CLOSED,
    COMPLETION_ROUTINE,
    OPENED,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STARTED,
    SUSPEND,
)
from kmcl_model.spec import Node
from kmcl_model.stimuli import Invoke, Stimulus

from .driver import control_calls, is_enabled, may_send, packet_calls, surely_enabled
from .names import Names
from .setup import ANSWERS, ENABLED_ONLY, HARMLESS, MAXIMUM, PACKETS, prelude

__all__ = [
    "HANDLERS",
    "NOTHING",
    "REACTIONS",
    "Choice",
    "Menu",
    "Options",
    "menu_of",
    "preludes",
    "thread",
]

Choice: TypeAlias = tuple[Any, ...]
ANY_NUMBER: Final = st.integers(0, (1 << 16) - 1)


class Options(NamedTuple):
    """What can be chosen from, at least one thing: ``drawn`` by itself, or ``numbered``: by a
    number from a range that depends on nothing."""

    drawn: st.SearchStrategy[Any]
    numbered: st.SearchStrategy[Any]


NOTHING: Final = ANY_NUMBER.map(lambda _: None)
"""A number is drawn, and there is nothing to choose from."""

SHAPES: Final = tuple(product((8, 13, 1, 64, MAXIMUM, 0, MAXIMUM + 8), (True, False)))
"""Length in bytes of a message, and whether to wait for its completion."""

HANDLERS: Final = (
    OPENED,
    STARTED,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    SUSPEND,
    CLOSED,
    COMPLETION_ROUTINE,
)
"""The handlers that a reaction can be armed for."""

REACTIONS: Final = (
    ("complete", (PROCESS_PACKET,)),
    ("keep completing", (PROCESS_PACKET,)),
    ("fail", (PROCESS_PACKET,)),
    ("free", (COMPLETION_ROUTINE,)),
    ("send again", (COMPLETION_ROUTINE,)),
    ("refuse", (OPENED,)),
    ("hold", HANDLERS),
    ("complete, hold", (PROCESS_PACKET,)),
    ("hold, complete", (PROCESS_PACKET,)),
    ("send", (STARTED, OPENED, CLOSED)),
    ("complete all", (PROCESSING_COMPLETE, SUSPEND, POST_STARTED)),
)
"""What a handler can be told to do, and which."""

NEW: Final = frozenset({"new"})
_USES: Final = {
    "VmbPacketSetCompletionRoutine": "change",
    "VmbPacketFree": "free",
    "VmbPacketSend": "send",
}

_ANSWERS: Final = tuple((len(answer or b""),) for answer in ANSWERS)
_COUNTS: Final = (("sizeof",), ("maximum+pointer",))
_QUOTAS: Final = ((1,), (2,), (3,), (8,))
_CHANNEL_LOOKS: Final = (
    ("VmbChannelGetPointer", ()),
    ("VmbChannelSetPointer", (77,)),
    ("VmbChannelSizeofPacket", ()),
)
_PACKET_LOOKS: Final = (
    ("VmbPacketGetPointer", ()),
    ("VmbPacketSetPointer", (77,)),
    ("VmbPacketGetChannel", ()),
)


class Menu(NamedTuple):
    """What each rule can choose from now; None where there is nothing.

    ``ready`` and ``held`` are the packets that can be sent and the contexts that can be completed.
    """

    enable: Options | None
    disable: Options | None
    pause: Options | None
    start: Options | None
    clean_up: Options | None
    configure: Options | None
    limit: Options | None
    allocate: Options | None
    initialise: Options | None
    set_routine: Options | None
    free: Options | None
    send: Options | None
    complete: Options | None
    look_up: Options | None
    react: Options | None
    release: Options | None
    run: Options | None
    ready: tuple[Choice, ...]
    held: tuple[Choice, ...]


def menu_of(judge: Judge, names: Names, runnable: int) -> Menu:
    """Everything that is enabled in the situation the judge has reached."""
    nodes = {end: track.node for end, track in judge.endpoint.items()}
    channels = _channels(judge.ends, *nodes.values())
    alive = channels.alive
    new, idle, free, ready, held = [], [], [], [], []
    for end in alive:
        packets, aside = judge.packets[end], names.packets(end)
        sends = may_send(nodes[end])
        for name in PACKETS:
            track = packets.get(name)
            uses = NEW if track is None else _uses(track.node)
            if not uses or name in aside:
                continue
            packet = (end, name)
            if uses is NEW:
                new.append(packet)
                continue
            idle.append(packet)
            if "free" in uses:
                free.append(packet)
            if sends and "send" in uses:
                ready.append(packet)
        for name, track in judge.incoming[end].items():
            if _is_held(track.node):
                held.append((end, name))
    could_send, could_complete = tuple(ready), tuple(held)
    return Menu(
        enable=channels.enable,
        disable=channels.disable,
        pause=channels.pause,
        start=channels.start,
        clean_up=_one_of(tuple([end for end in alive if _may_clean_up(judge, names, end)])),
        configure=channels.configure,
        limit=_joined(tuple([(end,) for end in alive if _may_limit(judge, end)]), _QUOTAS),
        allocate=_one_of(tuple(new)),
        initialise=_joined(tuple(new), _COUNTS),
        set_routine=_one_of(tuple(idle)),
        free=_one_of(tuple(free)),
        send=_joined(could_send, SHAPES),
        complete=_joined(could_complete, _ANSWERS),
        look_up=_looks(alive, tuple(idle)),
        react=_reactions(
            judge.ends,
            names.waiting(),
            frozenset([end for end, _ in ready]),
            frozenset([end for end, _ in held]),
        ),
        release=_one_of(tuple(judge.handlers)),
        run=_numbers(min(runnable, 64)),
        ready=could_send,
        held=could_complete,
    )


def thread(judge: Judge, end: str) -> str:
    """A driver thread that has no call in progress."""
    n = 0
    while (end, f"t{n}") in judge.calls:
        n += 1
    return f"t{n}"


@cache
def preludes() -> tuple[tuple[Stimulus, ...], ...]:
    """The ways to set up both channels, the plainest first."""
    variants = {tuple(prelude(Random(n))): None for n in range(64)}
    return tuple(sorted(variants, key=lambda v: (len(v), -len(repr(v)), repr(v))))


# Strategies, each made once; the first choice is the simplest, to which Hypothesis shrinks -----


@lru_cache(maxsize=4096)
def _one_of(choices: tuple[Any, ...]) -> Options | None:
    if not choices:
        return None
    return Options(st.sampled_from(choices), ANY_NUMBER.map(lambda n: choices[n % len(choices)]))


@cache
def _numbers(count: int) -> Options | None:
    if not count:
        return None
    return Options(st.integers(0, count - 1), ANY_NUMBER.map(lambda n: n % count))


def _product(choices: Iterable[Choice], more: Iterable[Choice]) -> tuple[Choice, ...]:
    choices = tuple(choices)
    return tuple((*c, *m) for m in more for c in choices)


@lru_cache(maxsize=4096)
def _joined(choices: tuple[Choice, ...], more: tuple[Choice, ...]) -> Options | None:
    """Every choice with every other."""
    return _one_of(_product(choices, more))


class _Channels(NamedTuple):
    """The part of a menu that follows from what the driven endpoints are doing."""

    alive: tuple[str, ...]
    enable: Options | None
    disable: Options | None
    pause: Options | None
    start: Options | None
    configure: Options | None


@lru_cache(maxsize=4096)
def _channels(ends: tuple[str, ...], *nodes: Node) -> _Channels:
    calls = {end: control_calls(node, end) for end, node in zip(ends, nodes, strict=True)}
    alive = {end: node for end, node in zip(ends, nodes, strict=True) if _is_alive(node)}

    def may(function: str) -> Options | None:
        return _one_of(tuple(end for end, mine in calls.items() if function in mine))

    return _Channels(
        tuple(alive),
        may("VmbChannelEnable"),
        may("VmbChannelDisable"),
        may("VmbChannelPause"),
        may("VmbChannelStart"),
        _settings(tuple(alive), tuple(end for end, node in alive.items() if surely_enabled(node))),
    )


@cache
def _settings(alive: tuple[str, ...], enabled: tuple[str, ...]) -> Options | None:
    """Settings to try; an enabled channel must refuse some that would else change it."""
    harmless = _product(((end,) for end in alive), HARMLESS)
    return _one_of(harmless + _product(((end,) for end in enabled), ENABLED_ONLY))


@lru_cache(maxsize=4096)
def _looks(alive: tuple[str, ...], idle: tuple[Choice, ...]) -> Options | None:
    """Questions that must never be in the way."""
    channels = _product(((end,) for end in alive), _CHANNEL_LOOKS)
    return _one_of(channels + _product(idle, _PACKET_LOOKS))


@lru_cache(maxsize=4096)
def _reactions(
    ends: tuple[str, ...],
    armed: frozenset[Choice],
    sending: frozenset[str],
    holding: frozenset[str],
) -> Options | None:
    """What can be armed: end, callback, and what the handler does.

    ``ends`` are those that are driven, ``armed`` the ends and handlers for which a reaction waits
    already, ``sending`` the ends with a packet to send, ``holding`` those with packets to complete.
    """
    free = set(product(ends, HANDLERS)) - armed
    return _one_of(
        tuple(
            (end, callback, kind)
            for kind, callbacks in REACTIONS
            for end in ends
            for callback in callbacks
            if (end, callback) in free
            if kind != "send" or end in sending
            if kind != "complete all" or end in holding
        )
    )


# What a node tells, kept with the node ----------------------------------------------------


def _is_alive(node: Node) -> bool:
    """Whether the end has a channel for sure."""
    found: bool | None = node.notes.get("alive")
    if found is None:
        states: Any = node.states
        found = node.notes["alive"] = not any(s.connection in ("none", "crashed") for s in states)
    return found


def _is_held(node: Node) -> bool:
    """Whether the driver holds the packet of a context for sure."""
    found: bool | None = node.notes.get("held")
    if found is None:
        states: Any = node.states
        found = node.notes["held"] = all(s.status != "free" and not s.calls for s in states)
    return found


def _uses(node: Node) -> frozenset[str]:
    """What can be done with a packet object: it can be made (``NEW``), or changed and perhaps also
    freed or sent; or nothing of these."""
    found: frozenset[str] | None = node.notes.get("uses")
    if found is None:
        calls = packet_calls(node)
        if "VmbPacketAllocate" in calls:
            found = NEW
        else:
            found = frozenset(use for name, use in _USES.items() if name in calls)
        node.notes["uses"] = found
    return found


def _may_limit(judge: Judge, end: str) -> bool:
    """Whether no VmbChannelSetTransactionQuota of the end is in progress."""
    node = judge.flow[end].node
    found: bool | None = node.notes.get("limit")
    if found is None:
        states: Any = node.states
        found = node.notes["limit"] = not any(s.quota_calls for s in states)
    return found


def _may_clean_up(judge: Judge, names: Names, end: str) -> bool:
    """Whether a channel can be given up. One with a quota is kept: nothing tells whether the next
    one inherits it."""
    quotas: Any = judge.flow[end].node.states
    if any(s.quota for s in quotas):
        return False
    if "VmbChannelCleanup" not in control_calls(judge.endpoint[end].node, end):
        return False
    invocation = Invoke("invoke", end, thread(judge, end), "VmbChannelCleanup", ())
    return is_enabled(judge, names, invocation)
