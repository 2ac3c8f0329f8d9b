"""Where an observer has got to, and what one observer tells another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Self, TypeAlias

from kmcl_model.events import Event
from kmcl_model.spec import Automaton, Broken, Edge, Move, Node, Shadow

from .failure import Failure, describe_state

__all__ = ["Follower", "Pair", "RefusedError", "Track", "shadow_of"]


Pair: TypeAlias = tuple[str, tuple[str, Move], tuple[str, Move]]
"""Two transitions of a chart, one after the other."""


class Track:
    """Where one observer has got to; ``last`` has its last transitions in each chart region."""

    __slots__ = ("automaton", "chart", "last", "name", "node")

    def __init__(self, name: str, automaton: Automaton[Any]) -> None:
        self.name = name
        self.chart = " ".join(name.split()[:2])
        self.automaton = automaton
        self.node: Node = automaton.initial
        self.last: dict[str, list[tuple[str, Move]]] = {}


class RefusedError(Exception):
    """An observer has no explanation left."""

    def __init__(self, track: Track, edge: Edge) -> None:
        self.track = track
        self.edge = edge


def shadow_of(kind: str, name: str, node: Node) -> Shadow:
    """What a node of ``name`` tells others, kept with the node."""
    shadow: Shadow | None = node.notes.get(kind)
    if shadow is None:
        shadow = node.notes[kind] = Shadow(kind, name, node.summary)
    return shadow


class Follower:
    """What every judge does: it hands events to tracks, and tells what a refusal means.

    ``pairs`` takes the pairs of transitions that were seen; ``faults`` counts what the test did
    wrong on purpose; ``events`` those that were accepted.
    """

    def __init__(self, ends: tuple[str, ...], pairs: set[Pair] | None) -> None:
        self.ends = ends
        self.pairs = pairs if pairs is not None else set()
        self.events = 0
        self.failure: Failure | None = None
        self.faults: Counter[str] = Counter()
        self.calls: dict[tuple[str, str], Any] = {}
        """The calls that are going on, by end and caller."""
        self.handlers: dict[tuple[str, str], Any] = {}
        """The handlers that are going on, by end and activation."""

    def feed(self, event: Event) -> Failure | None:
        """Judge one event: None, or the failure, after which the judge is spent."""
        raise NotImplementedError

    def follow(self, events: Iterable[Event]) -> Self:
        """Judge events up to the first that is refused; gives the judge itself."""
        for event in events:
            if self.feed(event) is not None:
                break
        return self

    def feed_silence(self, event: Event) -> Failure | None:
        """Judge a quiescence. If it is refused, the judge is as it was before, so that the
        implementation can be given more time."""
        if self.failure is not None:
            return self.failure
        failure = self.fork().feed(event)
        return self.feed(event) if failure is None else failure

    def fork(self) -> Follower:
        """An independent judge that has seen the same events."""
        raise NotImplementedError

    def _take(self, track: Track, event: Any) -> None:
        node = track.node
        edge = node.edges.get(event)
        if edge is None:
            edge = track.automaton.step(node, event)
        edge.hits += 1
        target = edge.target
        if target is None:
            raise RefusedError(track, edge)
        track.node = target
        if edge.moves:
            self._follow(track, edge)

    def _follow(self, track: Track, edge: Edge) -> None:
        """Note which chart transition came after which."""
        last = track.last
        now: dict[str, list[tuple[str, Move]]] = {}
        for step in edge.moves:
            now.setdefault(step[1].region, []).append(step)
        for region, steps in now.items():
            earlier = [*last.get(region, ()), *steps]
            for before in earlier:
                for step in steps:
                    if before[1].target == step[1].source:
                        self.pairs.add((track.chart, before, step))
            last[region] = steps

    def _lost(self, event: Any, requirements: tuple[str, ...] = ()) -> Failure:
        words = f"the implementation is gone: {event[1]}"
        return self._fail(event, "implementation", words, requirements)

    def _unknown(self, event: Event, what: object, requirements: tuple[str, ...]) -> Failure:
        return self._fail(event, "names", f"nothing is known of {what}", requirements)

    def _fail(
        self, event: Any, observer: str, words: str, requirements: tuple[str, ...]
    ) -> Failure:
        is_lost = observer == "implementation"
        broken = (Broken("lost" if is_lost else "-", words, requirements),)
        state = self._common_state() if is_lost else ()
        self.failure = Failure(self.events, event, observer, broken, state)
        return self.failure

    def _standing(self) -> Iterable[Track]:
        """The observers whose states together tell where an implementation stands."""
        return ()

    def _common_state(self) -> tuple[str, ...]:
        """Where each end stands, in all explanations that are left: no observer refused anything,
        so that none of them alone says how far the implementation came."""
        return tuple(
            f"{track.name}: {' or '.join(sorted(set(map(describe_state, track.node.states))))}"
            for track in self._standing()
        )

    def _refused(self, event: Event, refused: RefusedError) -> Failure:
        states: Iterable[Any] = refused.track.node.states
        self.failure = Failure(
            self.events,
            event,
            refused.track.name,
            refused.edge.broken,
            tuple(sorted(set(map(describe_state, states)))),
        )
        return self.failure
