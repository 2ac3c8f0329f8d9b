"""``kmcl lab`` as its user meets it, without a machine to boot."""

import os
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kmcl_adapters import Session
from kmcl_conformance.adapters import find
from kmcl_conformance.campaign import Options, Progress
from kmcl_conformance.cli import campaigns, main
from kmcl_conformance.cli import lab as cli_lab
from kmcl_conformance.cli.campaigns import run_for
from kmcl_conformance.cli.lab_bench import Pace
from kmcl_conformance.cli.lab_options import RESET_MINUTES, must_be_alone, resets_in
from kmcl_conformance.cli.output import Problem, Screen
from kmcl_conformance.generate.tours import hosted
from kmcl_conformance.generate.tours.faults import OF_DEATH
from kmcl_conformance.plan import Plan
from kmcl_conformance.profiles import PROFILES
from kmcl_lab.adapter import UIO_COMMAND, Hang, LabAdapter
from kmcl_lab.machine import HostKind
from kmcl_lab.measure import has_leaked
from kmcl_lab.problem import LOST_CODE, GuestLost, LabProblem
from kmcl_model.stimuli import Environ, Stimulus
from kmcl_reports.results import Verdict

ROOT = Path(__file__).parents[2]
OURS = ["--host", "programmable"]
LED = [*OURS, "--profile", "linux-vmbus"]


def apt(*words: str, folder: Path | None = None) -> str:
    """One that offers a single kernel, and a tool for packages that takes none."""
    if words[1] in ("show", "--field"):
        raise LabProblem(f"{words[0]}: no")
    assert words[1] in ("madison", "pkgnames")
    return "linux-image-6.12.9-cloud-amd64\n" if words[1] == "pkgnames" else ""


def refuse(*_: Any, **__: Any) -> None:
    raise LabProblem("apt knows no version of busybox-static: run apt-get update")


