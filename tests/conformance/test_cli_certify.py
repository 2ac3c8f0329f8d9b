"""``kmcl certify`` and ``kmcl fuzz``: results, exit codes, interruption and resumption."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import pytest

from kmcl_adapters import Adapter, Session
from kmcl_adapters.interface import Description
from kmcl_adapters.reference import ReferenceAdapter
from kmcl_conformance import subjects
from kmcl_conformance.adapters import find
from kmcl_conformance.cli import campaigns, main
from kmcl_conformance.generate.tours import TOURS
from kmcl_model.events import Event, Quiescence
from kmcl_model.stimuli import Settle, Stimulus
from kmcl_reports.certificate import canonical_json, parse_certificate, verify

MUTANT = "mutant:opened-status-ignored"


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def is_one_line(self) -> bool:
        return self.err.count("\n") == 1 and self.err.startswith("kmcl: ")


Run = Callable[..., Result]


SHORT = tuple(t for n, t in enumerate(TOURS) if n < 3 or "rejected" in t.name)
"""A few of the directed sequences, among them one that the mutant fails."""


@pytest.fixture(autouse=True)
def few_tours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Campaigns that are over soon."""
    monkeypatch.setattr(subjects, "TOURS", SHORT)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run kmcl in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run_kmcl(*arguments: str) -> Result:
        code = main(arguments)
        return Result(code, *capsys.readouterr())

    return run_kmcl


class Interrupting:
    """The reference, or another one, at whose n-th opening the user presses Ctrl-C, or somebody
    sends another signal, as ``timeout`` does: twice."""

    def __init__(
        self, at: int, adapter: Adapter | None = None, by: signal.Signals = signal.SIGINT
    ) -> None:
        self._adapter: Adapter = adapter or ReferenceAdapter("reference")
        self._left = at
        self._signals = [by] if by == signal.SIGINT else [by, by]

    def describe(self) -> Description:
        return self._adapter.describe()

    def open(self) -> Session:
        self._left -= 1
        if self._left == 0:
            for number in self._signals:
                signal.raise_signal(number)
        return self._adapter.open()

    def close(self) -> None:
        self._adapter.close()


