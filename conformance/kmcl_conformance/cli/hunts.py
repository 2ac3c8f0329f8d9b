"""Many hunts for a first failure, several at a time."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import NamedTuple

from kmcl_conformance.adapters import find
from kmcl_conformance.coverage import seen
from kmcl_conformance.mutation import hunt
from kmcl_conformance.profiles import PROFILES, profile_for
from kmcl_model.spec import Automata
from kmcl_reports.sequence import describe_event

__all__ = ["Hunted", "Target", "hunt_all", "hunt_in"]


class Target(NamedTuple):
    """What to hunt in: an adapter by name, and the sequences of a campaign.

    ``tell_readings``: say which readings of the open points were seen; it costs time.
    """

    adapter: str
    seed: int
    sequences: int
    tell_readings: bool = False


class Hunted(NamedTuple):
    """How much was run until the first failure, or in all; ``why`` is empty where none came.

    ``readings`` are those of the open points that were seen, as ``A35:R2``.
    """

    sequences: int
    steps: int
    why: str
    requirements: tuple[str, ...]
    readings: tuple[str, ...]


def hunt_in(target: Target) -> Hunted:
    """Run the sequences of a campaign up to the first failure."""
    adapter = find(target.adapter)
    profile = profile_for(adapter.describe())
    fresh = target.tell_readings
    specification = profile.specification() if fresh else _shared_specification(profile.name)
    try:
        found = hunt(adapter, target.seed, target.sequences, specification=specification)
    finally:
        adapter.close()
    readings = tuple(sorted(seen(specification).readings)) if target.tell_readings else ()
    failure = found.failure
    if failure is None:
        return Hunted(found.sequences, found.steps, "", (), readings)
    words = "; ".join(failure.words)
    why = f"{describe_event(failure.event)}: {words}"
    return Hunted(found.sequences, found.steps, why, failure.requirements, readings)


@cache
def _shared_specification(profile: str) -> Automata:
    """One for all hunts of this process: what one has computed the next looks up."""
    return PROFILES[profile].specification()


def hunt_all(targets: Sequence[Target], jobs: int) -> Iterator[Hunted]:
    """Hunt in every target, in ``jobs`` processes; the results in the order of the targets."""
    if jobs == 1:
        yield from map(hunt_in, targets)
        return
    pool = ProcessPoolExecutor(jobs, initializer=_leave_interrupts_to_the_parent)
    try:
        yield from pool.map(hunt_in, targets)
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
