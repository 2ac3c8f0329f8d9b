"""What the lab needs from the distribution, and putting it there: said first, then done."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from .packages import candidate_kernels, installed, run
from .problem import LabProblem

__all__ = [
    "NEEDED",
    "OLDEST_QEMU",
    "Found",
    "Step",
    "carry_out",
    "find_out",
    "plan",
    "source_of",
    "too_old",
]

NEEDED: Final = ("qemu-system-x86", "zstd", "python3")
"""Packages that must be installed; the kernel and busybox are only downloaded."""
OLDEST_QEMU: Final = (8, 2)
"""The first with a Dynamic Memory device for VMBus."""
_BACKPORTS: Final = {"bookworm": "bookworm-backports"}
"""Where a release's own QEMU is too old, the suite that has a newer one."""
_ADDED: Final = Path("/etc/apt/sources.list.d/kmcl-backports.sources")


class Found(NamedTuple):
    """The machine: its release, what is installed (versions by name), whether apt knows of a kernel
    that is new enough, which suites it asks, and whether we are root."""

    codename: str
    versions: Mapping[str, str]
    has_kernel: bool
    suites: frozenset[str]
    is_root: bool


class Step(NamedTuple):
    """One thing to do: in words, and the command; an empty command adds the suite ``words`` ends
    with."""

    words: str
    command: tuple[str, ...]


def find_out() -> Found:
    """Look at this machine. Raises LabProblem where it is no Debian."""
    told = Path("/etc/os-release").read_text(encoding="utf-8")
    match = re.search(r"^VERSION_CODENAME=\"?(\w+)", told, re.MULTILINE)
    policy = run("apt-cache", "policy")
    suites = frozenset(re.findall(r" (\S+)/\w+ \w+ Packages$", policy, re.MULTILINE))
    versions = {name: package.version for name in NEEDED if (package := installed(name))}
    return Found(
        codename=match[1] if match else "",
        versions=versions,
        has_kernel=bool(candidate_kernels()),
        suites=suites,
        is_root=os.geteuid() == 0,
    )


def too_old(qemu: str) -> bool:
    """Whether a package version such as ``1:7.2+dfsg-7`` is older than what the lab needs."""
    major, minor = re.findall(r"\d+", qemu.partition(":")[2] or qemu)[:2]
    return (int(major), int(minor)) < OLDEST_QEMU


def plan(found: Found) -> list[Step]:
    """What has to be done, in order; nothing if everything is there."""
    missing = [name for name in NEEDED if name not in found.versions]
    qemu = found.versions.get("qemu-system-x86")
    if qemu is not None and too_old(qemu):
        missing.append("qemu-system-x86")
    if not missing and found.has_kernel:
        return []
    steps = []
    backports = _BACKPORTS.get(found.codename)
    target: tuple[str, ...] = ()
    if backports is not None:
        target = ("-t", backports) if "qemu-system-x86" in missing else ()
        if backports not in found.suites:
            steps.append(Step(f"add the suite {backports}", ()))
    steps.append(Step("read the lists of packages", ("apt-get", "update", "-qq")))
    if missing:
        install = ("apt-get", "install", "-qq", "-y", "--no-install-recommends", *target)
        steps.append(Step(f"install {', '.join(missing)}", (*install, *missing)))
    return steps


def carry_out(steps: list[Step], found: Found, tell: Callable[[str], object]) -> None:
    """Say all steps, then do them. Raises LabProblem without root, or with the first failure."""
    if not steps:
        return
    words = "; ".join(step.words for step in steps)
    if not found.is_root:
        raise LabProblem(f"the lab needs packages and you are not root: as root, {words}")
    tell(f"to be installed from the distribution: {words}")
    for step in steps:
        if step.command:
            _call(step)
        else:
            _add_suite(step.words.rpartition(" ")[2])


def _call(step: Step) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(
        step.command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise LabProblem(f"{' '.join(step.command)}: {said}")


def _add_suite(suite: str) -> None:
    apt = _ADDED.parents[1]
    sources = [apt / "sources.list", *sorted(_ADDED.parent.glob("*.list"))]
    sources += sorted(_ADDED.parent.glob("*.sources"))
    for path in sources:
        try:
            text = source_of(suite, path.read_text(encoding="utf-8"))
            if text:
                _ADDED.write_text(text, encoding="utf-8")
                return
        except OSError as error:
            if isinstance(error, FileNotFoundError) and error.filename == str(path):
                continue
            raise LabProblem(f"{error.filename}: {error.strerror}; add {suite} yourself") from None
    raise LabProblem(f"no source of {suite.partition('-')[0]} in {apt}; add {suite} yourself")


def source_of(suite: str, text: str) -> str:
    """A source for ``suite`` like the one that ``text`` has for its release; empty if it has none.

    ``text`` is a list of sources in either format; what comes back is in the newer one.
    """
    release = suite.partition("-")[0]
    for paragraph in re.split(r"\n\s*\n", text):
        suites = re.search(r"^Suites:(.*)$", paragraph, re.MULTILINE)
        if suites and release in suites[1].split():
            lines = [line for line in paragraph.strip().splitlines() if not line.startswith("#")]
            return re.sub(r"^Suites:.*$", f"Suites: {suite}", "\n".join(lines), flags=re.M) + "\n"
    line = re.search(rf"^deb\s+(?:\[.*\]\s+)?(\S+)\s+{release}\s", text, re.MULTILINE)
    if line is None:
        return ""
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    return f"Types: deb\nURIs: {line[1]}\nSuites: {suite}\nComponents: main\nSigned-By: {key}\n"
