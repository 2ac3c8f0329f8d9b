"""What several renderers say in the same words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from .chart_text import render_rows
from .results import (
    Certificate,
    Counts,
    Coverage,
    CoverageItem,
    Failure,
    Log,
    RequirementResult,
    RequirementVerdict,
    Surroundings,
    Verdict,
)
from .sequence import setup_length

__all__ = [
    "COVERAGE_NAMES",
    "PAGES_URL",
    "amount_text",
    "by_api",
    "chart_text",
    "confirmation_text",
    "counts_text",
    "coverage_items",
    "left_out_text",
    "percent",
    "replay_command",
    "surroundings_rows",
    "tally",
    "verdict_text",
]

_SENTENCES: Final = {
    Verdict.CONFORMING: "Every requirement that was exercised holds.",
    Verdict.VIOLATIONS: "At least one requirement is broken; each failure below can be replayed.",
    Verdict.INCONCLUSIVE: "The run could not judge: too little was shown, or too much was lost.",
}

_NONE_NAMED: Final = (
    "The implementation failed, by a crash or a hang for instance, and no single requirement "
    "tells how; each failure below can be replayed."
)

COVERAGE_NAMES: Final = {
    "states": "states",
    "transitions": "transitions",
    "transition_pairs": "transition pairs",
    "reactions": "reactions",
    "faults": "faults",
}

PAGES_URL: Final = (
    "https://github.com/MicrosoftDocs/windows-driver-docs-ddi/blob/staging/"
    "wdk-ddi-src/content/vmbuskernelmodeclientlibapi/"
)
"""Where the source page of a requirement is published."""


def verdict_text(certificate: Certificate) -> str:
    """What the verdict means, and what it says nothing about."""
    text = _SENTENCES[certificate.verdict]
    if certificate.failures and not any(f.requirements for f in certificate.failures):
        text = _NONE_NAMED
    if certificate.gave_up:
        text += f" Given up: {certificate.gave_up}."
    if certificate.never:
        text += f" Nothing counts as shown: {'; '.join(certificate.never)}."
    if number := len(certificate.unconfirmed):
        seen = "One thing was" if number == 1 else f"{number} things were"
        text += f" {seen} seen that did not come back often enough to be a failure."
    if certificate.not_offered:
        text += f" Not offered, and so not judged: {', '.join(certificate.not_offered)}."
    return text


def left_out_text(log: Log) -> str:
    """How much of a log is not shown."""
    return f"{log.left_out:,} bytes before it are left out"


def surroundings_rows(around: Surroundings) -> list[tuple[str, str]]:
    """Terms and words, unescaped: where it ran, and what was counted there."""
    named = (("way", around.way), ("kernel", around.kernel), ("host", around.host))
    rows = [(term, words) for term, words in named if words is not None]
    rows += [("besides", words) for words in around.others]
    if around.starts is not None:
        rows.append(("starts", f"{around.starts:,}"))
    return rows + [("counted", f"{count:,} {words}") for words, count in around.tally.items()]


def tally(requirements: Iterable[RequirementResult]) -> dict[RequirementVerdict, int]:
    """How many requirements have each verdict, in the order of the verdicts."""
    counted = Counter(requirement.verdict for requirement in requirements)
    return {verdict: counted[verdict] for verdict in RequirementVerdict}


def by_api(requirements: Iterable[RequirementResult]) -> dict[str, list[RequirementResult]]:
    """The requirements under the function, callback or structure they speak of."""
    groups: dict[str, list[RequirementResult]] = {}
    for requirement in requirements:
        groups.setdefault(requirement.api or requirement.source, []).append(requirement)
    return groups


def coverage_items(coverage: Coverage) -> dict[str, CoverageItem]:
    """The kinds of coverage under the names that reports give them."""
    found = {title: getattr(coverage, name) for name, title in COVERAGE_NAMES.items()}
    return {title: item for title, item in found.items() if item is not None and item.total}


def percent(item: CoverageItem) -> str:
    """Coverage as a percentage that is 100 only where nothing is missing."""
    if not item.total:
        return "-"
    if item.hit == item.total:
        return "100 %"
    return f"{min(100 * item.hit / item.total, 99.9):.1f} %"


def amount_text(counts: Counts) -> str:
    """How much was run, and of how much where the run was cut short."""
    cut = "" if counts.planned is None else f" of {counts.planned:,} planned"
    return f"{counts.sequences:,}{cut} sequences, {counts.steps:,} steps, {counts.events:,} events"


def counts_text(counts: Counts) -> str:
    """The counts of a run in one line."""
    text = amount_text(counts)
    if not counts.wall_seconds:
        return text
    return f"{text} in {counts.wall_seconds:,.1f} s ({counts.steps_per_second:,.0f} steps/s)"


def confirmation_text(failure: Failure) -> str:
    """How often the failure came back, or nothing where that was not tried."""
    if failure.confirmation is None:
        return ""
    return f"confirmed {failure.confirmation.confirmed} of {failure.confirmation.attempts} times"


def replay_command(certificate: Certificate, failure: Failure) -> str:
    """The command that runs a failure again."""
    return failure.reproduce or f"{certificate.tool.name} replay {failure.case}"


def chart_text(failure: Failure) -> str:
    """The sequence chart of a failure as text, without the rows that configure the channel."""
    setup = setup_length(failure.chart, failure.event_index)
    chart = render_rows(failure.chart[setup:], failure.event_index, failure.allowed)
    return f"({setup} events of configuration left out)\n{chart}" if setup else chart
