"""A certificate says how much was run, of how much, and what could not be asked."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import pytest

from kmcl_adapters import Adapter, Description, Session
from kmcl_adapters.reference import create
from kmcl_conformance.campaign import Campaign, Options
from kmcl_conformance.verdicts import ENDLESS, certificate
from kmcl_model.events import Event, Lost
from kmcl_model.stimuli import Invoke, Stimulus
from kmcl_reports.html import render_html
from kmcl_reports.markdown import render_markdown
from kmcl_reports.results import Certificate, Counts, RequirementVerdict, Verdict
from kmcl_reports.shared import counts_text


def counted(options: Options, sequences: int) -> Counts:
    campaign = Campaign(create(""), options)
    for progress in campaign.run():
        if progress.done == sequences:
            break
        assert progress.done < progress.total
    found = certificate(campaign)
    assert counts_text(found.counts).partition(" in ")[0] in render_html(found)
    return found.counts


def test_a_run_that_is_cut_short_says_so() -> None:
    options = Options(sequences=5)
    total = options.plan().directed + 5
    counts = counted(options, 3)
    assert (counts.sequences, counts.planned) == (3, total)
    assert counts_text(counts).startswith(f"3 of {total} planned sequences, ")


def test_a_whole_run_does_not() -> None:
    options = Options(sequences=1)
    total = options.plan().directed + 1
    counts = counted(options, total)
    assert (counts.sequences, counts.planned) == (total, None)
    assert counts_text(counts).startswith(f"{total} sequences, ")


def test_a_run_without_end_is_never_short() -> None:
    assert counted(Options(sequences=ENDLESS), 3).planned is None


LACKING = ("VmbChannelPause", "VmbChannelSetTransactionQuota")


class Lacking:
    """The reference without some functions: whoever asks for one hears nothing."""

    def __init__(self, functions: Iterable[str]) -> None:
        self.functions = frozenset(functions)
        self.whole: Adapter = create("")

    def describe(self) -> Description:
        return self.whole.describe()

    def open(self) -> Session:
        return LackingSession(self.whole.open(), self.functions)

    def close(self) -> None:
        self.whole.close()


class LackingSession:
    def __init__(self, session: Session, functions: frozenset[str]) -> None:
        self.session = session
        self.functions = functions

    def apply(self, stimulus: Stimulus) -> None:
        if not (isinstance(stimulus, Invoke) and stimulus.function in self.functions):
            self.session.apply(stimulus)

    def runnable(self) -> int:
        return self.session.runnable()

    def take(self) -> list[Event]:
        return self.session.take()

    def close(self) -> None:
        self.session.close()


def test_what_an_implementation_lacks_stands_beside_the_verdict() -> None:
    campaign = Campaign(Lacking(LACKING), Options(sequences=20))
    for _ in campaign.run():
        pass
    found = certificate(campaign)
    assert found.verdict is Verdict.CONFORMING
    assert found.not_offered == LACKING
    words = "Not offered, and so not judged: VmbChannelPause, VmbChannelSetTransactionQuota."
    assert words in render_html(found)
    assert words in render_markdown(found)


class Telling(Lacking):
    """It says which functions it has not."""

    def describe(self) -> Description:
        return self.whole.describe()._replace(not_offered=self.functions)


class Modest(Telling):
    """It has what it says it has not."""

    def open(self) -> Session:
        return self.whole.open()


@pytest.mark.parametrize("sequences", [0, 60])
def test_what_it_says_it_lacks_is_not_judged_whatever_was_tried(sequences: int) -> None:
    """A budget or a seed that never asks for it makes no difference."""
    campaign = Campaign(Telling(LACKING), Options(sequences=sequences))
    for _ in islice(campaign.run(), sequences):
        pass
    found = certificate(campaign)

    of_them = {(r.api, r.verdict) for r in found.requirements if r.api in LACKING and r.rules}
    assert of_them == {(name, RequirementVerdict.NOT_APPLICABLE) for name in LACKING}
    assert found.not_offered == LACKING


def test_what_it_is_seen_to_have_it_has_whatever_it_says() -> None:
    campaign = Campaign(Modest(["VmbChannelPause"]), Options(sequences=5))
    for _ in campaign.run():
        pass

    assert "VmbChannelPause" in campaign.description.not_offered
    assert campaign.not_offered() == frozenset()


@pytest.mark.parametrize("lacking", ["VmbChannelEnable", "VmbChannelAllocate"])
def test_a_run_in_which_no_channel_opens_shows_nothing(lacking: str) -> None:
    campaign = Campaign(Lacking((lacking,)), Options(sequences=5))
    for _ in campaign.run():
        pass
    found = certificate(campaign)
    assert (found.verdict, found.failures) == (Verdict.INCONCLUSIVE, ())
    assert found.never == ("no channel was ever opened",)
    assert lacking in found.not_offered
    words = "Nothing counts as shown: no channel was ever opened."
    assert words in render_html(found)
    assert words in render_markdown(found)
    with pytest.raises(ValueError, match="conforming, yet no channel was ever opened"):
        Certificate.model_validate({**dict(found), "verdict": Verdict.CONFORMING})


class Crashing(Lacking):
    """It is gone when it is asked for one of them."""

    def open(self) -> Session:
        return CrashingSession(self.whole.open(), self.functions)


class CrashingSession(LackingSession):
    gone = False

    def apply(self, stimulus: Stimulus) -> None:
        if isinstance(stimulus, Invoke) and stimulus.function in self.functions:
            self.gone = True
        if not self.gone:
            super().apply(stimulus)

    def take(self) -> list[Event]:
        return [Lost("lost", "crash", "it is gone")] if self.gone else super().take()


def test_what_a_crash_came_before_is_not_lacking() -> None:
    campaign = Campaign(Crashing(["VmbPacketGetPointer"]), Options(sequences=20))
    for _ in campaign.run():
        pass
    found = certificate(campaign)
    assert found.verdict is Verdict.VIOLATIONS
    assert found.not_offered == ()


def test_who_has_everything_lacks_nothing() -> None:
    campaign = Campaign(create(""), Options(sequences=1))
    for _ in campaign.run():
        pass
    assert certificate(campaign).not_offered == ()
