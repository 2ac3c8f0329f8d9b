"""What the judge found, in words and as a sequence chart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Final, NamedTuple

from rich.table import Table
from rich.text import Text

from kmcl_conformance.failure import Failure
from kmcl_conformance.profiles import FULL, PROFILES, Profile
from kmcl_conformance.subjects import allowed_instead
from kmcl_model.book import book_of
from kmcl_model.events import Event
from kmcl_reports.chart_text import render_rows
from kmcl_reports.sequence import ChartRow, describe_event, sequence_rows
from kmcl_reports.text import inline

from .output import Screen

__all__ = ["Finding", "configuration_rows", "finding_of", "show_chart", "show_finding"]

ENOUGH: Final = 4
"""So many rows of configuration at the beginning are still drawn."""

_CONFIGURES: Final = re.compile("VmbChannelAllocate|InitSet|VmbChannelSetTransactionQuota")


class Finding(NamedTuple):
    """A failure, explained. ``number`` is the place of the refused event in the trace."""

    number: int
    event: str
    why: tuple[str, ...]
    requirements: tuple[str, ...]
    allowed: tuple[str, ...]
    last_state: tuple[str, ...]

    def as_data(self) -> dict[str, Any]:
        """The finding as JSON."""
        return self._asdict()


def finding_of(
    events: Sequence[Event], failure: Failure | None, profile: Profile = PROFILES[FULL]
) -> Finding | None:
    """The failure of a trace, explained; ``profile`` tells what was observed."""
    if failure is None:
        return None
    return Finding(
        failure.number,
        describe_event(failure.event),
        failure.words,
        failure.requirements,
        allowed_instead(profile.specification(), events[: failure.number]),
        failure.state,
    )


def show_chart(
    screen: Screen, events: Sequence[Event], finding: Finding | None, *, whole: bool, last: int = 0
) -> None:
    """Print the sequence chart up to the failure.

    Unless ``whole``, the configuration at the beginning is left out, and with ``last`` everything
    but so many events.
    """
    rows = sequence_rows(events if finding is None else events[: finding.number + 1])
    left_out = 0
    if not whole:
        left_out = max(configuration_rows(rows), len(rows) - last if last else 0)
    if left_out:
        screen.show(f"events 0 to {left_out - 1} are left out; --whole shows them")
    number = None if finding is None else finding.number
    allowed = () if finding is None else finding.allowed
    screen.show(render_rows(rows[left_out:], number, allowed, width=screen.chart_width))


def show_finding(screen: Screen, finding: Finding) -> None:
    """Print why the event was refused, what it breaks, and what was known before it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True, style="bold red")
    table.add_column(overflow="fold")
    for words in finding.why:
        table.add_row("why", "", inline(words))
    for name in finding.requirements:
        table.add_row("broken", name, Text(_statement(name)))
    for state in finding.last_state:
        table.add_row("last state", "", Text(inline(state)))
    screen.show(table)


def _statement(name: str) -> str:
    """What a requirement says and where; some rules cite an interpretation instead."""
    book = book_of(name)
    if name in book.interpretations:
        return f"{book.interpretations[name].title}: {book.interpretations[name].taken}"
    requirement = book.requirement_of(name)
    return f"{requirement.statement} ({requirement.source})"


def configuration_rows(rows: Sequence[ChartRow]) -> int:
    """How many rows at the beginning may be left out of a chart: those that do nothing but
    allocate and configure, successfully."""
    number = sum(1 for _ in takewhile(_configures, rows))
    return number if ENOUGH < number < len(rows) else 0


def _configures(row: ChartRow) -> bool:
    if row.kind not in ("call", "return") or _CONFIGURES.search(row.label) is None:
        return False
    return row.kind == "call" or row.label.endswith((" = STATUS_SUCCESS", " returned"))
