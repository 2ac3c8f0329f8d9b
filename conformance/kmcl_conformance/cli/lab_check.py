"""``kmcl lab self-check``: does a certification in the lab find what it must?

A certificate is worth what the run would have found. So defects are built into the endpoint that
runs in the guest, and the same sequences are played until one shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kmcl_adapters import Adapter
from kmcl_adapters.uio.mutants import MUTANTS
from kmcl_conformance.mutation import Hunt, hunt
from kmcl_conformance.plan import Plan
from kmcl_conformance.profiles import PROFILES, choose
from kmcl_lab.adapter import UIO_COMMAND, LabAdapter
from kmcl_lab.lab import Lab
from kmcl_lab.problem import LabProblem
from kmcl_reports.results import MutantResult

__all__ = ["DEFECTS", "MOST", "check_defects", "in_the_lab"]

DEFECTS: Final = (
    "no-trailer",
    "signals-by-new-index",
    "counts-one-more",
    "one-over-quota",
    "last-in-first-out",
    "one-transaction-id",
    "forgets-sent",
    "cancels-twice",
    "loses-sends",
    "loses-packets",
)
"""Those of ``uio/mutants.py`` that a real host makes visible, whatever the timing."""

MOST: Final = 12
"""Sequences until a defect counts as missed: what is said to a known host comes first."""


def check_defects(
    make: Callable[[str], Adapter],
    names: tuple[str, ...] = DEFECTS,
    report: Callable[[MutantResult], object] = lambda _: None,
) -> list[MutantResult]:
    """Hunt for each defect; ``make`` gives the endpoint that has it, or the sound one for no name.

    Raises LabProblem where the sound one is blamed as well: then no kill would mean anything.
    """
    sound = _hunt(make, "")
    if sound.failure is not None:
        words = "; ".join(broken.words for broken in sound.failure.broken)
        raise LabProblem(f"the sound endpoint is blamed: {words}")
    results = []
    for name in names:
        found = _hunt(make, name)
        broken = found.failure.requirements if found.failure else ()
        results.append(
            MutantResult(
                name=name,
                stands_for=MUTANTS[name].stands_for,
                killed=found.failure is not None,
                sequences=found.sequences,
                steps=found.steps,
                requirements=tuple(id for id in broken if id.startswith("F")),
            )
        )
        report(results[-1])
    return results


def in_the_lab(lab: Lab) -> Callable[[str], Adapter]:
    """Makes the endpoint in the guest of a running lab."""

    def make(name: str) -> Adapter:
        command = (*UIO_COMMAND, "--defect", name) if name else UIO_COMMAND
        return LabAdapter(lab, command, is_guest=True)

    return make


def _hunt(make: Callable[[str], Adapter], name: str) -> Hunt:
    adapter = make(name)
    try:
        profile = PROFILES[choose(adapter.describe())]
        specification, plan = profile.specification(), Plan(1, ends=profile.ends, host=profile.host)
        return hunt(adapter, specification=specification, plan=plan, most=MOST)
    finally:
        adapter.close()
