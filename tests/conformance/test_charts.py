"""The charts and the engine, side by side on walks of the reference.

A chart shows one state in each region; the engine keeps a set of states. Wherever that set agrees
on one chart state before and after an event, the chart must go the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from statemachine.exceptions import TransitionNotAllowed
from statemachine.orderedset import OrderedSet

from kmcl_adapters.reference import create
from kmcl_conformance.oracle import Judge
from kmcl_conformance.sequence import walk
from kmcl_conformance.track import Track
from kmcl_model.events import Event
from kmcl_model.spec import Move, Node, Specification
from kmcl_model.spec.charts import CHARTS, Chart, Guide, build, chart_moves, event_name, pairs_of
from kmcl_model.spec.observer import Hidden, Rule, trigger

BY_NAME = {chart.name: chart for chart in CHARTS}
Places = dict[str, str]

AMBIGUOUS = {
    "client endpoint": 0.08,
    "client incoming": 0.0,
    "client packet": 0.035,
    "server endpoint": 0.035,
    "server incoming": 0.0,
    "server packet": 0.045,
}
"""The share of steps at most before or after which the states of a node disagree on the chart's: a
little more than the walks below have. Of what is ambiguous a chart can say nothing."""

UNDRAWN = {("environment", "crash")}
"""The end of the world is no transition."""


def places(chart: Chart, node: Node) -> Places | None:
    """The chart state in each region, None where the states of the node disagree."""
    found = {}
    for region, project in chart.rules.regions:
        projected = {project(state) for state in node.states}
        if len(projected) > 1:
            return None
        found[region] = projected.pop()
    return found


def steps_of(chart: Chart) -> list[Rule | Hidden]:
    """What a transition can stem from."""
    return [*chart.rules.rules, *chart.rules.hidden]


class Drawn:
    """An instance of a chart in a given configuration."""

    def __init__(self, chart: Chart, where: Places) -> None:
        self.chart = chart
        self.guide = Guide()
        names = [state.replace(" ", "_") for state in where.values()]
        if len(where) > 1:
            self.guide.state = OrderedSet(["endpoint", *where, *names])
        else:
            (self.guide.state,) = names
        self.machine: Any = build(chart)(self.guide)

    def at(self) -> Places:
        ids = {state.id for state in self.machine.configuration}
        return {
            region: next(
                name
                for _, move in chart_moves(self.chart)
                for name in (move.source, move.target)
                if move.region == region and name.replace(" ", "_") in ids
            )
            for region, _ in self.chart.regions
        }

    def send(self, event: str, target: Places) -> None:
        self.guide.target = target
        self.machine.send(event)


class SideBySide(Judge):
    """A judge that has a chart follow each of its tracks."""

    def __init__(self, specification: Specification, tally: Counter[str]) -> None:
        super().__init__(specification)
        self.tally = tally
        self.drawn: dict[Track, Drawn] = {}
        self.charts = {
            id(automaton): BY_NAME.get(f"{end} {automaton.rules.name}")
            for end, automaton in specification.automata()
        }

    def _take(self, track: Track, event: Any) -> None:
        before = track.node
        super()._take(track, event)
        chart = self.charts[id(track.automaton)]
        if chart is not None and track.node is not before:
            self._draw(chart, track, event, before)

    def _draw(self, chart: Chart, track: Track, event: Any, before: Node) -> None:
        here, there = places(chart, before), places(chart, track.node)
        self.tally[f"{chart.name}, all"] += 1
        if here is None or there is None:
            self.tally[f"{chart.name}, ambiguous"] += 1
            self.drawn.pop(track, None)
            return
        changed = {region: state for region, state in there.items() if here[region] != state}
        drawn = self.drawn.get(track)
        if drawn is None:
            drawn = self.drawn[track] = Drawn(chart, here)
        assert drawn.at() == here
        if not changed:
            return
        on = trigger(event)
        names = {f"{on[0]}_{on[1]}"} | {
            event_name(hidden) for hidden in chart.rules.hidden if hidden.moves
        }
        declared = {
            event_name(rule)
            for rule in steps_of(chart)
            for move in rule.moves
            if move.region in changed
            and (move.source, move.target) == (here[move.region], changed[move.region])
        }
        if on in UNDRAWN and not names & declared:
            self.tally["undrawn"] += 1
            del self.drawn[track]
            return
        assert names & declared, f"{chart.name} has no transition for {on}: {here} to {there}"
        drawn.send(sorted(names & declared)[0], changed)
        assert drawn.at() == there
        self.tally[chart.name] += 1


def judge_again(events: Iterable[Event], judge: Judge) -> None:
    for event in events:
        assert judge.feed(event) is None


def test_charts_and_engine_go_the_same_way() -> None:
    adapter, specification, tally = create(""), Specification(), Counter[str]()
    for seed in range(40):
        faults = ("crash",) if seed % 4 == 0 else ()
        outcome = walk(adapter, specification, seed, 80, faults=faults)
        judge_again(outcome.events, SideBySide(specification, tally))
    for chart in CHARTS:
        assert tally[chart.name] >= 10, f"{chart.name} was hardly walked"
        share = tally[f"{chart.name}, ambiguous"] / tally[f"{chart.name}, all"]
        assert share <= AMBIGUOUS[chart.name], f"{chart.name} was mostly not compared: {share:.3f}"


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_chart_starts_where_the_engine_does(chart: Chart) -> None:
    specification = Specification()
    automaton = next(
        automaton
        for end, automaton in specification.automata()
        if f"{end} {automaton.rules.name}" == chart.name
    )
    machine: Any = build(chart)(Guide())
    ids = {state.id for state in machine.configuration}
    found = places(chart, automaton.initial)
    assert found == dict(chart.regions)
    assert {state.replace(" ", "_") for state in found.values()} <= ids


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_every_declared_move_is_a_transition(chart: Chart) -> None:
    rules = {rule.id: rule for rule in steps_of(chart)}
    for rule_id, move in chart_moves(chart):
        drawn = Drawn(chart, dict(chart.regions) | {move.region: move.source})
        drawn.send(event_name(rules[rule_id]), {move.region: move.target})
        assert drawn.at()[move.region] == move.target


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_chart_refuses_what_it_does_not_draw(chart: Chart) -> None:
    drawn = Drawn(chart, dict(chart.regions))
    where = drawn.at()
    with pytest.raises(TransitionNotAllowed):
        drawn.send("call_of_the_wild", {})
    for rule in chart.rules.rules:
        starts = any(move.source in where.values() for move in rule.moves)
        if rule.moves and not starts:
            with pytest.raises(TransitionNotAllowed):
                drawn.send(event_name(rule), {m.region: m.target for m in rule.moves})
    assert drawn.at() == where


def test_the_two_ends_differ_where_they_must() -> None:
    client, server = BY_NAME["client endpoint"], BY_NAME["server endpoint"]
    only_client = set(chart_moves(client)) - set(chart_moves(server))
    only_server = set(chart_moves(server)) - set(chart_moves(client))
    assert ("EP-closed-exit", Move("connection", "closing", "disabled")) in only_client
    assert ("EP-closed-exit", Move("connection", "closing", "enabled")) in only_server


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_pairs_follow_each_other(chart: Chart) -> None:
    pairs = pairs_of(chart)
    assert pairs
    for (_, first), (_, second) in pairs:
        assert first.region == second.region
        assert first.target == second.source
