"""Where every run may come out differently, a failure is repeated before it counts."""

from typing import Any

import pytest

from kmcl_adapters import Description, Session
from kmcl_conformance import examining
from kmcl_conformance.adapters import find
from kmcl_conformance.campaign import Campaign, Options
from kmcl_conformance.verdicts import certificate
from kmcl_model.events import Event
from kmcl_reports.results import Certificate, RequirementVerdict, Verdict

OPTIONS = Options(adapter="some guest", profile="linux-vmbus", sequences=1)


class Unsteady:
    """A guest that has a defect when ``fails`` tells so, and that nobody can schedule."""

    def __init__(self, fails: list[bool], mutant: str) -> None:
        self._fails = fails
        self._sound, self._mutant = find("guest"), find(f"guest-mutant:{mutant}")
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


class Waited:
    """Its silence was only waited for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.apply, self.runnable, self.close = session.apply, session.runnable, session.close

    def take(self) -> list[Event]:
        events: list[Any] = self._session.take()
        return [e._replace(exact=False) if e[0] == "quiescence" else e for e in events]


def run(
    fails: list[bool], mutant: str = "no-unload", sessions: int = 100
) -> tuple[Certificate, Unsteady]:
    """The certificate of one sequence; time is up in the midst of the session of that number."""
    adapter = Unsteady(fails, mutant)
    campaign = Campaign(adapter, OPTIONS)
    campaign.enough = lambda: adapter.sessions >= sessions
    next(campaign.run())
    return certificate(campaign, 1.0), adapter


def test_a_report_says_how_often_a_failure_came_back() -> None:
    found, _ = run([True] * 100)
    (failure,) = found.failures

    assert failure.requirements == ("V011",)
    assert failure.confirmation is not None
    assert (failure.confirmation.confirmed, failure.confirmation.attempts) == (3, 3)


def test_what_came_back_only_sometimes_is_told_as_it_was() -> None:
    found, _ = run([True, False, True, False])
    silent, _ = run([True, False, True, False], "unload-hangs")

    for failure in (*found.failures, *silent.failures):
        assert failure.confirmation is not None
        assert failure.confirmation.confirmed == 1
    assert (len(found.failures), len(silent.failures)) == (1, 1)


def test_silence_that_does_not_come_back_is_no_failure_and_no_pass() -> None:
    found, adapter = run([True, False, False, False], "unload-hangs")

    assert (found.failures, found.verdict) == ((), Verdict.INCONCLUSIVE)
    assert adapter.sessions == 4


def test_a_failure_that_is_always_the_same_is_not_repeated() -> None:
    name = "guest-mutant:no-unload"
    campaign = Campaign(find(name), OPTIONS._replace(adapter=name))
    next(campaign.run())

    assert [f.confirmation for f in certificate(campaign, 1.0).failures] == [None]


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
    assert any("not confirmed" in (requirement.reason or "") for requirement in unsure)
    assert adapter.sessions == 2


def test_what_was_cut_down_when_time_was_up_is_kept_whole() -> None:
    """The shorter case was not seen to its end, so the first run stands for the failure."""
    whole, _ = run([True] * 100, sessions=5)
    short, _ = run([True] * 100)

    assert len(short.failures[0].chart) < len(whole.failures[0].chart)
    assert whole.failures[0].confirmation == short.failures[0].confirmation
