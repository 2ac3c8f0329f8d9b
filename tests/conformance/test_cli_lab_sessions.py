"""What is played beside the campaign of ``kmcl lab certify``, in its certificate and exit code."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kmcl_adapters.uio.imitation import HostedAdapter
from kmcl_adapters.uio.mutants import parts_of
from kmcl_conformance.campaign import Options
from kmcl_conformance.cli import campaigns, lab_requests, main
from kmcl_conformance.cli import lab as cli_lab
from kmcl_conformance.cli.lab_requests import requests_in, requests_of
from kmcl_conformance.cli.lab_sessions import Played, seen_again, unjudged, with_sessions
from kmcl_conformance.cli.output import Screen
from kmcl_lab.problem import LabProblem
from kmcl_model.case import Case
from kmcl_model.trace import load_trace
from kmcl_reports.certificate import parse_certificate
from kmcl_reports.results import Certificate, Verdict

PROFILE = "client-uio-dynmem"


def session(defect: str = "") -> Played:
    """The host's own requests to an endpoint with that defect."""
    adapter = HostedAdapter(parts_of(defect), defect)
    clock = count()
    return requests_of(adapter, adapter.balloon, pause=lambda: None, now=lambda: float(next(clock)))


@pytest.fixture(scope="module")
def conforming() -> Certificate:
    """Of a campaign of one sequence, in which nothing went wrong."""
    adapter = HostedAdapter(parts_of(""))
    options = Options(adapter="lab:", profile=PROFILE, sequences=1)
    screen = Screen(quiet=True, as_json=False)
    found = campaigns.run_for(adapter, options, screen, 0.0, lambda _: None)
    assert found.verdict is Verdict.CONFORMING
    return found


SILENT = session("hears-answers-only")
REFUSED = session("counts-one-more")


def judged(found: Certificate, out: Path, *sessions: Played) -> Certificate:
    """The certificate as it is written and read again."""
    options = Options(adapter="lab:", profile=PROFILE, out=out)
    told = HostedAdapter(parts_of("")).describe()
    screen = Screen(quiet=True, as_json=False)
    whole = with_sessions(found, options, told, sessions, "--kernel 6.12 ")
    code = campaigns.conclude(screen, whole, options, {}, None)
    assert code == campaigns.CODES[whole.verdict]
    return parse_certificate((out / "certificate.json").read_bytes())


def test_a_session_in_which_all_is_well_changes_nothing(
    conforming: Certificate, tmp_path: Path
) -> None:
    found = judged(conforming, tmp_path, session())

    assert (found.verdict, found.failures, found.unconfirmed) == (Verdict.CONFORMING, (), ())


@pytest.mark.parametrize("first", [SILENT, REFUSED], ids=["silent", "refused"])
def test_what_comes_back_is_a_violation_with_a_case_and_a_trace(
    first: Played, conforming: Certificate, tmp_path: Path
) -> None:
    found = judged(conforming, tmp_path, seen_again(first, first))
    (failure,) = found.failures
    case = Case.load(tmp_path / failure.case)
    report = (tmp_path / "report.md").read_text()
    junit = ET.parse(tmp_path / "junit.xml").getroot()
    assert failure.trace is not None
    assert case.expect is not None

    assert found.verdict is Verdict.VIOLATIONS
    assert failure.summary.startswith("the host's own requests: ")
    assert first.told["failure"][0] in failure.summary
    assert failure.reproduce == (
        f"kmcl lab certify --kernel 6.12 --minutes 3  # its steps: kmcl replay {failure.case}"
    )
    assert (case.stimuli, case.expect.verdict) == (first.outcome.stimuli, "violation")
    assert tuple(load_trace((tmp_path / failure.trace).read_text())) == first.outcome.events
    assert failure.case in report
    assert failure.case in (tmp_path / "report.html").read_text()
    assert int(junit.attrib["failures"]) > 0


def test_what_a_session_breaks_has_failed(conforming: Certificate, tmp_path: Path) -> None:
    failure = REFUSED.outcome.failure
    assert failure is not None
    assert failure.requirements
    found = judged(conforming, tmp_path, seen_again(REFUSED, REFUSED))
    failed = {r.id for r in found.requirements if r.verdict.value == "fail"}

    assert failed == {
        r.id for r in found.requirements if {r.id, *r.facts} & set(failure.requirements)
    }


def test_what_does_not_come_back_leaves_the_verdict_open(
    conforming: Certificate, tmp_path: Path
) -> None:
    found = judged(conforming, tmp_path, seen_again(REFUSED, session()))
    (failure,) = found.unconfirmed

    assert found.verdict is Verdict.INCONCLUSIVE
    assert failure.reason is not None
    assert "came back 0 times where it was repeated once" in failure.reason
    assert failure.case.startswith("cases/unconfirmed-")
    assert not [r for r in found.requirements if r.verdict.value == "fail"]
    assert set(failure.requirements) <= {
        id for r in found.requirements if r.verdict.value == "inconclusive" for id in r.facts
    }


