"""What a guest knows of the kernel and the host it runs on, in words with their versions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["surroundings"]

_NAMES: Final = ("sys_vendor", "product_name", "product_version")
"""What the host's firmware says of the machine, among the kernel's DMI files."""
_TABLE: Final = "firmware/acpi/tables/FACP"
"""A table of ACPI that every machine has, for a host that has no DMI; root alone can read it."""
_MAKER: Final = slice(10, 24)
"""The ids of its maker, and of the table, in it (ACPI 6.5, 5.2.6)."""


def surroundings(sysfs: Path = Path("/sys")) -> tuple[str, str]:
    """The kernel, and the machine that the host plays for it."""
    system = os.uname()
    machine = " ".join(filter(None, (_words(sysfs / "class/dmi/id" / name) for name in _NAMES)))
    machine = machine or _maker(sysfs / _TABLE) or "a host that no firmware names"
    return f"{system.sysname} {system.release}", machine


def _maker(table: Path) -> str:
    try:
        ids = table.read_bytes()[_MAKER]
    except OSError:
        return ""
    words = " ".join(ids.decode("ascii", "replace").replace("\0", " ").split())
    return f"a host whose firmware is of {words}" if words else ""


def _words(path: Path) -> str:
    try:
        return " ".join(path.read_text(errors="replace").split())
    except OSError:
        return ""
