"""Distribution packages: which there are, fetching them, and what is in them.

Everything goes through the distribution's own ``apt-get``, ``apt-cache``, ``dpkg`` and
``dpkg-query``; nothing else is downloaded.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from .problem import LabProblem, WrongUsage

__all__ = [
    "OLDEST_KERNEL",
    "Package",
    "candidate_kernels",
    "extract",
    "fetch",
    "installed",
    "kernel_for_kvm",
    "kernel_number",
    "kernel_packages",
    "newest_kernel",
    "run",
]

OLDEST_KERNEL: Final = (6, 10)
"""Older ``uio_hv_generic`` refuses channels that are not monitored, as all of QEMU's are."""
_KVM_SERIES: Final = (6, 12)
"""Whose KVM runs our guests where it is emulated itself. That of 6.1 refuses to, that of 6.17 stops
with an internal error (both seen, under QEMU 10.0)."""
_KERNEL = re.compile(r"^linux-image-(\d+\.\d+\.\d\S*-cloud-amd64)$")


class Package(NamedTuple):
    """A package at one version."""

    name: str
    version: str


def run(*command: str, folder: Path | None = None) -> str:
    """What a tool of the distribution prints. Raises LabProblem with its last words."""
    environment = os.environ | {"LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise LabProblem(f"{command[0]} is missing: the lab needs Debian or a relative") from None
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise LabProblem(f"{' '.join(command)}: {words}")
    return done.stdout


def installed(name: str) -> Package | None:
    """The installed version of a package, if there is one."""
    try:
        text = run("dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", name)
    except LabProblem:
        return None
    status, _, version = text.partition(" ")
    return Package(name, version) if status == "installed" else None


def kernel_number(version: str) -> tuple[int, int]:
    """Major and minor number of a kernel such as ``6.12.95+deb12-cloud-amd64``.

    Raises WrongUsage where it begins with no such numbers.
    """
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        raise WrongUsage(f"--kernel {version}: no version such as 6.10.1-cloud-amd64")
    return int(numbers[1]), int(numbers[2])


def kernel_packages(version: str) -> list[str]:
    """The packages of a kernel: its image, and the parts that the image is made of where it is
    empty itself. Raises LabProblem, WrongUsage where apt offers none of that name."""
    image = f"linux-image-{version}"
    try:
        text = run("apt-cache", "show", "--no-all-versions", image)
    except LabProblem:
        if _is_offered(image):
            raise
        known = ", ".join(candidate_kernels()) or "none; run apt-get update"
        raise WrongUsage(f"--kernel {version}: apt offers no {image}; it offers {known}") from None
    depends = re.search(r"^Depends: (.*)$", text, re.MULTILINE)
    parts = re.findall(rf"linux-\w+-{re.escape(version)}(?= )", depends[1] if depends else "")
    return [image, *filter(_is_offered, parts)]


def _is_offered(name: str) -> bool:
    return bool(run("apt-cache", "madison", name).strip())


def candidate_kernels() -> list[str]:
    """The kernels that apt offers and that are new enough, oldest first."""
    names = run("apt-cache", "pkgnames", "linux-image-").split()
    found = [match[1] for name in names if (match := _KERNEL.match(name))]
    new = [version for version in found if kernel_number(version) >= OLDEST_KERNEL]
    return sorted(new, key=lambda v: [int(n) for n in re.findall(r"\d+", v)])


def kernel_for_kvm(version: str) -> str:
    """The kernel of the guest that provides KVM to one with this kernel: itself where it will do,
    else the newest of its series that apt offers."""
    fit = [v for v in (version, *candidate_kernels()) if kernel_number(v) == _KVM_SERIES]
    return version if not fit or version in fit else fit[-1]


def newest_kernel() -> str:
    """The newest kernel that apt offers. Raises LabProblem if none is new enough."""
    kernels = candidate_kernels()
    if not kernels:
        wanted = ".".join(map(str, OLDEST_KERNEL))
        raise LabProblem(
            f"apt offers no cloud kernel of {wanted} or newer: run 'kmcl lab build --install' as "
            "root, or add the distribution's backports"
        )
    return kernels[-1]


def fetch(name: str, folder: Path) -> Path:
    """The package file in ``folder``, downloaded if it is not there. Raises LabProblem."""
    version = _offered_version(name)
    file = folder / f"{name}_{version.replace(':', '%3a')}.deb"
    if file.exists():
        return file
    part = folder / f"{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        # apt's own user cannot write here; it says so on standard error and goes on as us.
        run("apt-get", "download", "-q", f"{name}={version}", folder=part)
        (downloaded,) = part.iterdir()
        downloaded.replace(file)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return file


def _offered_version(name: str) -> str:
    text = run("apt-cache", "show", "--no-all-versions", name)
    match = re.search(r"^Version: (\S+)$", text, re.MULTILINE)
    if match is None:
        raise LabProblem(f"apt knows no version of {name}: run apt-get update")
    return match[1]


def extract(packages: Sequence[Path], folder: Path) -> None:
    """Unpack package files into a folder."""
    for package in packages:
        run("dpkg", "--extract", str(package), str(folder))