@pytest.mark.parametrize(
    "arguments",
    [
        ["build"],
        ["run", "--", "true"],
        ["shell"],
        ["certify"],
        ["bench"],
        ["run", "--host", "programmable", "--", "true"],
        ["certify", "--host", "programmable"],
    ],
    ids=" ".join,
)
def test_what_is_wrong_with_the_lab_is_one_line_and_no_verdict(
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli_lab, "build", refuse)
    code = main(["lab", *arguments])

    assert code == 3
    assert capsys.readouterr().err == (
        "kmcl: apt knows no version of busybox-static: run apt-get update\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "Missing argument 'CMD...'"),
        (["certify", "--command", "'"], "--command ': No closing quotation"),
        (
            ["certify", "--processors", "2"],
            "--processors is for the guest of --profile linux-vmbus",
        ),
        (["certify", "--processors", "9"], "less than or equal to 8"),
        (["bench", "--cycles", "0"], "greater than or equal to 1"),
        (["bench", "--host", "hyper-v"], "'hyper-v' is not one of 'qemu', 'programmable'"),
        (["no-such"], "No such command 'no-such'"),
        (["build", "--kernel", "nonsense"], "--kernel nonsense: no version such as"),
        (["build", "--kernel", "5.10"], "--kernel 5.10: uio_hv_generic takes no channel of QEMU"),
        (["run", "--kernel", "9.9", "--", "true"], "--kernel 9.9: apt offers no linux-image-9.9"),
        (["shell", "--kernel", "./no"], "--kernel ./no: neither a kernel package nor a folder"),
        (["run", "--kernel", __file__, "--", "true"], "test_cli_lab.py: no package"),
        (["certify", "--kernel", "9.9"], "--kernel 9.9: apt offers no linux-image-9.9"),
        (["certify", *LED, "--kernel", "5.10"], "--kernel 5.10: nothing is known of kernels"),
        (["bench", "--cache", "/dev/null/below"], "name another folder with --cache"),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("kmcl_lab.packages.run", apt)
    code = main(["lab", *arguments])
    errors = capsys.readouterr().err

    assert code == 2
    assert words in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*OURS, "--command", "x"], "--command is for QEMU as the host"),
        ([*OURS, "--command", shlex.join(UIO_COMMAND)], "--command is for QEMU as the host"),
        ([*LED, "--command", "x"], "programmable the guest's bus driver is run"),
        ([*OURS, "--no-resets"], "--no-resets is for QEMU as the host"),
        ([*LED, "--no-resets"], "--no-resets is for QEMU as the host"),
        (["--resets", "--profile", "full", "--command", "x"], "--resets: both ends would die"),
        ([*OURS, "--provoke"], "--provoke is for QEMU as the host"),
        ([*LED, "--provoke"], "--provoke is for QEMU as the host"),
        (["--provoke", "--command", "x"], "--provoke unbinds the driver under our own endpoint"),
        (["--monitored"], "--monitored is for both ends"),
        ([*LED, "--monitored"], "--monitored is for both ends"),
        (["--profile", "linux-vmbus"], "--profile linux-vmbus: QEMU cannot be led"),
        (["--profile", "no-such"], "--profile no-such: choose full, "),
        (["--profile", "full"], "our own client here: choose client-uio, client-uio-dynmem"),
        ([*OURS, "--profile", "client-uio"], "our own client and server here: choose full"),
        (["--budget", "x"], "--budget x: choose small, "),
        (["--budget", "0"], "--budget 0: choose small, "),
        ([*LED, "--budget", "x"], "--budget x: choose small, "),
        (["--command", ""], "--command: it is empty"),
        (["--command", " '' "], "--command: it is empty"),
        (["--minutes", "nan"], "--minutes"),
        (["--minutes", "-1"], "--minutes"),
        (["--out", "/dev/null"], "/dev/null: not a folder; choose another with --out"),
        (["--out", "/dev/null/below"], "/dev/null: not a folder; choose another with --out"),
    ],
    ids=" ".join,
)
def test_an_option_without_sense_or_effect_is_refused_before_a_machine_is_started(
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli_lab, "build", refuse)
    code = main(["lab", "certify", *arguments])
    errors = capsys.readouterr().err

    assert code == 2
    assert words in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--resets", "--command", "x"],
        ["--no-resets", "--command", "x"],
        ["--no-resets", "--profile", "full", "--command", "x"],
        ["--provoke", "--resets"],
        ["--profile", "client-uio"],
        ["--profile", "full", "--command", "x"],
        ["--budget", "1,000"],
        ["--minutes", "0", "--out", "not/yet/there"],
        [*OURS, "--monitored"],
        [*LED, "--resets"],
        [*OURS, "--resets", "--monitored"],
        [*OURS, "--profile", "full"],
    ],
    ids=" ".join,
)
def test_options_with_an_effect_go_together(
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """They come as far as to where a machine is wanted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli_lab, "build", refuse)
    monkeypatch.setattr("kmcl_lab.linux.build", refuse)

    assert main(["lab", "certify", *arguments]) == 3
    assert "apt knows no version" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["run", "--", "true"], ["shell"], ["certify"], ["self-check"], ["bench"]],
    ids=" ".join,
)
def test_a_folder_that_cannot_be_written_is_refused_before_a_machine_is_started(
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(cli_lab, "build", refuse)
    monkeypatch.setattr("os.access", lambda *_: False)
    name, *others = arguments
    code = main(["lab", name, "--out", str(tmp_path / "a" / "b"), *others])

    assert code == 2
    assert capsys.readouterr().err == (
        f"kmcl: {tmp_path}: cannot be written; choose another folder with --out\n"
    )


@pytest.mark.parametrize(
    ("wanted", "minutes", "found"),
    [
        (None, None, (True, False)),
        (None, RESET_MINUTES, (True, False)),
        (None, RESET_MINUTES - 1, (False, False)),
        (True, None, (True, True)),
        (True, 1.0, (True, True)),
        (False, None, (False, False)),
    ],
)
def test_guests_are_reset_where_that_is_asked_for_or_there_is_time(
    wanted: bool | None, minutes: float | None, found: tuple[bool, bool]
) -> None:
    assert resets_in(wanted, minutes) == found


def test_both_ends_in_one_guest_are_noticed_when_it_has_booted() -> None:
    """Which profile fits is known then only."""
    must_be_alone(True, HostKind.QEMU, ("client",))
    must_be_alone(None, HostKind.QEMU, ("client", "server"))
    must_be_alone(True, HostKind.PROGRAMMABLE, ("client", "server"))
    with pytest.raises(Problem, match="both ends would die"):
        must_be_alone(True, HostKind.QEMU, ("client", "server"))


def test_conversations_of_one_end_with_a_known_host_are_about_its_death_as_well() -> None:
    """What a certification resets the guest for by default."""
    profile = PROFILES["client-uio-dynmem"]
    tours = Plan(1, ends=profile.ends, host=profile.host).tours
    deaths = [tour.name for tour in tours if any(map(is_death, tour.stimuli))]

    assert len(deaths) == 4
    assert all(name.endswith("from the client") for name in deaths)
    early = [tour.name for tour in tours[len(hosted.CONVERSATIONS) :][: len(OF_DEATH)]]
    assert early == deaths[: len(OF_DEATH)] == [f"{name}, from the client" for name in OF_DEATH]


def test_without_a_command_the_lab_says_what_it_can_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["lab", "--help"])
    told = capsys.readouterr().out
    assert main(["lab"]) == 0
    assert capsys.readouterr() == (told, "")

    assert [
        word for word in ("build", "run", "shell", "certify", "bench") if word not in told
    ] == []


def is_death(stimulus: Stimulus) -> bool:
    return stimulus == Environ("environment", "client", "crash")


class Machines:
    """An adapter whose machines hang so many times, and what the campaign was told to do."""

    def __init__(self, hangs: int) -> None:
        self.hangs = hangs
        self.resumed: list[bool] = []

    def run(self, _adapter: Any, options: Any, *_: Any) -> str:
        self.resumed.append(options.resume)
        if len(self.resumed) <= self.hangs:
            raise Hang("lab: the inner guest has not answered for 30 s")
        return "the certificate"


def judged(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(cli_lab, "run_for", machines.run)
    adapter: Any = LabAdapter.__new__(LabAdapter)
    screen: Any = None
    return cli_lab._judge(adapter, Options(), screen, None, lambda _: None)


def test_a_campaign_that_hanging_machines_interrupt_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machines = Machines(hangs=2)

    assert judged(machines, monkeypatch) == "the certificate"
    assert machines.resumed == [False, True, True]


def test_a_campaign_ends_when_its_time_is_over(tmp_path: Path) -> None:
    adapter = find("reference")
    screen = Screen(quiet=True, as_json=False)
    heard: list[int] = []
    options = Options(out=tmp_path / "out")
    found = run_for(adapter, options, screen, 0.0, lambda progress: heard.append(progress.done))

    assert heard == [1]
    assert found.verdict is Verdict.CONFORMING


class Hanging:
    """An adapter whose machines hang in every session."""

    def __init__(self) -> None:
        self.sessions = 0
        self.describe = find("reference").describe

    def open(self) -> Session:
        self.sessions += 1
        raise Hang("lab: the inner guest has not answered for 30 s")

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("seconds", "attempts"), [(0.0, 1), (1e9, campaigns.HANGS)])
def test_machines_that_hang_are_asked_again_only_while_there_is_time(
    seconds: float, attempts: int, tmp_path: Path
) -> None:
    adapter = Hanging()
    screen = Screen(quiet=True, as_json=False)
    options = Options(out=tmp_path / "out")
    verdict = None
    with suppress(Hang):
        verdict = run_for(adapter, options, screen, seconds, lambda _: None).verdict

    assert adapter.sessions == 2 * attempts  # each is doubted once
    assert verdict == (None if seconds else Verdict.INCONCLUSIVE)


def test_machines_that_always_hang_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    machines = Machines(hangs=99)

    with pytest.raises(Hang):
        judged(machines, monkeypatch)
    assert len(machines.resumed) == cli_lab.HANGS


BEFORE = {"guest_free_kib": 300_000, "guest_files": 40, "process_kib": 11_000}
BEFORE |= {"process_descriptors": 4}


@pytest.mark.parametrize(
    ("change", "leaks"),
    [
        ({}, False),
        ({"guest_free_kib": -20_000}, False),  # the kernel's, a figure of its own
        ({"process_kib": 212}, False),
        ({"process_kib": 4_000}, True),
        ({"process_descriptors": 1_000}, True),
        ({"guest_files": 1_000}, True),
        ({"guest_files": 3}, False),
    ],
)
def test_a_leak_is_told_from_what_moves_by_itself(change: dict[str, int], leaks: bool) -> None:
    after = {name: value + change.get(name, 0) for name, value in BEFORE.items()}

    assert has_leaked({"cycles": 1000, "before": BEFORE, "after": after}) is leaks


def test_the_pace_is_that_of_the_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 30.0, 31.0, 32.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    pace = Pace(next(clock))
    for _ in range(3):
        pace(Progress(0, 0, 0, 0, 0))

    assert pace.figures() == {"first_sequence_judged_after": 20.0, "sequences_per_second": 1.0}


def test_what_memory_grows_by_once_is_no_leak_in_few_cycles() -> None:
    grown = BEFORE | {"process_kib": BEFORE["process_kib"] + 208}
    leaking = BEFORE | {"process_kib": BEFORE["process_kib"] + 800}

    assert not has_leaked({"cycles": 200, "before": BEFORE, "after": grown})
    assert has_leaked({"cycles": 200, "before": BEFORE, "after": leaking})


class Booted:
    """A lab that is running."""

    def __enter__(self) -> "Booted":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def bind(self) -> None:
        pass

    @property
    def guest(self) -> Any:
        raise GuestLost("the inner guest has gone", is_hang=False)


def test_a_command_whose_guest_is_lost_has_a_code_of_its_own_that_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_lab, "_lab", lambda *_: Booted())
    with open(os.devnull) as nothing:
        before = os.dup(0)
        os.dup2(nothing.fileno(), 0)
        try:
            code = main(["lab", "run", "--", "true"])
        finally:
            os.dup2(before, 0)
            os.close(before)
    errors = capfd.readouterr().err
    main(["lab", "run", "--help"])

    assert (code, errors) == (LOST_CODE, "kmcl: the inner guest has gone\n")
    assert f"{LOST_CODE} the guest was lost" in " ".join(capfd.readouterr().out.split())
    assert f"| {LOST_CODE} | `kmcl lab run`" in (ROOT / "README.md").read_text()


def test_a_door_that_closes_is_a_guest_that_is_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def closed(*_: Any, **__: Any) -> int:
        raise OSError("the lab has closed the door")

    monkeypatch.setattr(cli_lab, "_lab", lambda *_: Booted())
    monkeypatch.setattr("kmcl_conformance.cli.lab_inside.bridge", closed)

    assert main(["lab", "run", "--", "true"]) == LOST_CODE
    assert capsys.readouterr().err == "kmcl: the lab is gone: the lab has closed the door\n"
