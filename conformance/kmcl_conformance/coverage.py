"""What a run went through: read off the edges of the automata it has built."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from kmcl_model.spec import Move, Specification
from kmcl_model.spec.charts import CHARTS, Chart, chart_moves, pairs_of

from .oracle import Pair

__all__ = ["Seen", "chart_coverage", "seen"]


class Seen(NamedTuple):
    """``requirements``: witnesses by id. ``readings``: how often each was shown. ``moves``: how
    often each chart transition was taken, by chart name."""

    requirements: Counter[str]
    readings: Counter[str]
    moves: Counter[tuple[str, str, Move]]


def seen(specification: Specification) -> Seen:
    """Everything the walked edges show."""
    requirements: Counter[str] = Counter()
    readings: Counter[str] = Counter()
    moves: Counter[tuple[str, str, Move]] = Counter()
    for endpoint, automaton in specification.automata():
        name = automaton.rules.name
        for edge in automaton.edges():
            if not edge.hits or edge.target is None:
                continue
            for requirement in edge.requirements:
                requirements[requirement] += edge.hits
            for reading in edge.readings:
                readings[reading] += edge.hits
            for rule, move in edge.moves:
                moves[f"{endpoint} {name}", rule, move] += edge.hits
    return Seen(requirements, readings, moves)


def chart_coverage(found: Seen, pairs: set[Pair]) -> dict[str, tuple[set[str], set[str]]]:
    """By kind (states, transitions, transition pairs): the names hit, and all names."""
    states: tuple[set[str], set[str]] = (set(), set())
    transitions: tuple[set[str], set[str]] = (set(), set())
    doubles: tuple[set[str], set[str]] = (set(), set())
    taken = {(chart, rule, move) for (chart, rule, move), n in found.moves.items() if n}
    followed = {(chart, *first, *second) for chart, first, second in pairs}
    for chart in CHARTS:
        for rule, move in chart_moves(chart):
            name = _name(chart, move, rule)
            transitions[1].add(name)
            for state in (move.source, move.target):
                states[1].add(f"{chart.name}: {move.region} {state}")
            if (chart.name, rule, move) in taken:
                transitions[0].add(name)
                states[0].add(f"{chart.name}: {move.region} {move.source}")
                states[0].add(f"{chart.name}: {move.region} {move.target}")
        for (rule1, move1), (rule2, move2) in pairs_of(chart):
            name = f"{_name(chart, move1, rule1)}, then {rule2} to {move2.target}"
            doubles[1].add(name)
            if (chart.name, rule1, move1, rule2, move2) in followed:
                doubles[0].add(name)
    return {"states": states, "transitions": transitions, "transition_pairs": doubles}


def _name(chart: Chart, move: Move, rule: str) -> str:
    return f"{chart.name}: {move.source} -> {move.target} by {rule}"
