"""Waiting until the guest, and whoever plays with it, do nothing any more."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

__all__ = ["come_to_rest"]

_PAUSE: Final = 0.001
"""Seconds between two looks, more where timers are coarser; everybody else's work comes first."""
_LONGEST_PAUSE: Final = 0.02
"""While somebody works."""


def come_to_rest(
    is_at_rest: Callable[[], bool],
    progress: Callable[[], object],
    looks: int,
    is_over: Callable[[], bool],
) -> bool:
    """Look until everybody was at rest so many times in a row, with the same ``progress`` between
    two looks; or until ``is_over``, then whether they were."""
    quiet, count, pause = 0, progress(), _PAUSE
    while True:
        before, count = count, progress()
        if not is_at_rest():
            quiet, pause = 0, min(2 * pause, _LONGEST_PAUSE)
        else:
            quiet, pause = (quiet + 1 if count == before else 1), _PAUSE
        if quiet >= looks or is_over():
            return quiet >= looks
        time.sleep(pause)
