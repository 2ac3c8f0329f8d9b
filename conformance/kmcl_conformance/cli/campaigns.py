"""``kmcl certify`` and ``kmcl fuzz``: campaigns against an implementation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from kmcl_adapters import Adapter, AdapterError
from kmcl_reports.certificate import certificate_json
from kmcl_reports.results import Certificate, Verdict

from ..adapters import find
from ..campaign import BUDGETS, Campaign, CampaignError, Options
from ..campaign import certify as run_campaign
from .certificates import show_certificate, write_certificate
from .options import AdapterName, Budget, Json, OutFolder, Profile, Quiet, Seed
from .output import Code, Problem, Screen
from .progress import Meter
from .waivers import read_waivers, unneeded, waive

__all__ = ["certify", "fuzz"]

DEFAULT_OUT: Final = Path("kmcl-out")
FAULTS: Final = ("crash", "malformed", "spurious")
ENDLESS: Final = 10**12
"""Sequences of a campaign that only Ctrl-C ends."""

CODES: Final[Mapping[Verdict, Code]] = {
    Verdict.CONFORMING: Code.CONFORMING,
    Verdict.VIOLATIONS: Code.VIOLATIONS,
    Verdict.INCONCLUSIVE: Code.UNJUDGED,
}

Resume = Annotated[
    Path | None,
    typer.Option("--resume", metavar="DIR", help="Go on with an interrupted run in this folder."),
]


def certify(
    adapter: AdapterName = "reference",
    profile: Profile = "full",
    seed: Seed = 1,
    budget: Budget = "default",
    out: OutFolder = None,
    resume: Resume = None,
    waivers: Annotated[
        Path | None,
        typer.Option(
            "--waivers", metavar="FILE", help='Failures to accept, as TOML: F285 = "reason".'
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Certify an implementation: generate, run, judge, report.

    Writes report.html, report.md, certificate.json, junit.xml, cases/ and traces/ into --out
    (default: kmcl-out below the current folder).
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    reasons = read_waivers(waivers) if waivers else {}
    implementation = _usable(adapter)
    try:
        options = Options(
            adapter=adapter,
            profile=profile,
            seed=seed,
            sequences=_sequences(budget, implementation),
            out=_folder(out, resume),
            resume=resume is not None,
        )
        with Meter(silent=not screen.is_for_people) as meter:
            found = run_campaign(implementation, options, meter.report)
    except CampaignError as error:
        raise Problem(str(error)) from error
    except KeyboardInterrupt:
        raise Problem(
            "interrupted before there was a verdict; what was found is kept, go on with: "
            f"{_again('certify', adapter, profile, seed, budget)} --resume {_folder(out, resume)}",
            Code.UNJUDGED,
        ) from None
    finally:
        implementation.close()
    return _conclude(screen, found, options, reasons, waivers)


def fuzz(
    adapter: AdapterName = "reference",
    profile: Profile = "full",
    seed: Seed = 1,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget", "-b", metavar="SIZE", help="As for certify. Default: until Ctrl-C."
        ),
    ] = None,
    faults: Annotated[
        str,
        typer.Option(
            "--faults",
            metavar="NAME,...",
            help=f"What the world may do: {', '.join(FAULTS)}, all, or none.",
        ),
    ] = "all",
    out: OutFolder = None,
    resume: Resume = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Search for failures until Ctrl-C or the budget ends it, then report as certify does."""
    screen = Screen(quiet=quiet, as_json=as_json)
    chosen = _faults(faults)
    implementation = _usable(adapter)
    try:
        options = Options(
            adapter=adapter,
            profile=profile,
            seed=seed,
            sequences=ENDLESS if budget is None else _sequences(budget, implementation),
            out=_folder(out, resume),
            resume=resume is not None,
            faults=chosen,
        )
        with Meter(endless=budget is None, silent=not screen.is_for_people) as meter:
            found = _run_until_stopped(implementation, options, meter)
    except CampaignError as error:
        raise Problem(str(error)) from error
    finally:
        implementation.close()
    return _conclude(screen, found, options, {}, None)


def _conclude(
    screen: Screen,
    found: Certificate,
    options: Options,
    reasons: Mapping[str, str],
    waivers: Path | None,
) -> int:
    """Write and show the certificate; its exit code."""
    assert options.out is not None
    stale = unneeded(found, reasons)
    found = waive(found, reasons)
    files = write_certificate(found, options.out)
    screen.result(certificate_json(found))
    show_certificate(screen, found, options.out, files)
    if stale:
        raise Problem(f"{waivers}: {', '.join(stale)} did not fail: remove the waiver")
    return CODES[found.verdict]
