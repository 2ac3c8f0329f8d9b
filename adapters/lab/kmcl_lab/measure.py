"""The figures of the lab: opening and closing without a leak, and conversations a second."""

from __future__ import annotations

import json
from typing import Any, Final

from .lab import Lab
from .problem import LabProblem

__all__ = ["LEAK_BYTES", "has_leaked", "measure"]

LEAK_BYTES: Final = 512
"""A cycle that loses more than this on average leaks. Free memory moves by some hundred KiB by
itself; a page lost in every cycle shows clearly in a thousand of them."""
_LIMIT_SECONDS: Final = 300.0


def measure(lab: Lab, cycles: int) -> dict[str, Any]:
    """Run ``kmcl_lab.cycles`` in the guest. Raises LabProblem with what it said."""
    device = lab.bind()
    command = ["python3", "-m", "kmcl_lab.cycles", device, str(cycles)]
    done = lab.guest.run(command, limit=_LIMIT_SECONDS)
    if done.code:
        words = done.errors.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise LabProblem(f"{' '.join(command)}: {' '.join(words) or f'code {done.code}'}")
    figures: dict[str, Any] = json.loads(done.output)
    return figures | {"leaks": has_leaked(figures)}


def has_leaked(figures: dict[str, Any]) -> bool:
    """Whether memory, files or descriptors went with the cycles."""
    before, after = figures["before"], figures["after"]
    lost = (before["memory_kib"] - after["memory_kib"]) * 1024
    if lost > LEAK_BYTES * figures["cycles"]:
        return True
    grown = (after[name] - before[name] for name in ("files_of_the_guest", "descriptors"))
    return any(more > figures["cycles"] // 10 for more in grown)
