"""What a person sees in the terminal at the end of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .chart_text import render_rows
from .results import Certificate, Failure, MutantResult, RequirementVerdict, Verdict
from .shared import (
    confirmation_text,
    counts_text,
    coverage_items,
    percent,
    replay_command,
    tally,
    verdict_text,
)
from .text import inline, printable

__all__ = ["kill_matrix", "print_failure", "print_summary"]

_COLOURS: Final = {
    Verdict.CONFORMING: "green",
    Verdict.VIOLATIONS: "red",
    Verdict.INCONCLUSIVE: "yellow",
}
_REQUIREMENT_COLOURS: Final = {
    RequirementVerdict.PASS: "green",
    RequirementVerdict.FAIL: "red",
    RequirementVerdict.INCONCLUSIVE: "yellow",
    RequirementVerdict.WAIVED: "yellow",
}


def _text(value: str, style: str = "", indent: int = 0) -> Text:
    """Text without console markup or control characters."""
    return Text(" " * indent + inline(value), style=style)


def _requirements(certificate: Certificate) -> Table:
    table = Table(title="Requirements", title_justify="left", expand=False)
    table.add_column("verdict")
    table.add_column("number", justify="right")
    for verdict, number in tally(certificate.requirements).items():
        if number:
            style = _REQUIREMENT_COLOURS.get(verdict, "")
            table.add_row(Text(verdict.value, style=style), f"{number:,}")
    return table


def _coverage(certificate: Certificate) -> Table:
    table = Table(title="Coverage", title_justify="left", expand=False)
    table.add_column("of the model")
    for column in ("hit", "total", ""):
        table.add_column(column, justify="right")
    for title, item in coverage_items(certificate.coverage).items():
        table.add_row(title, f"{item.hit:,}", f"{item.total:,}", percent(item))
    return table


def _failures(certificate: Certificate) -> Table:
    table = Table(title="Failures", title_justify="left", expand=False)
    table.add_column("case", no_wrap=True, overflow="ellipsis")
    table.add_column("requirements", overflow="fold")
    table.add_column("what happened", overflow="fold")
    for failure in certificate.failures:
        broken = ", ".join(failure.requirements) or "-"
        table.add_row(_text(failure.case), _text(broken, "red"), _text(failure.summary))
    return table


def _unconfirmed(certificate: Certificate) -> Table:
    table = Table(title="Inconclusive", title_justify="left", expand=False)
    table.add_column("case", no_wrap=True, overflow="ellipsis")
    table.add_column("what happened", overflow="fold")
    table.add_column("why it is no verdict", overflow="fold")
    for failure in certificate.unconfirmed:
        table.add_row(_text(failure.case), _text(failure.summary), _text(failure.reason or "-"))
    return table


def print_failure(certificate: Certificate, failure: Failure, console: Console) -> None:
    """One failure with its sequence chart, as wide as the console."""
    console.print(_text(failure.summary, "bold red"))
    for identifier in failure.requirements:
        for requirement in certificate.requirements:
            if requirement.id == identifier:
                console.print(_text(f"{identifier} {requirement.statement}", indent=2))
                console.print(_text(requirement.source, "dim", indent=7))
    if failure.last_state:
        console.print(_text(f"last state: {failure.last_state}", indent=2))
    if failure.chart:
        width = min(console.width - 1, 140)
        chart = render_rows(failure.chart, failure.event_index, failure.allowed, width=width)
        console.print(Text(printable(chart)), no_wrap=True, crop=False, overflow="ignore")
    if again := confirmation_text(failure):
        console.print(_text(again, indent=2))
    console.print(_text(replay_command(certificate, failure), "cyan", indent=2))


def print_summary(certificate: Certificate, console: Console) -> None:
    """The verdict, what it rests on, and the failures in one line each."""
    console.print(_requirements(certificate))
    console.print(_coverage(certificate))
    if certificate.failures:
        console.print(_failures(certificate))
    if certificate.unconfirmed:
        console.print(_unconfirmed(certificate))
    observed = sum(entry.reading is not None for entry in certificate.interpretations)
    if observed:
        points = len(certificate.interpretations)
        console.print(
            f"Implementation-defined behaviour: {observed} of {points} open points observed."
        )
    implementation = certificate.implementation
    colour = _COLOURS[certificate.verdict]
    body = Group(
        Text(certificate.verdict.value.upper(), style=f"bold {colour}"),
        Text(verdict_text(certificate)),
        _text(counts_text(certificate.counts), "dim"),
        _text(certificate.reproduce, "cyan"),
    )
    title = _text(f"{implementation.name} {implementation.version} · {certificate.profile}")
    console.print(Panel(body, title=title, title_align="left", border_style=colour, expand=False))


def kill_matrix(mutants: Iterable[MutantResult]) -> Table:
    """Which mutants died, how soon, and of which requirements."""
    results = list(mutants)
    killed = sum(mutant.killed for mutant in results)
    table = Table(title=f"{killed} of {len(results)} mutants killed", title_justify="left")
    table.add_column("mutant", overflow="fold")
    table.add_column("stands for", overflow="fold")
    table.add_column("verdict")
    table.add_column("sequences", justify="right")
    table.add_column("steps", justify="right")
    table.add_column("killed by", overflow="fold")
    for mutant in results:
        table.add_row(
            _text(mutant.name),
            _text(mutant.stands_for),
            Text("killed", style="green") if mutant.killed else Text("LIVES", style="bold red"),
            f"{mutant.sequences:,}",
            f"{mutant.steps:,}",
            _text(", ".join(mutant.requirements) or "-"),
        )
    return table
