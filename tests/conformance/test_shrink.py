"""Delta debugging: what is left is 1-minimal, fails the same way, and is legal."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kmcl_adapters.mutants import create as mutant
from kmcl_adapters.reference import create as reference
from kmcl_conformance.sequence import Outcome, replay, signature, walk
from kmcl_conformance.shrink import minimise
from kmcl_model.api import PROCESS_PACKET
from kmcl_model.spec import Specification
from kmcl_model.stimuli import HOLD, Act, Arm, Reaction, Run, Settle, Stimulus

NOISE: list[Stimulus] = [Run("run", i) for i in range(40)]
PAIR = (Run("run", 7), Run("run", 31))


def test_what_is_left_cannot_spare_anything() -> None:
    def fails(case: Sequence[Stimulus]) -> bool:
        return set(PAIR) <= set(case)

    assert minimise(NOISE, fails) == (PAIR, True)


def test_order_is_kept() -> None:
    wanted = (Run("run", 3), Settle("settle"), Run("run", 20))

    def fails(case: Sequence[Stimulus]) -> bool:
        places = [case.index(one) for one in wanted if one in case]
        return len(places) == 3 and places == sorted(places)

    assert minimise([*NOISE[:10], Settle("settle"), *NOISE[10:]], fails) == (wanted, True)


@pytest.mark.parametrize("modulus", [2, 3, 5, 7])
def test_a_count_is_cut_to_the_least(modulus: int) -> None:
    """Left out one by one, no further stimulus can go."""

    def fails(case: Sequence[Stimulus]) -> bool:
        return len(case) >= modulus

    case, minimal = minimise(NOISE, fails)
    assert minimal
    assert len(case) == modulus


def test_what_needs_everything_is_kept() -> None:
    case, minimal = minimise(NOISE, lambda case: len(case) == len(NOISE))
    assert case == tuple(NOISE)
    assert minimal


def test_attempts_are_counted() -> None:
    tried = 0

    def fails(case: Sequence[Stimulus]) -> bool:
        nonlocal tried
        tried += 1
        return set(PAIR) <= set(case)

    case, minimal = minimise(NOISE, fails, attempts=5)
    assert tried == 5
    assert not minimal
    assert set(PAIR) <= set(case)


def test_reactions_lose_the_steps_they_do_not_need() -> None:
    complete = Act("VmbChannelPacketComplete", ("this", None, None))
    arm = Arm("arm", "server", PROCESS_PACKET, Reaction((HOLD, complete, HOLD)))

    def fails(case: Sequence[Stimulus]) -> bool:
        return any(isinstance(one, Arm) and complete in one.reaction.steps for one in case)

    assert minimise([*NOISE[:5], arm], fails) == (
        (arm._replace(reaction=Reaction((complete,))),),
        True,
    )


def test_a_step_less_lets_stimuli_go_one_after_another() -> None:
    """The hold needs the run, and the run needs the settle."""
    arm = Arm("arm", "server", PROCESS_PACKET, Reaction((HOLD,)))
    run, settle = Run("run", 1), Settle("settle")

    def fails(case: Sequence[Stimulus]) -> bool:
        arms = [one for one in case if isinstance(one, Arm)]
        holds = any(HOLD in one.reaction.steps for one in arms)
        return bool(arms) and (run in case or not holds) and (settle in case or run not in case)

    assert minimise([arm, run, settle], fails) == ((arm._replace(reaction=Reaction(())),), True)


def first_failure(name: str) -> tuple[Outcome, str]:
    adapter, specification = mutant(name), Specification()
    for seed in range(400):
        outcome = walk(adapter, specification, seed, 80)
        if outcome.failure is not None:
            return outcome, signature(outcome)
    raise AssertionError(f"{name} is not found")


@pytest.mark.parametrize(
    "name",
    ["pause-returns-before-drain", "closed-missing-on-disable", "packet-during-started"],
)
def test_a_real_failure_is_cut_to_a_minimal_one(name: str) -> None:
    outcome, key = first_failure(name)
    adapter, specification = mutant(name), Specification()

    def fails(stimuli: Sequence[Stimulus]) -> bool:
        return signature(replay(adapter, specification, stimuli)) == key

    case, minimal = minimise(outcome.stimuli, fails)
    assert minimal
    assert len(case) < len(outcome.stimuli) / 2
    assert fails(case)
    for place in range(len(case)):
        assert not fails(case[:place] + case[place + 1 :])
    # The sound reference does nothing wrong in it.
    assert replay(reference(""), Specification(), case).failure is None
    # And nothing in it was left out as illegal.
    assert replay(adapter, specification, case).stimuli == case
