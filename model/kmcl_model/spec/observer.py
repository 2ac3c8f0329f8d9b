"""Rules, and the automaton that a set of rules makes.

The specification is a conjunction of small *observers*, one for each thing a page speaks of:
an endpoint, an outgoing packet, an incoming packet, the flow of one direction, the
configuration of a channel. Each sees the events that concern its thing and knows nothing else.
A trace conforms if every observer can explain its share of it.

An observer is nondeterministic, because the pages leave choices open and because a library
takes steps that nobody sees. It is given by

* ``Rule``: an event is allowed where all *needs* of one of its rules hold. A need names
  the requirements it stands for, so one declaration serves three ends: it judges, it says what a
  refused event has broken, and it counts as a witness of those requirements where it held.
* ``Hidden``: a step the implementation may take unseen.
* ``Due``: what must not be outstanding any more when the implementation falls silent.
* ``Silence``: requirements that silence itself is a witness of.

``Automaton`` turns the rules into a deterministic one while it runs (subset construction): a
*node* is the set of states that explain the events so far; an *edge* is computed once and
then looked up. States are immutable and hashable; a refused event changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar, cast

from kmcl_model.events import Event

__all__ = [
    "Automaton",
    "Broken",
    "Condition",
    "Due",
    "Edge",
    "Hidden",
    "Move",
    "Need",
    "Node",
    "Quiet",
    "Rule",
    "Rules",
    "Shadow",
    "Silence",
    "State",
    "need",
    "never",
    "trigger",
    "witness",
]


class State(Protocol):
    """What every observer's state has: the readings it has assumed and not yet shown."""

    @property
    def assumed(self) -> tuple[str, ...]: ...

    def _replace(self, **changes: Any) -> Any: ...

    def __hash__(self) -> int: ...


S = TypeVar("S", bound=State)


class Shadow(NamedTuple):
    """A derived event: what an observer learns of another thing's state.

    ``about`` is an endpoint, ``states`` what it may be in: all possibilities, in fixed order.
    """

    kind: str
    about: str
    states: tuple[Hashable, ...]


class Quiet(NamedTuple):
    """Quiescence as one observer sees it, with the facts of others that excuse silence."""

    kind: str
    facts: tuple[Hashable, ...]


class Move(NamedTuple):
    """A transition of a chart: ``region`` goes from ``source`` to ``target``."""

    region: str
    source: str
    target: str


Condition: TypeAlias = Callable[[Any, Any], bool]
"""Of a state and an event."""


class Need(NamedTuple):
    """A condition of a rule, in words, and the requirements a failing one breaks.

    ``tests`` tells whether it could have failed here: only then is an event that meets it a witness
    of the requirements. None: always. ``shared``: a condition that holds where this need and those
    beside it with the same one all do.
    """

    words: str
    requirements: tuple[str, ...]
    holds: Condition
    tests: Condition | None = None
    shared: Condition | None = None


def never(_state: Any, _event: Any) -> bool:
    """For needs that an event cannot be a witness of: silence shows that they are met."""
    return False


def need(
    words: str,
    requirements: str,
    holds: Condition,
    tests: Condition | None = None,
) -> Need:
    """``requirements``: ids separated by blanks."""
    return Need(words, tuple(requirements.split()), holds, tests)


def witness(requirements: str, tests: Condition) -> Need:
    """The allowed event shows the requirements where ``tests`` holds; it is not refused else."""
    return Need("", tuple(requirements.split()), lambda _state, _event: True, tests)


class Rule(NamedTuple):
    """An event is allowed if all ``needs`` hold; ``then`` gives the state or states after it.

    ``on`` is what ``trigger`` makes of the event. ``when`` tells whether the rule speaks of this
    situation at all: where it does not, the rule neither allows nor explains a refusal.
    ``shows`` are requirements that the allowed event is a witness of by itself. ``moves`` are
    the transitions of the chart that the rule can take.
    """

    id: str
    on: tuple[str, str]
    needs: tuple[Need, ...]
    then: Callable[[Any, Any], Any]
    when: Condition | None = None
    shows: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()

    def conditions(self) -> tuple[Condition, ...]:
        """What must hold for the event to be allowed, each once: that the rule speaks of this
        situation, and all its needs."""
        when = () if self.when is None else (self.when,)
        return tuple(dict.fromkeys((*when, *(n.shared or n.holds for n in self.needs))))


