"""No requirement passes that any sequence of the campaign has broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmcl_adapters.mutants import create
from kmcl_adapters.reference import create as reference
from kmcl_conformance import campaign as campaigns
from kmcl_conformance import sequence
from kmcl_conformance.campaign import Campaign, Options, begin
from kmcl_conformance.verdicts import certificate
from kmcl_model.catalogue import requirement_of
from kmcl_model.spec import Specification
from kmcl_reports.results import RequirementVerdict, Verdict

OPTIONS = Options(adapter="mutant:answers-matched-in-order", sequences=60)


def run(out: Path) -> tuple[Campaign, set[str]]:
    """A whole campaign, and every requirement that one of its sequences broke."""
    campaign = Campaign(create("answers-matched-in-order"), OPTIONS._replace(out=out))
    broken: set[str] = set()
    specification = Specification()
    for number in range(campaign.total):
        failure = campaign.plan.run(number, campaign.adapter, specification)[0].failure
        if failure is not None:
            broken |= {requirement_of(i).id for i in failure.requirements if i.startswith("F")}
    for _ in campaign.run():
        pass
    return campaign, broken


def resumed(campaign: Campaign) -> Campaign:
    """Another one that goes on from where this stands."""
    campaign.keep()
    return begin(create("answers-matched-in-order"), campaign.options._replace(resume=True))


def verdicts(campaign: Campaign, ids: set[str]) -> set[RequirementVerdict]:
    return {r.verdict for r in certificate(campaign).requirements if r.id in ids}


def test_one_rule_that_breaks_now_these_now_others_fails_them_all(tmp_path: Path) -> None:
    campaign, broken = run(tmp_path)
    assert {"F135", "F136", "F251"} < broken
    assert len(campaign.found) == 1
    assert verdicts(campaign, broken) == {RequirementVerdict.FAIL}
    again = resumed(campaign)
    assert broken <= again.broken.keys()
    assert (again.broken, again.unsure) == (campaign.broken, campaign.unsure)
    assert verdicts(again, broken) == {RequirementVerdict.FAIL}


def test_what_is_not_examined_any_more_does_not_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "MOST_FAILURES", 0)
    campaign, broken = run(tmp_path)
    assert campaign.found == {}
    assert verdicts(campaign, broken) == {RequirementVerdict.INCONCLUSIVE}
    again = resumed(campaign)
    assert broken <= again.unsure
    assert (again.broken, again.unsure) == (campaign.broken, campaign.unsure)
    assert verdicts(again, broken) == {RequirementVerdict.INCONCLUSIVE}


def test_a_walk_that_is_given_up_makes_the_campaign_inconclusive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = Options(sequences=5)
    sound = Campaign(reference(""), options)
    monkeypatch.setattr(sequence, "MOST_ROUNDS", 0)
    given_up = Campaign(reference(""), options)
    for _ in given_up.run():
        pass
    assert given_up.inconclusive == 5
    assert certificate(given_up).verdict is Verdict.INCONCLUSIVE
    monkeypatch.undo()
    for _ in sound.run():
        pass
    assert sound.inconclusive == 0
    assert certificate(sound).verdict is Verdict.CONFORMING
