"""The engine that makes an automaton of rules, on a made-up thing small enough to see through.

A lamp has a button (call ``Press``) and may glow (enter ``Glow``). Pressing turns it on, or, if it
is broken, does nothing: nobody sees which. A lamp that is on must glow; a broken one must not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from kmcl_model.events import Call, Enter, Environment, Return
from kmcl_model.spec.observer import (
    Automaton,
    Broken,
    Due,
    Hidden,
    Move,
    Quiet,
    Rule,
    Rules,
    Shadow,
    Silence,
    need,
    trigger,
)

PRESS = Call("call", "client", "t0", "Press", ())
GLOW = Enter("enter", "client", "Glow", "Glow", (7,), 0)
DIM = Enter("enter", "client", "Glow", "Glow", (1,), 0)
QUIET = Quiet("quiescence", ())
DARK = Quiet("quiescence", ("dark",))


class Lamp(NamedTuple):
    state: str = "off"
    glows: int = 0
    assumed: tuple[str, ...] = ()


def press(lamp: Lamp, _event: Any) -> list[Lamp]:
    return [
        lamp._replace(state="on", assumed=("L1:R1",)),
        lamp._replace(state="broken", assumed=("L1:R2",)),
    ]


def wear(lamp: Lamp) -> list[Lamp]:
    return [lamp._replace(state="worn")] if lamp.state == "on" and lamp.glows >= 2 else []


LAMP = Rules(
    name="lamp",
    rules=(
        Rule(
            "L-press",
            ("call", "Press"),
            (),
            press,
            when=lambda s, e: s.state == "off",
            shows=("R-press",),
            moves=(Move("light", "off", "on"), Move("light", "off", "broken")),
        ),
        Rule(
            "L-glow",
            ("enter", "Glow"),
            (
                need("a lamp glows when it is on", "R-on R-power", lambda s, e: s.state == "on"),
                need("a lamp glows brightly", "R-bright", lambda s, e: e.arguments[0] > 5),
            ),
            lambda s, e: s._replace(glows=s.glows + 1),
            when=lambda s, e: s.state != "worn",
        ),
        Rule(
            "L-worn",
            ("enter", "Glow"),
            (need("a worn lamp is dim", "R-worn", lambda s, e: e.arguments[0] <= 5),),
            lambda s, e: s,
            when=lambda s, e: s.state == "worn",
            moves=(Move("light", "worn", "worn"),),
        ),
        Rule("L-phase", ("phase", ""), (), lambda s, e: s._replace(state=e.states[0])),
    ),
    hidden=(Hidden("L-wear", wear),),
    dues=(
        Due(
            "L-due",
            "the glow",
            ("R-due",),
            lambda s, q: s.state == "on" and not s.glows and "dark" not in q.facts,
            ("enter", "Glow"),
        ),
    ),
    silences=(Silence("L-dead", ("R-dead",), lambda s, q: s.state == "broken"),),
    settle=lambda s, q: s._replace(state="off") if s.state == "worn" else s,
    regions=(("light", lambda s: s.state),),
    summary=lambda s: s.glows,
)


@pytest.fixture
def lamp() -> Automaton[Any]:
    return Automaton(LAMP, Lamp())


def states(node: Any) -> set[str]:
    return {state.state for state in node.states}


def test_an_open_choice_keeps_every_explanation(lamp: Automaton[Any]) -> None:
    edge = lamp.step(lamp.initial, PRESS)
    assert edge.target is not None
    assert states(edge.target) == {"on", "broken"}
    assert edge.requirements == {"R-press"}
    assert edge.readings == ()
    assert edge.broken == ()


def test_what_follows_tells_the_explanations_apart(lamp: Automaton[Any]) -> None:
    pressed = lamp.step(lamp.initial, PRESS).target
    assert pressed is not None
    edge = lamp.step(pressed, GLOW)
    assert edge.target is not None
    assert states(edge.target) == {"on"}
    assert edge.readings == ("L1:R1",)
    assert {"R-on", "R-power", "R-bright"} <= edge.requirements


def test_a_reading_is_told_once(lamp: Automaton[Any]) -> None:
    pressed = lamp.step(lamp.initial, PRESS).target
    assert pressed is not None
    glowing = lamp.step(pressed, GLOW).target
    assert glowing is not None
    assert all(state.assumed == () for state in glowing.states)
    assert lamp.step(glowing, GLOW).readings == ()


def test_a_due_event_is_a_witness_where_every_explanation_owes_it(lamp: Automaton[Any]) -> None:
    pressed = lamp.step(lamp.initial, PRESS).target
    assert pressed is not None
    assert "R-due" not in lamp.step(pressed, GLOW).requirements
    on = lamp.step(lamp.initial, Shadow("phase", "client", ("on",))).target
    assert on is not None
    assert "R-due" in lamp.step(on, GLOW).requirements


def test_silence_decides_too(lamp: Automaton[Any]) -> None:
    pressed = lamp.step(lamp.initial, PRESS).target
    assert pressed is not None
    edge = lamp.step(pressed, QUIET)
    assert edge.target is not None
    assert states(edge.target) == {"broken"}
    assert edge.readings == ("L1:R2",)
    assert edge.requirements == {"R-dead"}


def test_silence_is_refused_while_something_is_due(lamp: Automaton[Any]) -> None:
    on = lamp.step(lamp.initial, Shadow("phase", "client", ("on",))).target
    assert on is not None
    edge = lamp.step(on, QUIET)
    assert edge.target is None
    assert edge.broken == (Broken("L-due", "the glow is missing", ("R-due",)),)


def test_facts_of_others_excuse_silence(lamp: Automaton[Any]) -> None:
    on = lamp.step(lamp.initial, Shadow("phase", "client", ("on",))).target
    assert on is not None
    assert lamp.step(on, DARK).target is on


def test_a_refused_event_says_what_failed_and_changes_nothing(lamp: Automaton[Any]) -> None:
    before = dict(lamp.nodes)
    edge = lamp.step(lamp.initial, GLOW)
    assert edge.target is None
    assert edge.broken == (Broken("L-glow", "a lamp glows when it is on", ("R-on", "R-power")),)
    assert edge.requirements == frozenset()
    assert lamp.nodes == before
    assert lamp.initial.states == {Lamp()}


def test_the_nearest_refusal_is_told(lamp: Automaton[Any]) -> None:
    """Off and dim breaks two needs; on and dim breaks one: being on explains more."""
    pressed = lamp.step(lamp.initial, PRESS).target
    assert pressed is not None
    edge = lamp.step(pressed, DIM)
    assert edge.target is None
    assert edge.broken == (Broken("L-glow", "a lamp glows brightly", ("R-bright",)),)


def test_an_event_that_no_rule_speaks_of_is_refused(lamp: Automaton[Any]) -> None:
    edge = lamp.step(lamp.initial, Return("return", "client", "t0", "Press", 0, ()))
    assert edge.target is None
    assert edge.broken[0].requirements == ()
    assert "return Press" in edge.broken[0].words


def test_a_hidden_step_is_taken_unseen(lamp: Automaton[Any]) -> None:
    node = lamp.step(lamp.initial, Shadow("phase", "client", ("on",))).target
    for _ in range(2):
        assert node is not None
        node = lamp.step(node, GLOW).target
    assert node is not None
    assert states(node) == {"on", "worn"}
    bright, dim = lamp.step(node, GLOW).target, lamp.step(node, DIM).target
    assert bright is not None
    assert dim is not None
    assert states(dim) == {"worn"}
    assert {state.glows for state in bright.states} == {3}


def test_silence_settles(lamp: Automaton[Any]) -> None:
    worn = lamp.step(lamp.initial, Shadow("phase", "client", ("worn",))).target
    assert worn is not None
    off = lamp.step(worn, QUIET).target
    assert off is not None
    assert states(off) == {"off"}


def test_a_move_counts_where_an_explanation_takes_it(lamp: Automaton[Any]) -> None:
    assert lamp.step(lamp.initial, PRESS).moves == (
        ("L-press", Move("light", "off", "broken")),
        ("L-press", Move("light", "off", "on")),
    )
    on = lamp.step(lamp.initial, Shadow("phase", "client", ("on",))).target
    assert on is not None
    assert lamp.step(on, GLOW).moves == ()


def test_equal_situations_are_one_node(lamp: Automaton[Any]) -> None:
    first = lamp.step(lamp.initial, Shadow("phase", "client", ("on",))).target
    second = lamp.step(lamp.initial, Shadow("phase", "server", ("on",))).target
    assert first is second


def test_an_edge_is_kept(lamp: Automaton[Any]) -> None:
    edge = lamp.step(lamp.initial, PRESS)
    assert lamp.initial.edges[PRESS] is edge
    assert list(lamp.edges()) == [edge]


def test_a_summary_lists_every_possibility_once(lamp: Automaton[Any]) -> None:
    pressed = lamp.step(lamp.initial, PRESS).target
    assert pressed is not None
    assert pressed.summary == (0,)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (PRESS, ("call", "Press")),
        (GLOW, ("enter", "Glow")),
        (Environment("environment", "client", "crash"), ("environment", "crash")),
        (Shadow("phase", "client", ()), ("phase", "")),
        (QUIET, ("quiescence", "")),
    ],
)
def test_triggers(event: Any, expected: tuple[str, str]) -> None:
    assert trigger(event) == expected
