"""What a certificate can and cannot say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from kmcl_reports.certificate import (
    canonical_json,
    certificate_json,
    parse_certificate,
    seal,
    verify,
)
from kmcl_reports.results import (
    LOG_LIMIT,
    Certificate,
    Confirmation,
    CoverageItem,
    Implementation,
    Log,
    RequirementResult,
    RequirementVerdict,
    Verdict,
    overall_verdict,
    statement_digest,
)
from kmcl_reports.sample import sample_certificate
from kmcl_reports.shared import percent, verdict_text


def requirement(verdict: RequirementVerdict, **more: Any) -> RequirementResult:
    given: dict[str, Any] = {
        "id": "F001",
        "statement": "It works.",
        "statement_sha256": statement_digest("It works."),
        "source": "page.md",
        "verdict": verdict,
        "exercised": 1,
    }
    return RequirementResult(**(given | more))


def changed(**fields: Any) -> Certificate:
    content = json.loads(certificate_json(sample_certificate()))
    return Certificate.model_validate(content | {"unconfirmed": []} | fields)


FAILURE = {"case": "cases/unconfirmed-01.json", "summary": "it is gone", "event_index": 3}


@pytest.mark.parametrize(
    ("verdict", "more", "complaint"),
    [
        (RequirementVerdict.PASS, {"exercised": 0}, "without a witness"),
        (RequirementVerdict.NOT_EXERCISED, {"reason": "none"}, "yet 1 witnesses"),
        (RequirementVerdict.WAIVED, {}, "needs a reason"),
        (RequirementVerdict.INCONCLUSIVE, {"reason": ""}, "needs a reason"),
        (RequirementVerdict.PASS, {"statement_sha256": "0" * 64}, "not that of the statement"),
    ],
)
def test_a_requirement_has_to_earn_its_verdict(
    verdict: RequirementVerdict, more: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        requirement(verdict, **more)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"verdict": "conforming"}, "yet something failed"),
        ({"failures": [], "requirements": []}, "yet nothing failed"),
        ({"failures": [], "requirements": [], "verdict": "conforming"}, "nothing was shown"),
        ({"unconfirmed": [{**FAILURE, "reason": ""}]}, "needs a reason"),
        (
            {
                "failures": [],
                "requirements": [],
                "unconfirmed": [{**FAILURE, "reason": "it came back 0 times"}],
                "verdict": "conforming",
            },
            "is not explained",
        ),
        ({"schema": "kmcl-certificate/2"}, "schema"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_certificate_does_not_contradict_itself(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        changed(**fields)


def test_a_run_without_steps_cannot_conform() -> None:
    passed = requirement(RequirementVerdict.PASS).model_dump(mode="json")
    counts = {"sequences": 0, "steps": 0, "events": 0}

    with pytest.raises(ValidationError, match="nothing was shown"):
        changed(failures=[], requirements=[passed], verdict="conforming", counts=counts)


def test_a_requirement_is_listed_once() -> None:
    twice = [requirement(RequirementVerdict.FAIL).model_dump(mode="json")] * 2

    with pytest.raises(ValidationError, match="listed twice"):
        changed(requirements=twice)


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValidationError, match="2 hit and 1 missing of 2"):
        CoverageItem(hit=2, total=2, missing=("a",))
    with pytest.raises(ValidationError, match="confirmed 3 of 2"):
        Confirmation(confirmed=3, attempts=2)


@pytest.mark.parametrize(
    ("verdicts", "failures", "unconfirmed", "expected"),
    [
        ((), 0, 0, Verdict.INCONCLUSIVE),
        (("not-exercised",), 0, 0, Verdict.INCONCLUSIVE),
        (("pass", "not-exercised"), 0, 0, Verdict.CONFORMING),
        (("pass", "inconclusive"), 0, 0, Verdict.INCONCLUSIVE),
        (("pass",), 0, 1, Verdict.INCONCLUSIVE),
        (("pass", "fail", "inconclusive"), 0, 0, Verdict.VIOLATIONS),
        (("pass",), 1, 1, Verdict.VIOLATIONS),
    ],
)
def test_the_verdict_of_a_run(
    verdicts: tuple[str, ...], failures: int, unconfirmed: int, expected: Verdict
) -> None:
    results = []
    for verdict in map(RequirementVerdict, verdicts):
        seen = verdict is not RequirementVerdict.NOT_EXERCISED
        results.append(requirement(verdict, exercised=int(seen), reason="because"))

    assert overall_verdict(results, failures, unconfirmed) is expected


def test_capabilities_have_one_order() -> None:
    capabilities = frozenset({"server", "client", "hold"})
    described = Implementation.model_validate(
        {"name": "x", "version": "1", "adapter": "x", "capabilities": capabilities}
    )

    assert described.capabilities == ("client", "hold", "server")


def test_a_file_reads_back_as_the_same_certificate() -> None:
    certificate = sample_certificate()

    assert parse_certificate(certificate_json(certificate)) == certificate
    assert json.loads(certificate_json(certificate))["schema"] == "kmcl-certificate/1"


def test_the_same_run_on_a_slower_machine_has_the_same_bytes() -> None:
    fast = sample_certificate()
    slow = fast.model_copy(update={"counts": fast.counts.model_copy(update={"wall_seconds": 99.0})})

    assert canonical_json(slow) == canonical_json(fast)
    assert canonical_json(slow, timings=True) != canonical_json(fast, timings=True)
    assert verify(slow)


def test_a_changed_certificate_is_not_verified() -> None:
    sealed = sample_certificate()

    assert verify(sealed)
    assert not verify(sealed.model_copy(update={"seed": 2}))
    assert not verify(sealed.model_copy(update={"digest": None}))
    assert seal(seal(sealed)) == sealed


@pytest.mark.parametrize(
    ("hit", "total", "shown"),
    [(0, 0, "-"), (1, 3, "33.3 %"), (99_999, 100_000, "99.9 %"), (5, 5, "100 %")],
)
def test_only_everything_is_a_hundred_per_cent(hit: int, total: int, shown: str) -> None:
    assert percent(CoverageItem(hit=hit, total=total)) == shown


def test_of_a_long_log_the_end_is_kept_from_the_beginning_of_a_line() -> None:
    data = b"".join(b"line %d\r\n" % n for n in range(10_000))
    log = Log.of("host.log", data)

    assert len(log.text) <= LOG_LIMIT
    assert log.text.endswith("line 9998\nline 9999\n")
    first = log.text.split("\n")[0]
    assert data[log.left_out :].startswith(first.encode() + b"\r\n")
    assert data[: log.left_out].endswith(b"\r\n")


def test_a_log_without_lines_and_a_short_one_are_kept_as_far_as_they_fit() -> None:
    assert Log.of("a", b"\xff" * (LOG_LIMIT + 1)).left_out == 1
    assert Log.of("a", b"few\n") == Log(name="a", text="few\n", left_out=0)
    with pytest.raises(ValueError, match="at most 16384 characters"):
        Log(name="a", text="x" * (LOG_LIMIT + 1))


def test_a_crash_is_not_told_as_a_broken_requirement() -> None:
    broken = sample_certificate()
    crash = broken.failures[0].model_copy(update={"requirements": ()})
    crashed = broken.model_copy(update={"failures": (crash,)})
    both = broken.model_copy(update={"failures": (crash, *broken.failures)})

    assert verdict_text(crashed).startswith("The implementation failed, by a crash or a hang")
    assert all(verdict_text(c).startswith("At least one requirement") for c in (broken, both))
