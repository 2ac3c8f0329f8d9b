"""Coverage: what is counted was taken, and only what exists is counted."""

from __future__ import annotations

import pytest

from kmcl_adapters.reference import create
from kmcl_conformance.coverage import Witnesses, chart_coverage, seen
from kmcl_conformance.oracle import Pair, judge_trace
from kmcl_conformance.sequence import walk
from kmcl_model.catalogue import INTERPRETATIONS, interpretations, requirements
from kmcl_model.spec import Specification
from kmcl_model.spec.charts import CHARTS, chart_moves, pairs_of


@pytest.fixture(scope="module")
def walked() -> tuple[Specification, set[Pair]]:
    adapter, specification, pairs = create(""), Specification(), set[Pair]()
    for seed in range(60):
        assert walk(adapter, specification, seed, 80, pairs=pairs).failure is None
    return specification, pairs


def test_nothing_is_covered_before_anything_was_seen() -> None:
    found = seen(Specification())
    assert found.requirements == found.readings == found.moves == {}
    for hits in chart_coverage(set(found.moves), set()).values():
        assert hits.hit == frozenset()
        assert hits.all


def test_the_whole_is_what_the_charts_draw() -> None:
    coverage = chart_coverage(set(), set())
    assert len(coverage["transitions"].all) == sum(len(chart_moves(chart)) for chart in CHARTS)
    assert len(coverage["transition_pairs"].all) == sum(len(pairs_of(chart)) for chart in CHARTS)
    assert "client endpoint: connection open" in coverage["states"].all


def test_of_one_end_nothing_is_counted_that_only_the_other_one_shows() -> None:
    """What the receiver does with a packet is seen at the receiver."""
    name = "client packet: in ring -> awaiting completion by PK-delivered"
    both, alone = (
        chart_coverage(set(), set(), ends) for ends in (("client", "server"), ("client",))
    )
    mine = {n for n in both["transitions"].all if n.startswith("client")}
    pairs = {n for n in both["transition_pairs"].all if n.startswith("client")}

    assert mine - alone["transitions"].all == {name}
    unseen = {n for n in pairs if "PK-delivered" in n}
    assert pairs - alone["transition_pairs"].all == unseen
    assert unseen
    assert {n for n in both["states"].all if n.startswith("client")} == alone["states"].all


def test_what_is_hit_is_part_of_the_whole(walked: tuple[Specification, set[Pair]]) -> None:
    specification, pairs = walked
    for kind, hits in chart_coverage(set(seen(specification).moves), pairs).items():
        assert hits.hit <= hits.all, kind
        assert len(hits.hit) > len(hits.all) / 2, kind


def test_every_move_that_was_taken_is_drawn(walked: tuple[Specification, set[Pair]]) -> None:
    drawn = {(chart.name, rule, move) for chart in CHARTS for rule, move in chart_moves(chart)}
    assert set(seen(walked[0]).moves) <= drawn


def test_every_pair_that_was_taken_joins(walked: tuple[Specification, set[Pair]]) -> None:
    _, pairs = walked
    assert pairs
    for _, (_, first), (_, second) in pairs:
        assert first.region == second.region
        assert first.target == second.source


def test_every_reading_is_one_of_the_interpretations(
    walked: tuple[Specification, set[Pair]],
) -> None:
    readings = seen(walked[0]).readings
    assert readings
    for label in readings:
        place, reading = label.split(":")
        id, _, question = place.partition("/")
        assert id in INTERPRETATIONS
        points = {point.name: point for point in interpretations()[id].points}
        assert reading in points[question or "reading"].readings


def test_every_witness_is_of_a_requirement(walked: tuple[Specification, set[Pair]]) -> None:
    found = seen(walked[0]).requirements
    assert len(found) > 100
    assert {id for id in found if id not in requirements() and id not in INTERPRETATIONS} == set()


def test_a_refused_event_is_no_witness() -> None:
    outcome = walk(create(""), Specification(), 2, 80)
    whole, cut = Specification(), Specification()
    assert judge_trace(outcome.events, whole).failure is None
    place = next(n for n, event in enumerate(outcome.events) if event[0] == "enter")
    broken = judge_trace((*outcome.events[:place], *outcome.events[place + 1 :]), cut)
    assert broken.failure is not None
    only_before = Specification()
    judge_trace(outcome.events[:place], only_before)
    assert set(seen(cut).requirements) <= set(seen(whole).requirements)
    assert set(seen(only_before).requirements) <= set(seen(cut).requirements)


def test_a_witness_is_the_first_walk_or_the_shortest_directed_sequence() -> None:
    specification = Specification()
    witnesses = Witnesses(specification)
    first = walk(create(""), specification, 1, 80)
    witnesses.update("first", first.steps)
    known = dict(witnesses.requirements)
    assert known
    assert all(shown == ("first", first.steps) for shown in known.values())
    second = walk(create(""), specification, 2, 80)
    witnesses.update("second", second.steps)
    assert set(known) <= set(witnesses.requirements)
    assert {name for name, _ in witnesses.requirements.values()} == {"first", "second"}
    third = walk(create(""), specification, 1, 20)
    witnesses.update("directed", third.steps, directed=True)
    assert third.steps < first.steps
    directed = {id for id, shown in witnesses.requirements.items() if shown[0] == "directed"}
    assert directed
    assert directed < set(known)
    witnesses.update("directed again, but shows nothing", 1, directed=True)
    assert {n for n, _ in witnesses.requirements.values()} == {"first", "second", "directed"}
    again = Witnesses(Specification())
    again.load(witnesses.dump())
    assert again.requirements == witnesses.requirements
    assert again.readings == witnesses.readings
