"""How the Hypothesis machine compares with one that does nothing, for the benchmark."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from kmcl_adapters import Adapter
from kmcl_model.spec import Specification
from kmcl_model.stimuli import Stimulus

from .generate.machine import ConformanceMachine, machine

__all__ = ["WARM_MACHINES", "MachineRates", "machine_rates"]

WARM_MACHINES: Final = 4
"""Runs of each machine that are not counted."""
RUNS: Final = 3
"""Runs of each machine, with different seeds, that make one repeat. How much of what it draws
Hypothesis makes anew and how much it varies from before changes a lot from seed to seed, and with
it the time that a rule takes."""


class _Bare(RuleBasedStateMachine):
    """``_bare`` gives it rules."""

    count = 0


def _bare(rules: int) -> type[_Bare]:
    """A machine with so many rules and nothing to do, not even an argument to draw."""

    def make(name: str) -> Any:
        def body(self: _Bare) -> None:
            type(self).count += 1

        body.__name__ = name
        return rule()(body)

    return type("Bare", (_Bare,), {f"rule_{n:02}": make(f"rule_{n:02}") for n in range(rules)})


class _Counted(ConformanceMachine):
    """Counts steps, and the rules that did something, which look around when they are done."""

    steps_done = 0
    count = 0

    def steps(self, *stimuli: Stimulus) -> None:
        type(self).count += 1
        super().steps(*stimuli)

    def teardown(self) -> None:
        type(self).count -= 1  # the set-up, which is no rule
        type(self).steps_done += len(self.course.stimuli)
        super().teardown()


class MachineRates(NamedTuple):
    """A second: rules and checked steps of our machine, rules of a bare one."""

    rules: float
    steps: float
    bare: float


def machine_rates(
    adapter: Adapter, specification: Specification, examples: int, repeats: int
) -> list[MachineRates]:
    """Our machine and a bare one with as many rules, in turn.

    The set-up of each example takes our time and is none of our rules. How many ``examples`` there
    are matters, since Hypothesis takes longer over later ones; by itself it makes a hundred.
    """
    ours: Any = machine(lambda: adapter, specification, base=_Counted)
    bare = _bare(len(ours.setup_state().rules))
    chosen = settings(
        max_examples=examples,
        stateful_step_count=50,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    def run(target: type[_Bare] | type[_Counted], number: int) -> float:
        began = time.process_time()
        run_state_machine_as_test(seed(number)(target), settings=chosen)
        return time.process_time() - began

    for number in range(WARM_MACHINES):
        run(ours, number)
        run(bare, number)
    found = []
    for repeat in range(repeats):
        ours.steps_done = ours.count = bare.count = 0
        seconds = bare_seconds = 0.0
        for number in range(RUNS):
            at = WARM_MACHINES + repeat * RUNS + number
            seconds += run(ours, at)
            bare_seconds += run(bare, at)
        found.append(
            MachineRates(ours.count / seconds, ours.steps_done / seconds, bare.count / bare_seconds)
        )
    return found
