"""The charts of the specification as drawings: Mermaid for documents, SVG for looking at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from kmcl_conformance.subjects import SUBJECTS
from kmcl_model.spec.charts import Chart as ModelChart
from kmcl_model.spec.charts import chart_moves
from kmcl_model.spec.observer import Rule
from kmcl_reports.diagram import Chart, ChartRegion, ChartState, ChartTransition, mermaid
from kmcl_reports.diagram_svg import render_diagram_svg

from .output import Problem, save

__all__ = ["draw_charts", "drawable"]


def draw_charts(form: str, folder: Path) -> list[Path]:
    """Write every chart in ``form``, mermaid or svg, and tell where."""
    if form not in _FORMS:
        raise Problem(f"--charts {form}: choose {' or '.join(_FORMS)}")
    make, ending = _FORMS[form]
    return [
        save(folder, f"{chart.name.replace(' ', '-')}.{ending}", make(drawable(chart)))
        for subject in SUBJECTS
        for chart in subject.charts
    ]


def drawable(chart: ModelChart) -> Chart:
    """A chart of the specification as the renderers take it."""
    return Chart(
        chart.title, tuple(_region(chart, region, initial) for region, initial in chart.regions)
    )


def _region(chart: ModelChart, region: str, initial: str) -> ChartRegion:
    rules = {rule.id: rule for rule in chart.rules.rules}
    moves = [(rule, move) for rule, move in chart_moves(chart) if move.region == region]
    states = dict.fromkeys([initial, *(s for _, m in moves for s in (m.source, m.target))])
    transitions = [
        ChartTransition(
            move.source, _event(rules[rule]) if rule in rules else "unseen", move.target, rule
        )
        for rule, move in moves
    ]
    return ChartRegion(region, initial, tuple(map(ChartState, states)), tuple(transitions))


def _event(rule: Rule) -> str:
    """What a rule waits for, in words: ``VmbChannelEnable called``."""
    kind, name = rule.on
    return f"{name} {_KINDS.get(kind, kind)}".strip()


_KINDS: Final[Mapping[str, str]] = {
    "call": "called",
    "return": "returned",
    "enter": "entered",
    "exit": "left",
    "environment": "in the world",
    "message": "sent",
}

_FORMS: Final[Mapping[str, tuple[Callable[[Chart], str], str]]] = {
    "mermaid": (mermaid, "mmd"),
    "svg": (lambda chart: render_diagram_svg(chart, standalone=True), "svg"),
}
