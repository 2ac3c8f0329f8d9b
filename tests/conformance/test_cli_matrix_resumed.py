"""A kill matrix that is interrupted keeps what it has, and goes on with the rest."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from kmcl_conformance.cli import hunts, main, matrix
from kmcl_conformance.cli.hunts import Hunted, Target

Captured = pytest.CaptureFixture[str]

VARIANTS = ["variants", "--only", "zero-*", "--combinations", "1", "-b", "3", "-j", "1"]
MANY = ["mutants", "--only", "pause-[br]*", "-b", "3", "-j", "1"]


def ctrl_c() -> None:
    raise KeyboardInterrupt


def sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """After so many hunts, which are made, the user has enough."""

    def prepare(after: int, by: Callable[[], None] = ctrl_c) -> None:
        def hunt_all(targets: Sequence[Target], jobs: int) -> Iterator[Hunted]:
            yield from islice(hunts.hunt_all(targets, jobs), after)
            by()

        monkeypatch.setattr(matrix, "hunt_all", hunt_all)

    return prepare


def uninterrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "hunt_all", hunts.hunt_all)


@pytest.mark.parametrize(
    ("command", "file", "by"),
    [
        (MANY, "mutants.json", ctrl_c),
        (MANY, "mutants.json", sigterm),
        (VARIANTS, "variants.json", ctrl_c),
    ],
)
def test_what_is_interrupted_and_resumed_is_the_same_matrix(
    command: list[str],
    file: str,
    by: Callable[[], None],
    tmp_path: Path,
    capsys: Captured,
    interrupt: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    code = main([*command, "--out", str(whole), "--quiet"])
    rows = json.loads((whole / file).read_text())
    assert len(rows) > 1

    interrupt(1, by)
    main([*command, "--out", str(parts), "--quiet"])
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"interrupted after 1 of {len(rows)} runs" in said
    assert said.endswith(f"go on with: kmcl {command[0]} --resume {parts}")
    assert json.loads((parts / file).read_text()) == rows[:1]
    missing = json.loads((parts / "matrix.json").read_text())["missing"]
    assert [name.partition(":")[2].partition(",")[0] for name in missing] == [
        row["name"] for row in rows[1:]
    ]

    uninterrupted(monkeypatch)
    assert main([command[0], "--resume", str(parts), "-j", "1", "--quiet"]) == code
    assert (parts / file).read_text() == (whole / file).read_text()
    assert json.loads((parts / "matrix.json").read_text())["missing"] == []


def test_what_was_found_is_not_hunted_again(
    tmp_path: Path,
    capsys: Captured,
    interrupt: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    interrupt(1)
    main([*MANY, "--out", str(tmp_path)])
    asked: list[Target] = []

    def hunt_all(targets: Sequence[Target], jobs: int) -> Iterator[Hunted]:
        asked.extend(targets)
        yield from hunts.hunt_all(targets, jobs)

    monkeypatch.setattr(matrix, "hunt_all", hunt_all)
    main(["mutants", "--resume", str(tmp_path), "-j", "1", "--json"])
    rows = json.loads(capsys.readouterr().out.partition("\n[")[2].join(("[", "")))

    assert [t.adapter.removeprefix("mutant:") for t in asked] == [row["name"] for row in rows[1:]]


def first_found(hunted: Hunted) -> Callable[..., Iterator[Hunted]]:
    """One hunt has ended with this when Ctrl-C comes."""

    def hunt_all(targets: Sequence[Target], jobs: int) -> Iterator[Hunted]:
        yield hunted
        ctrl_c()

    return hunt_all


def test_interrupted_without_a_survivor_there_is_no_verdict(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "hunt_all", first_found(Hunted(3, 120, "late", ("F014",), ())))

    assert main([*MANY, "--json"]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "nothing is kept without --out" in captured.err


@pytest.mark.parametrize(("command", "code"), [(MANY, 1), (VARIANTS, 3)])
def test_ctrl_c_again_while_what_was_found_is_written_changes_nothing(
    interrupt: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: Captured,
    command: list[str],
    code: int,
) -> None:
    give = matrix._give

    def pressed_again(*arguments: Any, **more: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        give(*arguments, **more)

    monkeypatch.setattr(matrix, "_give", pressed_again)
    interrupt(1)

    assert main([*command, "--out", str(tmp_path / "out"), "--json"]) == code

    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert "interrupted after 1 of" in errors
    assert "--resume" in errors


def test_interrupted_with_a_survivor_the_survivor_is_reported(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(matrix, "hunt_all", first_found(Hunted(3, 120, "", (), ())))

    assert main([*MANY, "--json", "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert [row["killed"] for row in json.loads(captured.out)] == [False]
    assert "reported is what had been found" in captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mutants", "--seed", "2", "--resume"], "was begun with only"),
        ([*MANY, "--seed", "2", "--resume"], "was begun with seed 1, not 2"),
        (["variants", "--resume"], "was begun with kmcl mutants, not kmcl variants"),
        (["mutants", "--out", "elsewhere", "--resume"], "leave out --out"),
    ],
)
def test_other_options_than_it_was_begun_with_are_refused(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    capsys: Captured,
    interrupt: Callable[..., None],
) -> None:
    interrupt(1)
    main([*MANY, "--out", str(tmp_path), "--quiet"])
    capsys.readouterr()

    assert main([*arguments, str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("kept", [None, "{", "[]", '{"schema": "kmcl-matrix/1"}'])
def test_a_folder_without_a_matrix_is_not_resumed(
    kept: str | None, tmp_path: Path, capsys: Captured
) -> None:
    if kept is not None:
        (tmp_path / "matrix.json").write_text(kept)

    assert main(["mutants", "--resume", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_rows_that_are_none_are_not_resumed(
    tmp_path: Path, capsys: Captured, interrupt: Callable[..., None]
) -> None:
    interrupt(1)
    main([*MANY, "--out", str(tmp_path), "--quiet"])
    state = json.loads((tmp_path / "matrix.json").read_text())
    (tmp_path / "matrix.json").write_text(json.dumps({**state, "done": [[1, 2]]}))
    capsys.readouterr()

    assert main(["mutants", "--resume", str(tmp_path)]) == 2
    assert "not a matrix" in capsys.readouterr().err
