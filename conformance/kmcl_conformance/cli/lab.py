"""``kmcl lab``: a real Linux guest on a real VMBus host, and certification inside it."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from kmcl_adapters import Adapter
from kmcl_conformance.campaign import CampaignError, Options, Progress
from kmcl_conformance.figure import table
from kmcl_conformance.profiles import PROFILES
from kmcl_lab.adapter import UIO_COMMAND, Hang, LabAdapter
from kmcl_lab.both import BothAdapter
from kmcl_lab.both import name_of as name_of_both
from kmcl_lab.growth import Growth, counted_in, growth_of
from kmcl_lab.images import Images, build, default_cache
from kmcl_lab.install import carry_out, find_out, plan
from kmcl_lab.lab import Lab
from kmcl_lab.linux import LinuxAdapter, build_for_linux, name_of, options_for
from kmcl_lab.machine import HostKind
from kmcl_reports.results import Certificate
from kmcl_reports.terminal import kill_matrix

from .budget import check_budget, length_of, sequences_of
from .campaigns import conclude, profile_of, rescued, run_for
from .lab_bench import LINUX, Pace, bench, bench_driver, leak_line, rows_of
from .lab_check import check_defects, in_the_lab
from .lab_inside import as_problem as _as_problem
from .lab_inside import inside
from .lab_options import (
    RESET_MINUTES,
    check_folder,
    command_of,
    given,
    must_be_alone,
    must_matter,
    resets_in,
)
from .lab_provoke import provoke, words_of
from .lab_requests import requests_in, words_of_requests
from .lab_sessions import with_sessions
from .options import Budget, Json, OutFolder, Profile, Quiet, Seed
from .output import Code, Problem, Screen
from .surroundings import with_surroundings

__all__ = ["lab"]

DEFAULT_OUT: Final = Path("kmcl-lab-out")
HANGS: Final = 5
"""A campaign that the machines' hanging has interrupted so often is given up."""

lab = typer.Typer(
    name="lab",
    help="A Linux guest on a real VMBus host (QEMU), booted here: nested under emulation where "
    "the machine has no KVM with Hyper-V interfaces.",
    invoke_without_command=True,
)


@lab.callback()
def _start(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


Cache = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="Where images are kept. Default: the user's."),
]
Kernel = Annotated[
    str | None,
    typer.Option(
        "--kernel",
        metavar="VERSION|PATH",
        help="Of the guest. A path: a kernel package of your own, or a folder with modules of your "
        "own. Default: the newest offered.",
    ),
]
Host = Annotated[
    HostKind,
    typer.Option(
        "--host",
        help="Who is the VMBus host: QEMU, or ours, whose every message a test can steer.",
    ),
]
Carried = Annotated[
    bool, typer.Option("--carry", help="First put this kmcl, as a command, into the guest.")
]
Words = Annotated[list[str], typer.Argument(metavar="CMD...", help="The command and its words.")]


@lab.command("build")
def _build(
    cache: Cache = None,
    kernel: Kernel = None,
    install: Annotated[
        bool, typer.Option("--install", help="First install what is missing, as root.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Build even what is up to date.")] = False,
    quiet: Quiet = False,
) -> int:
    """Make the guests' images from distribution packages, or find them up to date."""
    with _as_problem():
        if install:
            found = find_out()
            carry_out(plan(found), found, _teller(quiet))
        build(cache or default_cache(), kernel, fresh=fresh, tell=_teller(quiet))
    return Code.CONFORMING


@lab.command("run", context_settings={"ignore_unknown_options": True})
def _run(
    words: Words,
    carried: Carried = False,
    cache: Cache = None,
    kernel: Kernel = None,
    host: Host = HostKind.QEMU,
    out: OutFolder = None,
    quiet: Quiet = False,
) -> int:
    """Run a command in the guest: its output, its exit code. kmcl lab run -- uname -a

    Exit codes of kmcl itself: 2 wrong usage, 3 there was no guest, 125 the guest was lost while the
    command ran, 128 + N where signal N ended the command.
    """
    lab = _lab(cache, kernel, host, out, quiet)
    return inside(words, lab, terminal=False, carried=carried)


@lab.command("shell")
def _shell(
    carried: Carried = False,
    cache: Cache = None,
    kernel: Kernel = None,
    host: Host = HostKind.QEMU,
    out: OutFolder = None,
    quiet: Quiet = False,
) -> int:
    """Open a shell in the guest. Exit codes: as of run."""
    lab = _lab(cache, kernel, host, out, quiet)
    return inside(["sh", "-i"], lab, terminal=True, carried=carried)


