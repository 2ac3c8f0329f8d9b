"""A failure counts only when it comes back, whatever it rests on."""

from pathlib import Path
from typing import Any

import pytest

from kmcl_adapters import Description, Session
from kmcl_conformance import examining
from kmcl_conformance.adapters import find
from kmcl_conformance.campaign import MOST_EXAMINED, Campaign, Options, begin
from kmcl_conformance.profiles import PROFILES
from kmcl_conformance.sequence import replay
from kmcl_conformance.subjects import VMBUS, judge_trace
from kmcl_conformance.verdicts import certificate
from kmcl_model.case import Case
from kmcl_model.events import Event, Lost
from kmcl_model.stimuli import Stimulus
from kmcl_model.trace import load_trace
from kmcl_reports.results import Certificate, RequirementVerdict, Verdict

HANGS = "hangs"
OPTIONS = Options(adapter="some guest", profile="linux-vmbus", sequences=1)


SIGNALLED = [tour.name for tour in VMBUS.tours((), False, "")].index("unasked")
"""The conversation in which the host signals for nothing."""


class Unsteady:
    """A guest that has a defect when ``fails`` tells so, and that nobody can schedule."""

    def __init__(self, fails: list[bool], mutant: str) -> None:
        self._fails = fails
        self._sound = find("guest")
        self._mutant = Hanging() if mutant == HANGS else find(f"guest-mutant:{mutant}")
        self.sessions = 0

    def describe(self) -> Description:
        told = self._sound.describe()
        return told._replace(
            capabilities=told.capabilities - {"schedulable"}, exact_quiescence=False
        )

    def open(self) -> Session:
        self.sessions += 1
        fails = self._fails.pop(0) if self._fails else False
        return Waited((self._mutant if fails else self._sound).open())

    def close(self) -> None:
        pass


class Hanging:
    """A guest whose watchdog ends every session."""

    def open(self) -> Session:
        return self

    def apply(self, stimulus: Stimulus) -> None:
        pass

    def runnable(self) -> int:
        return 0

    def take(self) -> list[Event]:
        return [Lost("lost", "hang", "no answer within 30 s")]

    def close(self) -> None:
        pass


