"""A campaign ends early where the implementation is lost again and again, and says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kmcl_adapters import Adapter, Description, Session
from kmcl_adapters.reference import create
from kmcl_conformance import subjects
from kmcl_conformance.campaign import Campaign, Options, begin
from kmcl_conformance.generate.tours import TOURS
from kmcl_conformance.giving_up import ENOUGH
from kmcl_conformance.verdicts import certificate
from kmcl_model.events import Event, Lost
from kmcl_model.stimuli import Stimulus
from kmcl_reports.markdown import render_markdown
from kmcl_reports.results import Certificate, RequirementVerdict, Verdict

FEW = 5
SEQUENCES = 60


@pytest.fixture(autouse=True)
def few_tours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "TOURS", TOURS[:FEW])


class Gone:
    """A session in which the implementation is lost at once."""

    def __init__(self, reason: str) -> None:
        self._events: list[Event] = [Lost("lost", reason, "no answer within 10 s")]

    def apply(self, stimulus: Stimulus) -> None:
        pass

    def runnable(self) -> int:
        return 0

    def take(self) -> list[Event]:
        return self._events

    def close(self) -> None:
        pass


class Losing:
    """The reference, which is lost when ``tells`` says to what, from the number of the sequence."""

    def __init__(self, tells: Callable[[int], str]) -> None:
        self.number = 0
        self._tells = tells
        self._sound: Adapter = create("")

    def describe(self) -> Description:
        return self._sound.describe()

    def open(self) -> Session:
        reason = self._tells(self.number)
        return Gone(reason) if reason else self._sound.open()

    def close(self) -> None:
        pass


def played(campaign: Campaign, adapter: Losing, until: int = 1000) -> Certificate:
    adapter.number = campaign.done
    for progress in campaign.run():
        adapter.number = progress.done
        if progress.done == until:
            break
    return certificate(campaign)


def found_with(tells: Callable[[int], str], out: Path | None = None) -> Certificate:
    adapter = Losing(tells)
    return played(Campaign(adapter, Options(sequences=SEQUENCES, out=out)), adapter)


@pytest.mark.parametrize("reason", ["hang", "crash"])
def test_what_never_comes_to_an_end_is_given_up_and_is_violations(reason: str) -> None:
    found = found_with(lambda _: reason)

    assert (found.verdict, found.counts.sequences) == (Verdict.VIOLATIONS, ENOUGH)
    assert found.counts.planned == FEW + SEQUENCES
    assert [f.summary.split(":")[0] for f in found.failures] == [f"implementation lost ({reason})"]
    assert found.gave_up is not None
    assert f"not one of the first {ENOUGH} sequences came to its end" in found.gave_up
    assert found.gave_up in render_markdown(found)
    modelled = {r.reason for r in found.requirements if "campaign" in (r.reason or "")}
    assert modelled == {
        "the campaign was given up before the situation arose in which it could show"
    }
    assert RequirementVerdict.INCONCLUSIVE not in {r.verdict for r in found.requirements}


def test_walks_that_all_hang_are_given_up() -> None:
    found = found_with(lambda n: "hang" if n >= FEW else "")

    assert (found.verdict, found.counts.sequences) == (Verdict.VIOLATIONS, FEW + ENOUGH)
    assert found.gave_up is not None
    assert f"each of the last {ENOUGH} walks hung" in found.gave_up


@pytest.mark.parametrize(
    "tells",
    [
        lambda n: "hang" if n % ENOUGH else "",
        lambda n: "crash" if n else "",
        lambda n: ("hang", "crash")[n == FEW + ENOUGH - 1] if 0 < n < FEW + 2 * ENOUGH - 1 else "",
    ],
    ids=["now and then", "crashes, which cost no time", "no row of hangs"],
)
def test_what_comes_to_its_end_now_and_then_is_not_given_up(tells: Callable[[int], str]) -> None:
    found = found_with(tells)

    assert (found.gave_up, found.counts.sequences) == (None, FEW + SEQUENCES)
    assert found.verdict == Verdict.VIOLATIONS


def test_the_row_goes_on_after_a_resume(tmp_path: Path) -> None:
    options = Options(sequences=SEQUENCES, out=tmp_path)
    adapter = Losing(lambda _: "hang")
    first = Campaign(adapter, options)
    played(first, adapter, until=ENOUGH // 2)
    first.keep()

    resumed = played(begin(adapter, options._replace(resume=True)), adapter)

    whole = found_with(lambda _: "hang")
    assert (resumed.counts.sequences, resumed.gave_up) == (ENOUGH, whole.gave_up)
    assert resumed.verdict == Verdict.VIOLATIONS
