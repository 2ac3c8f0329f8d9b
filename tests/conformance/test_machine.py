"""The Hypothesis machine: sound implementations pass, defects are found, shrunk and explained."""

from __future__ import annotations

from itertools import cycle
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from kmcl_adapters import Adapter, Description, Session
from kmcl_adapters.mutants import create as mutant
from kmcl_adapters.reference import create as reference
from kmcl_adapters.uio.pair import create as ring
from kmcl_adapters.variants import create as variant
from kmcl_conformance.generate.machine import (
    RUNNING,
    STAGES,
    ConformanceError,
    ConformanceMachine,
    machine,
)
from kmcl_conformance.generate.menu import Menu, preludes
from kmcl_conformance.oracle import judge_trace
from kmcl_conformance.profiles import PROFILES
from kmcl_conformance.sequence import replay
from kmcl_model.spec import Specification

DEFECT = "pause-returns-before-suspend"


def run(
    target: type[RuleBasedStateMachine], examples: int, steps: int = 50, **changes: Any
) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **changes,
    )
    run_state_machine_as_test(target, settings=chosen)


def test_the_reference_passes() -> None:
    run(machine(lambda: reference("")), 60, phases=[Phase.generate])


def test_the_reference_passes_with_faults() -> None:
    faulty = machine(lambda: reference(""), faults=("crash", "malformed", "spurious"))
    assert "fault" in {r.function.__name__ for r in faulty.setup_state().rules}
    run(faulty, 40, phases=[Phase.generate])


def test_without_faults_there_is_no_rule_for_them() -> None:
    sound = machine(lambda: reference(""))
    assert "fault" not in {r.function.__name__ for r in sound.setup_state().rules}


@pytest.fixture(scope="module")
def found() -> ConformanceError:
    """What the machine finds in an implementation with a defect."""
    with pytest.raises(ConformanceError) as caught:
        run(machine(lambda: mutant(DEFECT)), 200, 16, phases=[Phase.generate, Phase.shrink])
    return caught.value


def test_a_defect_is_found_shrunk_and_explained(found: ConformanceError) -> None:
    error, text = found, str(found)
    assert "VmbChannelPause" in text
    assert {"F113", "F124", "F285"} & set(error.failure.requirements)
    for requirement in error.failure.requirements:
        assert requirement in text
    assert error.failure.broken[0].words in text
    assert "last events:" in text
    # Both ends set up and running, one pause: nothing to spare.
    assert len(error.stimuli) == len(preludes()[0]) + len(RUNNING) + 1
    assert any("state.pause(what='client')" in note for note in error.__notes__)


def test_a_failure_can_be_judged_again_and_replayed(found: ConformanceError) -> None:
    error = found
    judge = judge_trace(error.events)
    assert judge.failure is not None
    assert judge.failure.broken == error.failure.broken
    again = replay(mutant(DEFECT), Specification(), error.stimuli)
    assert again.failure is not None
    assert again.events == error.events


class Watched(ConformanceMachine):
    """Notes every item of the menu that had something to offer."""

    offered: ClassVar[set[str]] = set()

    def look(self) -> None:
        super().look()
        self.offered.update(name for name, item in self.menu._asdict().items() if item is not None)


def test_every_item_of_the_menu_is_offered_sooner_or_later() -> None:
    run(machine(lambda: reference(""), base=Watched), 400, phases=[Phase.generate])
    assert Watched.offered == set(Menu._fields)


def test_the_adapter_is_made_once_and_late() -> None:
    made = []

    def make() -> Adapter:
        made.append(1)
        return reference("")

    lazy = machine(make)
    assert made == []
    run(lazy, 5, phases=[Phase.generate])
    assert made == [1]


def test_a_specification_is_shared_between_machines() -> None:
    specification = Specification()
    first = machine(lambda: reference(""), specification)
    assert first.specification is specification
    assert machine(lambda: reference("")).specification is not specification


def test_the_plainest_set_up_comes_first() -> None:
    variants = preludes()
    assert len(set(variants)) == len(variants) > 4
    assert len(variants[0]) == min(map(len, variants))


def one_end() -> Specification:
    """A client alone, whose host is of a known kind."""
    found = PROFILES["client-uio-dynmem"].specification()
    assert isinstance(found, Specification)
    return found


def test_one_end_alone_is_driven_where_one_is_observed() -> None:
    client = machine(lambda: ring("dynmem"), one_end())
    run(client, 15, phases=[Phase.generate])
    assert client.specification.ends == ("client",)


class AtItsOwnPace:
    """An implementation that answers the same calls differently in every other session, each time
    as it may, and cannot tell when it is at rest."""

    def __init__(self) -> None:
        self._kinds = cycle([reference(""), variant("allocation-needs-enable")])

    def describe(self) -> Description:
        return reference("").describe()._replace(exact_quiescence=False)

    def open(self) -> Session:
        return next(self._kinds).open()

    def close(self) -> None:
        pass


def test_what_is_drawn_does_not_depend_on_the_pace_of_the_implementation() -> None:
    run(machine(AtItsOwnPace), 100, 12, phases=[Phase.generate])


def closed_with_work_in_flight(name: str) -> None:
    """An example by hand, of an end that closes while its packet has no answer."""
    state: Any = machine(lambda: ring(name), one_end())()
    try:
        state.set_up(variation=0, stage=len(STAGES) - 1)
        state.send(what=("client", "p0", 64, True))
        state.disable(what="client")
    finally:
        state.teardown()


def test_a_defect_of_one_end_is_found() -> None:
    closed_with_work_in_flight("dynmem")
    with pytest.raises(ConformanceError) as caught:
        closed_with_work_in_flight("dynmem:forgets-sent")
    assert "F132" in caught.value.failure.requirements
    assert {getattr(s, "endpoint", "client") for s in caught.value.stimuli} == {"client"}


def test_the_faults_of_one_end_are_its_own() -> None:
    assert machine(lambda: ring("dynmem"), one_end(), faults=("malformed",)).faults == (
        ("client", "malformed"),
    )
