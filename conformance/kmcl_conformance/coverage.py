"""What a run went through: read off the edges of the automata it has built."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from typing import Any, Final, NamedTuple

from kmcl_model.api import CALLBACKS
from kmcl_model.events import Call
from kmcl_model.spec import Automata, Move
from kmcl_model.spec.charts import CHARTS, Chart, Transition, chart_moves, pairs_of
from kmcl_model.spec.specification import ENDPOINTS

from .track import Pair

__all__ = ["Hits", "Seen", "Witnesses", "chart_coverage", "reaction_of", "seen"]

_CALLBACK_OF: Final = {
    name.removeprefix("EvtVmbChannel").removeprefix("EvtVmbPacket").removeprefix("EvtChannel"): name
    for name in CALLBACKS
}


def reaction_of(call: Call) -> str:
    """The name of a call that a callback has made; empty for any other."""
    callback = None if call.by[0] == "t" else _CALLBACK_OF.get(call.by.split(".")[0])
    return f"{call.endpoint}: {call.function} in {callback}" if callback else ""


class Seen(NamedTuple):
    """``requirements``: witnesses by id. ``readings``: how often each was shown. ``moves``: how
    often each chart transition was taken, by chart name."""

    requirements: Counter[str]
    readings: Counter[str]
    moves: Counter[tuple[str, str, Move]]


def seen(specification: Automata) -> Seen:
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


class Witnesses:
    """A sequence that showed each requirement and each reading, with its length.

    It is the shortest of the directed sequences that do. Walks are all of a length: of what
    none but they show, the first one is kept.
    """

    def __init__(self, specification: Automata) -> None:
        self._specification = specification
        self.requirements: dict[str, tuple[str, int]] = {}
        self.readings: dict[str, tuple[str, int]] = {}

    def update(self, name: str, steps: int, *, directed: bool = False) -> None:
        """A sequence has ended: look at what it has met, of a walk only what nothing met before."""
        for _, automaton in self._specification.automata():
            for edge in automaton.edges() if directed else automaton.fresh:
                if edge.target is None or edge.hits == edge.noted:
                    continue
                edge.noted = edge.hits
                for known, ids in (
                    (self.requirements, edge.requirements),
                    (self.readings, edge.readings),
                ):
                    for id in ids:
                        if id not in known or (directed and steps < known[id][1]):
                            known[id] = (name, steps)
            automaton.fresh.clear()

    def exercised(self, known: Container[str]) -> int:
        """How many of the known requirements have a witness; rules cite interpretations as well."""
        return sum(id in known for id in self.requirements)

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return {"requirements": self.requirements, "readings": self.readings}

    def load(self, data: dict[str, Any]) -> None:
        """From what ``dump`` gave."""
        for known, name in ((self.requirements, "requirements"), (self.readings, "readings")):
            known.update({key: (str(n), int(k)) for key, (n, k) in data[name].items()})


class Hits(NamedTuple):
    """Of all names, those that were hit."""

    hit: frozenset[str]
    all: frozenset[str]


def chart_coverage(
    taken: set[tuple[str, str, Move]],
    pairs: set[Pair],
    ends: tuple[str, ...] = ENDPOINTS,
    charts: tuple[Chart, ...] = CHARTS,
) -> dict[str, Hits]:
    """States, transitions and transition pairs of the charts of the ends that were observed: those
    hit, and all there are; of one end alone, all that it can show.

    A transition is hit when an explanation of the trace takes it; a hidden one (a packet going from
    the queue into the ring) cannot be seen otherwise.
    """
    alone = len(ends) < len(ENDPOINTS)
    states: tuple[set[str], set[str]] = (set(), set())
    transitions: tuple[set[str], set[str]] = (set(), set())
    doubles: tuple[set[str], set[str]] = (set(), set())
    for chart in charts:
        if chart.name.split()[0] not in ends:
            continue
        for rule, move in chart_moves(chart, alone=alone):
            both = {f"{chart.name}: {move.region} {s}" for s in (move.source, move.target)}
            name = _name(chart, (rule, move))
            transitions[1].add(name)
            states[1].update(both)
            if (chart.name, rule, move) in taken:
                transitions[0].add(name)
                states[0].update(both)
        for first, second in pairs_of(chart, alone=alone):
            name = f"{_name(chart, first)}, then {second[1].target} by {second[0]}"
            doubles[1].add(name)
            if (chart.name, first, second) in pairs:
                doubles[0].add(name)
    return {
        kind: Hits(frozenset(hit), frozenset(every))
        for kind, (hit, every) in (
            ("states", states),
            ("transitions", transitions),
            ("transition_pairs", doubles),
        )
    }


def _name(chart: Chart, transition: Transition) -> str:
    rule, move = transition
    return f"{chart.name}: {move.source} -> {move.target} by {rule}"