class Waited:
    """Its silence was only waited for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.apply, self.runnable, self.close = session.apply, session.runnable, session.close

    def take(self) -> list[Event]:
        events: list[Any] = self._session.take()
        return [e._replace(exact=False) if e[0] == "quiescence" else e for e in events]


def run(
    fails: list[bool],
    mutant: str = "no-unload",
    sessions: int = 100,
    *,
    number: int = 0,
    out: Path | None = None,
) -> tuple[Certificate, Unsteady]:
    """The certificate of one sequence, of that number; time is up in the midst of so many
    sessions."""
    adapter = Unsteady(fails, mutant)
    campaign = Campaign(adapter, OPTIONS._replace(out=out))
    campaign.done = number
    campaign.enough = lambda: adapter.sessions >= sessions
    next(campaign.run())
    return certificate(campaign), adapter


def campaign_of(
    fails: list[bool], times: int = 2, out: Path | None = None
) -> tuple[Campaign, Unsteady]:
    """After the first sequence was played so many times."""
    adapter = Unsteady(fails, "no-unload")
    campaign = Campaign(adapter, OPTIONS._replace(out=out))
    for _ in range(times):
        campaign._one(0)
    return campaign, adapter


def test_a_report_says_how_often_a_failure_came_back() -> None:
    found, _ = run([True] * 100)
    (failure,) = found.failures

    assert failure.requirements == ("V011",)
    assert failure.confirmation is not None
    assert (failure.confirmation.confirmed, failure.confirmation.attempts) == (3, 3)


@pytest.mark.parametrize("mutant", ["no-unload", "unload-hangs"])
def test_what_came_back_only_sometimes_is_told_as_it_was(mutant: str) -> None:
    found, _ = run([True, False, True, False], mutant)
    (failure,) = found.failures

    assert failure.confirmation is not None
    assert failure.confirmation.confirmed == examining.NEEDED == 1


@pytest.mark.parametrize("mutant", ["no-unload", "unload-hangs", "spurious-signal-crashes"])
def test_what_does_not_come_back_is_no_failure_and_no_pass(mutant: str, tmp_path: Path) -> None:
    """Something that was done, something that is missing, and a panic."""
    number = SIGNALLED if mutant == "spurious-signal-crashes" else 0
    fails = [True, *[False] * examining.CONFIRMATIONS]
    found, adapter = run(fails, mutant, number=number, out=tmp_path)
    (seen,) = found.unconfirmed

    assert (found.failures, found.verdict) == ((), Verdict.INCONCLUSIVE)
    assert adapter.sessions == 1 + examining.CONFIRMATIONS
    assert seen.confirmation is not None
    assert (seen.confirmation.confirmed, seen.confirmation.attempts) == (0, 3)
    assert seen.reason == (
        "one sequence showed it, and it came back 0 times where it was repeated 3 times"
    )
    assert not {r.id for r in found.requirements if r.verdict is RequirementVerdict.FAIL}
    assert {
        r.id for r in found.requirements if r.verdict is RequirementVerdict.INCONCLUSIVE
    } >= set(seen.requirements)


def test_what_does_not_come_back_is_kept_for_replay(tmp_path: Path) -> None:
    found, _ = run([True, False, False, False], out=tmp_path)
    (seen,) = found.unconfirmed
    case = Case.load(tmp_path / seen.case)
    assert seen.trace is not None
    events = load_trace((tmp_path / seen.trace).read_text())
    mutant = find("guest-mutant:no-unload")
    specification = PROFILES["linux-vmbus"].specification()

    assert replay(mutant, specification, case.stimuli).failure is not None
    assert judge_trace(events, PROFILES["linux-vmbus"].specification()).failure is not None
    assert Path(seen.case).name.startswith("unconfirmed-01-")


def test_another_sequence_that_shows_it_is_another_chance() -> None:
    """Not for ever: whoever fails now and then is not examined with every sequence."""
    once = [True, False, False, False]
    confirmed, _ = campaign_of([*once, True, True, True, True])
    fails = once * (MOST_EXAMINED - 1) + [True, False, False, False, True, False]
    given_up, adapter = campaign_of(fails, MOST_EXAMINED + 1)
    (seen,) = given_up.unconfirmed.values()

    assert [(f.confirmed, f.attempts) for f in confirmed.found.values()] == [(3, 3)]
    assert confirmed.unconfirmed == {}
    assert (seen.confirmed, seen.attempts, seen.times) == (0, 9, MOST_EXAMINED + 1)
    assert adapter.sessions == MOST_EXAMINED * 4 + 1


def test_what_is_not_confirmed_is_known_after_a_resume(tmp_path: Path) -> None:
    campaign, adapter = campaign_of([True, False, False, False], 1, out=tmp_path)
    campaign.keep()
    resumed = begin(adapter, campaign.options._replace(resume=True))

    assert certificate(resumed).unconfirmed == certificate(campaign).unconfirmed
    assert resumed.unconfirmed != {}


def test_files_of_what_came_back_later_are_those_of_a_failure(tmp_path: Path) -> None:
    campaign, _ = campaign_of([True, False, False, False, *[True] * 100], out=tmp_path)
    (found,) = campaign.found.values()

    assert [path.name for path in (tmp_path / "cases").iterdir()] == [f"{found.file}.json"]


def test_a_hang_is_repeated_until_it_counts_and_not_cut_down() -> None:
    """Each costs as long as the watchdog waits."""
    found, adapter = run([True] * 100, HANGS)
    (failure,) = found.failures
    assert failure.confirmation is not None
    assert (failure.confirmation.confirmed, failure.confirmation.attempts) == (1, 1)
    assert adapter.sessions == 2

    single, adapter = run([True], HANGS)
    assert (single.failures, single.verdict) == ((), Verdict.INCONCLUSIVE)
    assert [f.summary for f in single.unconfirmed] == [failure.summary]
    assert adapter.sessions == 1 + examining.CONFIRMATIONS


def test_what_always_does_the_same_is_repeated_once() -> None:
    name = "guest-mutant:no-unload"
    campaign = Campaign(find(name), OPTIONS._replace(adapter=name))
    next(campaign.run())
    (failure,) = certificate(campaign).failures

    assert failure.confirmation is not None
    assert (failure.confirmation.confirmed, failure.confirmation.attempts) == (1, 1)


class Forgetful:
    """It says that it always does the same, and has a defect in its first session alone."""

    def __init__(self) -> None:
        self._sessions = iter([find("guest-mutant:no-unload")])
        self.describe = find("guest").describe

    def open(self) -> Session:
        return next(self._sessions, find("guest")).open()

    def close(self) -> None:
        pass


def test_what_only_says_that_it_always_does_the_same_is_not_believed() -> None:
    campaign = Campaign(Forgetful(), OPTIONS)
    next(campaign.run())
    found = certificate(campaign)
    (seen,) = found.unconfirmed

    assert (found.failures, found.verdict) == ((), Verdict.INCONCLUSIVE)
    assert seen.reason == (
        "one sequence showed it, and it came back 0 times where it was repeated once"
    )


def test_what_another_run_of_a_failure_breaks_as_well_did_not_come_back() -> None:
    """It is one failure; what only one of its runs has broken is not known to be broken."""
    campaign, _ = campaign_of([True] * 200, 1)
    (key,) = campaign.found
    again = campaign.found[key].outcome
    assert again.failure is not None
    (broken,) = again.failure.broken
    more = again.failure._replace(broken=(broken._replace(requirements=("V011", "V010")),))
    campaign._blame(again._replace(failure=more), campaign.found[key])

    assert (set(campaign.broken), campaign.unsure) == ({"V011"}, {"V010"})


class Spoken:
    """Machines that remember the last that was said."""

    def __init__(self) -> None:
        self.asked = 0

    def last_words(self) -> bytes:
        self.asked += 1
        return b"[   12.3] BUG: kernel NULL pointer dereference, said %d" % self.asked


def test_the_log_is_kept_with_what_was_seen(tmp_path: Path) -> None:
    for fails, said in (([True, False, False, False], 1), ([True] * 100, 2)):
        out = tmp_path / str(said)
        adapter: Any = Unsteady(fails, "no-unload")
        adapter.lab = Spoken()
        campaign = Campaign(adapter, OPTIONS._replace(out=out))
        next(campaign.run())
        found = certificate(campaign)
        (seen,) = found.failures or found.unconfirmed

        assert seen.log is not None
        assert seen.log.text.endswith(f"said {said}")  # of the run that is shown
        assert (out / seen.log.name).read_text() == seen.log.text


def test_cutting_down_ends_after_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examining, "CUTTING", -1.0)
    _, adapter = run([True] * 100)

    assert adapter.sessions == 1 + examining.CONFIRMATIONS + 1


def test_a_repetition_that_time_has_cut_off_says_nothing() -> None:
    found, adapter = run([True] * 100, sessions=3)
    (failure,) = found.failures

    assert failure.confirmation is not None
    assert (failure.confirmation.confirmed, failure.confirmation.attempts) == (1, 1)
    assert adapter.sessions == 3


def test_silence_for_whose_repetition_there_is_no_time_is_no_failure_and_no_pass() -> None:
    found, adapter = run([True] * 100, "unload-hangs", sessions=2)
    unsure = [r for r in found.requirements if r.verdict is RequirementVerdict.INCONCLUSIVE]

    assert (found.failures, found.verdict) == ((), Verdict.INCONCLUSIVE)
    assert any("did not come back" in (requirement.reason or "") for requirement in unsure)
    assert adapter.sessions == 2


def test_what_was_cut_down_when_time_was_up_is_kept_whole() -> None:
    """The shorter case was not seen to its end, so the first run stands for the failure."""
    whole, _ = run([True] * 100, sessions=5)
    short, _ = run([True] * 100)

    assert len(short.failures[0].chart) < len(whole.failures[0].chart)
    assert whole.failures[0].confirmation == short.failures[0].confirmation
