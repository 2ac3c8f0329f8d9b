"""Looking for the first failure only, without cutting it down: for mutants and variants."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from kmcl_adapters import Adapter
from kmcl_conformance.adapters import find
from kmcl_conformance.campaign import Options
from kmcl_conformance.coverage import seen
from kmcl_conformance.generate.tours import TOURS
from kmcl_conformance.sequence import Outcome, replay, walk
from kmcl_model.spec import Specification
from kmcl_reports.sequence import describe_event

__all__ = ["Hunted", "Target", "hunt", "hunt_all"]


class Target(NamedTuple):
    """What to hunt in: an adapter by name, and the sequences of a campaign."""

    adapter: str
    seed: int
    sequences: int


class Hunted(NamedTuple):
    """How much was run until the first failure, or in all; ``why`` is empty where none came.

    ``readings`` are those of the open points that were seen, as ``A35:R2``.
    """

    sequences: int
    steps: int
    why: str
    requirements: tuple[str, ...]
    readings: tuple[str, ...]


def hunt(target: Target) -> Hunted:
    """Run the sequences of a campaign up to the first failure."""
    adapter = find(target.adapter)
    specification = Specification()
    steps = sequences = 0
    why, requirements = "", tuple[str, ...]()
    try:
        for outcome in _outcomes(adapter, target, specification):
            sequences += 1
            steps += outcome.steps
            if outcome.failure is not None:
                failure = outcome.failure
                words = "; ".join(dict.fromkeys(broken.words for broken in failure.broken))
                why = f"{describe_event(failure.event)}: {words}"
                requirements = failure.requirements
                break
    finally:
        adapter.close()
    return Hunted(sequences, steps, why, requirements, tuple(sorted(seen(specification).readings)))


def _outcomes(adapter: Adapter, target: Target, specification: Specification) -> Iterator[Outcome]:
    capabilities = adapter.describe().capabilities
    options = Options(adapter=target.adapter, seed=target.seed, sequences=target.sequences)
    faults = tuple(f for f in options.faults if f in capabilities)
    for tour in TOURS:
        yield replay(adapter, specification, tour.stimuli)
    for offset in range(options.sequences):
        yield walk(
            adapter,
            specification,
            options.seed * 1_000_003 + offset,
            options.length,
            faults=faults if offset % 4 == 0 else (),
            holds="hold" in capabilities,
        )


def hunt_all(targets: Sequence[Target], jobs: int) -> Iterator[Hunted]:
    """Hunt in every target, in ``jobs`` processes; the results in the order of the targets."""
    if jobs == 1:
        yield from map(hunt, targets)
        return
    pool = ProcessPoolExecutor(jobs, initializer=_leave_interrupts_to_the_parent)
    try:
        yield from pool.map(hunt, targets)
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
