"""Configuration is judged by the first conversations of a campaign, so that a short one has it."""

from __future__ import annotations

from kmcl_adapters.reference import create as reference
from kmcl_conformance.coverage import seen
from kmcl_conformance.generate.tours import configuring
from kmcl_conformance.plan import Plan
from kmcl_conformance.profiles import PROFILES
from kmcl_model.book import kmcl
from kmcl_model.spec import Specification
from kmcl_model.spec.configuration import SETTERS
from kmcl_model.spec.specification import ENDPOINTS

FIRST = len(configuring.CONVERSATIONS) * len(ENDPOINTS)


def of_setters() -> set[str]:
    """The requirements that the answers of setters are judged by."""
    texts = [t for s in SETTERS for t in (s.accepted, s.enabled, s.role_requirements)]
    texts += [refusal.requirements for s in SETTERS for refusal in s.refusals]
    return {id for text in texts for id in text.split()}


def test_the_first_conversations_exercise_every_setter() -> None:
    specification, plan = Specification(), Plan(1)
    outcomes = [plan.run(number, reference(""), specification)[0] for number in range(FIRST)]
    shown = seen(specification).requirements

    assert [outcome.failure for outcome in outcomes] == [None] * FIRST
    assert sum(outcome.steps for outcome in outcomes) < 350
    assert {"F199", "F200"} < of_setters()
    assert of_setters() - shown.keys() == set()
    assert {"F142", "F196", "F197", "F287", "F337"} <= shown.keys()


def test_every_modelled_requirement_that_walks_exercise_has_a_conversation() -> None:
    directed, specification, plan = Specification(), Specification(), Plan(1)
    outcomes = [plan.run(n, reference(""), directed)[0] for n in range(plan.directed)]
    for number in range(plan.directed, plan.directed + 300):
        outcomes.append(plan.run(number, reference(""), specification)[0])

    walked = seen(specification).requirements.keys() & kmcl().requirements.keys()
    assert {outcome.failure for outcome in outcomes} == {None}
    assert len(walked) > 150
    assert walked - seen(directed).requirements.keys() == set()


def test_they_are_the_first_of_one_end_alone_as_well() -> None:
    profile = PROFILES["client-uio"]
    plan = Plan(1, ends=profile.ends, subject=profile.subject, host=profile.host)
    names = {name for name, _ in configuring.CONVERSATIONS}
    order = [tour.name.rpartition(",")[0] in names for tour in plan.tours]

    assert order == sorted(order, reverse=True)
    assert sum(order) >= len(names)
