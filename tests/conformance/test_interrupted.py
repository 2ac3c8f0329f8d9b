"""A campaign that is interrupted while it examines a failure does not forget the failure."""

import pytest

from kmcl_conformance.adapters import find
from kmcl_conformance.campaign import Campaign, Options
from kmcl_conformance.sequence import Outcome
from kmcl_conformance.verdicts import certificate
from kmcl_reports.results import Verdict


class Impatient(Campaign):
    """Somebody presses Ctrl-C as soon as a failure is looked at."""

    def _examine(self, key: str, name: str, outcome: Outcome) -> None:
        raise KeyboardInterrupt


def test_what_was_under_examination_is_no_pass() -> None:
    options = Options(
        adapter="guest-mutant:no-unload", profile="linux-vmbus", seed=1, sequences=20, out=None
    )
    adapter = find(options.adapter)
    campaign = Impatient(adapter, options)
    with pytest.raises(KeyboardInterrupt):
        for _ in campaign.run():
            pass
    found = certificate(campaign, 1.0)

    assert found.verdict == Verdict.INCONCLUSIVE
    assert campaign.unsure
