"""The options of ``kmcl lab`` before anything boots: what makes no sense, and what would change
nothing, is refused in one line."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final, NamedTuple

from kmcl_conformance.profiles import PROFILES
from kmcl_lab.adapter import UIO_COMMAND
from kmcl_lab.machine import HostKind
from kmcl_model.spec.specification import ENDPOINTS

from .lab_bench import LINUX
from .output import Problem

__all__ = [
    "RESET_MINUTES",
    "Resets",
    "check_folder",
    "command_of",
    "given",
    "must_be_alone",
    "must_matter",
    "resets_in",
]

RESET_MINUTES: Final = 4.0
"""A certification that is given less than this resets no guest unless it is told to."""

_OF_THE_CLIENT: Final = ("client",)
"""What our own endpoint plays in a guest whose host is QEMU."""


def command_of(command: str | None) -> tuple[str, ...]:
    """The words of ``--command``, those of our own endpoint for None. Raises Problem."""
    if command is None:
        return UIO_COMMAND
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise Problem(f"--command {command}: {error}") from None
    if not any(words):
        raise Problem("--command: it is empty: name what speaks the line protocol in the guest")
    return words


def check_folder(out: Path) -> None:
    """Refuse a folder that cannot be made, or written into, without making it. Raises Problem."""
    there = next((place for place in (out, *out.absolute().parents) if place.exists()), Path("/"))
    if not there.is_dir():
        raise Problem(f"{there}: not a folder; choose another with --out")
    if not os.access(there, os.W_OK | os.X_OK):
        raise Problem(f"{there}: cannot be written; choose another folder with --out")


def must_matter(
    host: HostKind,
    profile: str | None,
    *,
    command: str | None,
    resets: bool | None,
    monitored: bool,
    provocations: bool,
    processors: int,
) -> None:
    """Refuse what would have no effect with this host and this profile, before a machine is
    started. ``command``, ``resets``: None where nothing is said. Raises Problem."""
    ours, linux = host == HostKind.PROGRAMMABLE, profile == LINUX
    if profile is not None and profile not in PROFILES:
        raise Problem(f"--profile {profile}: choose {', '.join(PROFILES)}")
    if profile is not None and not linux and (ours or command is None):
        ends = ENDPOINTS if ours else _OF_THE_CLIENT
        fitting = [one.name for one in PROFILES.values() if one.ends == ends]
        if profile not in fitting:
            played = " and ".join(ends)
            raise Problem(
                f"--profile {profile}: our own {played} here: choose {', '.join(fitting)}"
            )
    if linux and not ours:
        raise Problem(f"--profile {LINUX}: QEMU cannot be led: add --host programmable")
    if ours and command is not None:
        what = "the guest's bus driver" if linux else "our own endpoint"
        raise Problem(f"--command is for QEMU as the host: with --host programmable {what} is run")
    if ours and resets is False:
        raise Problem("--no-resets is for QEMU as the host: others reset where --resets says so")
    if profile is not None:
        must_be_alone(resets, host, PROFILES[profile].ends)
    if provocations and ours:
        raise Problem("--provoke is for QEMU as the host: without --host")
    if provocations and command is not None:
        raise Problem("--provoke unbinds the driver under our own endpoint: without --command")
    if monitored and (not ours or linux):
        raise Problem("--monitored is for both ends: with --host programmable alone")
    if processors > 1 and not linux:
        raise Problem(f"--processors is for the guest of --profile {LINUX}")


def must_be_alone(resets: bool | None, host: HostKind, ends: tuple[str, ...]) -> None:
    """Refuse ``--resets`` where both ends run in the guest: the other one would die as well. Raises
    Problem."""
    if resets and host == HostKind.QEMU and len(ends) > 1:
        raise Problem("--resets: both ends would die with the guest: leave it out")


class Resets(NamedTuple):
    """Where an end that is to die does so by a reset of its guest: see ``LabAdapter``."""

    resets: bool
    in_walks: bool


def resets_in(wanted: bool | None, minutes: float | None) -> Resets:
    """What ``--resets``, ``--no-resets`` or neither asks for, with QEMU as the host; ``minutes``:
    the time there is, None for all."""
    is_time = minutes is None or minutes >= RESET_MINUTES
    return Resets(resets=is_time if wanted is None else wanted, in_walks=bool(wanted))


def given(kernel: str | None, command: str | None) -> str:
    """What a run like this one must be told as well, as it is typed, and a space; empty where
    nothing was named."""
    named = (("--kernel", kernel), ("--command", command))
    return "".join(f"{name} {shlex.quote(it)} " for name, it in named if it is not None)
