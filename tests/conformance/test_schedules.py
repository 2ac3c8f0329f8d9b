"""Schedules: by priorities, and all of them for a short case."""

from __future__ import annotations

from random import Random

import pytest

from kmcl_adapters import AdapterError, Schedulable, Session
from kmcl_adapters.mutants import create as mutant
from kmcl_adapters.reference import ReferenceAdapter
from kmcl_adapters.reference import create as reference
from kmcl_conformance.generate.priorities import Priorities
from kmcl_conformance.generate.tours import TOURS
from kmcl_conformance.schedules import run_schedules, sample_schedules
from kmcl_conformance.sequence import replay, walk
from kmcl_model.events import Event
from kmcl_model.spec import Specification
from kmcl_model.stimuli import Run, Stimulus

RARE = "late-signal-stops-queue"
CASE = next(t for t in TOURS if t.name == "reopened without rest, from the client").stimuli
SET_UP = [stimulus[0] for stimulus in CASE].index("settle") + 1


def test_the_same_thread_goes_first_until_a_change_point() -> None:
    priorities = Priorities(Random(1), steps=10, depth=1)

    first = priorities.choose((3, 1, 2))

    assert [priorities.choose((3, 1, 2)) for _ in range(20)] == [first] * 20


def test_a_thread_keeps_its_priority_wherever_it_stands_in_line() -> None:
    priorities = Priorities(Random(1), steps=10, depth=1)
    line = [3, 1, 2]
    first = line[priorities.choose(line)]

    assert {later[priorities.choose(later)] for later in ([1, 2, 3], [2, 3, 1])} == {first}


def test_at_a_change_point_the_first_becomes_the_last() -> None:
    priorities = Priorities(Random(1), steps=2, depth=3)  # both steps are change points
    line = (1, 2, 3)

    turns = [line[priorities.choose(line)] for _ in range(3)]

    assert len({*turns[:2]}) == 2
    assert turns[2] == turns[1]


def test_the_reference_conforms_whoever_goes_first() -> None:
    specification = Specification()

    failures = [
        walk(reference(""), specification, seed, 60, strategy="pct").failure for seed in range(60)
    ]

    assert failures == [None] * 60


def test_a_walk_by_priorities_is_the_same_each_time_and_can_be_replayed() -> None:
    first, second = (walk(reference(""), Specification(), 5, 60, strategy="pct") for _ in range(2))

    assert first.events == second.events
    assert replay(reference(""), Specification(), first.stimuli).events == first.events


def test_every_schedule_of_a_case_is_run_once() -> None:
    seen: list[tuple[Stimulus, ...]] = []

    class Watched(ReferenceAdapter):
        def open(self) -> Session:  # type: ignore[override]
            seen.append(())
            session = super().open()
            apply = session.apply

            class Recording:
                def __getattr__(self, name: str) -> object:
                    return getattr(session, name)

                def ready(self) -> tuple[int, ...]:
                    return session.ready()

                def apply(self, stimulus: Stimulus) -> None:
                    seen[-1] = (*seen[-1], stimulus)
                    apply(stimulus)

                def runnable(self) -> int:
                    return session.runnable()

                def take(self) -> list[Event]:
                    return session.take()

                def close(self) -> None:
                    session.close()

            return Recording()

    found = run_schedules(Watched("watched"), CASE, preemptions=0, free=SET_UP)

    assert found.complete
    assert found.failure is None
    assert found.run == len(seen) == len(set(seen))
    assert any(isinstance(stimulus, Run) for stimulus in seen[0])


def test_more_preemptions_are_more_schedules_and_the_bound_is_reported() -> None:
    short = CASE[: SET_UP + 4]

    none = run_schedules(reference(""), short, preemptions=0, free=SET_UP)
    one = run_schedules(reference(""), short, preemptions=1, free=SET_UP)
    few = run_schedules(reference(""), short, preemptions=1, free=SET_UP, most=none.run)

    assert none.complete
    assert one.complete
    assert one.run > none.run
    assert (few.run, few.complete) == (none.run, False)


def test_a_defect_that_needs_a_rare_order_is_found_for_certain() -> None:
    found = run_schedules(mutant(RARE), CASE, preemptions=0, free=SET_UP)

    assert found.failure is not None
    again = replay(mutant(RARE), Specification(), found.failure.stimuli)
    assert again.failure is not None
    assert replay(reference(""), Specification(), found.failure.stimuli).failure is None


def test_priorities_find_it_in_fewer_schedules_than_chance() -> None:
    specification = Specification()

    def needed(strategy: str) -> int:
        return sum(
            sample_schedules(
                mutant(RARE),
                CASE,
                strategy=strategy,
                seed=seed,
                most=500,
                free=SET_UP,
                specification=specification,
            ).run
            for seed in range(10)
        )

    assert 2 * needed("pct") < needed("uniform")


def test_an_implementation_with_an_order_of_its_own_is_refused() -> None:
    class Unscheduled(ReferenceAdapter):
        def open(self) -> Session:  # type: ignore[override]
            session = super().open()

            class Plain:
                apply, take, close = session.apply, session.take, session.close
                runnable = session.runnable

            return Plain()

    with pytest.raises(AdapterError, match="cannot be scheduled"):
        run_schedules(Unscheduled("unscheduled"), CASE)


def test_the_reference_tells_who_could_go_next() -> None:
    session = reference("").open()

    assert isinstance(session, Schedulable)
    assert session.ready() == ()
