"""``kmcl mutants`` and ``kmcl variants``: does the suite find what it must, and nothing else?"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from kmcl_adapters.guest import GUEST_MUTANTS, GUEST_VARIANTS
from kmcl_adapters.mutants import MUTANTS
from kmcl_adapters.variants import VARIANTS, Variant
from kmcl_conformance.adapters import find
from kmcl_conformance.mutation import JOINED, combinations_of
from kmcl_conformance.profiles import FULL
from kmcl_conformance.stopping import interrupt_no_more
from kmcl_reports.results import MutantResult
from kmcl_reports.terminal import kill_matrix

from .budget import sequences_of
from .hunts import Hunted, Target, hunt_all
from .kept_hunts import KeptHunts, options_of
from .options import Budget, Json, OutFolder, Quiet, Resume, Seed, one_folder
from .output import Code, Problem, Screen, complain, save
from .output import as_json as as_text
from .progress import Meter

__all__ = ["mutants", "variants"]


class Zoo(NamedTuple):
    """The defective and the legal copies of a reference: their adapters, and who they are."""

    mutant: str
    mutants: Mapping[str, str]
    variant: str
    variants: Mapping[str, Variant]


ZOOS: Final[dict[str, Zoo]] = {
    FULL: Zoo("mutant", {m.name: m.stands_for for m in MUTANTS.values()}, "variant", VARIANTS),
    "linux-vmbus": Zoo(
        "guest-mutant",
        {m.name: m.stands_for for m in GUEST_MUTANTS.values()},
        "guest-variant",
        GUEST_VARIANTS,
    ),
}
"""By the profile that they are about."""

Only = Annotated[
    str | None, typer.Option("--only", metavar="GLOB", help="Only the names that match.")
]
Whose = Annotated[
    str, typer.Option("--profile", help=f"Whose copies: {', '.join(ZOOS)}.", show_default=True)
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Processes to use. Default: one a processor."),
]


def mutants(
    only: Only = None,
    profile: Whose = FULL,
    seed: Seed = 1,
    budget: Budget = "default",
    jobs: Jobs = None,
    out: OutFolder = None,
    resume: Resume = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Run the suite against every defective copy of the reference: the kill matrix.

    Exit codes: 0 all killed, 1 one lives, 3 interrupted, and none lives of those that were run.
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    asked: dict[str, Any] = {"only": only, "profile": profile, "seed": seed, "budget": budget}
    asked = _as_begun("mutants", resume, asked, {"profile": FULL, "seed": 1, "budget": "default"})
    zoo = _zoo(asked["profile"])
    names = _matching(zoo.mutants, asked["only"], "mutant")
    runs = [(f"{zoo.mutant}:{name}", asked["seed"]) for name in names]
    hunts = _hunts(runs, asked, one_folder(out, resume), readings=False)
    stopped = _run(screen, hunts, jobs, resume=resume is not None)
    results = [
        MutantResult(
            name=name,
            stands_for=zoo.mutants[name],
            killed=bool(hunted.why),
            sequences=hunted.sequences,
            steps=hunted.steps,
            requirements=hunted.requirements,
        )
        for name, hunted in zip(names, hunts.done, strict=False)
    ]
    rows = [result.model_dump(mode="json") for result in results]
    killed = [result for result in results if result.killed]
    alive = len(killed) < len(results)
    screen.show(kill_matrix(results))
    if killed:
        screen.show(f"median {median(r.steps for r in killed):,.0f} steps to the kill")
    _give(screen, rows, hunts, "mutants.json", failing=alive, stopped=stopped)
    screen.word("SOME LIVE" if alive else "ALL KILLED", good=not alive)
    return Code.VIOLATIONS if alive else Code.CONFORMING


def variants(
    only: Only = None,
    profile: Whose = FULL,
    seed: Seed = 1,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Seeds for each.")] = 1,
    combinations: Annotated[
        int,
        typer.Option("--combinations", min=0, help=f"Random combinations of {JOINED} besides."),
    ] = 10,
    budget: Budget = "small",
    jobs: Jobs = None,
    out: OutFolder = None,
    resume: Resume = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Run the suite against legal variants of the reference: it must raise no alarm, and name the
    readings that a variant takes. Of combinations, which may hide one another, it need not.

    Exit codes: 0 no alarm and every reading named, 1 a false alarm or a reading that is not named,
    3 interrupted, and neither in what was run.
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    asked: dict[str, Any] = {"only": only, "profile": profile, "seed": seed, "budget": budget}
    asked |= {"seeds": seeds, "combinations": combinations}
    usual = {"profile": FULL, "seed": 1, "budget": "small", "seeds": 1, "combinations": 10}
    asked = _as_begun("variants", resume, asked, usual)
    zoo, seed = _zoo(asked["profile"]), asked["seed"]
    names = _matching(zoo.variants, asked["only"], "variant")
    if asked["only"] is None:
        names += combinations_of(zoo.variants, seed, asked["combinations"])
    runs = [(f"{zoo.variant}:{name}", seed + n) for name in names for n in range(asked["seeds"])]
    hunts = _hunts(runs, asked, one_folder(out, resume), readings=True)
    stopped = _run(screen, hunts, jobs, resume=resume is not None)
    results = [
        _variant_row(zoo, name.removeprefix(f"{zoo.variant}:"), run_seed, hunted)
        for (name, run_seed), hunted in zip(runs, hunts.done, strict=False)
    ]
    alarms = [row for row in results if row["alarm"]]
    nameless = [row for row in results if row["unnamed"] and not row["combination"]]
    failing = bool(alarms or nameless)
    screen.show(
        _alarm_table(results),
        f"{len(results)} runs of {len(names)} variants, {sum(row['steps'] for row in results):,}"
        f" steps, {len(alarms)} false alarms, {len(nameless)} with a reading not named",
    )
    _give(screen, results, hunts, "variants.json", failing=failing, stopped=stopped)
    word = "FALSE ALARM" if alarms else "READING NOT NAMED" if nameless else "NO ALARM"
    screen.word(word, good=not failing)
    return Code.VIOLATIONS if failing else Code.CONFORMING


def _matching(every: Mapping[str, object], pattern: str | None, what: str) -> list[str]:
    names = [name for name in every if pattern is None or fnmatchcase(name, pattern)]
    if not names:
        near = get_close_matches(str(pattern), every, n=5, cutoff=0)
        raise Problem(
            f"--only {pattern}: no {what} has such a name; the nearest: {', '.join(near)}"
        )
    return names


def _zoo(profile: str) -> Zoo:
    if profile not in ZOOS:
        raise Problem(f"--profile {profile}: choose {', '.join(ZOOS)}")
    return ZOOS[profile]


def _as_begun(
    command: str, resume: Path | None, asked: dict[str, Any], usual: Mapping[str, Any]
) -> dict[str, Any]:
    """The options of a matrix. One that goes on was begun with others, maybe: where none is named
    but the folder, they are taken from there."""
    asked = {"command": command, **asked}
    if resume is None or any(asked[name] != usual.get(name) for name in ("only", *usual)):
        return asked
    begun = options_of(resume)
    if begun.get("command") != command:
        raise Problem(f"{resume}: was begun with kmcl {begun.get('command')}, not kmcl {command}")
    return {name: begun.get(name, value) for name, value in asked.items()}


def _hunts(
    runs: Sequence[tuple[str, int]],
    asked: Mapping[str, Any],
    folder: Path | None,
    *,
    readings: bool,
) -> KeptHunts:
    sequences = sequences_of(str(asked["budget"]), find(runs[0][0]).describe())
    targets = [Target(adapter, seed, sequences, readings) for adapter, seed in runs]
    tool = metadata.version("kmcl-conformance")
    return KeptHunts(folder, targets, {**asked, "budget": str(sequences), "tool": tool})


def _run(screen: Screen, hunts: KeptHunts, jobs: int | None, *, resume: bool) -> bool:
    """Hunt in what is missing; true if Ctrl-C or SIGTERM has ended that."""
    if resume:
        hunts.resume()
    workers = min(jobs or os.cpu_count() or 1, max(1, len(hunts.missing)))
    try:
        with Meter(len(hunts.targets), "runs", silent=not screen.is_for_people) as meter:
            hunts.hunt(
                lambda targets: hunt_all(targets, workers),
                lambda done: meter.show(len(done), f"{sum(bool(h.why) for h in done)} failing"),
            )
    except KeyboardInterrupt:
        interrupt_no_more()
        return True
    return False


def _give(
    screen: Screen,
    rows: Sequence[dict[str, Any]],
    hunts: KeptHunts,
    file: str,
    *,
    failing: bool,
    stopped: bool,
) -> None:
    """Write and print the rows there are. Raises Problem where not everything could be written, and
    where an interrupted run has shown nothing that is wrong: there is no verdict then."""
    unwritten = hunts.unwritten
    if hunts.folder is not None:
        try:
            save(hunts.folder, file, as_text(rows))
        except Problem as trouble:
            unwritten = str(trouble)
    if not stopped:
        _print(screen, rows, unwritten)
        return
    done = f"interrupted after {len(hunts.done)} of {len(hunts.targets)} runs"
    again = "nothing is kept without --out; choose some with --only"
    if unwritten:
        again = f"not everything is kept: {unwritten}"
    elif hunts.folder is not None:
        names = ", ".join(target.adapter for target in hunts.missing[:3])
        again = (
            f"missing: {names}{', …' if len(hunts.missing) > 3 else ''}; what was found is kept, "
            f"go on with: kmcl {hunts.options['command']} --resume {hunts.folder}"
        )
    if not failing:
        raise Problem(f"{done}; {again}", Code.UNJUDGED)
    complain(f"{done}, and reported is what had been found; {again}")
    _print(screen, rows, unwritten)


def _print(screen: Screen, rows: Sequence[dict[str, Any]], unwritten: str) -> None:
    screen.result(rows)
    if unwritten:
        raise Problem(f"not everything that was found could be written: {unwritten}")


def _variant_row(zoo: Zoo, name: str, seed: int, hunted: Hunted) -> dict[str, Any]:
    parts = name.split("+")
    takes = [reading for part in parts for reading in zoo.variants[part].takes]
    unnamed = [reading for reading in takes if reading not in hunted.readings]
    return {
        "name": name,
        "seed": seed,
        "alarm": bool(hunted.why),
        "why": hunted.why,
        "sequences": hunted.sequences,
        "steps": hunted.steps,
        "requirements": list(hunted.requirements),
        "combination": len(parts) > 1,
        "takes": takes,
        "unnamed": unnamed if not hunted.why else [],
        "seen": list(hunted.readings),
    }


def _alarm_table(results: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant", overflow="fold", ratio=2)
    table.add_column("seed", justify="right")
    table.add_column("takes", overflow="fold")
    table.add_column("not named", overflow="fold")
    table.add_column("steps", justify="right")
    table.add_column("", overflow="fold", ratio=3)
    for row in results:
        why = Text(f"{row['why']} ({' '.join(row['requirements'])})", style="bold red")
        table.add_row(
            row["name"],
            str(row["seed"]),
            " ".join(row["takes"]),
            Text(" ".join(row["unnamed"]), style="" if row["combination"] else "bold red"),
            f"{row['steps']:,}",
            why if row["alarm"] else Text("no alarm"),
        )
    return table
