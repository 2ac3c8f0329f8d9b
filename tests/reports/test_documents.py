"""JUnit, HTML and terminal output of the sample run."""

from __future__ import annotations

import io
from xml.etree import ElementTree as ET

from rich.console import Console

from kmcl_reports.html import render_html
from kmcl_reports.junit import render_junit
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
        "tests": "4",
        "failures": "1",
        "errors": "0",
        "skipped": "2",
    }
    assert [suite.get("tests") for suite in root.iter("testsuite")] == ["1", "2", "1"]


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

    assert lines[-5].split() == ["│", "VIOLATIONS", "│"]
    assert "95.5 %" in out.getvalue()
    assert "✗    12 │◀─" in out.getvalue()
