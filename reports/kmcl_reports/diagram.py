"""State charts as neutral data, and as Mermaid text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from .text import inline

__all__ = ["Chart", "ChartRegion", "ChartState", "ChartTransition", "arrows_of", "mermaid"]


class ChartState(NamedTuple):
    """A state and what it means, in a few words."""

    name: str
    doc: str = ""


class ChartTransition(NamedTuple):
    """From ``source`` to ``target`` on ``event``, by a rule of the specification."""

    source: str
    event: str
    target: str
    rule_id: str = ""


class ChartRegion(NamedTuple):
    """One orthogonal region; ``initial`` is the name of its first state."""

    name: str
    initial: str
    states: tuple[ChartState, ...]
    transitions: tuple[ChartTransition, ...]


class Chart(NamedTuple):
    """A state chart: regions that are all active at the same time."""

    name: str
    regions: tuple[ChartRegion, ...]


_UNSAFE: Final = re.compile(r"[^A-Za-z0-9 _./()+=-]")


def arrows_of(region: ChartRegion) -> dict[tuple[str, str], dict[str, list[str]]]:
    """The events between each pair of states, with their rules; parallel transitions are one
    arrow. Order as declared."""
    arrows: dict[tuple[str, str], dict[str, list[str]]] = {}
    for transition in region.transitions:
        events = arrows.setdefault((transition.source, transition.target), {})
        events.setdefault(transition.event, []).append(transition.rule_id)
    return arrows


def _label(text: str) -> str:
    return _UNSAFE.sub("-", inline(text))


def _region(number: int, region: ChartRegion) -> Iterator[str]:
    names = {state.name: f"r{number}s{n}" for n, state in enumerate(region.states)}
    for state in region.states:
        yield f'state "{_label(state.name)}" as {names[state.name]}'
    yield f"[*] --> {names[region.initial]}"
    for (source, target), events in arrows_of(region).items():
        text = "<br/>".join(map(_label, events))
        yield f"{names[source]} --> {names[target]} : {text}"


def mermaid(chart: Chart) -> str:
    """The chart as a Mermaid ``stateDiagram-v2``; parallel regions stand in one composite state."""
    lines = ["---", f"title: {_label(chart.name)}", "---", "stateDiagram-v2", "    direction TB"]
    if len(chart.regions) == 1:
        lines += [f"    {line}" for line in _region(0, chart.regions[0])]
        return "\n".join(lines) + "\n"
    lines.append(f'    state "{_label(chart.name)}" as chart {{')
    for number, region in enumerate(chart.regions):
        if number:
            lines.append("        --")
        lines += [f"        {line}" for line in _region(number, region)]
    return "\n".join([*lines, "    }"]) + "\n"
