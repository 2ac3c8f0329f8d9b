"""The explorer: the same seed gives the same walk, walks are legal, and they get everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from random import Random

import pytest

from kmcl_adapters.reference import create
from kmcl_conformance.coverage import chart_coverage, seen
from kmcl_conformance.generate.driver import is_enabled
from kmcl_conformance.generate.explorer import epilogue
from kmcl_conformance.generate.names import Names
from kmcl_conformance.generate.setup import prelude
from kmcl_conformance.generate.tours import TOURS
from kmcl_conformance.oracle import Judge, Pair
from kmcl_conformance.sequence import replay, walk
from kmcl_model.events import Quiescence
from kmcl_model.spec import Specification
from kmcl_model.stimuli import Arm, Invoke, Settle

WALKS = 120

DIGEST = """
import hashlib
from kmcl_adapters.reference import create
from kmcl_conformance.sequence import walk
from kmcl_model.spec import Specification
adapter, specification = create(""), Specification()
digest = hashlib.sha256()
for seed in range(20):
    outcome = walk(adapter, specification, seed, 60, faults=("crash", "malformed", "spurious"))
    digest.update(repr(outcome).encode())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def walked() -> tuple[Specification, set[Pair]]:
    """What the tours and a few seeded walks have gone through."""
    adapter, specification, pairs = create(""), Specification(), set[Pair]()
    for tour in TOURS:
        outcome = replay(adapter, specification, tour.stimuli, pairs=pairs)
        assert outcome.failure is None, f"{tour.name}: {outcome.failure}"
    for seed in range(WALKS):
        faults = ("crash", "malformed", "spurious") if seed % 4 == 0 else ()
        outcome = walk(adapter, specification, seed, 80, faults=faults, pairs=pairs)
        assert outcome.failure is None, f"seed {seed}: {outcome.failure}"
    return specification, pairs


def test_the_same_seed_gives_the_same_walk() -> None:
    adapter = create("")
    for seed in range(10):
        first = walk(adapter, Specification(), seed, 60)
        assert walk(adapter, Specification(), seed, 60) == first
        assert walk(adapter, Specification(), seed + 1, 60) != first


def test_a_walk_does_not_depend_on_what_was_walked_before() -> None:
    adapter, shared = create(""), Specification()
    for seed in range(10):
        assert walk(adapter, shared, seed, 60) == walk(adapter, Specification(), seed, 60)


def test_a_walk_does_not_depend_on_the_order_of_sets() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_every_step_of_a_walk_was_enabled() -> None:
    """The stimuli of a walk, asked one by one, are all legal: replay leaves none out."""
    adapter, specification = create(""), Specification()
    for seed in range(30):
        outcome = walk(adapter, specification, seed, 60)
        assert replay(adapter, specification, outcome.stimuli) == outcome


def test_a_walk_ends_in_peace() -> None:
    adapter, specification = create(""), Specification()
    for seed in range(20):
        outcome = walk(adapter, specification, seed, 60)
        assert isinstance(outcome.events[-1], Quiescence)
        judge = Judge(specification)
        for event in outcome.events:
            assert judge.feed(event) is None
        assert judge.calls == {}
        assert judge.handlers == {}
        assert epilogue(judge) is None


def test_steps_count_the_stimuli() -> None:
    outcome = walk(create(""), Specification(), 3, 60)
    assert outcome.steps == len(outcome.stimuli) > 60
    assert outcome.stimuli[: len(prelude(Random(3)))] == tuple(prelude(Random(3)))


def test_tours_and_walks_get_everywhere(walked: tuple[Specification, set[Pair]]) -> None:
    specification, pairs = walked
    coverage = chart_coverage(set(seen(specification).moves), pairs)
    states, transitions = coverage["states"], coverage["transitions"]
    assert states.hit == states.all
    assert transitions.hit == transitions.all
    assert len(states.all) >= 38
    assert len(transitions.all) >= 74
    doubles = coverage["transition_pairs"]
    assert len(doubles.hit) >= 0.95 * len(doubles.all)


# What is enabled -------------------------------------------------------------------------------


def test_nothing_but_allocate_is_enabled_at_first() -> None:
    judge, names = Judge(Specification()), Names()
    for function, arguments in (
        ("VmbChannelEnable", ()),
        ("VmbChannelDisable", ()),
        ("VmbPacketAllocate", ("p0",)),
        ("VmbChannelGetPointer", ()),
        ("VmbChannelPacketComplete", ("c0", None, None)),
    ):
        invoke = Invoke("invoke", "client", "t0", function, arguments)
        assert not is_enabled(judge, names, invoke)
    allocate = Invoke("invoke", "client", "t0", "VmbChannelAllocate", (False,))
    assert is_enabled(judge, names, allocate)
    assert is_enabled(judge, names, Settle("settle"))


def test_a_driver_thread_makes_one_call_at_a_time() -> None:
    specification = Specification()
    outcome = walk(create(""), specification, 1, 60)
    judge, busy = Judge(specification), 0
    for event in outcome.events:
        judge.feed(event)
        for end, by in judge.calls:
            busy += 1
            settle = Invoke("invoke", end, by, "VmbChannelGetPointer", ())
            assert not is_enabled(judge, Names(), settle)
    assert busy


def test_armed_names_are_set_aside_until_the_handler_has_run() -> None:
    names = Names()
    walks = (walk(create(""), Specification(), seed, 80) for seed in range(40))
    arm = next(
        stimulus
        for outcome in walks
        for stimulus in outcome.stimuli
        if isinstance(stimulus, Arm)
        and not stimulus.reaction.sticky
        and any(step[0] == "VmbPacketSend" for step in stimulus.reaction.steps)
    )
    names.arm(arm)
    assert names.armed(arm.endpoint, arm.callback)
    assert names.tags(arm.endpoint)
    names.enter(arm.endpoint, "Handler", arm.callback)
    assert not names.armed(arm.endpoint, arm.callback)
    assert names.tags(arm.endpoint)
    names.exit(arm.endpoint, "Handler")
    assert not names.tags(arm.endpoint)
