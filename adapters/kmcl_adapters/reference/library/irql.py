"""The levels at which the library calls handlers."""

from __future__ import annotations

from typing import Final

__all__ = ["DISPATCH", "PASSIVE"]

PASSIVE: Final = 0
DISPATCH: Final = 2
