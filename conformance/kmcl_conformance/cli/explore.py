"""``kmcl explore``: what the model's charts look like, and where seeded walks come through."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from kmcl_adapters import AdapterError
from kmcl_conformance.adapters import find
from kmcl_conformance.coverage import Hits, Seen, chart_coverage, seen
from kmcl_conformance.profiles import Profile, profile_for
from kmcl_conformance.schedules import MOST
from kmcl_conformance.sequence import Outcome, walk
from kmcl_conformance.track import Pair
from kmcl_model.spec import Automata
from kmcl_model.spec.charts import Chart, chart_moves

from .options import AdapterName, Json, OutFolder, Quiet, Seed
from .output import Code, Problem, Screen
from .schedules import LAST, explore_schedules
from .verdict import finding_of, show_chart, show_finding

__all__ = ["explore"]


def explore(
    chart: Annotated[
        str | None,
        typer.Argument(metavar="[CHART]", help="Show the transitions of this chart alone."),
    ] = None,
    adapter: AdapterName = "reference",
    seed: Seed = 1,
    sequences: Annotated[int, typer.Option("--sequences", min=1, help="How many walks.")] = 50,
    length: Annotated[int, typer.Option("--length", min=1, help="Steps of a walk.")] = 60,
    trace: Annotated[
        bool, typer.Option("--trace", help="Draw the first walk as a sequence chart.")
    ] = False,
    schedules: Annotated[
        str | None,
        typer.Option(
            "--schedules",
            metavar="CASE",
            help="Run one case, a file or a directed sequence by name, under many schedules.",
        ),
    ] = None,
    strategy: Annotated[
        str, typer.Option("--strategy", metavar="all|pct|uniform", help="For --schedules.")
    ] = "all",
    preemptions: Annotated[
        int, typer.Option("--preemptions", min=0, help="At most so many, for --strategy all.")
    ] = 0,
    most: Annotated[
        int, typer.Option("--most", min=1, help="At most so many schedules, for --schedules.")
    ] = MOST,
    out: OutFolder = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Walk the model at random and show its states and transitions, taken and not taken.

    With --schedules: run one short case in every order that the implementation allows.
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    if schedules is not None:
        return explore_schedules(
            screen,
            out,
            wanted=schedules,
            adapter=adapter,
            strategy=strategy,
            preemptions=preemptions,
            most=most,
            seed=seed,
        )
    profile = _profile(adapter)
    charts = profile.subject.charts
    chosen = _chosen(chart, charts)
    specification, pairs = profile.specification(), set[Pair]()
    outcomes = _walk(adapter, specification, pairs, seed, sequences, length)
    found = seen(specification)
    coverage = chart_coverage(set(found.moves), pairs, profile.ends, charts)
    screen.give(
        {
            "seed": seed,
            "sequences": len(outcomes),
            "steps": sum(outcome.steps for outcome in outcomes),
            "coverage": {
                kind: {"hit": len(hits.hit), "total": len(hits.all)}
                for kind, hits in coverage.items()
            },
            "transitions": [row for one in chosen for row in _transitions(one, found)],
        },
        out,
        "explore.json",
    )
    if trace:
        first = outcomes[0]
        show_chart(
            screen, first.events, finding_of(first.events, first.failure, profile), whole=False
        )
    if chart is not None:
        screen.show(*(_table(one, found) for one in chosen))
    screen.show(_summary(coverage, charts))
    failed = next((one for one in outcomes if one.failure is not None), None)
    if failed is None:
        return Code.CONFORMING
    finding = finding_of(failed.events, failed.failure, profile)
    assert finding is not None
    if not trace or failed is not outcomes[0]:
        show_chart(screen, failed.events, finding, whole=False, last=LAST)
    show_finding(screen, finding)
    return Code.VIOLATIONS


def _profile(adapter: str) -> Profile:
    try:
        return profile_for(find(adapter).describe())
    except AdapterError as error:
        raise Problem(str(error)) from error


def _chosen(name: str | None, charts: tuple[Chart, ...]) -> tuple[Chart, ...]:
    chosen = tuple(c for c in charts if name is None or name.lower() in c.name)
    if not chosen:
        names = ", ".join(c.name for c in charts)
        raise Problem(f"there is no chart {name!r}; there are: {names}")
    return chosen


def _walk(
    adapter: str,
    specification: Automata,
    pairs: set[Pair],
    seed: int,
    sequences: int,
    length: int,
) -> list[Outcome]:
    """The walks, up to the first that fails."""
    try:
        implementation = find(adapter)
    except AdapterError as error:
        raise Problem(str(error)) from error
    outcomes: list[Outcome] = []
    try:
        for number in range(sequences):
            outcomes.append(walk(implementation, specification, seed + number, length, pairs=pairs))
            if outcomes[-1].failure is not None:
                break
    finally:
        implementation.close()
    return outcomes


def _transitions(chart: Chart, found: Seen) -> list[dict[str, Any]]:
    return [
        {
            "chart": chart.name,
            "region": move.region,
            "source": move.source,
            "target": move.target,
            "rule": rule,
            "taken": found.moves[chart.name, rule, move],
        }
        for rule, move in chart_moves(chart)
    ]


def _table(chart: Chart, found: Seen) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left", title=chart.title)
    for column in ("region", "from", "to", "by"):
        table.add_column(column)
    table.add_column("taken", justify="right")
    for row in _transitions(chart, found):
        taken = Text(f"{row['taken']:,}" if row["taken"] else "never")
        taken.stylize("" if row["taken"] else "yellow")
        table.add_row(row["region"], row["source"], row["target"], row["rule"], taken)
    return table


def _summary(coverage: dict[str, Hits], charts: tuple[Chart, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("chart")
    for kind in coverage:
        table.add_column(kind.replace("_", " "), justify="right")
    for chart in charts:
        cells = []
        for hits in coverage.values():
            mine = {name for name in hits.all if name.startswith(f"{chart.name}:")}
            cells.append(f"{len(hits.hit & mine)} of {len(mine)}")
        table.add_row(chart.name, *cells)
    return table
