"""Results that cannot be written are shown all the same, and one line tells what is missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kmcl_conformance import campaign as campaigns
from kmcl_conformance import pytest_plugin, subjects
from kmcl_conformance.cli import kept_hunts, main, matrix
from kmcl_conformance.generate.tours import TOURS
from kmcl_conformance.keeping import CampaignError, write_state
from kmcl_reports.certificate import parse_certificate

MUTANT = "mutant:opened-status-ignored"
SHORT = tuple(t for n, t in enumerate(TOURS) if n < 3 or "rejected" in t.name)
FULL = "No space left on device"


@pytest.fixture(autouse=True)
def few_tours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(subjects, "TOURS", SHORT)
    monkeypatch.chdir(tmp_path)


def full(*_: Any) -> None:
    raise CampaignError(f"out/x: {FULL}; choose a folder you can write")


def full_later() -> Callable[..., None]:
    """Writes where a campaign stands at the start, and then no more."""
    written: list[Path] = []

    def write(out: Path, state: dict[str, Any], *more: str) -> None:
        if written:
            full()
        written.append(out)
        write_state(out, state, *more)

    return write


@pytest.mark.parametrize("command", ["certify", "fuzz"])
@pytest.mark.parametrize(
    ("adapter", "verdict"), [("reference", "conforming"), (MUTANT, "violations")]
)
def test_a_campaign_that_cannot_be_kept_is_reported(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    adapter: str,
    verdict: str,
) -> None:
    monkeypatch.setattr(campaigns, "write_state", full_later())

    code = main([command, "-a", adapter, "-b", "5", "--out", "out", "--json"])

    out, err = capsys.readouterr()
    assert (code, parse_certificate(out).verdict) == (2, verdict)
    assert err.startswith(f"kmcl: not everything that was found could be written: out/x: {FULL};")
    assert err.count("\n") == 1
    assert parse_certificate(Path("out/certificate.json").read_text()).verdict == verdict


def test_a_failure_that_cannot_be_saved_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(campaigns, "save", full)

    code = main(["certify", "-a", MUTANT, "-b", "5", "--out", "out"])

    out, err = capsys.readouterr()
    assert (code, "VIOLATIONS" in out, Path("out/report.html").is_file()) == (2, True, True)
    assert FULL in err


def test_an_interrupted_run_does_not_claim_to_be_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write = full_later()
    pressed: list[bool] = []

    def stop(*arguments: Any) -> None:
        if Path("out/campaign.json").exists() and not pressed:
            pressed.append(True)
            signal.raise_signal(signal.SIGINT)
        write(*arguments)

    monkeypatch.setattr(campaigns, "write_state", stop)
    monkeypatch.setattr(campaigns, "KEPT_EVERY", -1.0)

    code = main(["certify", "-b", "5", "--out", "out"])

    _, err = capsys.readouterr()
    assert code == 3
    assert FULL in err.splitlines()[-1]
    assert "is kept" not in err


MATRICES = pytest.mark.parametrize(
    ("command", "file"),
    [
        (["mutants", "--only", "pause-[br]*", "-b", "3", "-j", "1"], "mutants.json"),
        (["variants", "--only", "zero-*", "-b", "3", "-j", "1"], "variants.json"),
    ],
)


@MATRICES
def test_a_matrix_that_cannot_be_kept_is_reported(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    file: str,
) -> None:
    monkeypatch.setattr(kept_hunts, "write_state", full_later())

    assert main([*command, "--out", "out", "--json"]) == 2

    out, err = capsys.readouterr()
    assert json.loads(out) == json.loads(Path("out", file).read_text())
    assert err.startswith(f"kmcl: not everything that was found could be written: out/x: {FULL};")
    assert err.count("\n") == 1


@MATRICES
def test_rows_of_a_matrix_that_cannot_be_written_are_shown(
    capsys: pytest.CaptureFixture[str], command: list[str], file: str
) -> None:
    Path("out", file).mkdir(parents=True)

    assert main([*command, "--out", "out", "--json"]) == 2

    out, err = capsys.readouterr()
    assert json.loads(out)
    assert err.startswith(f"kmcl: not everything that was found could be written: out/{file}: ")
    assert err.count("\n") == 1


def test_a_matrix_that_can_be_kept_nowhere_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kept_hunts, "write_state", full)
    monkeypatch.setattr(matrix, "hunt_all", None)

    assert main(["mutants", "--only", "pause-[br]*", "-b", "3", "-j", "1", "--out", "out"]) == 2

    assert capsys.readouterr().err == f"kmcl: out/x: {FULL}; choose a folder you can write\n"


def test_items_of_pytest_get_their_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "write_state", full_later())
    lines: list[str] = []
    options = {
        "--kmcl-adapter": MUTANT, "--kmcl-seed": 1, "--kmcl-budget": "5", "--kmcl-out": Path("out"),
    }  # fmt: skip
    terminal = SimpleNamespace(write_line=lines.append)
    config: Any = SimpleNamespace(
        getoption=options.get, pluginmanager=SimpleNamespace(get_plugin=lambda _: terminal)
    )

    assert pytest_plugin._run(config).verdict == "violations"
    assert FULL in "".join(lines)


def test_files_that_grow_too_large_are_missing_and_the_others_there(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from kmcl_conformance.cli import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40 << 10, 40 << 10)); sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "certify", "-a", MUTANT, "-b", "5", "--out", "out"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip

    assert (done.returncode, "VIOLATIONS" in done.stdout) == (2, True)
    assert done.stderr.splitlines()[-1] == (
        "kmcl: not everything that was found could be written: out/report.html: File too large; "
        "choose a folder that can be written with --out "
        "(and report.md, junit.xml, certificate.json)"
    )
    assert "Traceback" not in done.stderr
    there = {path.name for path in (tmp_path / "out").iterdir()}
    assert there == {"campaign.json", "cases", "traces"}
