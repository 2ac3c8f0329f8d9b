"""What the program itself holds: memory apart from its guest's, descriptors, threads."""

from __future__ import annotations

import gc
import os
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["held", "own_kib"]

_MAPPING: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ")


def own_kib(smaps: Iterable[str], *guests: range) -> int:
    """KiB in memory by the lines of ``/proc/PID/smaps``, without what lies where the guest sees it:
    that fills as its kernel touches it, and is no growth of ours. Linux makes one mapping of
    neighbours that are alike, so what the guest sees may be one as well."""
    kib, ours = 0, True
    guests = _joined(guests)
    for line in smaps:
        if match := _MAPPING.match(line):
            start, end = (int(part, 16) for part in match.groups())
            ours = not any(g.start <= start and end <= g.stop for g in guests)
        elif ours and line.startswith("Rss:"):
            kib += int(line.split()[1])
    return kib


def _joined(areas: Iterable[range]) -> tuple[range, ...]:
    """Of those that touch each other one."""
    found: list[range] = []
    for area in sorted(areas, key=lambda area: area.start):
        if found and area.start <= found[-1].stop:
            found[-1] = range(found[-1].start, max(found[-1].stop, area.stop))
        else:
            found.append(area)
    return tuple(found)


def held(*guests: range) -> dict[str, int]:
    """What this process holds now; ``guests``: the addresses of what its guest sees. Garbage is
    collected first: among so many objects as a full trace has, an interpreter lets that of a
    hundred sessions lie."""
    gc.collect()
    return {
        "kib": own_kib(Path("/proc/self/smaps").read_text().splitlines(), *guests),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
    }
