"""Kernel modules out of a kernel package: found, unpacked, and with what they depend on."""

from __future__ import annotations

import lzma
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .problem import LabProblem, WrongUsage

__all__ = [
    "closure",
    "decompressed",
    "dependencies",
    "module_name",
    "plain_kernel",
    "said_by",
]

_SETUP_SECTORS: Final = 0x1F1
_PAYLOAD_OFFSET: Final = 0x248
_PAYLOAD_LENGTH: Final = 0x24C
_SIZE_BYTES: Final = 4
"""The size of what is unpacked, which follows the payload and counts as a part of it."""
_XZ: Final = b"\xfd7zXZ"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ELF: Final = b"\x7fELF"


def decompressed(data: bytes) -> bytes:
    """The data, unpacked if it is xz or zstd. Raises LabProblem if zstd is not there, or cannot
    unpack it."""
    if data.startswith(_XZ):
        return lzma.LZMADecompressor().decompress(data)
    if data.startswith(_ZSTD):
        if shutil.which("zstd") is None:
            raise LabProblem("zstd is missing: run 'kmcl lab build --install' as root")
        done = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=False)
        if done.returncode:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()[:1]
            why = " ".join(words) or f"it ended with {done.returncode}"
            raise LabProblem(f"zstd cannot unpack a file of the kernel's package: {why}")
        return done.stdout
    return data


def said_by(module: bytes, about: str) -> str:
    """What a module (unpacked) says of itself, as ``modinfo`` prints it; empty for nothing."""
    key = f"\0{about}=".encode()
    start = module.find(key)
    if start < 0:
        return ""
    start += len(key)
    return module[start : module.index(b"\0", start)].decode()


def dependencies(module: bytes) -> list[str]:
    """The modules a module (unpacked) says it depends on."""
    return [_plain(name) for name in said_by(module, "depends").split(",") if name]


def module_name(file: Path) -> str:
    """The name of the module in a file, packed or not, as the kernel has it."""
    return _plain(file.name.partition(".ko")[0])


def closure(
    folder: Path, names: Sequence[str], own: Sequence[Path] = ()
) -> list[tuple[str, bytes]]:
    """The named modules below ``folder`` (a ``lib/modules/VERSION``) with all they depend on, then
    ``own``, which also take the place of those that have their names.

    In the order in which they can be inserted, by name and unpacked; built-in ones are left out.
    Raises LabProblem for a module that the kernel does not have, or has in itself where it should
    be replaced.
    """
    replaced = {module_name(file): file for file in own}
    files = {module_name(f): f for f in (folder / "kernel").rglob("*.ko*")} | replaced
    builtin = {
        _plain(Path(line).stem) for line in (folder / "modules.builtin").read_text().splitlines()
    }
    for name in sorted(builtin & replaced.keys()):
        raise WrongUsage(f"{replaced[name]}: {name} is a part of {folder.name} itself")
    ordered: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in ordered or name in builtin:
            return
        if name not in files:
            raise LabProblem(f"{folder.name} has no module {name}: choose another --kernel")
        data = decompressed(files[name].read_bytes())
        for other in dependencies(data):
            add(other)
        ordered[name] = data

    for name in (*names, *replaced):
        add(_plain(name))
    return list(ordered.items())


def _plain(name: str) -> str:
    return name.replace("-", "_")


def plain_kernel(image: bytes) -> bytes:
    """The plain ELF kernel in a bzImage, which spares an emulated guest most of its boot.

    The image itself where what is inside is something else. Raises LabProblem as ``decompressed``.
    """
    sectors = image[_SETUP_SECTORS] or 4
    offset, length = (
        int.from_bytes(image[field : field + 4], "little")
        for field in (_PAYLOAD_OFFSET, _PAYLOAD_LENGTH)
    )
    at = (sectors + 1) * 512 + offset
    kernel = decompressed(image[at : at + length - _SIZE_BYTES])
    return kernel if kernel.startswith(_ELF) else image
