"""A campaign that is interrupted while it examines a failure does not forget the failure."""

from itertools import islice
from pathlib import Path

import pytest

from kmcl_conformance import campaign as campaigns
from kmcl_conformance.adapters import find
from kmcl_conformance.campaign import Campaign, Options
from kmcl_conformance.keeping import read_state
from kmcl_conformance.sequence import Outcome, replay
from kmcl_conformance.verdicts import certificate
from kmcl_reports.results import Verdict

OPTIONS = Options(
    adapter="guest-mutant:no-unload", profile="linux-vmbus", seed=1, sequences=20, out=None
)


class Impatient(Campaign):
    """Somebody presses Ctrl-C as soon as a failure is looked at."""

    def _examine(self, key: str, name: str, outcome: Outcome, *_: object) -> None:
        raise KeyboardInterrupt


def test_what_was_under_examination_is_no_pass() -> None:
    campaign = Impatient(find(OPTIONS.adapter), OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        for _ in campaign.run():
            pass
    found = certificate(campaign)

    assert found.verdict == Verdict.INCONCLUSIVE
    assert campaign.unsure


def test_where_a_campaign_stands_is_written_down_as_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "KEPT_EVERY", -1.0)
    campaign = Campaign(find("guest"), OPTIONS._replace(adapter="guest", out=tmp_path))
    written = [read_state(tmp_path)["done"] for _ in islice(campaign.run(), 3)]

    assert written == [1, 2, 3]


@pytest.mark.parametrize("is_late", [False, True])
def test_when_time_is_up_a_failure_is_neither_repeated_nor_cut_down(is_late: bool) -> None:
    campaign = Campaign(find(OPTIONS.adapter), OPTIONS)
    campaign.enough = lambda: is_late
    running = campaign.run()
    while not campaign.found and not campaign.unconfirmed:
        next(running)
    (failure,) = (campaign.unconfirmed if is_late else campaign.found).values()
    tour = campaign.plan.tours[campaign.done - 1]
    whole = replay(campaign.adapter, campaign.specification, tour.stimuli).stimuli

    assert (failure.outcome.stimuli == whole) == is_late
    assert failure.attempts == (0 if is_late else 1)
