"""JUnit, HTML and terminal output of the sample run."""

from __future__ import annotations

import io
from xml.etree import ElementTree as ET

from rich.console import Console

from kmcl_reports.html import render_html
from kmcl_reports.junit import render_junit
from kmcl_reports.markdown import render_markdown
from kmcl_reports.results import Certificate, RequirementVerdict
from kmcl_reports.sample import SAMPLE_CHART, sample_certificate
from kmcl_reports.terminal import print_failure, print_summary


def with_verdict(verdict: RequirementVerdict) -> Certificate:
    """The sample, its passing requirement changed to another verdict."""
    certificate = sample_certificate()
    first, *others = certificate.requirements
    update = {"verdict": verdict, "exercised": 0, "reason": "because"}
    return certificate.model_copy(
        update={"requirements": (first.model_copy(update=update), *others)}
    )


def test_junit_counts_and_maps_each_verdict() -> None:
    found = {}
    for verdict in RequirementVerdict:
        root = ET.fromstring(render_junit(with_verdict(verdict)))
        case = root.find("./testsuite/testcase")
        assert case is not None
        found[verdict.value] = case[0].tag if len(case) else "passed"

    assert found == {
        "pass": "passed",
        "fail": "failure",
        "not-exercised": "skipped",
        "unobservable": "skipped",
        "not-applicable": "skipped",
        "waived": "skipped",
        "inconclusive": "error",
    }


def test_junit_totals_are_those_of_the_requirements() -> None:
    root = ET.fromstring(render_junit(sample_certificate()))

    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "1",
        "errors": "1",
        "skipped": "2",
    }
    assert [suite.get("tests") for suite in root.iter("testsuite")] == ["1", "2", "1", "1"]


def test_junit_shows_the_chart_and_the_command_of_a_failure() -> None:
    failure = ET.fromstring(render_junit(sample_certificate())).find(".//failure")

    assert failure is not None
    assert failure.text is not None
    assert "✗    12 │◀─ EvtVmbChannelProcessPacket(" in failure.text
    assert "kmcl replay cases/0001.json" in failure.text


def test_junit_has_a_failure_that_breaks_no_requirement() -> None:
    certificate = sample_certificate()
    crash = certificate.failures[0].model_copy(update={"requirements": (), "summary": "crash"})
    root = ET.fromstring(render_junit(certificate.model_copy(update={"failures": (crash,)})))

    assert root.find("./testsuite[@name='failures']/testcase/failure[@message='crash']") is not None


def test_what_is_no_verdict_is_told_with_its_reason_and_its_log() -> None:
    """In every form; JUnit calls it an error, since nobody may take it for a pass."""
    certificate = sample_certificate()
    (seen,) = certificate.unconfirmed
    assert seen.log is not None
    error = ET.fromstring(render_junit(certificate)).find(
        "./testsuite[@name='inconclusive']/testcase/error"
    )
    assert error is not None
    assert seen.reason is not None
    assert f"no verdict: {seen.reason}" in (error.text or "")
    page, text, shown = render_html(certificate), render_markdown(certificate), summary()

    for report in (page, text):
        assert seen.reason in report
        assert seen.log.name in report
        assert seen.log.text.strip() in report
        assert f"kmcl replay {seen.case}" in report
        assert "confirmed 0 of 3 times" in report
    assert 'id="unconfirmed-1"' in page
    assert "\n## Inconclusive\n" in text
    assert "Inconclusive" in shown
    assert "came back 0 times" in " ".join(shown.split())
    nothing = certificate.model_copy(update={"unconfirmed": ()})
    assert "Inconclusive" not in render_html(nothing) + render_markdown(nothing) + summary(nothing)


def test_each_fault_has_its_row() -> None:
    certificate = sample_certificate()
    text, page = render_markdown(certificate), render_html(certificate)
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]

    for fault in certificate.coverage.fault_counts:
        words = [f"`{fault.name}`", str(fault.weight), f"{fault.played:,}"]
        assert ["", *words, ", ".join(fault.endangers), fault.words, ""] in rows
        assert f"<code>{fault.name}</code>" in page
        assert f'<td class="number">{fault.played:,}</td>' in page
        assert f"<td>{', '.join(fault.endangers)}</td>" in page
    bare = certificate.coverage.model_copy(update={"fault_counts": ()})
    assert "| fault |" not in render_markdown(certificate.model_copy(update={"coverage": bare}))


def summary(certificate: Certificate | None = None) -> str:
    out = io.StringIO()
    print_summary(certificate or sample_certificate(), Console(file=out, width=100))
    return out.getvalue()


def test_the_page_says_everything_without_scripts() -> None:
    certificate = sample_certificate()
    page = render_html(certificate, (SAMPLE_CHART,))
    body = page.split("<body>")[1].split("<script>")[0]

    for requirement in certificate.requirements:
        assert requirement.id in body
    for text in (
        "Sample implementation (made up)",
        "kmcl certify --adapter sample --seed 1",
        "kmcl replay cases/0001.json",
        "client: enter EvtVmbChannelStarted()",
        "suspended to closing",
        "not observed",
        "VmbChannelPause",
    ):
        assert text in body


def test_the_terminal_ends_with_the_verdict() -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=False)
    certificate = sample_certificate()
    print_failure(certificate, certificate.failures[0], console)
    print_summary(certificate, console)
    lines = out.getvalue().splitlines()

    assert ["│", "VIOLATIONS", "│"] in [line.split() for line in lines[-6:]]
    assert "95.5 %" in out.getvalue()
    assert "✗    12 │◀─" in out.getvalue()
