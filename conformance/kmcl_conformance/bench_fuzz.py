"""The endpoint against a hostile host, for the benchmark: how much was corrupted, what broke.

It runs in a process of its own: one that does not come back is a hang, and one that dies a crash,
and the benchmark goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from kmcl_adapters.uio.fuzz import KINDS

from .figure import Figure

__all__ = ["ENOUGH", "fuzz_figures"]

ENOUGH: Final = 1_000_000
"""Headers and packets that are to be corrupted."""
_COMMAND: Final = (sys.executable, "-m", "kmcl_adapters.uio.fuzz", "--json")
_LEAST_SECONDS: Final = 60.0
_SECONDS_EACH: Final = 0.002
"""Some fifty times what it takes: what takes longer hangs."""


def fuzz_figures(count: int, command: Sequence[str] = _COMMAND) -> list[Figure]:
    """Corrupt ``count`` headers and packets: how many there were, what went wrong, and the seconds
    that it took. Fewer than ``ENOUGH`` have no target."""
    began = time.perf_counter()
    found = _fuzzed(count, command)
    seconds = time.perf_counter() - began
    corrupted = float(found["packets"] + found["headers"])
    defects = tuple(found["defects"])
    target = ENOUGH if count >= ENOUGH else None
    return [
        Figure("endpoint, corrupted headers and packets", "", (corrupted,), target),
        *(
            Figure(f"  {kind}", "", (float(found["kinds"][kind]),), 0, True, defects)
            for kind in KINDS
        ),
        Figure("  the time that it took, one process", "s", (seconds,)),
    ]


def _fuzzed(count: int, command: Sequence[str]) -> Any:
    """What the process says of it; where it says nothing, that."""
    limit = max(_LEAST_SECONDS, count * _SECONDS_EACH)
    try:
        done = subprocess.run(
            (*command, "--count", str(count)),
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _nothing("hangs", f"no end within {limit:g} s")
    try:
        return json.loads(done.stdout)
    except ValueError:
        return _nothing("crashes", f"the process ended with {done.returncode}")


def _nothing(kind: str, words: str) -> dict[str, Any]:
    kinds = dict.fromkeys(KINDS, 0) | {kind: 1}
    return {"packets": 0, "headers": 0, "kinds": kinds, "defects": [words]}