def test_where_the_guest_is_lost_the_verdict_is_open_and_the_case_is_kept(
    conforming: Certificate, tmp_path: Path
) -> None:
    done = session()
    lost = unjudged(done, "panic of the inner guest: x", done.outcome.stimuli[:9])
    found = judged(conforming, tmp_path, lost)
    (failure,) = found.unconfirmed

    assert found.verdict is Verdict.INCONCLUSIVE
    assert failure.summary == "the host's own requests: no judgement"
    assert failure.reason == "panic of the inner guest: x"
    assert Case.load(tmp_path / failure.case).stimuli == done.outcome.stimuli[:9]


def test_a_violation_stands_whatever_could_not_be_judged(
    conforming: Certificate, tmp_path: Path
) -> None:
    sessions = (unjudged(session(), "panic"), seen_again(SILENT, SILENT), unjudged(SILENT, "x"))
    found = judged(conforming, tmp_path, *sessions)

    assert found.verdict is Verdict.VIOLATIONS
    assert (len(found.failures), len(found.unconfirmed)) == (1, 2)
    assert len({f.case for f in found.unconfirmed}) == 2


class Running:
    """A lab on which the endpoint has one defect after the other; ``ends``: it cannot be started
    again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *defects: str, ends: bool = False) -> None:
        self._defects = iter(defects)
        self._ends = ends
        self.lost = None
        self.starts = 1
        self.restarts: list[str] = []
        monkeypatch.setattr(lab_requests, "LabAdapter", self.adapter)
        monkeypatch.setattr(lab_requests, "LOOK_SECONDS", 0)
        monkeypatch.setattr(lab_requests, "FIRST_SECONDS", 0.2)
        monkeypatch.setattr(lab_requests, "SECONDS", 0.2)
        self.choice = SimpleNamespace(why="imitated")

    def adapter(self, *_: Any, **__: Any) -> Any:
        defect = next(self._defects)
        self._adapter = HostedAdapter(parts_of(defect), defect)
        return self._adapter

    def balloon(self, mebibytes: int) -> None:
        self._adapter.balloon(mebibytes)

    def last_words(self) -> bytes:
        return b"words\n"

    def restart(self, why: str) -> None:
        self.restarts.append(why)
        if self._ends:
            raise LabProblem("no machine")

    def ask_host(self, command: str, **_: Any) -> Any:
        raise LabProblem(f"{command}: the VMBus host's monitor has closed")

    def start(self) -> None:
        pass

    def write_account(self, figures: dict[str, Any]) -> Path:
        self.figures = figures
        return Path("lab.json")


@pytest.mark.parametrize(
    ("defects", "came_back", "attempts"),
    [((BAD := "hears-answers-only", BAD), 1, 1), ((BAD, ""), 0, 1), (("",), 0, 0)],
    ids=["again", "once", "never"],
)
def test_what_goes_wrong_is_played_once_more_on_fresh_machines(
    defects: tuple[str, ...], came_back: int, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: Any = Running(monkeypatch, *defects)
    (played,) = requests_in(running, (), PROFILE, None)

    assert (played.confirmed, played.attempts) == (came_back, attempts)
    assert len(running.restarts) == attempts


def test_machines_that_do_not_start_again_leave_it_at_one_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running: Any = Running(monkeypatch, BAD, ends=True)
    (played,) = requests_in(running, (), PROFILE, None)

    assert (played.confirmed, played.attempts, played.told["inconclusive"]) == (0, 0, "")
    assert played.outcome.failure is not None


@pytest.mark.parametrize(
    ("defects", "code", "verdict"),
    [
        (("",), 0, Verdict.CONFORMING),
        ((BAD, BAD), 1, Verdict.VIOLATIONS),
        ((BAD, ""), 3, Verdict.INCONCLUSIVE),
    ],
    ids=["well", "wrong", "once"],
)
def test_the_exit_code_follows_the_certificate(
    defects: tuple[str, ...],
    code: int,
    verdict: Verdict,
    conforming: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    running = Running(monkeypatch, *defects)
    end: Any = HostedAdapter(parts_of(""))
    monkeypatch.setattr(cli_lab, "_lab", lambda *_, **__: running)
    monkeypatch.setattr(cli_lab, "LabAdapter", lambda *_, **__: end)
    monkeypatch.setattr(cli_lab, "run_for", lambda *_: conforming)
    found = main(["lab", "certify", "--json", "--out", str(tmp_path)])
    told = capsys.readouterr().out

    assert found == code
    assert json.loads(told)["verdict"] == verdict.value
    assert parse_certificate((tmp_path / "certificate.json").read_bytes()).verdict is verdict
    assert [one["failure"] != [] for one in running.figures["host_requests"]] == [code != 0]


def test_a_host_that_does_not_answer_at_the_end_changes_no_verdict(
    conforming: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    running = Running(monkeypatch, BAD, BAD)
    end: Any = HostedAdapter(parts_of(""))
    monkeypatch.setattr(cli_lab, "_lab", lambda *_, **__: running)
    monkeypatch.setattr(cli_lab, "BothAdapter", lambda *_, **__: end)
    monkeypatch.setattr(cli_lab, "run_for", lambda *_: conforming)
    found = main(["lab", "certify", "--host", "programmable", "--json", "--out", str(tmp_path)])

    assert found == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == Verdict.VIOLATIONS.value
    assert (running.figures["host_growth"], running.figures["leaks"]) == ([], None)
    assert len(running.figures["host_requests"]) == 1
