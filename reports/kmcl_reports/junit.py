"""JUnit XML: one test case a requirement, so that a build server can show the verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from xml.etree import ElementTree as ET

from .results import Certificate, Failure, RequirementResult, RequirementVerdict
from .shared import by_api, chart_text, replay_command
from .text import inline, printable

__all__ = ["render_junit"]

_ELEMENT: Final = {
    RequirementVerdict.FAIL: "failure",
    RequirementVerdict.INCONCLUSIVE: "error",
    RequirementVerdict.NOT_EXERCISED: "skipped",
    RequirementVerdict.UNOBSERVABLE: "skipped",
    RequirementVerdict.NOT_APPLICABLE: "skipped",
    RequirementVerdict.WAIVED: "skipped",
}


def _failure_text(certificate: Certificate, failure: Failure) -> str:
    lines = (
        failure.summary,
        *([f"no verdict: {failure.reason}"] if failure.reason else []),
        f"last state: {failure.last_state}",
        f"replay: {replay_command(certificate, failure)}",
        chart_text(failure) if failure.chart else "",
    )
    return printable("\n".join(lines))


def _test_case(
    suite: ET.Element,
    requirement: RequirementResult,
    certificate: Certificate,
    failures: list[Failure],
) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=f"kmcl.{inline(suite.attrib['name'])}",
        name=f"{requirement.id} {inline(requirement.statement)}",
    )
    kind = _ELEMENT.get(requirement.verdict)
    if kind is None:
        return
    reason = requirement.reason or (failures[0].summary if failures else "a requirement is broken")
    verdict = requirement.verdict.value
    outcome = ET.SubElement(case, kind, message=f"{verdict}: {inline(reason)}")
    if kind != "skipped":
        outcome.set("type", verdict)
    if kind == "failure":
        outcome.text = "\n".join(_failure_text(certificate, f) for f in failures) or inline(reason)


def _suite(
    root: ET.Element, certificate: Certificate, name: str, failures: Iterable[Failure], tag: str
) -> None:
    """Failures that break no listed requirement, a crash for instance; or what was seen and is no
    verdict."""
    suite = ET.SubElement(root, "testsuite", name=name)
    for failure in failures:
        case = ET.SubElement(suite, "testcase", classname=f"kmcl.{name}", name=inline(failure.case))
        kind = {"failure": "fail", "error": "inconclusive"}[tag]
        outcome = ET.SubElement(case, tag, message=inline(failure.summary), type=kind)
        outcome.text = _failure_text(certificate, failure)


def _count(root: ET.Element) -> None:
    for element in (root, *root.iter("testsuite")):
        for attribute, tag in (
            ("tests", "testcase"),
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            element.set(attribute, str(sum(1 for _ in element.iter(tag))))


def render_junit(certificate: Certificate) -> str:
    """The certificate as JUnit XML: a failed requirement is a failure, an inconclusive one an
    error, and what was not judged is skipped with its reason."""
    broken: dict[str, list[Failure]] = {}
    for failure in certificate.failures:
        for identifier in failure.requirements:
            broken.setdefault(identifier, []).append(failure)
    implementation = certificate.implementation
    root = ET.Element("testsuites", name=inline(f"kmcl {implementation.name}"))
    for api, requirements in by_api(certificate.requirements).items():
        suite = ET.SubElement(root, "testsuite", name=inline(api))
        for requirement in requirements:
            _test_case(suite, requirement, certificate, broken.get(requirement.id, []))
    failed = {r.id for r in certificate.requirements if r.verdict is RequirementVerdict.FAIL}
    rest = [f for f in certificate.failures if failed.isdisjoint(f.requirements)]
    if rest:
        _suite(root, certificate, "failures", rest, "failure")
    if certificate.unconfirmed:
        _suite(root, certificate, "inconclusive", certificate.unconfirmed, "error")
    _count(root)
    ET.indent(root)
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'
