"""A layered layout for small directed graphs, after Sugiyama, Tagawa and Toda (1981).

Ranks run *along* the drawing and the members of a rank lie *across* it. Every edge is cut into
pieces of one rank by *bends*; the bend in its middle is as large as its label, so that labels
have room of their own like nodes and overlap nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

__all__ = ["Edge", "Layout", "Size", "arrange"]

GAP_ALONG: Final = 30.0
GAP_ACROSS: Final = 18.0
SWEEPS: Final = 24
PULLS: Final = 80
STRAIGHTNESS: Final = 8.0

Node = str | tuple[int, int]
"""A node by its name, or a bend by the number of its edge and its rank."""


class Size(NamedTuple):
    """Extents in pixels along and across the ranks."""

    along: float
    across: float


class Edge(NamedTuple):
    """From ``source`` to ``target``, with room for a label."""

    source: str
    target: str
    label: Size


class Layout(NamedTuple):
    """Centres as (along, across). ``routes`` has the points of each edge from source to target
    without its ends; the label's centre is ``labels``."""

    nodes: Mapping[str, tuple[float, float]]
    routes: Sequence[Sequence[tuple[float, float]]]
    labels: Sequence[tuple[float, float]]
    size: Size


def _forward(nodes: Iterable[str], edges: Sequence[Edge]) -> list[tuple[str, str]]:
    """The edges with those that close a cycle, seen from the first node, turned round."""
    after: dict[str, list[str]] = {node: [] for node in nodes}
    for edge in edges:
        after[edge.source].append(edge.target)
    place: dict[str, int] = {}
    on_path: set[str] = set()
    back: set[tuple[str, str]] = set()

    def visit(node: str) -> None:
        place[node] = len(place)
        on_path.add(node)
        for target in after[node]:
            if target in on_path:
                back.add((node, target))
            elif target not in place:
                visit(target)
        on_path.discard(node)

    for node in after:
        if node not in place:
            visit(node)
    return [
        (edge.target, edge.source)
        if (edge.source, edge.target) in back
        else (edge.source, edge.target)
        for edge in edges
    ]


