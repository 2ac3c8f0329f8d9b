"""What the judge found, in words and as a sequence chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kmcl_model.catalogue import requirement_of
from kmcl_model.events import Event
from kmcl_reports.chart_text import render_rows
from kmcl_reports.sequence import describe_event, sequence_rows

from ..alternatives import allowed_instead
from ..oracle import Failure
from .output import Screen

__all__ = ["Finding", "finding_of", "show_finding"]


class Finding(NamedTuple):
    """A failure, explained. ``index`` is the place of the refused event in the trace."""

    index: int
    event: str
    why: tuple[str, ...]
    requirements: tuple[str, ...]
    allowed: tuple[str, ...]
    last_state: tuple[str, ...]

    def as_data(self) -> dict[str, Any]:
        """The finding as JSON."""
        return self._asdict()


def finding_of(events: Sequence[Event], failure: Failure | None) -> Finding | None:
    """The failure of a trace, explained."""
    if failure is None:
        return None
    return Finding(
        failure.number,
        describe_event(failure.event),
        tuple(dict.fromkeys(broken.words for broken in failure.broken)),
        failure.requirements,
        allowed_instead(events[: failure.number]),
        failure.state,
    )


def show_finding(
    screen: Screen, events: Sequence[Event], finding: Finding | None, *, rows: int | None = None
) -> None:
    """Print the chart, its last ``rows`` lines or all, and under it what was broken."""
    chart = sequence_rows(events)
    if finding is None:
        screen.show(render_rows(chart[-rows:] if rows else chart, width=screen.chart_width))
        return
    chart = chart[: finding.index + 1]
    screen.show(
        render_rows(
            chart[-rows:] if rows else chart,
            finding.index,
            finding.allowed,
            width=screen.chart_width,
        )
    )
    for words in finding.why:
        screen.show(f"why         {words}")
    for requirement in finding.requirements:
        one = requirement_of(requirement)
        screen.show(f"broken      {requirement}  {one.statement}  ({one.source})")
    for state in finding.last_state:
        screen.show(f"last state  {state}")
