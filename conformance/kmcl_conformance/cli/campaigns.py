"""``kmcl certify`` and ``kmcl fuzz``: campaigns against an implementation."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from kmcl_adapters import Adapter, AdapterError
from kmcl_conformance.adapters import find
from kmcl_conformance.campaign import (
    Campaign,
    CampaignError,
    Options,
    Progress,
    Unwritten,
    begin,
    written,
)
from kmcl_conformance.campaign import certify as run_campaign
from kmcl_conformance.keeping import read_state
from kmcl_conformance.profiles import PROFILES, choose
from kmcl_conformance.stopping import Interrupted, interrupt_no_more
from kmcl_conformance.verdicts import ENDLESS
from kmcl_lab.adapter import Hang
from kmcl_reports.certificate import certificate_json, seal
from kmcl_reports.results import Certificate, Verdict

from .budget import length_of, sequences_of
from .certificates import remove_earlier, show_certificate, write_certificate
from .fault_names import check_early, faults_of
from .options import (
    AdapterName,
    Budget,
    Json,
    OutFolder,
    Profile,
    Quiet,
    Resume,
    Seed,
    one_folder,
)
from .output import Code, Problem, Screen, complain
from .progress import Meter
from .surroundings import with_surroundings
from .waivers import read_waivers, unneeded, waive

__all__ = ["certify", "conclude", "fuzz", "profile_of", "rescued", "run_for"]

DEFAULT_OUT: Final = Path("kmcl-out")
CODES: Final[Mapping[Verdict, Code]] = {
    Verdict.CONFORMING: Code.CONFORMING,
    Verdict.VIOLATIONS: Code.VIOLATIONS,
    Verdict.INCONCLUSIVE: Code.UNJUDGED,
}

UNNAMED: Final = ("reference", None, 1, "default", False)
"""What certify takes where nothing is named: adapter, profile, seed, budget, expected calls."""

HANGS: Final = 3
"""A sequence during which the machines hang so often is given up, and the campaign with it."""

ExpectedCalls = Annotated[
    bool,
    typer.Option(
        "--expected-calls",
        help="Make inside callbacks also the calls that are only expected to work there.",
    ),
]


def certify(
    adapter: AdapterName = "reference",
    profile: Profile = None,
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
    expected_calls: ExpectedCalls = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Certify an implementation: generate, run, judge, report.

    Writes report.html, report.md, certificate.json, junit.xml, cases/ and traces/ into --out
    (default: kmcl-out below the current folder).
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    folder = _folder(out, resume)
    adapter, profile, seed, budget, expected_calls = _as_begun(
        resume, adapter, profile, seed, budget, expected_calls
    )
    reasons = read_waivers(waivers) if waivers else {}
    _check_profile(profile)
    implementation = _usable(adapter)
    try:
        options = Options(
            adapter=adapter,
            profile=(chosen := profile_of(profile, implementation)),
            seed=seed,
            sequences=sequences_of(budget, implementation.describe()),
            length=length_of(chosen, implementation.describe()),
            out=folder,
            resume=resume is not None,
            expected=_expected(expected_calls, chosen),
        )
        _make_room(options)
        with Meter(_total(options), "sequences", silent=not screen.is_for_people) as meter:
            found, unwritten = rescued(
                lambda: run_campaign(
                    implementation, options, lambda p: meter.show(p.done, _text(p)), _with_patience
                )
            )
        found = with_surroundings(found, implementation)
    except CampaignError as error:
        raise Problem(str(error)) from error
    except KeyboardInterrupt as stopped:
        interrupt_no_more()
        unwritten = stopped.unwritten if isinstance(stopped, Interrupted) else ""
        again = (
            f"go on with: {_again('certify', adapter, profile, seed, budget)}"
            f"{' --expected-calls' if expected_calls else ''} --resume {folder}"
        )
        if not isinstance(stopped, Interrupted) or stopped.found.verdict != Verdict.VIOLATIONS:
            kept = unwritten or f"what was found is kept, {again}"
            raise Problem(
                f"interrupted before there was a verdict; {kept}", Code.UNJUDGED
            ) from None
        complain(
            f"interrupted, and reported is what had been found{'' if unwritten else f'; {again}'}"
        )
        found = with_surroundings(stopped.found, implementation)
    finally:
        implementation.close()
    return conclude(screen, found, options, reasons, waivers, unwritten)


def fuzz(
    adapter: AdapterName = "reference",
    profile: Profile = None,
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
            help="What the world may do: all, none, or names of the profile in 'kmcl spec faults'.",
        ),
    ] = "all",
    out: OutFolder = None,
    resume: Resume = None,
    expected_calls: ExpectedCalls = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Search for failures until Ctrl-C or the budget ends it, then report as certify does."""
    screen = Screen(quiet=quiet, as_json=as_json)
    _check_profile(profile)
    check_early(faults, adapter, profile)
    implementation = _usable(adapter)
    try:
        chosen_profile = profile_of(profile, implementation)
        options = Options(
            adapter=adapter,
            profile=chosen_profile,
            seed=seed,
            sequences=ENDLESS
            if budget is None
            else sequences_of(budget, implementation.describe()),
            length=length_of(chosen_profile, implementation.describe()),
            out=_folder(out, resume),
            resume=resume is not None,
            faults=faults_of(faults, chosen_profile),
            expected=_expected(expected_calls, chosen_profile),
        )
        _make_room(options)
        total = None if budget is None else _total(options)
        with Meter(total, "sequences", silent=not screen.is_for_people) as meter:
            found, unwritten = rescued(lambda: _run_until_stopped(implementation, options, meter))
        found = with_surroundings(found, implementation)
    except CampaignError as error:
        raise Problem(str(error)) from error
    finally:
        implementation.close()
    return conclude(screen, found, options, {}, None, unwritten)


