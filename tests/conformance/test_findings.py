"""The traces that lie beside findings show what the findings say."""

import json
import re
from pathlib import Path

import pytest

from kmcl_conformance.cli import main

FOLDER = Path(__file__).parents[2] / "reports/findings"
OF_THE_BUS = {
    "linux-notify-dereferences-null": [],
    "linux-opens-subchannel-of-closed": ["V057"],
    "linux-rescind-while-closing": ["V020", "V021"],
    "linux-rescind-while-closing-another": ["V020"],
    "linux-leaves-without-unload": ["V011"],
}
TRACES = [
    path
    for path in sorted(FOLDER.glob("traces/linux-*-*.jsonl"))
    if path.stem.rpartition("-")[0] in OF_THE_BUS
]


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
def test_a_trace_breaks_the_requirements_of_its_finding(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, _, kernel = trace.stem.rpartition("-")
    told = (FOLDER / f"{name.removesuffix('-another')}.md").read_text(encoding="utf-8")
    code = main(["check", str(trace), "--profile", "linux-vmbus", "--json"])

    assert code == 1
    assert json.loads(capsys.readouterr().out)["failure"]["requirements"] == OF_THE_BUS[name]
    assert all(f"`{id}`" in told for id in OF_THE_BUS[name])
    assert kernel in told
    assert f"(traces/{trace.name})" in told


def test_every_finding_of_the_bus_has_traces_and_every_link_leads_somewhere() -> None:
    assert {path.stem.rpartition("-")[0] for path in TRACES} == OF_THE_BUS.keys()
    for page in FOLDER.glob("*.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (FOLDER / target).exists(), f"{page.name}: {target}"
