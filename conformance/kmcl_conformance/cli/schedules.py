"""``kmcl explore --schedules``: one short case under many schedules."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from kmcl_adapters import AdapterError
from kmcl_conformance.adapters import find
from kmcl_conformance.generate.tours import TOURS
from kmcl_conformance.schedules import Schedules, run_schedules, sample_schedules, set_up
from kmcl_model.case import Case
from kmcl_model.stimuli import Stimulus

from .output import Code, Problem, Screen
from .verdict import finding_of, show_chart, show_finding

__all__ = ["LAST", "explore_schedules"]

LAST: Final = 40
"""Events that are drawn of a schedule that fails."""


def explore_schedules(
    screen: Screen,
    out: Path | None,
    *,
    wanted: str,
    adapter: str,
    strategy: str,
    preemptions: int,
    most: int,
    seed: int,
) -> int:
    """Run a case file or a directed sequence under all schedules, or under random ones."""
    if strategy not in ("all", "pct", "uniform"):
        raise Problem(f"--strategy {strategy}: choose all, pct, uniform")
    stimuli = _case(wanted)
    try:
        implementation = find(adapter)
    except AdapterError as error:
        raise Problem(str(error)) from error
    free = set_up(stimuli)
    try:
        if strategy == "all":
            found = run_schedules(
                implementation, stimuli, preemptions=preemptions, most=most, free=free
            )
        else:
            found = sample_schedules(
                implementation, stimuli, strategy=strategy, seed=seed, most=most, free=free
            )
    except AdapterError as error:
        raise Problem(f"{adapter}: {error}") from error
    finally:
        implementation.close()
    bound = preemptions if strategy == "all" else None
    data = {
        "case": wanted,
        "strategy": strategy,
        "preemptions": bound,
        "schedules": found.run,
        "complete": found.complete,
        "failed": found.failure is not None,
    }
    screen.give(data, out, "schedules.json")
    screen.show(_words(found, bound))
    if found.failure is None:
        return Code.CONFORMING
    finding = finding_of(found.failure.events, found.failure.failure)
    assert finding is not None
    show_chart(screen, found.failure.events, finding, whole=False, last=LAST)
    show_finding(screen, finding)
    return Code.VIOLATIONS


def _words(found: Schedules, preemptions: int | None) -> str:
    if found.failure is not None:
        return f"schedule {found.run:,} fails"
    if preemptions is None:
        return f"{found.run:,} random schedules, none fails"
    if found.complete:
        return f"all {found.run:,} schedules with at most {preemptions} preemptions, none fails"
    return f"{found.run:,} schedules, none fails, and there are more: not complete"


def _case(wanted: str) -> tuple[Stimulus, ...]:
    if wanted.endswith(".json"):
        return Case.load(Path(wanted)).stimuli
    for tour in TOURS:
        if tour.name == wanted:
            return tour.stimuli
    near = [tour.name for tour in TOURS if wanted.lower() in tour.name]
    raise Problem(
        f"--schedules {wanted}: neither a case file (.json) nor the name of a directed sequence"
        + (f"; there is: {', '.join(near[:4])}" if near else "")
    )
