"""Each mutant can be told from the reference, by a walk or by a directed sequence."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from kmcl_adapters.interface import AdapterError
from kmcl_adapters.mutants import AREAS, MUTANTS, create, parts_of
from kmcl_adapters.reference import SOUND
from kmcl_adapters.reference import create as create_reference
from kmcl_adapters.reference.exercise import walk
from kmcl_conformance.generate.tours import CONTENTION_TOURS, TOURS
from kmcl_conformance.schedules import run_schedules, set_up
from kmcl_conformance.sequence import replay
from kmcl_model.api import PROCESS_PACKET, STATE_CHANGE_CALLBACKS
from kmcl_model.events import Argument, Event
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec import Specification
from kmcl_model.stimuli import HOLD, Arm, Invoke, Reaction, Settle, Stimulus

SEEDS = range(150)
SETTLE = Settle("settle")


def call(endpoint: str, function: str, *arguments: Argument, by: str = "t0") -> Stimulus:
    return Invoke("invoke", endpoint, by, function, arguments)


def opened() -> list[Stimulus]:
    """Both ends configured with small rings and a few packets, enabled and started."""
    stimuli: list[Stimulus] = []
    for endpoint in ("server", "client"):
        stimuli += [
            call(endpoint, "VmbChannelAllocate", endpoint == "server"),
            call(endpoint, "VmbChannelInitSetMaximumPacketSize", 2000),
            call(endpoint, "VmbChannelInitSetProcessPacketCallbacks", True, True),
            call(endpoint, "VmbChannelSetTransactionQuota", 16),
            call(
                endpoint,
                "VmbChannelInitSetStateChangeCallbacks",
                1,
                "size",
                STATE_CHANGE_CALLBACKS,
            ),
        ]
        for name in ("p0", "p1", "p2"):
            stimuli += [
                call(endpoint, "VmbPacketAllocate", name),
                call(endpoint, "VmbPacketSetCompletionRoutine", name),
            ]
    stimuli += [
        call("client", "VmbClientChannelInitSetRingBufferPageCount", 1, 1),
        call("server", "VmbChannelEnable"),
        call("server", "VmbChannelStart"),
        call("client", "VmbChannelEnable"),
        SETTLE,
    ]
    return stimuli


def sends(endpoint: str, flags: int = 0, length: int = 8, first: int = 0) -> list[Stimulus]:
    return [
        call(endpoint, "VmbPacketSend", name, payload_bytes(Payload(tag, length)), flags)
        for tag, name in enumerate(("p0", "p1", "p2"), first)
    ]


def completed(endpoint: str, *contexts: str, answer: bytes | None = None) -> list[Stimulus]:
    return [
        *(
            call(endpoint, "VmbChannelPacketComplete", context, answer, None, by="t1")
            for context in contexts
        ),
        SETTLE,
    ]


def full_ring() -> list[Stimulus]:
    """More than the ring holds, sent to a paused server that is then started."""
    return [
        *opened(),
        call("server", "VmbChannelPause"),
        SETTLE,
        *sends("client", length=2000),
        SETTLE,
        call("server", "VmbChannelStart"),
        SETTLE,
    ]


DIRECTED: dict[str, list[Stimulus]] = {
    # The quota has stopped the queue when the client closes.
    "blocked-survives-reopen": [
        *opened(),
        call("server", "VmbChannelSetTransactionQuota", 1),
        *sends("client"),
        SETTLE,
        call("client", "VmbChannelDisable"),
        SETTLE,
        *completed("server", "c0"),
        call("client", "VmbChannelEnable"),
        *sends("client", first=3),
        SETTLE,
    ],
    # Two batches with a pause between them.
    "batch-carried-over-pause": [
        *opened(),
        *sends("client"),
        call("server", "VmbChannelSetTransactionQuota", 1),
        SETTLE,
        call("server", "VmbChannelPause"),
        *completed("server", "c0"),
        call("server", "VmbChannelStart"),
        SETTLE,
        *completed("server", "c0"),
        *completed("server", "c0"),
    ],
    # The answer waits for room in a ring that a paused client does not empty.
    "stale-answer-after-reopen": [
        *opened(),
        *sends("client", flags=1),
        SETTLE,
        call("client", "VmbChannelPause"),
        SETTLE,
        *sends("server", length=2000, first=3),
        *completed("server", "c0", "c1", "c2", answer=bytes(2000)),
        call("client", "VmbChannelDisable", by="t2"),
        SETTLE,
        call("client", "VmbChannelEnable"),
        *sends("client", flags=1, first=6),
        SETTLE,
    ],
    # The same, and the client goes on in the same period.
    "answer-lost-in-full-ring": [
        *opened(),
        *sends("client", flags=1),
        SETTLE,
        call("client", "VmbChannelPause"),
        SETTLE,
        *sends("server", length=2000, first=3),
        *completed("server", "c0", "c1", "c2", answer=bytes(2000)),
        call("client", "VmbChannelStart"),
        SETTLE,
    ],
    "answer-after-suspend-dropped": [
        *opened(),
        *sends("client", flags=1),
        SETTLE,
        call("server", "VmbChannelPause"),
        SETTLE,
        *completed("server", "c0", "c1", "c2"),
        call("server", "VmbChannelStart"),
        SETTLE,
    ],
    "quota-raise-wakes-queue": [
        *opened(),
        call("server", "VmbChannelSetTransactionQuota", 1),
        *sends("client"),
        SETTLE,
        call("server", "VmbChannelSetTransactionQuota", 2),
        SETTLE,
    ],
    "ring-space-lost-when-full": full_ring(),
    "no-wakeup-when-room": full_ring(),
    # Two packets are outstanding, and the handler of the second has not returned.
    "suspend-while-processing-second-packet": [
        *opened(),
        *sends("client")[:1],
        SETTLE,
        Arm("arm", "server", PROCESS_PACKET, Reaction((HOLD,))),
        *sends("client")[1:2],
        SETTLE,
        call("server", "VmbChannelPause"),
        SETTLE,
    ],
    "only-first-waiter-returns": [
        *opened(),
        *sends("client"),
        SETTLE,
        call("server", "VmbChannelPause"),
        call("server", "VmbChannelPause", by="t2"),
        *completed("server", "c0", "c1", "c2"),
    ],
}


@cache
def reference_tours() -> list[tuple[Event, ...]]:
    specification = Specification()
    return [replay(create_reference(""), specification, t.stimuli).events for t in TOURS]


@cache
def reference_walk(seed: int) -> list[Event]:
    return walk(create_reference("").open(), seed)


def differs(name: str) -> bool:
    mutant, sound = create(name), create_reference("")
    if name in DIRECTED:
        sessions = mutant.open(), sound.open()
        for stimulus in DIRECTED[name]:
            for session in sessions:
                session.apply(stimulus)
        return sessions[0].take() != sessions[1].take()
    specification = Specification()
    return (
        any(walk(mutant.open(), seed) != reference_walk(seed) for seed in SEEDS)
        or any(
            replay(mutant, specification, tour.stimuli).events != events
            for tour, events in zip(TOURS, reference_tours(), strict=True)
        )
        or any(
            run_schedules(
                mutant,
                tour.stimuli,
                preemptions=0,
                most=500,
                free=set_up(tour.stimuli),
                specification=specification,
            ).failure
            for tour in CONTENTION_TOURS
        )
    )


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_can_be_told_from_the_reference(name: str) -> None:
    assert differs(name)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_one_small_change(name: str) -> None:
    mutant = MUTANTS[name]
    assert mutant.area in AREAS
    assert mutant.stands_for
    changed = [
        part
        for part, sound in zip(parts_of(mutant.change), SOUND, strict=True)
        if part is not sound
    ]
    assert changed == [mutant.change]
    assert create(name).describe().adapter == f"mutant:{name}"


def test_every_area_has_its_mutants() -> None:
    counts = Counter(mutant.area for mutant in MUTANTS.values())
    assert set(counts) == set(AREAS)
    assert min(counts.values()) >= 5


def test_no_change_stands_for_two_mutants() -> None:
    changes = [mutant.change for mutant in MUTANTS.values()]
    assert len(set(changes)) == len(changes)


def test_a_mutant_is_deterministic() -> None:
    for name in ("queue-last-in-first-out", "answers-matched-in-order"):
        adapter = create(name)
        assert walk(adapter.open(), 3) == walk(adapter.open(), 3)


def test_unknown_mutant() -> None:
    with pytest.raises(AdapterError, match=r"no mutant 'none'; the nearest: ([^,]+, ){4}[^,]+$"):
        create("none")


def test_a_change_of_no_part_is_refused() -> None:
    with pytest.raises(TypeError, match="not a part"):
        parts_of(int)
