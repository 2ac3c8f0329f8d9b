"""The traces that lie beside findings show what the findings say."""

import json
import re
from pathlib import Path

import pytest

from kmcl_conformance.cli import main
from kmcl_model.trace import load_origin

FOLDER = Path(__file__).parents[2] / "reports/findings"
OF_THE_BUS = {
    "linux-notify-dereferences-null": [],
    "linux-opens-subchannel-of-closed": ["V057"],
    "linux-rescind-while-closing": ["V020", "V021"],
    "linux-rescind-while-closing-another": ["V020"],
    "linux-leaves-without-unload": ["V011"],
    "linux-believes-offered-relids": ["V020", "V065"],
    "linux-believes-offered-relids-instance": ["V020", "V066"],
    "linux-believes-offered-relids-instance-first": ["V019"],
    "linux-releases-subchannel-offered-again": ["V019", "V053"],
    "linux-releases-subchannel-offered-again-open": ["V019", "V053"],
    "linux-unbind-while-open": ["V034"],
    "linux-unbind-while-open-refused": ["V034"],
}
RELEASES = {"6.1.192": "6.1.0-56-cloud-amd64"}
"""Debian calls an older kernel by the number of its interface."""
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
    page = re.sub("(-another|-instance|-instance-first|(?<=again)-open|-refused)$", "", name)
    told = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    code = main(["check", str(trace), "--profile", "linux-vmbus", "--json"])

    assert code == 1
    assert json.loads(capsys.readouterr().out)["failure"]["requirements"] == OF_THE_BUS[name]
    assert all(f"`{id}`" in told for id in OF_THE_BUS[name])
    assert kernel in told
    assert f"(traces/{trace.name})" in told


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
def test_a_trace_names_the_kernel_and_the_host_it_was_taken_on(trace: Path) -> None:
    kernel = trace.stem.rpartition("-")[2]
    origin = load_origin(trace.read_text(encoding="utf-8"))

    assert origin is not None
    assert origin.implementation == "Linux hv_vmbus"
    names = {kernel, RELEASES.get(kernel)}
    assert names & {origin.version, origin.version.partition("+")[0]}
    assert [words.partition(" ")[0] for words in origin.surroundings] == ["Linux", "kmcl"]
    assert origin.version in origin.surroundings[0]


def test_no_two_kernels_have_the_same_trace() -> None:
    assert len({trace.read_bytes() for trace in TRACES}) == len(TRACES)


def test_every_finding_of_the_bus_has_traces_and_every_link_leads_somewhere() -> None:
    assert {path.stem.rpartition("-")[0] for path in TRACES} == OF_THE_BUS.keys()
    for page in FOLDER.glob("*.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (FOLDER / target).exists(), f"{page.name}: {target}"