def _ranks(nodes: Iterable[str], forward: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The longest way to each node, doubled: labels lie on the odd ranks."""
    ranks = dict.fromkeys(nodes, 0)
    for _ in ranks:
        for source, target in forward:
            ranks[target] = max(ranks[target], ranks[source] + 2)
    return ranks


def _crossings(first: Sequence[Node], second: Sequence[Node], links: set[tuple[Node, Node]]) -> int:
    left = {node: n for n, node in enumerate(first)}
    right = {node: n for n, node in enumerate(second)}
    lines = [(left[a], right[b]) for a, b in links if a in left and b in right]
    return sum((a - c) * (b - d) < 0 for n, (a, b) in enumerate(lines) for c, d in lines[n + 1 :])


def _ordered(rows: list[list[Node]], links: set[tuple[Node, Node]]) -> list[list[Node]]:
    """The rows sorted by the mean place of their neighbours, to and fro; the best is kept."""
    near: dict[Node, list[Node]] = {node: [] for row in rows for node in row}
    for a, b in sorted(links, key=str):
        near[a].append(b)
        near[b].append(a)

    def total(candidate: list[list[Node]]) -> int:
        return sum(_crossings(a, b, links) for a, b in pairwise(candidate))

    best, fewest = [list(row) for row in rows], total(rows)
    current = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        step = 1 if sweep % 2 == 0 else -1
        numbers = range(len(rows))[::step]
        for before, number in pairwise(numbers):
            places = {node: n for n, node in enumerate(current[before])}

            def mean(item: tuple[int, Node], places: dict[Node, int] = places) -> tuple[float, int]:
                n, node = item
                found = [places[other] for other in near[node] if other in places]
                return (sum(found) / len(found) if found else float(n), n)

            current[number] = [node for _, node in sorted(enumerate(current[number]), key=mean)]
        crossed = total(current)
        if crossed < fewest:
            best, fewest = [list(row) for row in current], crossed
    return best


def _spread(
    wanted: Sequence[float], weights: Sequence[float], apart: Sequence[float]
) -> list[float]:
    """The places nearest to the wanted ones (weighted least squares) that are ``apart`` from each
    other: isotonic regression by pooling adjacent violators."""
    offsets = [0.0]
    for distance in apart:
        offsets.append(offsets[-1] + distance)
    pools: list[tuple[float, float, int]] = []
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, mass, count = want - offset, weight, 1
        while pools and pools[-1][0] > mean:
            other, other_mass, others = pools.pop()
            mean = (mean * mass + other * other_mass) / (mass + other_mass)
            mass, count = mass + other_mass, count + others
        pools.append((mean, mass, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _pull(node: Node, near: Sequence[Node], places: Mapping[Node, float]) -> tuple[float, float]:
    """Where its neighbours draw a node, and how strongly. Bends hold together, so that long
    edges run straight."""
    weights = [STRAIGHTNESS if {type(node), type(other)} == {tuple} else 1.0 for other in near]
    if not weights:
        return places[node], 1.0
    drawn = sum(weight * places[other] for weight, other in zip(weights, near, strict=True))
    return drawn / sum(weights), sum(weights)


def _across(
    rows: list[list[Node]], links: set[tuple[Node, Node]], sizes: Mapping[Node, Size]
) -> dict[Node, float]:
    """Each member of a rank as near to its neighbours as room allows."""
    near: dict[Node, list[Node]] = {node: [] for row in rows for node in row}
    for a, b in sorted(links, key=str):
        near[a].append(b)
        near[b].append(a)
    apart = [
        [(sizes[a].across + sizes[b].across) / 2 + GAP_ACROSS for a, b in pairwise(row)]
        for row in rows
    ]
    places: dict[Node, float] = {}
    ranked = list(zip(rows, apart, strict=True))
    for row, distances in ranked:
        start = _spread([0.0] * len(row), [1.0] * len(row), distances)
        places |= dict(zip(row, start, strict=True))
    for _ in range(PULLS):
        for row, distances in [*ranked, *reversed(ranked)]:
            wanted, weights = zip(*(_pull(node, near[node], places) for node in row), strict=True)
            places |= dict(zip(row, _spread(wanted, weights, distances), strict=True))
    return places


def arrange(nodes: Mapping[str, Size], edges: Sequence[Edge]) -> Layout:
    """Lay out a graph without loops; ranks are counted from the first node."""
    forward = _forward(nodes, edges)
    ranks = _ranks(nodes, forward)
    sizes: dict[Node, Size] = {name: size for name, size in nodes.items()}
    rows: list[list[Node]] = [[] for _ in range(max(ranks.values(), default=0) + 1)]
    for name, rank in ranks.items():
        rows[rank].append(name)
    links: set[tuple[Node, Node]] = set()
    bends: list[list[Node]] = []
    middles: list[Node] = []
    for number, (edge, (low, high)) in enumerate(zip(edges, forward, strict=True)):
        between: list[Node] = [(number, rank) for rank in range(ranks[low] + 1, ranks[high])]
        middle = between[len(between) // 2]
        for bend in between:
            sizes[bend] = edge.label if bend == middle else Size(0.0, 0.0)
            rows[ranks[low] + 1 + between.index(bend)].append(bend)
        links |= set(pairwise([low, *between, high]))
        bends.append(between)
        middles.append(middle)
    rows = _ordered(rows, links)
    across = _across(rows, links, sizes)
    along: dict[Node, float] = {}
    half: dict[Node, float] = {}
    position = 0.0
    for row in rows:
        depth = max(sizes[node].along for node in row)
        for node in row:
            along[node] = position + depth / 2
            half[node] = depth / 2
        position += depth + GAP_ALONG
    low_edge = min(across[node] - sizes[node].across / 2 for node in across)
    high_edge = max(across[node] + sizes[node].across / 2 for node in across)
    points = {node: (along[node], across[node] - low_edge) for node in across}
    routes = []
    for edge, (low, _), between in zip(edges, forward, bends, strict=True):
        # Straight through a rank, so that the turns lie in the gaps, where nothing else is.
        ends = {(points[b][0] + side * half[b], points[b][1]) for b in between for side in (-1, 1)}
        routes.append(sorted(ends, reverse=low != edge.source))
    return Layout(
        {name: points[name] for name in nodes},
        routes,
        [points[middle] for middle in middles],
        Size(position - GAP_ALONG, high_edge - low_edge),
    )
