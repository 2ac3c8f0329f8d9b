"""State charts: Mermaid text, and a layout in which nothing overlaps."""

from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmcl_reports.diagram import Chart, ChartRegion, ChartState, ChartTransition, mermaid
from kmcl_reports.diagram_svg import render_diagram_svg
from kmcl_reports.layout import Edge, Size, arrange
from kmcl_reports.sample import SAMPLE_CHART

SAMPLE_MERMAID = """\
---
title: Sample chart
---
stateDiagram-v2
    direction TB
    state "Sample chart" as chart {
        state "disabled" as r0s0
        state "enabled" as r0s1
        state "open" as r0s2
        [*] --> r0s0
        r0s0 --> r0s1 : VmbChannelEnable
        r0s1 --> r0s2 : Opened
        r0s2 --> r0s1 : Closed
        r0s2 --> r0s0 : VmbChannelDisable
        r0s1 --> r0s0 : VmbChannelDisable
        --
        state "paused" as r1s0
        state "active" as r1s1
        [*] --> r1s0
        r1s0 --> r1s1 : VmbChannelStart
        r1s1 --> r1s0 : VmbChannelPause
        r1s1 --> r1s1 : packet
    }
"""


def test_parallel_regions_as_mermaid() -> None:
    assert mermaid(SAMPLE_CHART) == SAMPLE_MERMAID


def test_one_region_needs_no_composite_state() -> None:
    text = mermaid(Chart("One", SAMPLE_CHART.regions[:1]))

    assert 'state "One"' not in text
    assert "    [*] --> r0s0\n" in text


def test_parallel_transitions_share_an_arrow() -> None:
    region = ChartRegion(
        "r",
        "a",
        (ChartState("a", "the first"), ChartState("b")),
        (
            ChartTransition("a", "x", "b", "R1"),
            ChartTransition("a", "y", "b", "R2"),
            ChartTransition("a", "x", "b", "R3"),
        ),
    )
    root = ET.fromstring(render_diagram_svg(Chart("c", (region,))))
    arrows = [element for element in root.iter() if element.get("class") == "edge"]
    tips = {element.text for element in root.iter() if element.tag.endswith("title")}

    assert "r0s0 --> r0s1 : x<br/>y" in mermaid(Chart("c", (region,)))
    assert len(arrows) == 2  # that of the start, and one for all three
    assert tips == {"c", "the first", "R1, R3", "R2"}


def test_every_state_and_event_is_drawn() -> None:
    drawn = set(ET.fromstring(render_diagram_svg(SAMPLE_CHART)).itertext())

    for region in SAMPLE_CHART.regions:
        assert {state.name for state in region.states} <= drawn
        assert {transition.event for transition in region.transitions} <= drawn


names = st.sampled_from("abcdefg")


@settings(max_examples=60, deadline=None)
@given(st.sets(st.tuples(names, names).filter(lambda pair: pair[0] != pair[1]), max_size=18))
def test_nothing_overlaps(pairs: set[tuple[str, str]]) -> None:
    nodes = {name: Size(30, 100) for name in "abcdefg"}
    edges = [Edge(a, b, Size(18, 40 + 10 * n)) for n, (a, b) in enumerate(sorted(pairs))]
    layout = arrange(nodes, edges)
    boxes = [(*layout.nodes[name], *nodes[name]) for name in nodes]
    boxes += [(*at, *edge.label) for at, edge in zip(layout.labels, edges, strict=True)]

    for (x1, y1, w1, h1), (x2, y2, w2, h2) in combinations(boxes, 2):
        assert abs(x1 - x2) >= (w1 + w2) / 2 - 1e-6 or abs(y1 - y2) >= (h1 + h2) / 2 - 1e-6
    for x, y, width, height in boxes:
        assert width / 2 - 1e-6 <= x <= layout.size.along - width / 2 + 1e-6
        assert height / 2 - 1e-6 <= y <= layout.size.across - height / 2 + 1e-6


@pytest.mark.parametrize("source", ["a", "b", "c"])
def test_a_route_never_turns_back(source: str) -> None:
    nodes = {name: Size(30, 100) for name in "abc"}
    edges = [Edge(a, b, Size(10, 40)) for a in "abc" for b in "abc" if a != b]
    layout = arrange(nodes, edges)

    for edge, route in zip(edges, layout.routes, strict=True):
        if edge.source == source:
            along = [layout.nodes[source][0], *(p[0] for p in route), layout.nodes[edge.target][0]]
            assert along in (sorted(along), sorted(along, reverse=True))
            assert len(set(along)) == len(along)