class Hidden(NamedTuple):
    """A step nobody sees. ``then`` gives the states it can lead to, none where impossible."""

    id: str
    then: Callable[[Any], Iterable[Any]]
    moves: tuple[Move, ...] = ()


class Due(NamedTuple):
    """Silence is refused while ``when`` holds, since ``what`` is still to come.

    ``on`` is the trigger of the event that pays it; None where a state is simply impossible.
    """

    id: str
    what: str
    requirements: tuple[str, ...]
    when: Callable[[Any, Quiet], bool]
    on: tuple[str, str] | None = None


class Silence(NamedTuple):
    """Silence while ``when`` holds shows that the requirements are kept."""

    id: str
    requirements: tuple[str, ...]
    when: Callable[[Any, Quiet], bool]


class Rules(NamedTuple):
    """Everything an observer goes by.

    ``settle`` is the state after an accepted silence. ``regions`` project a state on the
    chart: region name to a function giving the chart state. ``summary`` is what other observers
    are told of a state, None if nothing. ``idle``: silence need not be looked at in this state.
    """

    name: str
    rules: tuple[Rule, ...]
    hidden: tuple[Hidden, ...] = ()
    dues: tuple[Due, ...] = ()
    silences: tuple[Silence, ...] = ()
    settle: Callable[[Any, Quiet], Any] = lambda state, _quiet: state
    regions: tuple[tuple[str, Callable[[Any], str]], ...] = ()
    summary: Callable[[Any], Hashable] = lambda _state: None
    idle: Callable[[Any], bool] = lambda _state: False


class Broken(NamedTuple):
    """Why an event or a silence was refused: the rule, the words of what failed, its ids."""

    rule: str
    words: str
    requirements: tuple[str, ...]


class Node:
    """A set of states that explain the events so far; ``edges`` are filled as they are met."""

    __slots__ = ("edges", "idle", "notes", "states", "summary")

    def __init__(
        self, states: frozenset[Any], summary: tuple[Hashable, ...], idle: bool = False
    ) -> None:
        self.states = states
        self.summary = summary
        self.idle = idle
        """Silence says nothing about any of the states."""
        self.edges: dict[Hashable, Edge] = {}
        self.notes: dict[str, Any] = {}
        """Room for what others compute from the states once, by name."""


class Edge:
    """What an event does to a node: the next one, or None with what it has ``broken``.

    ``hits`` counts how often it was taken; requirements, readings and moves shown are read
    off the edges after a run, which keeps the hot path to one look-up. ``noted`` is what
    ``hits`` was when somebody last asked what is new.
    """

    __slots__ = ("broken", "hits", "moves", "noted", "readings", "requirements", "target")

    def __init__(
        self,
        target: Node | None,
        requirements: frozenset[str] = frozenset(),
        readings: tuple[str, ...] = (),
        moves: tuple[tuple[str, Move], ...] = (),
        broken: tuple[Broken, ...] = (),
    ) -> None:
        self.target = target
        self.requirements = requirements
        self.readings = readings
        self.moves = moves
        self.broken = broken
        self.hits = self.noted = 0


def trigger(event: Event | Shadow | Quiet) -> tuple[str, str]:
    """What a rule is looked up by: the kind, and the function or callback where there is one."""
    parts = cast("tuple[str, ...]", event)
    if parts[0] in ("call", "return", "enter", "exit"):
        return parts[0], parts[3]
    if parts[0] in ("environment", "message"):
        return parts[0], parts[2]
    return parts[0], ""


