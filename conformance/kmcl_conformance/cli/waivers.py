"""Waivers: failures that the user accepts, each with a reason, as data in a TOML file.

    F285 = "the vendor fixes it in 2.4"

A waived requirement no longer blames the implementation. A waiver of something that did not fail
is an error, so that no waiver outlives its defect.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from kmcl_model.book import book_of
from kmcl_reports.results import Certificate, RequirementVerdict, overall_verdict

from .output import Problem

__all__ = ["read_waivers", "unneeded", "waive"]


def read_waivers(path: Path) -> Mapping[str, str]:
    """The reasons by requirement. Raises Problem with one line for the user."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}; name a file of waivers") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Problem(f'{path}: not TOML: {error}; write lines like F285 = "reason"') from None
    reasons = {}
    for name, reason in data.items():
        if not isinstance(reason, str) or not reason.strip():
            raise Problem(f'{path}: {name}: needs a reason, as in {name} = "reason"')
        try:
            reasons[book_of(name).requirement_of(name).id] = reason.strip()
        except KeyError:
            raise Problem(f"{path}: {name} is no requirement; see kmcl spec") from None
    return reasons


def unneeded(certificate: Certificate, reasons: Mapping[str, str]) -> list[str]:
    """The waivers of requirements that did not fail."""
    failed = {r.id for r in certificate.requirements if r.verdict is RequirementVerdict.FAIL}
    return sorted(reasons.keys() - failed)


def waive(certificate: Certificate, reasons: Mapping[str, str]) -> Certificate:
    """The certificate with the failures of waived requirements accepted.

    A failure that breaks other requirements as well stays.
    """
    if not reasons:
        return certificate
    requirements = tuple(
        r.model_copy(update={"verdict": RequirementVerdict.WAIVED, "reason": reasons[r.id]})
        if r.verdict is RequirementVerdict.FAIL and r.id in reasons
        else r
        for r in certificate.requirements
    )
    failures = tuple(
        f
        for f in certificate.failures
        if not f.requirements or not reasons.keys() >= {*f.requirements}
    )
    unsettled = len(certificate.unconfirmed) + len(certificate.never)
    changed = {
        "requirements": requirements,
        "failures": failures,
        "verdict": overall_verdict(requirements, len(failures), unsettled),
    }
    return Certificate.model_validate({**dict(certificate), **changed})
