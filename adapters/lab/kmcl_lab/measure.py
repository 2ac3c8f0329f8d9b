"""The figures of the lab: opening and closing without a leak, and conversations a second."""

from __future__ import annotations

import json
from typing import Any, Final

from .growth import LEAST_WORK
from .lab import Lab
from .problem import LabProblem

__all__ = ["LEAK_BYTES", "has_leaked", "measure", "printed_by"]

LEAK_BYTES: Final = 512
"""A cycle that costs us more memory than this on average leaks: less than a page in each, and
above what an interpreter's memory moves by itself in some hundred cycles."""
SETTLING_BYTES: Final = 512 << 10
"""What an interpreter's memory grows by once, however many cycles follow."""
_LIMIT_SECONDS: Final = 600.0


def measure(lab: Lab, cycles: int) -> dict[str, Any]:
    """Run ``kmcl_lab.cycles`` in the guest. Raises LabProblem with what it said."""
    figures = printed_by(lab, ["python3", "-m", "kmcl_lab.cycles", lab.bind(), str(cycles)])
    lost = figures["before"]["guest_free_kib"] - figures["after"]["guest_free_kib"]
    figures["guest_bytes_lost_a_cycle"] = round(lost * 1024 / cycles)
    return figures | {"leaks": has_leaked(figures)}


def printed_by(lab: Lab, command: list[str]) -> dict[str, Any]:
    """The figures that a command in the guest prints, one JSON object. Raises LabProblem with what
    it said."""
    done = lab.guest.run(command, limit=_LIMIT_SECONDS)
    if done.code:
        words = done.errors.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise LabProblem(f"{' '.join(command)}: {' '.join(words) or f'code {done.code}'}")
    figures: dict[str, Any] = json.loads(done.output)
    return figures


def has_leaked(figures: dict[str, Any]) -> bool | None:
    """Whether memory, descriptors or files went with the cycles on our side of the driver; None
    where there were too few to tell.

    What the guest's kernel loses is a figure of its own, ``guest_bytes_lost_a_cycle``.
    """
    before, after, cycles = figures["before"], figures["after"], figures["cycles"]
    if cycles < LEAST_WORK:
        return None
    grown_bytes = (after["process_kib"] - before["process_kib"]) * 1024
    if grown_bytes > LEAK_BYTES * cycles + SETTLING_BYTES:
        return True
    grown = (after[name] - before[name] for name in ("guest_files", "process_descriptors"))
    return any(more > cycles // 10 for more in grown)
