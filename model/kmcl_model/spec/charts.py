"""The charts: what a person draws of the rules, and what python-statemachine runs of them.

Nothing is written down twice: states and transitions are the *moves* that the rules declare. A
chart is drawn for each end, because a server offers and is closed where a client opens and is
disabled; the packet charts hold for both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from statemachine import StateChart
from statemachine.io import create_machine_class_from_definition

from kmcl_model.api import PROCESS_PACKET

from .endpoint import ENDPOINT
from .incoming import INCOMING
from .observer import Hidden, Move, Rule, Rules
from .packet import PACKET

__all__ = [
    "CHARTS",
    "Chart",
    "Guide",
    "Transition",
    "build",
    "chart_moves",
    "event_name",
    "pairs_of",
]

Transition = tuple[str, Move]

_NOT_OF_THE_SERVER = {
    ("EP-closed-exit", Move("connection", "closing", "disabled")),
    ("EP-opened-exit", Move("connection", "opening", "disabled")),
}
_NOT_OF_THE_CLIENT = {
    ("EP-closed-exit", Move("connection", "closing", "enabled")),
    ("EP-opened-exit", Move("connection", "opening", "enabled")),
}


class Chart(NamedTuple):
    """A chart: the rules it is derived from, the regions, their initial states."""

    name: str
    title: str
    rules: Rules
    regions: tuple[tuple[str, str], ...]
    without: frozenset[Transition] = frozenset()


_RECEIVED = (("incoming", "completed"),)

CHARTS: tuple[Chart, ...] = (
    Chart(
        "client endpoint",
        "Client endpoint",
        ENDPOINT,
        (("connection", "disabled"), ("activity", "paused")),
        frozenset(_NOT_OF_THE_CLIENT),
    ),
    Chart(
        "server endpoint",
        "Server endpoint",
        ENDPOINT,
        (("connection", "disabled"), ("activity", "paused")),
        frozenset(_NOT_OF_THE_SERVER),
    ),
    Chart("client packet", "Outgoing packet of the client", PACKET, (("packet", "freed"),)),
    Chart("server packet", "Outgoing packet of the server", PACKET, (("packet", "freed"),)),
    Chart(
        "client incoming", "Incoming packet of the client", INCOMING, (("incoming", "completed"),)
    ),
    Chart(
        "server incoming", "Incoming packet of the server", INCOMING, (("incoming", "completed"),)
    ),
)
"""Every chart, by the name of its end and its thing."""


_AT_THE_RECEIVER = {
    ("enter", PROCESS_PACKET),
    ("call", "VmbChannelPacketComplete"),
    ("call", "VmbChannelPacketFail"),
}
"""What happens to an outgoing packet at the other end."""


def chart_moves(chart: Chart, *, alone: bool = False) -> list[Transition]:
    """The transitions of a chart, with the rule each belongs to, in the order of the rules.

    ``alone``: only those that can be seen where the other end is not observed.
    """
    rules: list[Rule | Hidden] = [*chart.rules.rules, *chart.rules.hidden]
    unseen = _AT_THE_RECEIVER if alone and chart.rules is PACKET else set()
    return [
        (rule.id, move)
        for rule in rules
        for move in rule.moves
        if (rule.id, move) not in chart.without
        and not (isinstance(rule, Rule) and rule.on in unseen)
    ]


def pairs_of(chart: Chart, *, alone: bool = False) -> list[tuple[Transition, Transition]]:
    """The transitions that can follow each other in one region; ``alone``: see ``chart_moves``."""
    moves = chart_moves(chart, alone=alone)
    return [
        (first, second)
        for first in moves
        for second in moves
        if first[1].region == second[1].region
        and first[1].target == second[1].source
        and not _changes_kind(first, second)
    ]


def _changes_kind(first: Transition, second: Transition) -> bool:
    """An allocated packet stays one, an initialized one too; only the former has the default
    routine that frees it."""
    kinds = {"allocated", "initialized"}
    before, after = first[1].source, second[1].target
    if first[1].target != "queued" or before not in kinds:
        return False
    return (after in kinds and after != before) or (before == "initialized" and after == "freed")


def event_name(rule: Rule | Hidden) -> str:
    """The name of a rule's event as an identifier: ``call_VmbChannelEnable``."""
    if isinstance(rule, Hidden):
        return f"hidden_{rule.id}".replace("-", "_")
    kind, name = rule.on
    return f"{kind}_{name}"


def _identifier(state: str) -> str:
    return state.replace(" ", "_")


def _leads_to(region: str, target: str) -> Callable[..., bool]:
    def leads_there(model: Guide) -> bool:
        return model.target.get(region) == target

    return leads_there


class Guide:
    """The model of a chart's instance: where an event can lead to several states of a region, or
    is accepted by a region only sometimes, ``target`` says to which state it leads."""

    def __init__(self) -> None:
        self.target: dict[str, str] = {}
        self.state: Any = None


def _region(chart: Chart, region: str, initial: str) -> dict[str, Any]:
    states: dict[str, Any] = {}
    listed: list[Rule | Hidden] = [*chart.rules.rules, *chart.rules.hidden]
    rules = {rule.id: rule for rule in listed}
    for rule_id, move in chart_moves(chart):
        if move.region != region:
            continue
        for name in (move.source, move.target):
            states.setdefault(_identifier(name), {"on": {}, "initial": name == initial})
        on = states[_identifier(move.source)]["on"].setdefault(event_name(rules[rule_id]), [])
        on.append(
            {
                "target": _identifier(move.target),
                "cond": _leads_to(region, move.target),
            }
        )
    return states


def build(chart: Chart) -> type[StateChart[Any]]:
    """The chart as a class of python-statemachine.

    Its instances take a ``Guide`` as their model. Events that no transition accepts are refused
    and errors are raised, as a specification needs it.
    """
    if len(chart.regions) == 1:
        states = _region(chart, *chart.regions[0])
    else:
        states = {
            "endpoint": {
                "parallel": True,
                "initial": True,
                "states": {
                    region: {
                        "initial": False,
                        "states": _region(chart, region, initial),
                    }
                    for region, initial in chart.regions
                },
            }
        }
    name = "".join(word.capitalize() for word in chart.name.split()) + "Chart"
    return create_machine_class_from_definition(
        name,
        states=states,
        allow_event_without_transition=False,
        catch_errors_as_events=False,
    )
