"""The charts as files: Mermaid for documents, SVG for looking at. Nothing but Python is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from kmcl_model.spec.charts import CHARTS, Chart, chart_moves
from kmcl_reports.svg import arrow_head, draw, drawing, serialise, write

from .output import Problem, save

__all__ = ["draw_charts", "mermaid", "svg"]

RADIUS: Final = (300.0, 170.0)
BOX: Final = (132.0, 30.0)
BEND: Final = 26.0
"""How far the middle of an arrow lies off the straight line, so that two ways do not touch."""
MARGIN: Final = 100.0

Arrows = dict[tuple[str, str], list[str]]


def draw_charts(form: str, folder: Path) -> list[Path]:
    """Write every chart in ``form``, mermaid or svg, and tell where."""
    if form not in _FORMS:
        raise Problem(f"--charts {form}: choose {' or '.join(_FORMS)}")
    make, ending = _FORMS[form]
    return [
        save(folder, f"{chart.name.replace(' ', '-')}.{ending}", make(chart)) for chart in CHARTS
    ]


def _arrows(chart: Chart, region: str) -> Arrows:
    """The rules that lead from one state of a region to another."""
    arrows: Arrows = {}
    for rule, move in chart_moves(chart):
        if move.region == region:
            arrows.setdefault((move.source, move.target), []).append(rule)
    return arrows


def _states(arrows: Arrows, initial: str) -> list[str]:
    """The states in the order in which they are reached, the initial one first."""
    return list(dict.fromkeys([initial, *(state for pair in arrows for state in pair)]))


def mermaid(chart: Chart) -> str:
    """The chart as a Mermaid state diagram; two regions are two composite states."""
    lines = ["---", f"title: {chart.title}", "---", "stateDiagram-v2"]
    nested = len(chart.regions) > 1
    for region, initial in chart.regions:
        arrows = _arrows(chart, region)
        body = [f"[*] --> {_identifier(initial)}"]
        body += [f'state "{s}" as {_identifier(s)}' for s in _states(arrows, initial) if " " in s]
        body += [
            f"{_identifier(source)} --> {_identifier(target)} : {', '.join(rules)}"
            for (source, target), rules in arrows.items()
        ]
        if nested:
            lines += [f"    state {region} {{", *(f"        {line}" for line in body), "    }"]
        else:
            lines += [f"    {line}" for line in body]
    return "\n".join(lines) + "\n"


def _identifier(state: str) -> str:
    return state.replace(" ", "_")


def svg(chart: Chart) -> str:
    """The chart as a drawing: the states of a region on an ellipse, regions below each other."""
    width, height = 2 * (RADIUS[0] + MARGIN + BOX[0] / 2), 2 * (RADIUS[1] + MARGIN / 2) + 40
    root = drawing(width, height * len(chart.regions) + 20, chart.title)
    write(root, width / 2, 18, chart.title, "head middle")
    for number, (region, initial) in enumerate(chart.regions):
        centre = (width / 2, 30 + height * (number + 0.5))
        if len(chart.regions) > 1:
            write(root, 16, centre[1] - height / 2 + 20, region, "soft")
        _draw_region(root, _arrows(chart, region), initial, centre)
    return serialise(root, standalone=True)


def _draw_region(
    root: ET.Element, arrows: Arrows, initial: str, centre: tuple[float, float]
) -> None:
    states = _states(arrows, initial)
    places = {}
    for number, state in enumerate(states):
        angle = 2 * math.pi * number / len(states) - math.pi / 2
        places[state] = (
            centre[0] + RADIUS[0] * math.cos(angle),
            centre[1] + RADIUS[1] * math.sin(angle),
        )
    for (source, target), rules in arrows.items():
        _draw_arrow(root, places, source, target, rules)
    for state, (x, y) in places.items():
        group = draw(root, "g")
        style = "state initial" if state == initial else "state"
        draw(
            group, "rect", style, x=x - BOX[0] / 2, y=y - BOX[1] / 2, width=BOX[0], height=BOX[1],
            rx=8, fill="white", stroke="currentColor", stroke_width=2 if state == initial else 1,
        )  # fmt: skip
        write(group, x, y + 4, state, "middle")


def _draw_arrow(
    root: ET.Element,
    places: Mapping[str, tuple[float, float]],
    source: str,
    target: str,
    rules: list[str],
) -> None:
    (x1, y1), (x2, y2) = places[source], places[target]
    length = math.hypot(x2 - x1, y2 - y1)
    across = ((y2 - y1) / length, (x1 - x2) / length)
    middle = ((x1 + x2) / 2 + across[0] * BEND, (y1 + y2) / 2 + across[1] * BEND)
    start, end = _edge_of(places[source], middle), _edge_of(places[target], middle)
    path = (
        f"M{start[0]:.1f},{start[1]:.1f} Q{middle[0]:.1f},{middle[1]:.1f} {end[0]:.1f},{end[1]:.1f}"
    )
    draw(root, "path", "invoke", d=path, fill="none")
    arrow_head(root, end, (end[0] - middle[0], end[1] - middle[1]), "tip")
    for line, rule in enumerate(rules):
        write(root, middle[0], middle[1] + 12 * line, rule, "mono middle")


def _edge_of(box: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """Where the line from the middle of a state's box leaves it."""
    dx, dy = towards[0] - box[0], towards[1] - box[1]
    scale = min(
        BOX[0] / 2 / abs(dx) if dx else math.inf,
        BOX[1] / 2 / abs(dy) if dy else math.inf,
    )
    return box[0] + dx * scale, box[1] + dy * scale


_FORMS: Final[Mapping[str, tuple[Callable[[Chart], str], str]]] = {
    "mermaid": (mermaid, "mmd"),
    "svg": (svg, "svg"),
}
