"""Figures that were measured, each with its target, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from rich.table import Table

__all__ = ["Figure", "table"]


class Figure(NamedTuple):
    """A measured figure: ``values`` of all repeats, in ``unit``; ``target`` None where there is
    none, and ``at_most`` tells which side of it is good. ``culprits``: what keeps it from its
    target, by name, where that can be told."""

    name: str
    unit: str
    values: tuple[float, ...]
    target: float | None = None
    at_most: bool = False
    culprits: tuple[str, ...] = ()

    @property
    def median(self) -> float:
        return median(self.values)

    def met(self) -> bool | None:
        """Whether the median reaches the target; None where there is none."""
        if self.target is None:
            return None
        return self.median <= self.target if self.at_most else self.median >= self.target

    def record(self) -> dict[str, Any]:
        """The figure as JSON."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": round(self.median, 3),
            "min": round(min(self.values), 3),
            "max": round(max(self.values), 3),
            "repeats": len(self.values),
            "target": self.target,
            "met": self.met(),
            "culprits": list(self.culprits),
        }


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def table(found: Sequence[Figure]) -> Table:
    """What was measured, a row for each figure."""
    shown = Table()
    shown.add_column("what")
    for name in ("median", "min", "max", "repeats", "target"):
        shown.add_column(name, justify="right")
    shown.add_column("unit")
    for figure in found:
        met = figure.met()
        target = ""
        if figure.target is not None:
            target = ("≤ " if figure.at_most else "≥ ") + _number(figure.target)
        shown.add_row(
            figure.name,
            _number(figure.median),
            _number(min(figure.values)),
            _number(max(figure.values)),
            str(len(figure.values)),
            target + {None: "", True: " ✓", False: " ✗"}[met],
            figure.unit,
        )
    return shown
