"""What a variant is: one permitted reading of an open point, and the switches that take it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Variant"]


class Variant(NamedTuple):
    """One switch: which readings it takes, and what then differs.

    ``takes`` are labels such as ``A34:R1`` or ``A21/zero-pages:R1``: an interpretation, its point
    where it has several, and the reading. The report on the variant must name each of them.
    """

    name: str
    takes: tuple[str, ...]
    description: str
    change: Mapping[str, object]
