"""Each variant can be told from the reference, and differs in nothing that no reading permits."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from itertools import combinations
from random import Random

import pytest

from kmcl_adapters.interface import AdapterError
from kmcl_adapters.reference import Readings, ReferenceAdapter
from kmcl_adapters.reference import create as create_reference
from kmcl_adapters.reference.exercise import walk
from kmcl_adapters.variants import VARIANTS, compatible, create
from kmcl_model.api import CLOSED, PROCESS_PACKET, STATE_CHANGE_CALLBACKS
from kmcl_model.catalogue import interpretations
from kmcl_model.events import Argument, Call, Enter, Event, Lost, Return
from kmcl_model.status import is_success
from kmcl_model.stimuli import (
    HOLD,
    Act,
    Arm,
    Invoke,
    Reaction,
    Release,
    Settle,
    Stimulus,
)

SEEDS = range(150)
KEEPS_PACKETS = {"queued-kept-over-disable", "sends-while-disabled-accepted"}
"""Packets sent to a channel that is never enabled again are never completed."""


def call(endpoint: str, function: str, *arguments: Argument, by: str = "t0") -> Stimulus:
    return Invoke("invoke", endpoint, by, function, arguments)


SETTLE = Settle("settle")


def opened(maximum: int = 64) -> tuple[Stimulus, ...]:
    """Both ends configured, one packet each, enabled and started."""
    stimuli: list[Stimulus] = []
    for endpoint in ("server", "client"):
        stimuli += [
            call(endpoint, "VmbChannelAllocate", endpoint == "server"),
            call(endpoint, "VmbChannelInitSetMaximumPacketSize", maximum),
            call(endpoint, "VmbChannelInitSetProcessPacketCallbacks", True, True),
            call(
                endpoint,
                "VmbChannelInitSetStateChangeCallbacks",
                1,
                "size",
                STATE_CHANGE_CALLBACKS,
            ),
            call(endpoint, "VmbPacketAllocate", "p0"),
            call(endpoint, "VmbPacketSetCompletionRoutine", "p0"),
        ]
    return (
        *stimuli,
        call("client", "VmbClientChannelInitSetRingBufferPageCount", 1, 1),
        call("server", "VmbChannelEnable"),
        call("server", "VmbChannelStart"),
        call("client", "VmbChannelEnable"),
        SETTLE,
    )


def asked(end: str, function: str, *arguments: Argument) -> tuple[Stimulus, ...]:
    """A channel that has just been allocated is configured."""
    return call(end, "VmbChannelAllocate", end == "server"), call(end, function, *arguments)


TARGET = ("11111111-2222-3333-4444-555555555555", None)

DIRECTED: dict[str, tuple[Stimulus, ...]] = {
    "latency-on-server": (
        call("server", "VmbChannelAllocate", True),
        call("server", "VmbChannelSetInterruptLatency", 70),
    ),
    "latency-remembered": (
        call("client", "VmbChannelAllocate", False),
        call("client", "VmbChannelSetInterruptLatency", 70),
    ),
    "flag-bits-of-its-own": asked("server", "VmbServerChannelInitSetFlags", 0x20),
    "context-of-no-size-refused": asked("client", "VmbChannelInitSetClientContextSize", 0),
    "any-vtl-accepted": asked("server", "VmbServerChannelInitSetTargetVtl", 5),
    "mmio-megabytes-mandatory": asked("server", "VmbServerChannelInitSetMmioMegabytes", 0, 5),
    "pnp-callback-required": asked("client", "VmbClientChannelInitSetTargetPnp", *TARGET, False),
    # A packet takes the place of one that had a pointer.
    "packet-pointer-taken-again": (
        *asked("client", "VmbPacketAllocate", "p0"),
        call("client", "VmbPacketSetPointer", "p0", 77),
        call("client", "VmbPacketFree", "p0"),
        call("client", "VmbPacketAllocate", "p0"),
        call("client", "VmbPacketGetPointer", "p0"),
    ),
    # Enable is tried again with rings that would do.
    "failed-enable-wants-disable": (
        *opened(maximum=5000),
        call("client", "VmbClientChannelInitSetRingBufferPageCount", 4, 4),
        call("client", "VmbChannelEnable"),
        SETTLE,
    ),
    "force-mdl-length-refused": (*opened(), call("client", "VmbPacketSend", "p0", b"long", 3)),
    # The maximum is larger than the page of each ring.
    "small-ring-refused": opened(maximum=5000),
    # The client pauses while enabled, and is enabled anew.
    "pause-part-survives-enable": (
        *opened(),
        call("client", "VmbChannelPause"),
        SETTLE,
        call("client", "VmbChannelDisable"),
        SETTLE,
        call("client", "VmbChannelEnable"),
        SETTLE,
    ),
    # A server paused by a client's close would have to be started again.
    "pause-part-reset-by-close": (
        *opened(),
        call("client", "VmbChannelDisable"),
        SETTLE,
        call("client", "VmbChannelEnable"),
        SETTLE,
    ),
    # The answer is given from inside Closed's predecessor, a pause: nothing is outstanding then,
    # so it has to wait in the queue of answers behind a full ring.
    "answers-held-while-paused": (
        *opened(maximum=2000),
        call("client", "VmbPacketSend", "p0", b"question", 1),
        call("server", "VmbPacketAllocate", "p1"),
        SETTLE,
        call("client", "VmbChannelPause"),
        SETTLE,
        call("server", "VmbPacketSend", "p0", bytes(2000), 0),
        call("server", "VmbPacketSend", "p1", bytes(2000), 0),
        call("server", "VmbChannelPause", by="t1"),
        call("server", "VmbChannelPacketComplete", "c0", bytes(40), None),
        SETTLE,
        call("client", "VmbChannelStart"),
        SETTLE,
    ),
    # The queue that a failed packet stopped is paused and started.
    "start-restarts-failed-queue": (
        *opened(),
        Arm("arm", "server", PROCESS_PACKET, Reaction((Act("VmbChannelPacketFail", ("this",)),))),
        call("client", "VmbPacketSend", "p0", b"bad", 0),
        SETTLE,
        call("client", "VmbPacketSend", "p0", b"good", 0),
        SETTLE,
        call("server", "VmbChannelPause"),
        SETTLE,
        call("server", "VmbChannelStart"),
        SETTLE,
    ),
    # A quota of one is set once, and the channel opened twice.
    "quota-reset-at-close": (
        *opened(),
        call("server", "VmbChannelSetTransactionQuota", 1),
        call("client", "VmbChannelDisable"),
        SETTLE,
        call("client", "VmbChannelEnable"),
        SETTLE,
        call("client", "VmbPacketSend", "p0", b"first", 0),
        SETTLE,
        call("client", "VmbPacketSend", "p0", b"second", 0),
        SETTLE,
    ),
    # Another thread enables the client as soon as its Closed has returned.
    "closed-noticed-later": (
        *opened(),
        Arm("arm", "client", CLOSED, Reaction((HOLD,))),
        call("server", "VmbChannelDisable", by="t1"),
        SETTLE,
        Release("release", "client", "Closed"),
        call("client", "VmbChannelEnable"),
        SETTLE,
    ),
    # Paused for one Enable, or for all of them.
    "pause-wish-one-shot": (
        *opened(),
        call("client", "VmbChannelDisable"),
        SETTLE,
        call("client", "VmbChannelPause"),
        call("client", "VmbChannelEnable"),
        SETTLE,
        call("client", "VmbChannelDisable"),
        SETTLE,
        call("client", "VmbChannelEnable"),
        SETTLE,
    ),
}


def events(adapter: ReferenceAdapter, stimuli: tuple[Stimulus, ...]) -> list[Event]:
    session = adapter.open()
    for stimulus in stimuli:
        session.apply(stimulus)
    return session.take()


@cache
def reference_walk(seed: int) -> list[Event]:
    return walk(create_reference("").open(), seed)


def differs(name: str) -> bool:
    adapter = create(name)
    if name in DIRECTED:
        return events(adapter, DIRECTED[name]) != events(create_reference(""), DIRECTED[name])
    return any(walk(adapter.open(), seed) != reference_walk(seed) for seed in SEEDS)


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_can_be_told_from_the_reference(name: str) -> None:
    assert differs(name)


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - KEEPS_PACKETS))
def test_variant_keeps_its_balance(name: str) -> None:
    for seed in range(4):
        assert not unbalanced(walk(create(name).open(), seed))


def test_three_variants_at_random_keep_their_balance() -> None:
    dice, tried = Random(1), 0
    for seed in range(40):
        names = tuple(dice.sample(sorted(VARIANTS), 3))
        if compatible(names) and not KEEPS_PACKETS & set(names):
            trace = walk(create("+".join(names)).open(), seed)
            assert not unbalanced(trace), names
            tried += any(isinstance(event, Enter) for event in trace)
    assert tried >= 25


def unbalanced(trace: list[Event]) -> str:
    """What is left open in a trace whose ends were wound up: calls, handlers, packets."""
    dead = {event[1] for event in trace if event[0] == "environment" and event[2] == "crash"}
    calls: dict[tuple[str, str], Call] = {}
    handlers: set[tuple[str, str]] = set()
    owed: dict[tuple[str, Argument], int] = {}
    for event in trace:
        match event:
            case Lost():
                return f"{event}"
            case Call(_, endpoint, by, _, _):
                calls[endpoint, by] = event
            case Return(_, endpoint, by, function, status, _):
                arguments = calls.pop((endpoint, by)).arguments
                if function == "VmbPacketSend" and status is not None and is_success(status):
                    owed[endpoint, arguments[0]] = owed.get((endpoint, arguments[0]), 0) + 1
            case Enter(_, endpoint, activation, callback, arguments, _):
                handlers.add((endpoint, activation))
                if callback.endswith("CompletionRoutine"):
                    owed[endpoint, arguments[0]] = owed.get((endpoint, arguments[0]), 0) - 1
            case _ if event[0] == "exit":
                handlers.discard((event[1], event[2]))
    if any(endpoint not in dead for endpoint, _ in (*calls, *handlers)):
        return f"still open: {calls} {handlers}"
    left = {
        (endpoint, name): count
        for (endpoint, name), count in owed.items()
        if count and endpoint not in dead and str(name).startswith("p")  # others free themselves
    }
    return f"packets out of balance: {left}" if left else ""


def test_the_balance_sees_a_leak() -> None:
    session = create_reference("").open()
    stimuli = (*opened(), call("client", "VmbPacketSend", "p0", b"x", 1), SETTLE)
    for stimulus in stimuli:
        session.apply(stimulus)
    assert "p0" in unbalanced(session.take())


@pytest.mark.parametrize("name", VARIANTS)
def test_description_of_a_variant(name: str) -> None:
    variant = VARIANTS[name]
    assert variant.name == name
    for label in variant.takes:
        place, _, reading = label.partition(":")
        id, _, question = place.partition("/")
        points = {point.name: point for point in interpretations()[id].points}
        assert reading in points[question or "reading"].readings
    defaults = Readings()
    switches = {field.name for field in fields(Readings)}
    for switch, value in variant.change.items():
        assert switch in switches
        assert getattr(defaults, switch) != value
    assert create(name).describe().adapter == f"variant:{name}"


def interpretations_of(name: str) -> set[str]:
    return {label.partition(":")[0].partition("/")[0] for label in VARIANTS[name].takes}


def test_every_switch_but_none_twice_the_same_way() -> None:
    changes = [tuple(variant.change.items()) for variant in VARIANTS.values()]
    assert len(set(changes)) == len(changes)
    used = {switch for change in changes for switch, _ in change}
    assert used == {field.name for field in fields(Readings)}


def test_alternatives_of_one_switch_exclude_each_other() -> None:
    exclusive = [pair for pair in combinations(VARIANTS, 2) if not compatible(pair)]
    assert ("unfinished-batch-not-reported", "batch-reported-after-suspend") in exclusive
    for first, second in exclusive:
        assert interpretations_of(first) == interpretations_of(second)
        with pytest.raises(AdapterError, match="exclude each other"):
            create(f"{first}+{second}")


def test_unknown_variant() -> None:
    with pytest.raises(AdapterError, match="no variant 'faster'"):
        create("server-starts-active+faster")
