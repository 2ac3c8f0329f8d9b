"""The benchmark runs and says what it measured; how fast this machine is, no test asserts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kmcl_conformance import bench
from kmcl_conformance.bench import Sizes, figures, main
from kmcl_conformance.figure import Figure

TINY = Sizes(
    repeats=2,
    warm_walks=2,
    walks=2,
    examples=2,
    native_walks=1,
    certify=False,
    packets=50,
    trips=5,
)


def test_a_figure_knows_its_middle_and_its_target() -> None:
    fast = Figure("speed", "steps/s", (3.0, 1.0, 2.0), 2)
    assert fast.median == 2.0
    assert fast.met()
    assert not fast._replace(target=2.5).met()
    assert fast._replace(target=2.5, at_most=True).met()
    assert fast._replace(target=None).met() is None
    record = fast.record()
    assert (record["median"], record["min"], record["max"], record["repeats"]) == (2.0, 1.0, 3.0, 3)


def test_every_figure_has_a_value_for_each_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "EXAMPLE", Path("no such library"))
    heard: list[str] = []
    found = figures(TINY, heard.append)
    assert len({figure.name for figure in found}) == len(found) >= 6
    for figure in found:
        assert len(figure.values) == TINY.repeats
        assert all(value > 0 for value in figure.values)
    assert {figure.target for figure in found} == {None, 0.6, 100, 20_000, 30_000, 200_000}
    assert heard[0] == "warming up"


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_states_machine_and_method(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "EXAMPLE", Path("no such library"))
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
