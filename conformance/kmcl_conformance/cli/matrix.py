"""``kmcl mutants`` and ``kmcl variants``: does the suite find what it must, and nothing else?"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase
from functools import partial
from random import Random
from statistics import median
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from kmcl_adapters.mutants import MUTANTS
from kmcl_adapters.variants import VARIANTS, compatible

from ..campaign import Options
from ..hunt import Hunted, hunt
from .budget import sequences_of
from .options import Budget, Json, OutFolder, Quiet, Seed
from .output import Code, Problem, Screen, save
from .progress import Counter

__all__ = ["mutants", "variants"]

JOINED: Final = 3
"""Variants in a random combination."""

Only = Annotated[
    str | None, typer.Option("--only", metavar="GLOB", help="Only the names that match.")
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Processes. Default: one a processor.")
]


def mutants(
    only: Only = None,
    seed: Seed = 1,
    budget: Budget = "default",
    jobs: Jobs = None,
    out: OutFolder = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Run the suite against every defective copy of the reference: the kill matrix.

    Exit codes: 0 all killed, 1 one lives.
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    names = _matching(MUTANTS, only, "mutant")
    results = [
        {
            "name": name,
            "stands_for": MUTANTS[name].stands_for,
            "killed": bool(hunted.signature),
            "sequences": hunted.sequences,
            "steps": hunted.steps,
            "requirements": list(hunted.requirements),
        }
        for name, hunted in zip(
            names,
            _hunt_all([f"mutant:{n}" for n in names], seed, budget, jobs, screen),
            strict=True,
        )
    ]
    if out is not None:
        save(out, "mutants.json", json.dumps(results, indent=2) + "\n")
    screen.result(results)
    living = [row["name"] for row in results if not row["killed"]]
    screen.show(_kill_matrix(results))
    steps = median(row["steps"] for row in results)
    screen.show(
        f"{len(results) - len(living)} of {len(results)} killed, median {steps:,.0f} steps to kill"
    )
    screen.word("ALIVE" if living else "ALL KILLED", good=not living)
    return Code.VIOLATIONS if living else Code.CONFORMING


def variants(
    only: Only = None,
    seed: Seed = 1,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Seeds for each.")] = 1,
    combinations: Annotated[
        int,
        typer.Option("--combinations", min=0, help=f"Random combinations of {JOINED} besides."),
    ] = 10,
    budget: Budget = "small",
    jobs: Jobs = None,
    out: OutFolder = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Run the suite against legal variants of the reference: it must raise no alarm.

    Exit codes: 0 no alarm, 1 a false alarm.
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    names = _matching(VARIANTS, only, "variant")
    if only is None:
        names += _combinations(seed, combinations)
    runs = [(name, seed + n) for name in names for n in range(seeds)]
    hunted = _hunt_all(
        [f"variant:{name}" for name, _ in runs], [s for _, s in runs], budget, jobs, screen
    )
    results = [
        {
            "name": name,
            "seed": run_seed,
            "alarm": bool(found.signature),
            "why": found.why,
            "sequences": found.sequences,
            "steps": found.steps,
            "requirements": list(found.requirements),
            "expected": [f"{VARIANTS[n].interpretation} {VARIANTS[n].reading}" for n in name.split("+")],
            "readings": list(found.readings),
        }
        for (name, run_seed), found in zip(runs, hunted, strict=True)
    ]
    if out is not None:
        save(out, "variants.json", json.dumps(results, indent=2) + "\n")
    screen.result(results)
    alarms = [row for row in results if row["alarm"]]
    screen.show(_alarm_table(results))
    screen.show(f"{len(results)} runs of {len(names)} variants, {len(alarms)} false alarms")
    screen.word("FALSE ALARM" if alarms else "NO ALARM", good=not alarms)
    return Code.VIOLATIONS if alarms else Code.CONFORMING
