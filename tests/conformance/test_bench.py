"""The benchmark runs and says what it measured; how fast this machine is, no test asserts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from kmcl_adapters import Adapter
from kmcl_conformance import bench, bench_fuzz, bench_proof, campaign, subjects
from kmcl_conformance.bench import Sizes, figures, main
from kmcl_conformance.bench_fuzz import ENOUGH, fuzz_figures
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
    corruptions=500,
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
    *speeds, corrupted, crashes, hangs, outside, seconds, killed, steps, alarms = found
    assert (corrupted.values >= (500.0,), corrupted.target) == (True, None)
    assert [(f.name, f.values, f.met()) for f in (crashes, hangs, outside)] == [
        ("  crashes", (0.0,), True),
        ("  hangs", (0.0,), True),
        ("  out of bounds", (0.0,), True),
    ]
    assert seconds.unit == "s"
    for figure in speeds:
        assert len(figure.values) == TINY.repeats
        assert all(value > 0 for value in figure.values)
    assert {figure.target for figure in speeds} == {None, 0.6, 100, 20_000, 30_000, 200_000}
    assert heard[0] == "warming up"
    assert (killed.values, killed.met(), killed.name) == ((1.0,), True, "killed of 1 mutants")
    assert steps.target == 2_000
    assert (alarms.values, alarms.met()) == ((0.0,), True)
    assert alarms.name == "false alarms of 1 variants and 1 combinations, seeds: 2"


def fuzzer(*lines: str) -> tuple[str, ...]:
    """A program in the place of the one that fuzzes."""
    return (sys.executable, "-c", "\n".join(lines))


def test_what_a_hostile_host_breaks_is_counted_and_named() -> None:
    outside = "seed 1, round 7: OutOfBounds: word 1024 of a header"
    said = {
        "packets": 900_000,
        "headers": 100_001,
        "kinds": {"crashes": 1, "hangs": 0, "out of bounds": 2},
        "defects": [outside],
    }
    asked = "import sys; assert sys.argv[1:] == ['--count', '1000000']"
    corrupted, *kinds, _ = fuzz_figures(ENOUGH, fuzzer(asked, f"print({json.dumps(said)!r})"))

    assert (corrupted.values, corrupted.target, corrupted.met()) == ((1_000_001.0,), ENOUGH, True)
    assert [(f.values, f.met()) for f in kinds] == [((1,), False), ((0,), True), ((2,), False)]
    assert kinds[2].culprits == (outside,)


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ("import os; os.abort()", "  crashes", "the process ended with -6"),
        ("import time; time.sleep(60)", "  hangs", "no end within 0.5 s"),
    ],
    ids=["it dies", "it does not come back"],
)
def test_a_fuzzer_that_says_nothing_is_a_crash_or_a_hang(
    line: str, kind: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_fuzz, "_LEAST_SECONDS", 0.5)
    monkeypatch.setattr(bench_fuzz, "_SECONDS_EACH", 0.0)
    if "abort" in line:
        monkeypatch.setattr(bench_fuzz, "_LEAST_SECONDS", 20.0)
    corrupted, *kinds, _ = fuzz_figures(ENOUGH, fuzzer(line))

    assert corrupted.met() is False
    assert [f.name for f in kinds if not f.met()] == [kind]
    assert kinds[0].culprits == (words,)


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
