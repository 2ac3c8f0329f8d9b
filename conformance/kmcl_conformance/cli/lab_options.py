"""The options of ``kmcl lab`` before anything boots: what makes no sense, and what would change
nothing, is refused in one line."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final

from kmcl_conformance.profiles import PROFILES
from kmcl_lab.adapter import UIO_COMMAND
from kmcl_lab.machine import HostKind
from kmcl_model.spec.specification import ENDPOINTS

from .lab_bench import LINUX
from .output import Problem

__all__ = ["check_folder", "command_of", "given", "must_matter"]


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
    resets: bool,
    monitored: bool,
    provocations: bool,
    processors: int,
) -> None:
    """Refuse what would have no effect with this host and this profile, before a machine is
    started. ``command``: None where none is named. Raises Problem."""
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
    if ours and resets and not linux:
        raise Problem(
            "--resets: the machine of both ends is not reset: use it without --host, or add "
            f"--profile {LINUX}"
        )
    if provocations and ours:
        raise Problem("--provoke is for QEMU as the host: without --host")
    if provocations and command is not None:
        raise Problem("--provoke unbinds the driver under our own endpoint: without --command")
    if monitored and (not ours or linux):
        raise Problem("--monitored is for both ends: with --host programmable alone")
    if processors > 1 and not linux:
        raise Problem(f"--processors is for the guest of --profile {LINUX}")


def given(kernel: str | None, command: str | None) -> str:
    """What a run like this one must be told as well, as it is typed, and a space; empty where
    nothing was named."""
    named = (("--kernel", kernel), ("--command", command))
    return "".join(f"{name} {shlex.quote(it)} " for name, it in named if it is not None)
