"""Real guests that were asked for are booted, or the tests fail: another pytest, on one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    one = f"{TESTS / 'lab/test_programmable.py'}"
    own = ("-p", "no:cacheprovider", "-p", "no:xdist", "-rs", "-x")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *own, *options, one],
        cwd=TESTS.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_guests_that_were_asked_for_and_are_not_there_fail(tmp_path: Path) -> None:
    done = run("--real-guests", XDG_CACHE_HOME=str(tmp_path))

    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "--real-guests was given, and there are none: " in done.stdout
    assert "skipped" not in done.stdout


def test_guests_that_nobody_asked_for_are_skipped() -> None:
    done = run()

    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert "make test-lab" in done.stdout
