"""The commands on the bus: certificates, cases, the zoo."""

import json
from pathlib import Path

import pytest

from kmcl_conformance.adapters import find
from kmcl_conformance.campaign import Options, begin, certify
from kmcl_conformance.cli import main
from kmcl_conformance.profiles import choose, profile_for
from kmcl_model.book import kmcl, vmbus
from kmcl_reports.certificate import parse_certificate
from kmcl_reports.results import RequirementVerdict, Verdict

Captured = pytest.CaptureFixture[str]


def test_the_reference_guest_is_certified_with_every_requirement_and_fault(tmp_path: Path) -> None:
    assert main(["certify", "--adapter", "guest", "-b", "60", "-o", str(tmp_path), "-q"]) == 0

    found = parse_certificate((tmp_path / "certificate.json").read_bytes())
    assert found.profile == "linux-vmbus"
    assert found.verdict is Verdict.CONFORMING
    assert found.tool.model_digest == vmbus().digest
    assert {r.id: r.verdict for r in found.requirements} == dict.fromkeys(
        vmbus().requirements, RequirementVerdict.PASS
    )
    assert found.coverage.faults is not None
    assert (found.coverage.faults.hit, found.coverage.faults.total) == (len(vmbus().faults),) * 2
    assert {i.id for i in found.interpretations} <= vmbus().interpretations.keys()
    assert "Connection of the guest" in (tmp_path / "report.html").read_text()
    assert "faults" in (tmp_path / "report.md").read_text()


def test_the_faults_of_a_library_are_others() -> None:
    found = certify(find("reference"), Options(sequences=1))

    assert found.coverage.faults is not None
    assert found.coverage.faults.total == len(kmcl().faults)
    assert found.coverage.faults.missing == ("signal-masked",)  # rings in memory have no mask


def test_a_failure_is_saved_as_a_case_that_fails_again_and_passes_on_the_reference(
    tmp_path: Path, capsys: Captured
) -> None:
    mutant = "guest-mutant:no-unload"
    assert main(["certify", "--adapter", mutant, "-b", "1", "-o", str(tmp_path), "-q"]) == 1

    (first, *_) = sorted((tmp_path / "cases").iterdir())
    capsys.readouterr()
    assert main(["replay", str(first)]) == 1
    assert "V011" in capsys.readouterr().out
    assert main(["replay", str(first), "--adapter", "guest"]) == 0
    assert "not offered" not in capsys.readouterr().out
    trace = tmp_path / "traces" / f"{first.stem}.jsonl"
    assert main(["check", str(trace), "--profile", "linux-vmbus", "--json"]) == 1
    finding = json.loads(capsys.readouterr().out)["failure"]
    assert finding["requirements"] == ["V011"]
    assert any("UNLOAD" in allowed for allowed in finding["allowed"])


def test_the_zoo_of_the_bus_is_run_by_the_same_commands(capsys: Captured) -> None:
    profile = ["--profile", "linux-vmbus", "--budget", "10", "--jobs", "1", "--json"]

    assert main(["mutants", "--only", "no-unload", *profile]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["killed"], row["requirements"]) == (True, ["V011"])
    assert main(["variants", "--only", "linux-6.15", *profile]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["alarm"], row["unnamed"]) == (False, [])
    assert main(["mutants", "--profile", "nonsense"]) == 2
    assert "choose full, linux-vmbus" in capsys.readouterr().err


def test_an_adapter_of_the_bus_can_be_checked(capsys: Captured) -> None:
    assert main(["adapter", "guest", "--json"]) == 0

    assert all(c["ok"] for c in json.loads(capsys.readouterr().out)["checks"])


def test_the_model_of_the_bus_can_be_walked(capsys: Captured) -> None:
    assert main(["explore", "--adapter", "guest", "--sequences", "5", "--json"]) == 0

    charts = {t["chart"] for t in json.loads(capsys.readouterr().out)["transitions"]}
    assert charts == {"guest connection", "guest channel", "guest gpadl"}


def test_a_profile_is_chosen_by_what_the_adapter_plays(capsys: Captured) -> None:
    described = find("guest").describe()

    assert choose(described) == "linux-vmbus"
    assert profile_for(described).ends == ("guest",)
    assert main(["certify", "--adapter", "guest", "--profile", "full"]) == 2
    assert "use --profile linux-vmbus" in capsys.readouterr().err


def test_faults_can_be_chosen(tmp_path: Path, capsys: Captured) -> None:
    chosen = ["fuzz", "--adapter", "guest", "-b", "20", "-o", str(tmp_path), "--json"]

    assert main([*chosen, "--faults", "busy"]) == 0
    assert main([*chosen, "--faults", "crash"]) == 2
    assert "profile linux-vmbus has refuse-version" in capsys.readouterr().err


def test_an_interrupted_campaign_goes_on_with_the_faults_it_has_seen(tmp_path: Path) -> None:
    whole = certify(find("guest"), Options(adapter="guest", profile="linux-vmbus", sequences=20))
    options = Options(adapter="guest", profile="linux-vmbus", sequences=20, out=tmp_path)
    first = begin(find("guest"), options)
    steps = first.run()
    for _ in range(30):
        next(steps)
    first.keep()
    second = certify(find("guest"), options._replace(resume=True))

    assert second.coverage == whole.coverage
    assert second.requirements == whole.requirements
