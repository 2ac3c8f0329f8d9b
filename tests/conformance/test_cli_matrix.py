"""``kmcl mutants`` and ``kmcl variants``: the kill matrix and the false alarms."""

import json
from pathlib import Path

import pytest

from kmcl_adapters.variants import VARIANTS
from kmcl_conformance.cli import main, matrix
from kmcl_conformance.cli.hunts import Hunted, Target

Captured = pytest.CaptureFixture[str]

KILLED = Hunted(3, 120, "client: enter EvtVmbChannelOpened(): too early", ("F014",), ())
ALIVE = Hunted(9, 900, "", (), ("A32:R2",))


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Target]:
    """No hunt is made: what ends in "returned" is killed. The targets asked for."""
    asked: list[Target] = []

    def hunt_all(targets: list[Target], jobs: int) -> list[Hunted]:
        asked.extend(targets)
        return [KILLED if "returned" in target.adapter else ALIVE for target in targets]

    monkeypatch.setattr(matrix, "hunt_all", hunt_all)
    return asked


def test_a_mutant_that_is_killed(capsys: Captured) -> None:
    assert main(["mutants", "--only", "wrong-state-unnumbered", "--jobs", "1", "--json"]) == 0

    (row,) = json.loads(capsys.readouterr().out)
    assert row["name"] == "wrong-state-unnumbered"
    assert row["killed"]
    assert row["requirements"]
    assert set(row) == {"name", "stands_for", "killed", "sequences", "steps", "requirements"}


def test_processes_find_what_one_process_finds(capsys: Captured) -> None:
    results = []
    for jobs in ("1", "2"):
        main(["mutants", "--only", "*-unnumbered", "-b", "3", "--jobs", jobs, "--json"])
        main(["variants", "--only", "double-*", "-b", "3", "--jobs", jobs, "--json"])
        results.append(capsys.readouterr().out)

    assert results[0] == results[1]


def test_a_mutant_that_lives_is_told_by_the_code(capsys: Captured, found: list[Target]) -> None:
    assert main(["mutants", "--only", "*unnumbered"]) == 1

    assert capsys.readouterr().out.splitlines()[-1] == "SOME LIVE"
    assert {target.adapter for target in found} == {"mutant:wrong-state-unnumbered"}


def test_a_variant_raises_no_alarm(capsys: Captured) -> None:
    arguments = ["variants", "--only", "double-enable-succeeds", "-b", "5", "-j", "1", "--json"]
    assert main(arguments) == 0

    (row,) = json.loads(capsys.readouterr().out)
    assert not row["alarm"]
    assert row["takes"] == ["A32:R2"]
    assert row["seen"]


def test_a_false_alarm_is_told_by_the_code(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "hunt_all", lambda targets, _: [KILLED for _ in targets])

    assert main(["variants", "--only", "double-enable-succeeds"]) == 1

    shown = capsys.readouterr().out
    assert "too early" in shown
    assert shown.splitlines()[-1] == "FALSE ALARM"


def test_a_variant_whose_reading_is_not_named_is_told_by_the_code(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variant is said to refuse a second Enable, and lets it succeed."""
    honest = VARIANTS["double-enable-succeeds"]
    wrong = honest._replace(takes=("A32:R1",))
    monkeypatch.setitem(VARIANTS, "double-enable-succeeds", wrong)
    arguments = ["variants", "--only", "double-enable-succeeds", "-b", "1", "-j", "1"]

    assert main([*arguments, "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row["unnamed"] == ["A32:R1"]
    assert "A32:R2" in row["seen"]
    assert not row["alarm"]

    assert main(arguments) == 1
    shown = capsys.readouterr().out.splitlines()
    assert "0 false alarms, 1 with a reading not named" in shown[-2]
    assert shown[-1] == "READING NOT NAMED"


def test_a_reading_that_a_combination_hides_is_no_failure(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hunt_all(targets: list[Target], jobs: int) -> list[Hunted]:
        return [
            ALIVE._replace(
                readings=()
                if "+" in target.adapter
                else VARIANTS[target.adapter.removeprefix("variant:")].takes
            )
            for target in targets
        ]

    monkeypatch.setattr(matrix, "hunt_all", hunt_all)

    assert main(["variants", "--combinations", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "NO ALARM"


def test_seeds_and_combinations_multiply(capsys: Captured, found: list[Target]) -> None:
    main(["variants", "--seeds", "2", "--combinations", "4", "--quiet"])

    joined = {target.adapter for target in found if "+" in target.adapter}
    assert len(joined) == 4
    assert {name.count("+") for name in joined} == {2}
    assert len(found) == 2 * len({target.adapter for target in found})


def test_the_matrix_is_kept_where_it_is_asked_for(
    capsys: Captured, found: list[Target], tmp_path: Path
) -> None:
    main(["mutants", "--only", "*unnumbered", "--out", str(tmp_path), "--json"])

    kept = json.loads((tmp_path / "mutants.json").read_text())
    assert kept == json.loads(capsys.readouterr().out)


def test_ctrl_c_ends_with_code_3(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(targets: list[Target], jobs: int) -> list[Hunted]:
        raise KeyboardInterrupt

    monkeypatch.setattr(matrix, "hunt_all", interrupted)

    assert main(["mutants"]) == 3
    assert "interrupted after 0 of" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["mutants", "--only", "nonsense"],
        ["variants", "--only", "nonsense"],
        ["mutants", "--budget", "0"],
        ["mutants", "--jobs", "0"],
        ["mutants", "--out", "/dev/null/here", "--only", "wrong-state-unnumbered"],
    ],
)
def test_wrong_usage_gets_one_line_and_code_2(
    capsys: Captured, found: list[Target], arguments: list[str]
) -> None:
    assert main(arguments) == 2

    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith("kmcl: ")
    assert "Traceback" not in captured.err