class Automaton(Generic[S]):
    """The deterministic automaton of some rules, built as far as it is walked."""

    def __init__(self, rules: Rules, initial: S) -> None:
        self.rules = rules
        self._by_trigger: dict[tuple[str, str], list[Rule]] = {}
        self._shown: dict[str, frozenset[str]] = {}
        self._tested: dict[str, tuple[Need, ...]] = {}
        self._conditions: dict[str, tuple[Condition, ...]] = {}
        for rule in rules.rules:
            self._by_trigger.setdefault(rule.on, []).append(rule)
            self._conditions[rule.id] = rule.conditions()
            needed = (id for n in rule.needs if n.tests is None for id in n.requirements)
            self._shown[rule.id] = frozenset((*rule.shows, *needed))
            self._tested[rule.id] = tuple(n for n in rule.needs if n.tests not in (None, never))
        self._dues: dict[tuple[str, str], list[Due]] = {}
        for due in rules.dues:
            if due.on is not None:
                self._dues.setdefault(due.on, []).append(due)
        self._unseen: dict[S, tuple[tuple[S, ...], frozenset[tuple[str, Move]]]] = {}
        """Of each state met, where one hidden step leads, and the chart moves it takes."""
        self._told: dict[S, Hashable] = {}
        """Of each state met, its summary; equal ones are one object."""
        self._same: dict[Hashable, Hashable] = {}
        self.nodes: dict[frozenset[S], Node] = {}
        self.fresh: list[Edge] = []
        """Edges computed since someone last emptied this list."""
        self.initial, _ = self._node(self._closure({initial: frozenset()})[0])

    def step(self, node: Node, event: Event | Shadow | Quiet) -> Edge:
        """Compute the edge for an event that the node has not met yet, and keep it."""
        edge = self._silence(node, event) if isinstance(event, Quiet) else self._event(node, event)
        node.edges[event] = edge
        self.fresh.append(edge)
        return edge

    def edges(self) -> Iterator[Edge]:
        """Every edge known so far, with how often it was taken."""
        for node in self.nodes.values():
            yield from node.edges.values()

    def _event(self, node: Node, event: Event | Shadow) -> Edge:
        found: dict[S, frozenset[tuple[str, Move]]] = {}
        fired: set[str] = set()
        shown: set[str] = set()
        on = trigger(event)
        rules = self._by_trigger.get(on, ())
        for state in node.states:
            for rule in rules:
                for holds in self._conditions[rule.id]:  # most of the time goes into this
                    if not holds(state, event):
                        break
                else:
                    fired.add(rule.id)
                    self._explain(rule, state, event, found, shown)
        if not found:
            return Edge(None, broken=_closest(_refusals(node, rules, event), on))
        for rule_id in fired:
            shown |= self._shown[rule_id]
        for due in self._dues.get(on, ()):
            nothing = Quiet("quiescence", ())
            if all(due.when(state, nothing) for state in node.states):
                shown.update(due.requirements)
        return self._edge(found, shown)

    def _explain(
        self,
        rule: Rule,
        state: S,
        event: Event | Shadow,
        found: dict[S, frozenset[tuple[str, Move]]],
        shown: set[str],
    ) -> None:
        """Add where a rule leads that allows the event, and what that shows."""
        for n in self._tested[rule.id]:
            if n.tests is not None and n.tests(state, event):
                shown.update(n.requirements)
        after = rule.then(state, event)
        for target in after if isinstance(after, list) else (after,):
            moves = self._moves(rule.id, rule.moves, state, target)
            before = found.get(target)
            found[target] = moves if before is None else before | moves

    def _silence(self, node: Node, quiet: Quiet) -> Edge:
        found: dict[S, frozenset[tuple[str, Move]]] = {}
        shown: set[str] = set()
        overdue: list[list[Due]] = []
        for state in node.states:
            late = [due for due in self.rules.dues if due.when(state, quiet)]
            if late:
                overdue.append(late)
                continue
            for silence in self.rules.silences:
                if silence.when(state, quiet):
                    shown.update(silence.requirements)
            found[self.rules.settle(state, quiet)] = frozenset()
        if not found:
            fewest = min(overdue, key=lambda late: (len(late), [due.id for due in late]))
            return Edge(
                None,
                broken=tuple(Broken(d.id, f"{d.what} is missing", d.requirements) for d in fewest),
            )
        return self._edge(found, shown)

    def _edge(self, found: dict[S, frozenset[tuple[str, Move]]], shown: set[str]) -> Edge:
        states, moves = self._closure(found)
        target, readings = self._node(states)
        return Edge(target, frozenset(shown), readings, tuple(sorted(moves)))

    def _closure(
        self, found: dict[S, frozenset[tuple[str, Move]]]
    ) -> tuple[set[S], set[tuple[str, Move]]]:
        """All states that hidden steps lead to, and the chart moves that explanations take."""
        moves: set[tuple[str, Move]] = set()
        for taken in found.values():
            moves |= taken
        states = set(found)
        if not self.rules.hidden:
            return states, moves
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            after = self._unseen.get(state)
            if after is None:
                after = self._unseen[state] = self._hidden_steps(state)
            targets, taken = after
            moves |= taken
            for target in targets:
                if target not in states:
                    states.add(target)
                    waiting.append(target)
        return states, moves

    def _hidden_steps(self, state: S) -> tuple[tuple[S, ...], frozenset[tuple[str, Move]]]:
        targets: list[S] = []
        moves: set[tuple[str, Move]] = set()
        for step in self.rules.hidden:
            for target in step.then(state):
                moves |= self._moves(step.id, step.moves, state, target)
                targets.append(target)
        return (tuple(targets), frozenset(moves)) if targets else _NOWHERE

    def _node(self, states: set[S]) -> tuple[Node, tuple[str, ...]]:
        """The node of a set of states, and the readings on which all of them agree."""
        common: set[str] = set()
        if all(state.assumed for state in states):
            common = set.intersection(*(set(state.assumed) for state in states))
        if common:
            states = {
                state._replace(assumed=tuple(a for a in state.assumed if a not in common))
                for state in states
            }
        key = frozenset(states)
        node = self.nodes.get(key)
        if node is None:
            told = {self._summary(s) for s in key}
            summary = tuple(sorted(told, key=repr) if len(told) > 1 else told)
            idle = all(self.rules.idle(s) for s in key)
            node = self.nodes[key] = Node(key, summary, idle)
        return node, tuple(sorted(common))

    def _summary(self, state: S) -> Hashable:
        told = self._told.get(state)
        if told is None:
            told = self.rules.summary(state)
            told = self._told[state] = self._same.setdefault(told, told)
        return told

    def _moves(
        self, rule: str, declared: tuple[Move, ...], before: S, after: S
    ) -> frozenset[tuple[str, Move]]:
        if not declared:
            return _NO_MOVES
        taken = set()
        for region, project in self.rules.regions:
            move = Move(region, project(before), project(after))
            if move in declared:
                taken.add((rule, move))
        return frozenset(taken)


_NO_MOVES: frozenset[tuple[str, Move]] = frozenset()
_NOWHERE: tuple[tuple[()], frozenset[tuple[str, Move]]] = ((), _NO_MOVES)


def _refusals(
    node: Node, rules: Iterable[Rule], event: Event | Shadow
) -> list[tuple[Rule, list[Need]]]:
    """Which needs of which rules fail, in any state that may be the true one."""
    return [
        (rule, [n for n in rule.needs if not n.holds(state, event)])
        for state in node.states
        for rule in rules
        if rule.when is None or rule.when(state, event)
    ]


def _closest(refused: list[tuple[Rule, list[Need]]], on: tuple[str, str]) -> tuple[Broken, ...]:
    """The refusals that lacked least: of each rule the first need that failed.

    A rule's needs stand in the order in which one makes sense only if those before it hold.
    """
    if not refused:
        return (Broken("-", f"no rule speaks of {' '.join(on).strip()} here", ()),)
    fewest = min(len(failing) for _, failing in refused)
    found = {
        Broken(rule.id, failing[0].words, failing[0].requirements): None
        for rule, failing in refused
        if len(failing) == fewest
    }
    return tuple(sorted(found))