def conclude(
    screen: Screen,
    found: Certificate,
    options: Options,
    reasons: Mapping[str, str],
    waivers: Path | None,
    unwritten: str = "",
) -> int:
    """Write and show the certificate; its exit code. ``unwritten``: what could not be written
    before. Raises Problem at the end where something was not, or a waiver is not needed."""
    assert options.out is not None
    stale = unneeded(found, reasons)
    found = seal(waive(found, reasons))
    missing = write_certificate(found, options.out)
    screen.result(certificate_json(found))
    show_certificate(screen, found, options.out, missing)
    if missing or unwritten:
        first = next(iter(missing.values()), unwritten)
        others = f" (and {', '.join([*missing][1:])})" if len(missing) > 1 else ""
        raise Problem(f"not everything that was found could be written: {first}{others}")
    if stale:
        raise Problem(f"{waivers}: {', '.join(stale)} did not fail: remove the waiver")
    return CODES[found.verdict]


def run_for(
    adapter: Adapter,
    options: Options,
    screen: Screen,
    seconds: float | None,
    on_progress: Callable[[Progress], object],
) -> Certificate:
    """The certificate of what was run in this time, or in the whole budget where that is less: the
    time bounds also how long failures are confirmed and cut down. One sequence is run at least.

    ``on_progress`` hears of every sequence. Raises CampaignError, also Unwritten.
    """
    _make_room(options)
    with Meter(_total(options), "sequences", silent=not screen.is_for_people) as meter:
        return _run_until_stopped(adapter, options, meter, seconds, on_progress)


def _run_until_stopped(
    adapter: Adapter,
    options: Options,
    meter: Meter,
    seconds: float | None = None,
    on_progress: Callable[[Progress], object] = lambda _: None,
) -> Certificate:
    """The certificate of what was run when the budget or the time is used up or Ctrl-C comes."""
    campaign = begin(adapter, options)
    started = time.perf_counter()
    if seconds is not None:
        campaign.enough = lambda: time.perf_counter() - started > seconds
    try:
        for progress in _with_patience(campaign):
            meter.show(progress.done, _text(progress))
            on_progress(progress)
            if campaign.enough():
                break
    except KeyboardInterrupt:
        interrupt_no_more()
    finally:
        campaign.keep()
    return written(campaign)


