"""State charts as drawings, made without any system tool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from .diagram import Chart, ChartRegion, arrows_of
from .layout import Edge, Layout, Size, arrange
from .svg import arrow_head, draw, drawing, serialise, write
from .text import shortened

__all__ = ["render_diagram_svg"]

PADDING: Final = 22.0
LINE: Final = 14.0
STATE_CHARACTER: Final = 7.4
LABEL_CHARACTER: Final = 6.7
STATE_HEIGHT: Final = 34.0
START: Final = ""
"""The dot from which the initial state is entered."""
LABEL_LIMIT: Final = 44
PAGE_WIDTH: Final = 1120.0

Point = tuple[float, float]
Events = dict[str, list[str]]


class _Plan(NamedTuple):
    """A region, laid out: a loop's events stand with its state."""

    region: ChartRegion
    boxes: dict[str, Point]
    """Width and height of each state, without its loop."""
    arrows: dict[tuple[str, str], Events]
    loops: dict[str, Events]
    layout: Layout
    is_sideways: bool

    @property
    def width(self) -> float:
        return self.layout.size.along if self.is_sideways else self.layout.size.across

    @property
    def height(self) -> float:
        return self.layout.size.across if self.is_sideways else self.layout.size.along

    def xy(self, point: Point) -> Point:
        """A point of the layout, which knows only along and across, on the page."""
        return point if self.is_sideways else (point[1], point[0])


def _text_size(events: Iterable[str]) -> Point:
    lines = [shortened(event, LABEL_LIMIT) for event in events]
    width = max(map(len, lines), default=0) * LABEL_CHARACTER
    return (width + 8, len(lines) * LINE + 4) if lines else (0.0, 0.0)


def _plan(region: ChartRegion, is_sideways: bool) -> _Plan:
    def size(width: float, height: float) -> Size:
        return Size(width, height) if is_sideways else Size(height, width)

    every = arrows_of(region)
    loops = {source: events for (source, target), events in every.items() if source == target}
    arrows = {pair: events for pair, events in every.items() if pair[0] != pair[1]}
    degree = dict.fromkeys((state.name for state in region.states), 0)
    for source, target in arrows:
        degree[source] += 1
        degree[target] += 1
    boxes = {
        name: (max(96.0, len(name) * STATE_CHARACTER + 28), max(STATE_HEIGHT, 7.0 * count))
        if is_sideways
        else (max(96.0, len(name) * STATE_CHARACTER + 28, 11.0 * count), STATE_HEIGHT)
        for name, count in degree.items()
    }
    nodes = {START: size(12, 12)}
    # The initial state first: ranks are counted from there.
    for name in (region.initial, *(n for n in boxes if n != region.initial)):
        width, height = boxes[name]
        if name in loops:
            # A loop hangs on one side; the node grows on both to stay centred.
            text = _text_size(loops[name])
            if is_sideways:
                width, height = max(width, text[0]), height + 2 * (text[1] + 22)
            else:
                width, height = width + 2 * (text[0] + 26), max(height, text[1])
        nodes[name] = size(width, height)
    edges = [Edge(START, region.initial, Size(0.0, 0.0))]
    edges += [
        Edge(source, target, size(*_text_size(events)))
        for (source, target), events in arrows.items()
    ]
    return _Plan(region, boxes, arrows, loops, arrange(nodes, edges), is_sideways)


def _best_plan(region: ChartRegion) -> _Plan:
    """Downwards or sideways, whichever fits a page better."""
    plans = [_plan(region, is_sideways) for is_sideways in (False, True)]
    return min(plans, key=lambda plan: max(plan.width / 1000, plan.height / 640))


def _slopes(points: Sequence[Point]) -> list[float]:
    """The slope of a route at each of its points: none at the ends and at turning points,
    else the harmonic mean of both sides (Fritsch and Butland), which never overshoots."""
    steep = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points)]
    inner = [2 * a * b / (a + b) if a * b > 0 else 0.0 for a, b in pairwise(steep)]
    return [0.0, *inner, 0.0]


def _curve(plan: _Plan, points: Sequence[Point]) -> str:
    """A smooth path through the points of a route: monotone cubics as Bézier pieces."""
    path = ["M{:.1f},{:.1f}".format(*plan.xy(points[0]))]
    for (a, slope_a), (b, slope_b) in pairwise(zip(points, _slopes(points), strict=True)):
        third = (b[0] - a[0]) / 3
        pieces = ((a[0] + third, a[1] + slope_a * third), (b[0] - third, b[1] - slope_b * third), b)
        path.append("C" + " ".join("{:.1f},{:.1f}".format(*plan.xy(point)) for point in pieces))
    return " ".join(path)


class _Ports:
    """Where edges leave and enter a state: side by side in the order of their other ends."""

    def __init__(self, plan: _Plan, routes: Sequence[tuple[str, str, Sequence[Point]]]) -> None:
        self._plan = plan
        sides: dict[tuple[str, bool], list[tuple[float, int]]] = {}
        for number, (source, target, route) in enumerate(routes):
            for name, point in ((source, route[0]), (target, route[-1])):
                beyond = point[0] > plan.layout.nodes[name][0]
                sides.setdefault((name, beyond), []).append((point[1], number))
        self._offsets: dict[tuple[str, int, bool], Point] = {}
        for (name, beyond), members in sides.items():
            for place, (_, number) in enumerate(sorted(members)):
                self._offsets[name, number, beyond] = self._at(name, beyond, place, len(members))

    def _at(self, name: str, beyond: bool, place: int, count: int) -> Point:
        along, across = self._plan.layout.nodes[name]
        width, height = self._plan.boxes.get(name, (12.0, 12.0))
        depth, breadth = (width, height) if self._plan.is_sideways else (height, width)
        offset = (place + 1) / (count + 1) - 0.5
        return along + (depth / 2 if beyond else -depth / 2), across + offset * breadth * 0.86

    def of(self, name: str, number: int, neighbour: Point) -> Point:
        """The port of an edge at a state, given the next point of its route."""
        return self._offsets[name, number, neighbour[0] > self._plan.layout.nodes[name][0]]


