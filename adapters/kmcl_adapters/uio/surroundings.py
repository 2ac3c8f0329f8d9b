"""What a guest knows of the kernel and the host it runs on, in words with their versions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["surroundings"]

_NAMES: Final = ("sys_vendor", "product_name", "product_version")
"""What the host's firmware says of the machine, among the kernel's DMI files."""


def surroundings(sysfs: Path = Path("/sys")) -> tuple[str, str]:
    """The kernel, and the machine that the host plays for it."""
    system = os.uname()
    machine = " ".join(filter(None, (_words(sysfs / "class/dmi/id" / name) for name in _NAMES)))
    return f"{system.sysname} {system.release}", machine or "a host that no firmware names"


def _words(path: Path) -> str:
    try:
        return " ".join(path.read_text(errors="replace").split())
    except OSError:
        return ""