@lab.command("certify")
def _certify(
    command: Annotated[
        str | None,
        typer.Option(
            "--command",
            metavar="CMD",
            help=f"What speaks the line protocol in the guest. Default: {shlex.join(UIO_COMMAND)}",
        ),
    ] = None,
    profile: Profile = None,
    seed: Seed = 1,
    budget: Budget = "small",
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0, help="Stop after this time; the certificate tells."),
    ] = None,
    resets: Annotated[
        bool | None,
        typer.Option(
            "--resets/--no-resets",
            help="Where a client is to die, or a guest to be reset, the machine is: slow. Default: "
            "with QEMU as the host in the conversations that are about that, not in walks, if "
            f"--minutes gives {RESET_MINUTES:g} or more.",
        ),
    ] = None,
    monitored: Annotated[
        bool,
        typer.Option(
            "--monitored",
            help="With --host programmable: the guest signals by a bit of the monitor page.",
        ),
    ] = False,
    provocations: Annotated[
        bool,
        typer.Option(
            "--provoke",
            help="At the end unbind the driver while its channel is open, which nobody should do.",
        ),
    ] = False,
    processors: Annotated[
        int,
        typer.Option(
            "--processors",
            min=1,
            max=8,
            help=f"With --profile {LINUX}: of the guest. With 2 channels are moved; slower.",
        ),
    ] = 1,
    cache: Cache = None,
    kernel: Kernel = None,
    host: Host = HostKind.QEMU,
    out: OutFolder = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Certify an implementation that runs in the guest; by default ours over /dev/uioN.

    With --host programmable both ends are ours and driven: a server's end beside the host, and the
    client's end over /dev/uioN in the guest; --command is for QEMU as the host. With --profile
    linux-vmbus as well, the guest's own bus driver is judged, from the host's side alone. A leak
    of that host, memory or descriptors, is told and kept in lab.json; it is ours, and no verdict.
    An option that would change nothing is refused.

    Writes what certify writes into --out (default: kmcl-lab-out), and the guests' logs and
    lab.json into its folder lab/.
    """
    folder = out or DEFAULT_OUT
    started = time.monotonic()
    screen = Screen(quiet=quiet, as_json=as_json)
    argv = command_of(command)
    check_budget(budget)
    chosen_by = {"monitored": monitored, "provocations": provocations}
    must_matter(host, profile, command=command, processors=processors, resets=resets, **chosen_by)
    with _as_problem():
        more = _by_hand(processors) if profile == LINUX else {}
        running = _lab(cache, kernel, host, folder, quiet, **more)
        running.start()
    adapter: LabAdapter | BothAdapter | LinuxAdapter
    if profile == LINUX:
        adapter = LinuxAdapter(running, processors=processors, resets=bool(resets))
        name = name_of(kernel, processors)
    elif host == HostKind.PROGRAMMABLE:
        adapter = BothAdapter(running, monitored=monitored, resets=bool(resets))
        name = name_of_both(monitored=monitored, resets=bool(resets))
    else:
        where = resets_in(resets, minutes)
        adapter, name = LabAdapter(running, argv, **where._asdict()), f"lab:{shlex.join(argv)}"
    try:
        with _as_problem():
            options = Options(
                adapter=name,
                profile=(chosen := profile_of(profile, adapter)),
                seed=seed,
                sequences=sequences_of(budget, told := adapter.describe()),
                length=length_of(chosen, told),
                out=folder,
            )
            must_be_alone(resets, host, PROFILES[chosen].ends)
            pace = Pace(started)
            growth = growth_of(running) if host == HostKind.PROGRAMMABLE else None
            found, unwritten = rescued(
                lambda: _judge(adapter, options, screen, minutes, _both(pace, growth))
            )
            requested = requests_in(running, argv, options.profile, minutes)
            provoked = provoke(running) if provocations else []
            found = with_surroundings(found, adapter)
            found = with_sessions(
                found, options, told, (*requested, *provoked), given(kernel, command)
            )
            code = conclude(screen, found, options, {}, None, unwritten)  # what follows can fail
            figures: dict[str, Any] = {**pace.figures()}
            if growth is not None:
                figures |= counted_in(running, growth)
            for name, played in (("host_requests", requested), ("provocations", provoked)):
                figures |= {name: [one.told for one in played]} if played else {}
            path = running.write_account(figures)
        first, speed = pace.figures().values()
        screen.show(
            f"lab      {running.choice.why}",
            f"         first sequence judged after {first:g} s, then {speed:g} a second",
            *(f"         {line}" for line in (growth.lines() if growth else ())),
            *(f"         {words_of_requests(one.told)}" for one in requested),
            *(f"         {words_of(one.told)}" for one in provoked),
            f"         {path}",
        )
        return code
    except CampaignError as error:
        raise Problem(str(error)) from error
    finally:
        adapter.close()


def _judge(
    adapter: Adapter,
    options: Options,
    screen: Screen,
    minutes: float | None,
    on_progress: Callable[[Progress], object],
) -> Certificate:
    """The campaign; where the machines hang it goes on with fresh ones, and that is counted."""
    deadline = None if minutes is None else time.monotonic() + minutes * 60
    for left in reversed(range(HANGS)):
        seconds = None if deadline is None else deadline - time.monotonic()
        try:
            return run_for(adapter, options, screen, seconds, on_progress)
        except Hang:
            if not left:
                raise
            options = options._replace(resume=True)
    raise AssertionError("the last attempt returns or raises")


def _both(pace: Pace, growth: Growth | None) -> Callable[[Progress], None]:
    """Who hears of every sequence."""

    def hear(progress: Progress) -> None:
        pace(progress)
        if growth is not None:
            growth()

    return hear


@lab.command("self-check")
def _self_check(
    cache: Cache = None, kernel: Kernel = None, out: OutFolder = None, quiet: Quiet = False
) -> int:
    """Build defects into the endpoint in the guest: does a certification find them?

    Exit codes: 0 all were found, 1 one was not.
    """
    screen = Screen(quiet=quiet, as_json=False)
    tell = _teller(quiet)
    with _as_problem(), _lab(cache, kernel, HostKind.QEMU, out, quiet) as running:
        results = check_defects(
            in_the_lab(running),
            report=lambda r: tell(f"{r.name}: {'found' if r.killed else 'missed'}"),
        )
        running.write_account()
    screen.console.print(kill_matrix(results))
    return Code.CONFORMING if all(r.killed for r in results) else Code.VIOLATIONS


@lab.command("bench")
def _bench(
    cycles: Annotated[
        int,
        typer.Option(
            "--cycles",
            min=1,
            help="How often the device is opened and closed; with --host programmable, offered "
            "again.",
        ),
    ] = 1000,
    cache: Cache = None,
    kernel: Kernel = None,
    host: Host = HostKind.QEMU,
    out: OutFolder = None,
    quiet: Quiet = False,
) -> int:
    """Measure: time to the first judged sequence, conversations a second, raw and judged, and
    opening and closing without a leak.

    With --host programmable: what our host can do, step by step, and how long each takes; cycles of
    opening, exchanging and closing; offers of the same device again; then, in another guest, cases
    of its bus driver, each from a saved moment. A leak ends in exit code 1;
    of fewer than ten cycles nothing is said.
    """
    pace = Pace(time.monotonic())
    screen = Screen(quiet=quiet, as_json=False)
    with _as_problem(), _lab(cache, kernel, host, out, quiet) as it:
        figures = bench(it, cycles, pace)
        path = it.write_account(figures)
    if host == HostKind.PROGRAMMABLE:  # another machine, after the first has ended
        with _as_problem():
            led = _lab(cache, kernel, host, (out or DEFAULT_OUT) / "by-hand", quiet, **_by_hand(1))
            with led:
                figures |= bench_driver(led)
            path = it.write_account(figures)
    rows = table(rows_of(figures))
    screen.show(rows, leak_line(figures), json.dumps(figures, indent=2), str(path))
    return Code.VIOLATIONS if figures["leaks"] else Code.CONFORMING


def _lab(
    cache: Path | None,
    kernel: str | None,
    host: HostKind,
    out: Path | None,
    quiet: bool,
    options: tuple[str, ...] = (),
    make: Callable[..., Images] | None = None,
) -> Lab:
    """A lab as the options have it, not started; its logs go below ``out``. Raises Problem."""
    check_folder(out or DEFAULT_OUT)
    with _as_problem():
        images = (make or build)(cache or default_cache(), kernel, tell=_teller(quiet))
    folder = (out or DEFAULT_OUT) / "lab"
    return Lab(images, folder, host=host, options=options, tell=_teller(quiet))


def _by_hand(processors: int) -> dict[str, Any]:
    """Of a lab whose host is led by hand."""
    return {"options": options_for(processors), "make": build_for_linux}


def _teller(quiet: bool) -> Callable[[str], None]:
    """Progress goes to standard error, for people."""
    return (lambda _: None) if quiet else (lambda text: print(f"lab: {text}", file=sys.stderr))
