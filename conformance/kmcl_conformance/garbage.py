"""How often Python looks for garbage while a campaign runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["collected_rarely"]

THRESHOLDS: Final = (20_000, 20, 50)


@contextmanager
def collected_rarely() -> Iterator[None]:
    """Look for garbage cycles less often than Python does by itself.

    The automata of a specification grow to millions of small objects that stay, and every full
    collection visits each of them. Sequences leave few cycles behind.
    """
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
