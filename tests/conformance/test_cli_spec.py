"""``kmcl spec`` and ``kmcl explore``: browsing the specification."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from kmcl_conformance.cli import main
from kmcl_model.book import kmcl, vmbus
from kmcl_model.catalogue import data_folder, requirements
from kmcl_model.spec.charts import CHARTS, chart_moves
from kmcl_model.spec.control import CONTROL_CHARTS

Captured = pytest.CaptureFixture[str]


def found(capsys: Captured, *arguments: str) -> dict[str, Any]:
    assert main(["spec", "--json", *arguments]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def ids(data: dict[str, Any], kind: str = "requirements") -> list[str]:
    return [one["id"] for one in data[kind]]


def test_the_overview_counts_every_requirement(capsys: Captured) -> None:
    assert main(["spec"]) == 0

    library, bus = capsys.readouterr().out.split(" all ")[1:]
    numbers = [int(n) for n in library.split()[:3]]
    assert sum(numbers) == len(requirements())
    assert bus.split()[0] == str(len(vmbus().requirements))


def test_without_words_json_has_everything(capsys: Captured) -> None:
    data = found(capsys)

    assert len(data["requirements"]) == len(requirements()) + len(vmbus().requirements)
    assert len(data["interpretations"]) == 156 + len(vmbus().interpretations)


def test_a_profile_limits_what_is_shown(capsys: Captured) -> None:
    data = found(capsys, "--profile", "linux-vmbus")

    assert [r["id"] for r in data["requirements"]] == list(vmbus().requirements)
    assert data["digest"] == vmbus().digest


def test_the_faults_are_shown_with_what_they_endanger(capsys: Captured) -> None:
    data = found(capsys, "faults")

    for book, profile in ((kmcl(), "full"), (vmbus(), "linux-vmbus")):
        assert {f["name"]: f["endangers"] for f in data["faults"] if profile in f["profiles"]} == {
            fault.name: list(fault.endangers) for fault in book.faults.values()
        }
    assert main(["spec", "rescind-opening"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "OPENCHANNEL has no answer" in shown
    assert "--profile linux-vmbus" in shown


def test_a_name_that_two_profiles_have_is_shown_for_both(capsys: Captured) -> None:
    data = found(capsys, "spurious")
    assert [f["profiles"][0] for f in data["faults"]] == ["full", "linux-vmbus"]

    (only,) = found(capsys, "spurious", "--profile", "client-uio")["faults"]
    assert only["endangers"] == list(kmcl().faults["spurious"].endangers)


@pytest.mark.parametrize(
    ("adapter", "fault", "words"),
    [
        (
            "reference",
            "rescind-open",
            "rescind-open: that is a fault of profile linux-vmbus, and profile full has crash,",
        ),
        ("guest", "crash", "of profile full, client-uio, client-uio-dynmem, and profile linux-vm"),
        ("reference", "crsh", "--faults crsh: profile full has crash, malformed,"),
        ("reference", "crsh", "signal-masked; or all, none"),
    ],
)
def test_a_fault_of_another_profile_is_refused_in_one_line(
    adapter: str, fault: str, words: str, capsys: Captured
) -> None:
    assert main(["fuzz", "--adapter", adapter, "--faults", fault, "-b", "1"]) == 2

    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_requirement_of_the_bus_names_its_source_and_its_faults(capsys: Captured) -> None:
    assert main(["spec", "V018"]) == 0

    shown = " ".join(capsys.readouterr().out.split())
    for text in ("exactly once", "drivers/hv/channel_mgmt.c", "CH-release", "rescind-again"):
        assert text in shown


def test_a_requirement_is_shown_in_full(capsys: Captured) -> None:
    assert main(["spec", "f285"]) == 0

    shown = capsys.readouterr().out
    for text in ("F285", "nc-fn_vmb_channel_pause.md", "modelled", "rules", "EP-"):
        assert text in shown


def test_a_merged_fact_leads_to_its_requirement(capsys: Captured) -> None:
    merged = next(r for r in requirements().values() if len(r.facts) > 1)

    assert ids(found(capsys, merged.facts[1])) == [merged.id]


def test_an_interpretation_is_shown_with_its_readings(capsys: Captured) -> None:
    assert main(["spec", "A35"]) == 0

    shown = capsys.readouterr().out
    assert "Pause while disabled" in shown
    assert "(taken)" in shown


def test_an_interpretation_that_no_trace_tells_says_why(capsys: Captured) -> None:
    assert main(["spec", "A15"]) == 0

    shown = " ".join(capsys.readouterr().out.split())
    assert "not shown second-call: No function tells the flags" in shown


@pytest.mark.parametrize("name", ["VmbChannelPause", "vmbchannelpause", "pause"])
def test_a_function_is_shown_with_its_requirements(capsys: Captured, name: str) -> None:
    data = found(capsys, name)

    assert [f["name"] for f in data["functions"]] == ["VmbChannelPause"]
    assert "F285" in ids(data)


def test_words_are_searched_for_together(capsys: Captured) -> None:
    both, one = found(capsys, "quota", "zero"), found(capsys, "zero")

    assert both["requirements"]
    assert set(ids(both)) < set(ids(one))


def test_the_status_narrows_the_search(capsys: Captured) -> None:
    data = found(capsys, "pause", "--status", "modelled")

    assert {r["status"] for r in data["requirements"]} == {"modelled"}


def test_what_is_not_there_is_said_in_one_line(capsys: Captured) -> None:
    assert main(["spec", "xyzzy"]) == 2

    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("words", [["F999"], ["f500"], ["A999"], ["pause", "V999"]])
def test_an_id_that_does_not_exist_finds_nothing(capsys: Captured, words: list[str]) -> None:
    assert main(["spec", *words]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"nothing in the specification matches {' '.join(words)!r}" in captured.err


def test_the_hash_of_a_statement_is_not_searched(capsys: Captured) -> None:
    one = next(iter(requirements().values()))

    assert main(["spec", one.sha256[:12]]) == 2
    assert "matches" in capsys.readouterr().err


def test_an_unknown_status_is_refused(capsys: Captured) -> None:
    assert main(["spec", "--status", "open"]) == 2
    assert "modelled, not-yet, unobservable" in capsys.readouterr().err


# Charts ---------------------------------------------------------------------------------------


def test_every_chart_is_drawn_with_all_its_transitions(capsys: Captured, tmp_path: Path) -> None:
    assert main(["spec", "--charts", "mermaid", str(tmp_path)]) == 0

    files = capsys.readouterr().out.split()
    charts = (*CHARTS, *CONTROL_CHARTS)
    assert len(files) == len(charts)
    for chart in charts:
        text = (tmp_path / f"{chart.name.replace(' ', '-')}.mmd").read_text()
        for _, move in chart_moves(chart):
            assert f'"{move.target}"' in text


def test_the_drawings_are_well_formed(capsys: Captured, tmp_path: Path) -> None:
    assert main(["spec", "--charts", "svg", str(tmp_path)]) == 0

    for path in capsys.readouterr().out.split():
        assert ET.parse(path).getroot().tag.endswith("svg")


@pytest.mark.parametrize(("form", "folder"), [("png", "x"), ("svg", "file")])
def test_charts_that_cannot_be_drawn_or_written(
    capsys: Captured, tmp_path: Path, form: str, folder: str
) -> None:
    (tmp_path / "file").write_text("in the way")

    assert main(["spec", "--charts", form, str(tmp_path / folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# Explore --------------------------------------------------------------------------------------


def test_a_walk_takes_transitions_of_every_endpoint(capsys: Captured) -> None:
    assert main(["explore", "--sequences", "5", "--json"]) == 0

    data = json.loads(capsys.readouterr().out)
    taken = {row["chart"] for row in data["transitions"] if row["taken"]}
    assert taken >= {"client endpoint", "server endpoint"}
    assert 0 < data["coverage"]["states"]["hit"] <= data["coverage"]["states"]["total"]


def test_one_chart_is_shown_with_its_transitions(capsys: Captured) -> None:
    assert main(["explore", "client endpoint", "--sequences", "2"]) == 0

    shown = capsys.readouterr().out
    assert "EP-enable" in shown
    assert "PK-send" not in shown


def test_a_walk_can_be_drawn(capsys: Captured) -> None:
    assert main(["explore", "--sequences", "1", "--length", "5", "--trace"]) == 0

    assert "├" in capsys.readouterr().out


def test_a_walk_that_fails_says_so(capsys: Captured) -> None:
    assert main(["explore", "-a", "mutant:opened-status-ignored", "--sequences", "60"]) == 1

    assert "broken" in capsys.readouterr().out


def test_an_unknown_chart_is_refused(capsys: Captured) -> None:
    assert main(["explore", "nonsense"]) == 2
    assert "client endpoint" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["evt_vmb_channel_closed.toml", "vmbus/faults.toml"])
def test_data_that_cannot_be_read_get_one_line(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "requirements"
    shutil.copytree(data_folder(), folder)
    with (folder / name).open("a") as file:
        file.write("broken = [")
    program = (
        "import pathlib, sys; from kmcl_model import catalogue; "
        f"catalogue.data_folder = lambda: pathlib.Path({str(folder)!r}); "
        "from kmcl_conformance.cli import main; sys.exit(main())"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, "spec"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"kmcl: {folder / name}: ")
    assert done.stderr.endswith("; correct it, or reinstall the package\n")
    assert done.stderr.count("\n") == 1
