"""The pytest plugin, run as its users run it: another pytest, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = "kmcl_conformance.pytest_plugin"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    load = [] if PLUGIN in _registered() else ["-p", PLUGIN]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *load, "-p", "no:cacheprovider", "-rs", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )


def _registered() -> set[str]:
    from importlib.metadata import entry_points

    return {entry.value for entry in entry_points(group="pytest11")}


def test_a_conforming_implementation_passes(tmp_path: Path) -> None:
    done = run(
        tmp_path, "--pyargs", "kmcl_conformance", "--kmcl-adapter=reference", "--kmcl-budget=20"
    )
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 150
    assert "failed" not in done.stdout.splitlines()[-1]


def test_a_failure_shows_the_case(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        *("--pyargs", "kmcl_conformance", "--kmcl-adapter=mutant:pause-returns-before-suspend"),
        *("--kmcl-budget=20", f"--kmcl-out={tmp_path / 'found'}"),
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "F124 is broken: " in done.stdout
    assert "VmbChannelPause returned" in done.stdout
    assert "again: kmcl replay " in done.stdout
    assert "Traceback" not in done.stdout
    assert list((tmp_path / "found" / "cases").glob("*.json"))


def test_an_unknown_adapter_is_one_clear_line(tmp_path: Path) -> None:
    done = run(tmp_path, "--pyargs", "kmcl_conformance", "--kmcl-adapter=nothing")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "there is no adapter 'nothing'" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_without_the_option_there_is_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "--pyargs", "kmcl_conformance")
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout
