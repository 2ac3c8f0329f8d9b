"""A kernel of one's own for the guest under test, or modules of one's own for one that apt offers.

Where ``--kernel`` names a version, neither is meant; a path is one of these:

* a kernel package, as ``make bindeb-pkg`` writes it;
* a folder with modules (``*.ko``, packed or not), which take the place of those that the kernel
  has, or are inserted after them. The kernel is the one that they were built for, as they say
  themselves: one that apt offers, or that of a package in the same folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from .modules import decompressed, module_name, said_by
from .packages import run
from .problem import LabProblem, WrongUsage

__all__ = ["Own", "own_kernel"]

_IMAGE: Final = "linux-image-"
_DEBUG: Final = "-dbg"
_ARCHIVE: Final = b"!<arch>\n"
"""How a package file begins."""


class Own(NamedTuple):
    """``package``: None where apt has that kernel; ``place``: what was named."""

    version: str
    package: Path | None
    modules: tuple[Path, ...]
    place: Path


def own_kernel(named: str) -> Own | None:
    """What is meant by a path; None for a version. Raises LabProblem, WrongUsage where it is
    neither."""
    if "/" not in named and not named.endswith(".deb"):
        return None
    place = Path(named).resolve()
    if place.is_file():
        return Own(_version_in(place), place, (), place)
    if not place.is_dir():
        raise WrongUsage(f"--kernel {named}: neither a kernel package nor a folder")
    packages = [p for p in sorted(place.glob(f"{_IMAGE}*.deb")) if f"{_DEBUG}_" not in p.name]
    modules = tuple(sorted(place.glob("*.ko*")))
    if len(packages) > 1:
        raise WrongUsage(f"--kernel {named}: {len(packages)} kernel packages; keep one")
    if not packages and not modules:
        raise WrongUsage(f"--kernel {named}: neither {_IMAGE}*.deb nor *.ko in it")
    version = _version_in(packages[0]) if packages else _built_for(modules[0])
    for module in modules:
        if (other := _built_for(module)) != version:
            raise WrongUsage(f"{module}: built for {other}, not for {version}")
    _check_names(modules)
    return Own(version, packages[0] if packages else None, modules, place)


def _version_in(package: Path) -> str:
    try:
        name = run("dpkg-deb", "--field", str(package), "Package").strip()
    except LabProblem:
        with package.open("rb") as file:
            if file.read(len(_ARCHIVE)) == _ARCHIVE:
                raise
        raise WrongUsage(f"{package}: no package of the distribution's format") from None
    if not name.startswith(_IMAGE) or name.endswith(_DEBUG):
        raise WrongUsage(f"{package}: {name or 'no name'} is no package of a kernel ({_IMAGE}…)")
    return name.removeprefix(_IMAGE)


def _built_for(module: Path) -> str:
    words = said_by(decompressed(module.read_bytes()), "vermagic").split()
    if not words:
        raise WrongUsage(f"{module}: does not say which kernel it was built for")
    return words[0]


def _check_names(modules: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for module in modules:
        if (first := seen.setdefault(module_name(module), module)) is not module:
            raise WrongUsage(f"{first} and {module} are one module; keep one")