def _label(parent: ET.Element, centre: Point, events: Events, style: str = "mono middle") -> None:
    width, height = _text_size(events)
    left = centre[0] - (width / 2 if "middle" in style else 0)
    top = centre[1] - height / 2
    box = draw(parent, "g")
    draw(box, "rect", "label", x=left, y=top, width=width, height=height, rx=3)
    for number, (event, rules) in enumerate(events.items()):
        baseline = top + 2 + LINE * (number + 1) - 3.5
        line = write(box, centre[0], baseline, shortened(event, LABEL_LIMIT), style)
        named = ", ".join(filter(None, rules))
        if named:
            draw(line, "title").text = named


def _draw_edges(parent: ET.Element, plan: _Plan) -> None:
    pairs = [(START, plan.region.initial), *plan.arrows]
    routes = [
        (source, target, route)
        for (source, target), route in zip(pairs, plan.layout.routes, strict=True)
    ]
    ports = _Ports(plan, routes)
    labels = draw(parent, "g")
    for number, (source, target, route) in enumerate(routes):
        start = ports.of(source, number, route[0])
        end = ports.of(target, number, route[-1])
        draw(parent, "path", "edge", d=_curve(plan, (start, *route, end)))
        # A curve enters a state along the ranks.
        forwards = 1.0 if end[0] > route[-1][0] else -1.0
        arrow_head(parent, plan.xy(end), plan.xy((forwards, 0.0)), "edge-tip")
        if number:
            _label(labels, plan.xy(plan.layout.labels[number]), plan.arrows[source, target])
    parent.remove(labels)
    parent.append(labels)


def _draw_loop(parent: ET.Element, plan: _Plan, name: str, centre: Point) -> None:
    x, y = centre
    width, height = plan.boxes[name]
    text = _text_size(plan.loops[name])
    if plan.is_sideways:
        low = y + height / 2
        path = f"M{x - 12:.1f},{low:.1f} c-4,24 28,24 24,0"
        tip, towards = (x + 12, low), (-0.2, -1.0)
        at, style = (x, low + 22 + text[1] / 2), "mono middle"
    else:
        right = x + width / 2
        path = f"M{right:.1f},{y - 8:.1f} c26,-5 26,21 0,16"
        tip, towards = (right, y + 8), (-1.0, -0.2)
        at, style = (right + 24, y), "mono"
    draw(parent, "path", "edge", d=path)
    arrow_head(parent, tip, towards, "edge-tip")
    _label(parent, at, plan.loops[name], style)


def _draw_region(parent: ET.Element, plan: _Plan) -> None:
    _draw_edges(parent, plan)
    for state in plan.region.states:
        x, y = plan.xy(plan.layout.nodes[state.name])
        width, height = plan.boxes[state.name]
        group = draw(parent, "g")
        draw(
            group, "rect", "state",
            x=x - width / 2, y=y - height / 2, width=width, height=height, rx=9,
        )  # fmt: skip
        if state.doc:
            draw(group, "title").text = state.doc
        write(group, x, y + 4.5, state.name, "head middle")
        if state.name in plan.loops:
            _draw_loop(group, plan, state.name, (x, y))
    x, y = plan.xy(plan.layout.nodes[START])
    draw(parent, "circle", "start", cx=x, cy=y, r=6)


def render_diagram_svg(chart: Chart, *, standalone: bool = False) -> str:
    """The chart as SVG: parallel transitions share an arrow, parallel regions stand in boxes, side
    by side where a page is wide enough. Rules and meanings of states are tooltips."""
    plans = [_best_plan(region) for region in chart.regions]
    framed = len(plans) > 1
    frame, heading = (PADDING, 24.0) if framed else (0.0, 0.0)
    boxes = [(plan.width + 2 * frame, plan.height + 2 * frame + heading) for plan in plans]
    beside = sum(width + PADDING for width, _ in boxes) <= PAGE_WIDTH
    inner = (
        sum(width for width, _ in boxes) + PADDING * (len(boxes) - 1)
        if beside
        else max(width for width, _ in boxes)
    )
    tall = max(height for _, height in boxes)
    across = tall if beside else sum(h for _, h in boxes) + PADDING * (len(boxes) - 1)
    root = drawing(inner + 2 * PADDING, across + 2 * PADDING, chart.name)
    x, y = PADDING, PADDING
    for plan, (width, height) in zip(plans, boxes, strict=True):
        width, height = (width, tall) if beside else (inner, height)
        if framed:
            draw(root, "rect", "region", x=x, y=y, width=width, height=height, rx=12)
            write(root, x + 14, y + 20, plan.region.name, "soft head")
        left, top = x + (width - plan.width) / 2, y + frame + heading
        _draw_region(draw(root, "g", transform=f"translate({left:.1f} {top:.1f})"), plan)
        x, y = (x + width + PADDING, y) if beside else (x, y + height + PADDING)
    return serialise(root, standalone=standalone)