def rescued(run: Callable[[], Certificate]) -> tuple[Certificate, str]:
    """The certificate, and what could not be written before it; nothing where all was."""
    try:
        return run(), ""
    except Unwritten as trouble:
        return trouble.found, str(trouble)


def _with_patience(campaign: Campaign) -> Iterator[Progress]:
    """A sequence during which the machines hang is played again, a few times, while there is
    time."""
    hangs = 0
    while True:
        try:
            for progress in campaign.run():
                hangs = 0
                yield progress
            return
        except Hang:
            hangs += 1
            if campaign.enough():
                return
            if hangs == HANGS:
                raise


def _make_room(options: Options) -> None:
    if options.out is not None and not options.resume:
        remove_earlier(options.out)


def _usable(name: str) -> Adapter:
    """The adapter, known to describe itself."""
    try:
        adapter = find(name)
    except AdapterError as error:
        raise Problem(str(error)) from error
    try:
        adapter.describe()
    except AdapterError as error:
        adapter.close()
        raise Problem(str(error)) from error
    except BaseException:  # Ctrl-C, for one: the machines of a lab do not end by themselves
        adapter.close()
        raise
    return adapter


def _folder(out: Path | None, resume: Path | None) -> Path:
    return one_folder(out, resume) or DEFAULT_OUT


def _as_begun(
    resume: Path | None,
    adapter: str,
    profile: str | None,
    seed: int,
    budget: str,
    expected_calls: bool,
) -> tuple[str, str | None, int, str, bool]:
    """The options of a certification. One that goes on was begun with others, maybe: where none is
    named but the folder, they are taken from there. Raises Problem."""
    named = (adapter, profile, seed, budget, expected_calls)
    if resume is None or named != UNNAMED:
        return named
    try:
        kept = read_state(resume)
    except CampaignError as error:
        raise Problem(str(error)) from error
    try:
        return (
            str(kept["adapter"]),
            str(kept["profile"]),
            int(kept["seed"]),
            str(int(kept["sequences"])),
            bool(kept["expected"]),
        )
    except (KeyError, TypeError, ValueError):
        raise Problem(f"{resume}: not a campaign; start again without --resume") from None


def _expected(wanted: bool, profile: str) -> bool:
    """Whether to make those calls. Raises Problem where there are none."""
    subject = PROFILES[profile].subject
    if wanted and not subject.reactions(subject.ends, True):
        raise Problem(f"--expected-calls: --profile {profile} has no callbacks: leave it out")
    return wanted


def _check_profile(wanted: str | None) -> None:
    """Refuse a profile that there is not. Raises Problem."""
    if wanted is not None and wanted not in PROFILES:
        raise Problem(f"--profile {wanted}: choose {', '.join(PROFILES)}")


def profile_of(wanted: str | None, implementation: Adapter) -> str:
    """The profile that is wanted, or that fits the adapter. Raises Problem."""
    _check_profile(wanted)
    try:
        return choose(implementation.describe(), wanted)
    except AdapterError as error:
        raise Problem(str(error)) from error


def _total(options: Options) -> int:
    return options.plan().directed + options.sequences


def _text(progress: Progress) -> str:
    failing = f", {progress.failures} failing" if progress.failures else ""
    return f"{progress.steps:,} steps, {progress.requirements} requirements exercised{failing}"


def _again(command: str, adapter: str, profile: str | None, seed: int, budget: str) -> str:
    chosen = f"--profile {shlex.quote(profile)} " if profile else ""
    return (
        f"kmcl {command} --adapter {shlex.quote(adapter)} {chosen}"
        f"--seed {seed} --budget {shlex.quote(budget)}"
    )
