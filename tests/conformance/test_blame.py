"""No requirement passes that any sequence of the campaign has broken."""

from __future__ import annotations

import json

import pytest

from kmcl_adapters.mutants import create
from kmcl_conformance import campaign as campaigns
from kmcl_conformance.campaign import Campaign, Options
from kmcl_conformance.keeping import dump
from kmcl_conformance.verdicts import certificate
from kmcl_model.catalogue import requirement_of
from kmcl_reports.results import RequirementVerdict

OPTIONS = Options(adapter="mutant:answers-matched-in-order", sequences=60)


def run() -> tuple[Campaign, set[str]]:
    """A whole campaign, and every requirement that one of its sequences broke."""
    campaign = Campaign(create("answers-matched-in-order"), OPTIONS)
    broken: set[str] = set()
    for number in range(campaign.total):
        failure = campaign._sequence(number)[0].failure
        if failure is not None:
            broken |= {requirement_of(i).id for i in failure.requirements if i.startswith("F")}
    for _ in campaign.run():
        pass
    return campaign, broken


def verdicts(campaign: Campaign, ids: set[str]) -> set[RequirementVerdict]:
    return {r.verdict for r in certificate(campaign, 1.0).requirements if r.id in ids}


def test_one_rule_that_breaks_now_these_now_others_fails_them_all() -> None:
    campaign, broken = run()
    assert {"F135", "F136", "F251"} < broken
    assert len(campaign.found) == 1
    assert verdicts(campaign, broken) == {RequirementVerdict.FAIL}
    again = Campaign(create("answers-matched-in-order"), OPTIONS)
    kept = json.loads(json.dumps(dump(campaign)))
    again.broken.update(kept["broken"])
    assert again.broken == campaign.broken


def test_what_is_not_examined_any_more_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "MOST_FAILURES", 0)
    campaign, broken = run()
    assert campaign.found == {}
    assert verdicts(campaign, broken) == {RequirementVerdict.INCONCLUSIVE}
