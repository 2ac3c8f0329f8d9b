"""The benchmark runs and says what it measured; how fast this machine is, no test asserts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kmcl_adapters import Adapter
from kmcl_conformance import bench, bench_proof, campaign, subjects
from kmcl_conformance.bench import Sizes, figures, main
from kmcl_conformance.bench_proof import Proof, proof_figures
from kmcl_conformance.figure import Figure
from kmcl_conformance.mutation import Hunt
from kmcl_conformance.oracle import judge_trace
from kmcl_model.events import Lost

TINY = Sizes(
    repeats=2,
    warm_walks=2,
    walks=2,
    examples=2,
    native_walks=1,
    certify=False,
    packets=50,
    trips=5,
    proof=Proof(every=1_000, combinations=1, seeds=2, budget="small"),
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """No library in C, and legal variants get a budget that is used up at once."""
    monkeypatch.setattr(bench, "EXAMPLE", Path("no such library"))
    monkeypatch.setattr(subjects, "TOURS", ())
    monkeypatch.setitem(campaign.BUDGETS, "small", 2)


def test_a_figure_knows_its_middle_and_its_target() -> None:
    fast = Figure("speed", "steps/s", (3.0, 1.0, 2.0), 2)
    assert fast.median == 2.0
    assert fast.met()
    assert not fast._replace(target=2.5).met()
    assert fast._replace(target=2.5, at_most=True).met()
    assert fast._replace(target=None).met() is None
    record = fast.record()
    assert (record["median"], record["min"], record["max"], record["repeats"]) == (2.0, 1.0, 3.0, 3)


def test_every_figure_has_a_value_for_each_repeat() -> None:
    heard: list[str] = []
    found = figures(TINY, heard.append)
    assert len({figure.name for figure in found}) == len(found) >= 6
    *speeds, killed, steps, alarms = found
    for figure in speeds:
        assert len(figure.values) == TINY.repeats
        assert all(value > 0 for value in figure.values)
    assert {figure.target for figure in speeds} == {None, 0.6, 100, 20_000, 30_000, 200_000}
    assert heard[0] == "warming up"
    assert (killed.values, killed.met(), killed.name) == ((1.0,), True, "killed of 1 mutants")
    assert steps.target == 2_000
    assert (alarms.values, alarms.met()) == ((0.0,), True)
    assert alarms.name == "false alarms of 1 variants and 1 combinations, seeds: 2"


def test_mutants_that_live_and_variants_that_are_blamed_miss_the_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every second mutant lives, and every hunt in a variant ends in a failure."""
    asked: list[tuple[str, int, int]] = []
    failure = judge_trace([Lost("lost", "crash", "")]).failure

    def found(adapter: Adapter, seed: int, sequences: int, **_: object) -> Hunt:
        name = adapter.describe().adapter
        asked.append((name, seed, sequences))
        lives = name.startswith("mutant") and len(asked) % 2 == 0
        return Hunt(1, len(asked), None if lives else failure)

    monkeypatch.setattr(bench_proof, "hunt", found)
    killed, steps, alarms = proof_figures(Proof(50, 3, 2, "small"))

    mutants = [name for name, _, _ in asked if name.startswith("mutant")]
    variants = [(name, seed) for name, seed, _ in asked if name.startswith("variant")]
    assert (killed.target, killed.median) == (len(mutants), (len(mutants) + 1) // 2)
    assert killed.met() is False
    assert killed.culprits == tuple(f"{name}, seed 1" for name in mutants[1::2])
    assert steps.values == tuple(range(1, len(mutants) + 1, 2))
    assert len(set(variants)) == len(variants) == alarms.median
    assert sum("+" in name for name, _ in variants) == 3 * 2
    assert alarms.met() is False
    assert alarms.culprits == tuple(f"{name}, seed {seed}" for name, seed in variants)
    assert {sequences for name, _, sequences in asked if name in mutants} == {3500}


def test_who_keeps_a_figure_from_its_target_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alarms = Figure("false alarms", "alarms", (1.0,), 0, True, ("variant:x+y+z, seed 3",))
    monkeypatch.setattr(bench, "figures", lambda *_: [alarms])

    assert main([]) == 0

    assert "false alarms: not reached for variant:x+y+z, seed 3\n" in capsys.readouterr().out


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_states_machine_and_method(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "QUICK", TINY)
    assert main(["--quick", *(["--json"] if as_json else [])]) == 0
    out = capsys.readouterr().out
    if as_json:
        record = json.loads(out)
        assert {"processor", "cores", "python", "load_before", "load_after"} <= set(
            record["machine"]
        )
        assert "Warm-up" in record["method"]
        assert {"median", "min", "max", "target", "unit"} <= set(record["figures"][0])
    else:
        assert "processor: " in out
        assert "Warm-up" in out
        assert "20,000" in out
