"""Which options of ``kmcl lab certify`` go together: one that would change nothing is refused."""

from __future__ import annotations

import shlex

from kmcl_conformance.profiles import PROFILES
from kmcl_lab.machine import HostKind

from .lab_bench import LINUX
from .output import Problem

__all__ = ["given", "must_matter"]


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
