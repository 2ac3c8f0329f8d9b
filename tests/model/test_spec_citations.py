"""The rules and the catalogue: what the one cites, the other has, and the other way round.

Read from the rules themselves, so a citation that stands in no rule does not count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from kmcl_model.api import CALLBACKS, FUNCTIONS
from kmcl_model.book import book_of, vmbus
from kmcl_model.catalogue import requirements
from kmcl_model.control import MESSAGES, USER_CALLS
from kmcl_model.spec import OBSERVERS, Rules
from kmcl_model.spec.control import CONTROL_OBSERVERS, WITHOUT_CONSEQUENCE
from kmcl_model.spec.observer import Hidden, Rule


def citations(rules: Rules) -> Iterator[tuple[str, str]]:
    """Every id that an observer cites, with the rule it stands in."""
    for rule in rules.rules:
        for id in rule.shows:
            yield rule.id, id
        for need in rule.needs:
            for id in need.requirements:
                yield rule.id, id
    for due in rules.dues:
        for id in due.requirements:
            yield due.id, id
    for silence in rules.silences:
        for id in silence.requirements:
            yield silence.id, id


EVERY = (*OBSERVERS, *CONTROL_OBSERVERS)
MODELLED = {
    id
    for book in (requirements(), vmbus().requirements)
    for id, known in book.items()
    if known.status == "modelled"
}
CITED = {id for rules in EVERY for _, id in citations(rules)}


@pytest.mark.parametrize("rules", EVERY, ids=lambda rules: rules.name)
def test_every_citation_is_in_the_catalogue(rules: Rules) -> None:
    unknown = {
        (rule, id)
        for rule, id in citations(rules)
        if id not in book_of(id).by_fact and id not in book_of(id).interpretations
    }
    assert unknown == set()


@pytest.mark.parametrize("rules", EVERY, ids=lambda rules: rules.name)
def test_only_what_is_modelled_is_cited(rules: Rules) -> None:
    cited = {
        book_of(id).requirement_of(id) for _, id in citations(rules) if id in book_of(id).by_fact
    }
    assert cited
    assert {requirement.id for requirement in cited if requirement.status != "modelled"} == set()


def test_every_modelled_requirement_is_cited() -> None:
    assert len(MODELLED & requirements().keys()) > 150
    assert len(MODELLED & vmbus().requirements.keys()) > 70
    uncited = MODELLED - CITED
    assert uncited == set()


def test_every_modelled_requirement_can_fail() -> None:
    """Something refuses for its sake: what an event or a silence only shows could never fail. What
    the host's faults must not cause is refused whatever comes of them."""
    refusing = {
        id
        for rules in EVERY
        for ids in (
            *(need.requirements for rule in rules.rules for need in rule.needs if need.words),
            *(due.requirements for due in rules.dues),
        )
        for id in ids
    }
    refusing |= {id for _, ids in WITHOUT_CONSEQUENCE for id in ids.split()}
    assert MODELLED - refusing == set()


def named(rules: Rules) -> list[str]:
    """The names of whatever an observer may refuse, await, accept or do by itself."""
    return [
        *(rule.id for rule in rules.rules),
        *(due.id for due in rules.dues),
        *(silence.id for silence in rules.silences),
        *(hidden.id for hidden in rules.hidden),
    ]


@pytest.mark.parametrize("rules", EVERY, ids=lambda rules: rules.name)
def test_names_of_rules_have_one_form(rules: Rules) -> None:
    assert [id for id in named(rules) if not re.fullmatch(r"[A-Z]{2}-[A-Za-z0-9-]+", id)] == []


def test_names_of_rules_are_unique() -> None:
    """Of those of all observers: a failure names a rule without its observer."""
    ids = Counter(id for rules in EVERY for id in named(rules))
    assert [id for id, count in ids.items() if count > 1] == []
    assert [name for name, n in Counter(rules.name for rules in EVERY).items() if n > 1] == []


@pytest.mark.parametrize("rules", EVERY, ids=lambda rules: rules.name)
def test_every_trigger_is_of_the_vocabulary(rules: Rules) -> None:
    of_bus = rules in CONTROL_OBSERVERS
    functions = USER_CALLS if of_bus else FUNCTIONS
    environment = ("reset",) if of_bus else ("crash", "malformed", "spurious")
    triggers = [rule.on for rule in rules.rules] + [due.on for due in rules.dues if due.on]
    assert triggers
    for kind, name in triggers:
        match kind:
            case "call" | "return":
                assert name in functions
            case "message":
                assert of_bus
                assert name in MESSAGES
            case "enter" | "exit":
                assert not of_bus
                assert name in CALLBACKS
            case "environment":
                assert name in environment
            case _:  # what one observer tells another
                assert name == ""
                assert kind not in ("quiescence", "lost")


@pytest.mark.parametrize("rules", EVERY, ids=lambda rules: rules.name)
def test_moves_belong_to_the_regions(rules: Rules) -> None:
    regions = {region for region, _ in rules.regions}
    steps: list[Rule | Hidden] = [*rules.rules, *rules.hidden]
    moves = [move for step in steps for move in step.moves]
    assert {move.region for move in moves} <= regions
    assert bool(moves) == bool(regions)


@pytest.mark.parametrize("rules", EVERY, ids=lambda rules: rules.name)
def test_every_due_can_be_paid(rules: Rules) -> None:
    """The event a due waits for is one that some rule allows."""
    allowed = {rule.on for rule in rules.rules}
    assert {due.on for due in rules.dues if due.on is not None} <= allowed


def test_every_function_and_callback_is_spoken_of() -> None:
    spoken = {rule.on for rules in OBSERVERS for rule in rules.rules}
    for function in FUNCTIONS:
        assert ("call", function) in spoken
        assert ("return", function) in spoken
    for callback in CALLBACKS:
        assert ("enter", callback) in spoken
        assert ("exit", callback) in spoken


def test_every_message_and_call_of_the_bus_is_spoken_of() -> None:
    spoken = {rule.on for rules in CONTROL_OBSERVERS for rule in rules.rules}
    assert {("message", name) for name in MESSAGES} - spoken == set()
    for function in USER_CALLS:
        assert ("call", function) in spoken
        assert ("return", function) in spoken