class Mute:
    """An implementation of which nothing is ever seen."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def describe(self) -> Description:
        return Description("mute", "1", "mute", frozenset({"client", "server"}), True)

    def open(self) -> Session:
        return self

    def apply(self, stimulus: Stimulus) -> None:
        if isinstance(stimulus, Settle):
            self._events.append(Quiescence("quiescence", True))

    def runnable(self) -> int:
        return 0

    def take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        pass


# Results --------------------------------------------------------------------------------------


def test_a_conforming_implementation_ends_with_code_0_and_all_its_files(
    run: Run, tmp_path: Path
) -> None:
    result = run("certify", "--budget", "1")

    assert result.code == 0
    assert "CONFORMING" in result.out
    assert "requirements exercised" in result.err
    written = {path.name for path in (tmp_path / "kmcl-out").iterdir()}
    assert written >= {"certificate.json", "report.html", "report.md", "junit.xml"}


def test_violations_end_with_code_1_a_chart_and_the_command_that_replays(run: Run) -> None:
    result = run("certify", "--adapter", MUTANT, "--budget", "1", "--out", "out")

    assert result.code == 1
    assert "VIOLATIONS" in result.out
    assert "allowed instead" in result.out
    case = next(Path("out/cases").iterdir())
    assert f"kmcl replay out/cases/{case.name}" in result.out
    assert (Path("out/traces") / case.with_suffix(".jsonl").name).is_file()
    assert ET.parse("out/junit.xml").getroot().get("failures") != "0"


def test_json_is_the_certificate_and_nothing_else(run: Run) -> None:
    result = run("certify", "--budget", "1", "--json")

    certificate = parse_certificate(result.out)
    assert result.err == ""
    assert certificate.counts.sequences > 1
    assert verify(certificate)
    assert Path("kmcl-out/certificate.json").read_text() == result.out


def test_quiet_prints_nothing(run: Run) -> None:
    assert run("certify", "--budget", "1", "--quiet") == (0, "", "")


def test_the_same_seed_gives_the_same_bytes(run: Run) -> None:
    first, second, other = (
        canonical_json(parse_certificate(run("certify", "-b", "1", "-s", seed, "--json").out))
        for seed in ("7", "7", "8")
    )

    assert first == second
    assert first != other


def test_too_little_to_judge_ends_with_code_3(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "find", lambda _: Mute())

    result = run("certify", "-b", "1")

    assert (result.code, "INCONCLUSIVE" in result.out) == (3, True)


def test_a_new_run_removes_the_failures_of_an_earlier_one(run: Run) -> None:
    run("certify", "-a", MUTANT, "-b", "1", "--out", "out", "--quiet")
    Path("out/cases/mine.json").write_text("kept by hand")

    run("certify", "-b", "1", "--out", "out", "--quiet")

    assert [path.name for path in Path("out/cases").iterdir()] == ["mine.json"]
    assert list(Path("out/traces").iterdir()) == []


# Waivers --------------------------------------------------------------------------------------


def failed(certificate: Path) -> list[str]:
    results = json.loads(certificate.read_text())["requirements"]
    return [r["id"] for r in results if r["verdict"] == "fail"]


@pytest.mark.parametrize("mutant", [MUTANT, "guest-mutant:no-unload"])
def test_waived_failures_do_not_blame(run: Run, mutant: str) -> None:
    run("certify", "-a", mutant, "-b", "1", "--out", "out")
    broken = failed(Path("out/certificate.json"))
    Path("waivers.toml").write_text("".join(f'{name} = "known"\n' for name in broken))

    result = run("certify", "-a", mutant, "-b", "1", "--waivers", "waivers.toml", "--json")

    certificate = parse_certificate(result.out)
    waived = {r.id: r.reason for r in certificate.requirements if r.verdict == "waived"}
    assert result.code == 0
    assert waived == dict.fromkeys(broken, "known")
    assert verify(certificate)


def test_a_waiver_that_is_not_needed_is_an_error(run: Run) -> None:
    Path("waivers.toml").write_text('F285 = "known"\n')

    result = run("certify", "-b", "1", "--waivers", "waivers.toml")

    assert result.code == 2
    assert result.err.endswith("kmcl: waivers.toml: F285 did not fail: remove the waiver\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("F285", "not TOML"),
        ('F999 = "x"', "F999 is no requirement"),
        ('F285 = ""', "F285: needs a reason"),
        ("F285 = 3", "F285: needs a reason"),
    ],
)
def test_a_broken_waiver_file_is_refused_before_anything_runs(
    run: Run, text: str, why: str
) -> None:
    Path("waivers.toml").write_text(text)

    result = run("certify", "--waivers", "waivers.toml")

    assert (result.code, result.is_one_line, result.out) == (2, True, "")
    assert why in result.err


# Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--adapter", "nonsense"], "there are: guest, guest-mutant, guest-variant, host, lab"),
        (["--adapter", "mutant:nonsense"], "nonsense"),
        (["--adapter", "reference:x"], "takes no argument"),
        (["--adapter", "native:nothing.so"], "nothing.so: no such file"),
        (["--adapter", "python:nothing:here"], "cannot import nothing"),
        (["--adapter", f"process:{sys.executable} -c pass"], "exit code 0"),
        (["--budget", "0"], "--budget 0: choose small, default, large, or a number"),
        (["--budget", "-3"], "--budget -3"),
        (["--budget", "huge"], "--budget huge"),
        (["--profile", "nonsense"], "--profile nonsense"),
        (["--seed", "x"], "--seed"),
        (["--seed", "-1"], "--seed"),
        (["--nonsense"], "--nonsense"),
        (["--resume", "nowhere"], "nowhere"),
        (["--resume", "here", "--out", "there"], "leave out --out"),
    ],
)
def test_wrong_usage_gets_one_line_and_code_2(run: Run, arguments: list[str], why: str) -> None:
    result = run("certify", *arguments)

    assert (result.code, result.is_one_line, result.out) == (2, True, "")
    assert why in result.err


def test_a_library_without_the_table_gets_one_line(run: Run) -> None:
    import _ctypes

    result = run("certify", "--adapter", f"native:{_ctypes.__file__}")

    assert (result.code, result.is_one_line) == (2, True)


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_gets_one_line(run: Run, folder: str) -> None:
    Path("file").write_text("in the way")

    result = run("certify", "--budget", "5", "--out", folder)

    assert (result.code, result.is_one_line, result.out) == (2, True, "")
    assert "file" in result.err


# Interruption ---------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_resumed_to_the_same_certificate(
    run: Run, monkeypatch: pytest.MonkeyPatch, by: signal.Signals
) -> None:
    whole = run("certify", "-b", "5", "--out", "whole", "--json")
    monkeypatch.setattr(campaigns, "find", lambda _: Interrupting(len(SHORT) + 3, by=by))

    stopped = run("certify", "-b", "5", "--out", "out", "--quiet")

    assert (stopped.code, stopped.is_one_line, stopped.out) == (3, True, "")
    assert stopped.err.endswith(
        "kmcl certify --adapter reference --seed 1 --budget 5 --resume out\n"
    )
    monkeypatch.setattr(campaigns, "find", find)
    resumed = run("certify", "-b", "5", "--resume", "out", "--json")
    assert resumed.code == 0
    first, second = parse_certificate(whole.out), parse_certificate(resumed.out)
    assert second.requirements == first.requirements
    assert second.coverage == first.coverage
    assert second.counts.steps == first.counts.steps


def test_a_run_that_goes_on_has_lasted_as_long_as_both_parts(run: Run) -> None:
    run("certify", "-b", "2", "--out", "out", "--quiet")
    state = Path("out/campaign.json")
    state.write_text(json.dumps(json.loads(state.read_text()) | {"seconds": 1000.0}))

    counts = parse_certificate(run("certify", "--resume", "out", "--json").out).counts

    assert 1000 < counts.wall_seconds < 1100
    assert counts.steps_per_second < counts.steps / 1000 + 0.1


def test_the_folder_alone_tells_how_a_run_goes_on(run: Run) -> None:
    begun = run("certify", "-a", MUTANT, "-s", "7", "-b", "2", "--out", "out", "--json")

    resumed = run("certify", "--resume", "out", "--json")

    assert (begun.code, resumed.code, resumed.err) == (1, 1, "")
    first, second = parse_certificate(begun.out), parse_certificate(resumed.out)
    assert second.reproduce == first.reproduce
    assert second.requirements == first.requirements


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": "kmcl-campaign/1"}', "\x00"])
def test_a_folder_that_does_not_tell_is_refused(run: Run, text: str) -> None:
    Path("out").mkdir()
    Path("out/campaign.json").write_text(text)

    result = run("certify", "--resume", "out")

    assert (result.code, result.is_one_line) == (2, True)
    assert "start again without --resume" in result.err


def test_an_interrupted_run_that_had_found_a_failure_reports_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = 400  # sessions: with those in which the failure is cut down
    monkeypatch.setattr(campaigns, "find", lambda _: Interrupting(late, find(MUTANT)))

    stopped = run("certify", "-a", MUTANT, "-b", "1000", "--out", "out", "--json")

    found = parse_certificate(stopped.out)
    assert (stopped.code, stopped.is_one_line) == (1, True)
    assert "interrupted, and reported is what had been found; go on with: kmcl" in stopped.err
    assert (found.verdict, bool(found.failures)) == ("violations", True)
    assert found.counts.sequences < 1000
    assert Path("out/report.html").is_file()
    assert Path("out", found.failures[0].case).is_file()


def test_ctrl_c_again_while_the_report_is_written_changes_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    conclude = campaigns.conclude

    def pressed_again(*arguments: Any) -> int:
        signal.raise_signal(signal.SIGINT)
        return conclude(*arguments)

    monkeypatch.setattr(campaigns, "conclude", pressed_again)
    monkeypatch.setattr(campaigns, "find", lambda _: Interrupting(400, find(MUTANT)))

    stopped = run("certify", "-a", MUTANT, "-b", "1000", "--out", "out", "--json")

    assert (stopped.code, stopped.is_one_line) == (1, True)
    assert parse_certificate(stopped.out).verdict == "violations"
    with pytest.raises(KeyboardInterrupt):  # whoever has called main can be interrupted again
        signal.raise_signal(signal.SIGINT)


def test_sigterm_ends_a_search_as_ctrl_c_does(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = Interrupting(9, by=signal.SIGTERM)
    monkeypatch.setattr(campaigns, "find", lambda _: stopping)

    stopped = run("fuzz", "--out", "out", "--json")

    found = parse_certificate(stopped.out)
    assert (stopped.code, stopped.err) == (0, "")
    assert 0 < found.counts.sequences < 9
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("command", ["certify", "fuzz"])
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_adapter_that_is_told_to_end_before_it_describes_itself_is_closed(
    run: Run, monkeypatch: pytest.MonkeyPatch, by: signal.Signals, command: str
) -> None:
    closed = []

    class Starting(Interrupting):
        """Its machines are up, and no more."""

        def describe(self) -> Description:
            signal.raise_signal(by)
            raise AssertionError("nobody was interrupted")

        def close(self) -> None:
            closed.append(self)

    monkeypatch.setattr(campaigns, "find", lambda _: Starting(1))

    stopped = run(command)

    assert stopped == (3, "", "kmcl: interrupted before there was a verdict\n")
    assert len(closed) == 1


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_commands_are_there_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, by: signal.Signals
) -> None:
    class Impatient:
        """Somebody presses Ctrl-C while the commands are imported."""

        def __getattr__(self, name: str) -> object:
            if name == "main":
                signal.raise_signal(by)
            raise AttributeError(name)

    monkeypatch.setitem(sys.modules, "kmcl_conformance.cli.app", Impatient())

    assert run("spec") == (3, "", "kmcl: interrupted before it began\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
@pytest.mark.parametrize("arguments", [["spec"], ["spec", "--json"], ["--help"], ["--version"]])
def test_a_device_that_is_full_gets_one_line(tmp_path: Path, arguments: list[str]) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    program = "import sys; from kmcl_conformance.cli import main; sys.exit(main())"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            stdout=full, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path,
        )  # fmt: skip

    assert done.returncode == 3
    assert done.stderr == (
        "kmcl: the result cannot be written: No space left on device; make room for it\n"
    )


@pytest.mark.parametrize(
    "other", [["--seed", "2"], ["--adapter", "variant:double-enable-succeeds"], ["-b", "9"]]
)
def test_a_run_is_not_resumed_with_other_options(run: Run, other: list[str]) -> None:
    run("certify", "-b", "8", "--out", "out", "--quiet")

    result = run("certify", "-b", "8", "--resume", "out", *other)

    assert (result.code, result.is_one_line) == (2, True)
    assert "out: was begun with" in result.err


NO_CAMPAIGN = "kmcl: out/campaign.json: not a campaign; start again without --resume\n"
NOT_TOLD = "kmcl: out: what is kept there does not tell its adapter; start again without --resume\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", NO_CAMPAIGN),
        ("[]", NO_CAMPAIGN),
        ("{}", NO_CAMPAIGN),
        ("\x00", NO_CAMPAIGN),
        ('{"schema": "kmcl-campaign/1"}', NOT_TOLD),
    ],
)
def test_a_spoilt_state_is_not_resumed(run: Run, text: str, words: str) -> None:
    run("certify", "-b", "8", "--out", "out", "--quiet")
    Path("out/campaign.json").write_text(text)

    for command in ("certify", "fuzz"):
        assert run(command, "-b", "8", "--resume", "out") == (2, "", words)


@pytest.mark.parametrize(
    ("part", "spoilt"),
    [("done", "many"), ("counts", [1]), ("moves", None), ("found", {"F014": ["gone", "1"]})],
)
def test_a_state_of_which_a_part_is_spoilt_is_not_resumed(
    run: Run, part: str, spoilt: object
) -> None:
    run("certify", "-b", "8", "--out", "out", "--quiet")
    state = Path("out/campaign.json")
    state.write_text(json.dumps(json.loads(state.read_text()) | {part: spoilt}))

    result = run("certify", "-b", "8", "--resume", "out")

    assert (result.code, result.out, result.is_one_line) == (2, "", True)
    assert result.err.startswith("kmcl: out: cannot be resumed: ")
    assert result.err.endswith("; start again\n")


def test_fuzz_reports_what_it_has_when_it_is_stopped(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "find", lambda _: Interrupting(40))

    result = run("fuzz", "--json")

    assert result.code == 0
    assert parse_certificate(result.out).counts.sequences == 39


def test_fuzz_finds_what_certify_finds(run: Run) -> None:
    result = run("fuzz", "-a", MUTANT, "-b", "1", "--faults", "none")

    assert result.code == 1
    assert "VIOLATIONS" in result.out


def test_fuzz_refuses_faults_it_does_not_know(run: Run) -> None:
    result = run("fuzz", "--faults", "crash,earthquake")

    assert (result.code, result.is_one_line) == (2, True)
    assert "earthquake" in result.err


@pytest.mark.parametrize(
    ("adapter", "more", "words"),
    [
        ("linux:", ("--faults", "rescind-opn"), "--faults rescind-opn: profile linux-vmbus has "),
        ("linux:6.12", ("--faults", "crash"), "a fault of profile full, client-uio, client-uio-"),
        ("host:", ("--faults", "crash,earthquake"), "--faults earthquake: profile full has crash,"),
        ("lab:", ("--faults", "earthquake"), "--faults earthquake: profile client-uio has crash,"),
        ("uio:/dev/uio0", ("--profile", "full", "--faults", "x"), "--faults x: profile full has "),
        ("host:", ("--profile", "half"), "--profile half: choose full, client-uio,"),
    ],
)
def test_wrong_names_are_refused_before_a_guest_boots_for_them(
    run: Run, monkeypatch: pytest.MonkeyPatch, adapter: str, more: tuple[str, ...], words: str
) -> None:
    def boot(name: str) -> Adapter:
        raise AssertionError(f"{name} has booted")

    monkeypatch.setattr(campaigns, "find", boot)
    result = run("fuzz", "-a", adapter, *more)

    assert (result.code, result.is_one_line, result.out) == (2, True, "")
    assert words in result.err


def test_a_wrong_profile_is_refused_before_a_guest_boots_for_its_certificate(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "find", None)
    result = run("certify", "-a", "linux:", "--profile", "half")

    assert (result.code, result.is_one_line) == (2, True)


@pytest.mark.parametrize("command", ["certify", "fuzz"])
def test_calls_inside_callbacks_are_refused_where_there_are_none(run: Run, command: str) -> None:
    result = run(command, "-a", "guest", "-b", "1", "--expected-calls")

    assert (result.code, result.is_one_line, result.out) == (2, True, "")
    assert "--expected-calls: --profile linux-vmbus has no callbacks" in result.err


# A process of its own -------------------------------------------------------------------------


def test_whoever_stops_reading_gets_no_traceback(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    program = "import sys; from kmcl_conformance.cli import main; sys.exit(main())"

    done = subprocess.run(
        [sys.executable, "-c", program, "spec", "--json"],
        stdout=writing, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    os.close(writing)

    assert (done.returncode, done.stderr) == (3, "")
