"""The sequence chart as a drawing; see ``chart_text`` for the same as text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from .sequence import ChartRow, laned
from .svg import arrow_head, draw, drawing, serialise, write

__all__ = ["render_rows_svg"]

WIDTH: Final = 980
NUMBERS: Final = 34
DRIVER: Final = {"client": 60.0, "server": 952.0}
LIBRARY: Final = {"client": 476.0, "server": 536.0}
TOP: Final = 46.0
LINE: Final = 14.0
CHARACTER: Final = 6.7
BAR: Final = 9.0
"""Width of an activation bar, and how far one level of nesting moves it."""


class _Open(NamedTuple):
    endpoint: str
    depth: int


def _wrapped(label: str, width: float) -> list[str]:
    lines = textwrap.wrap(
        re.sub(r"\((?!\))", "( ", label),
        max(int(width / CHARACTER), 12),
        break_on_hyphens=False,
    )
    return [line.replace("( ", "(") for line in lines]


def _towards_driver(endpoint: str) -> float:
    return -1.0 if endpoint == "client" else 1.0


class _Sheet:
    """The drawing as it grows downwards."""

    def __init__(self, failure_index: int | None) -> None:
        self.y = TOP
        self.back = ET.Element("g")
        self.bars = ET.Element("g")
        self.front = ET.Element("g")
        self._failure_index = failure_index
        self._open: dict[_Open, float] = {}

    def row(self, row: ChartRow) -> None:
        """Add one event."""
        top = self.y
        failing = row.number == self._failure_index
        group = draw(self.front, "g", "bad") if failing else draw(self.front, "g")
        if row.endpoint not in DRIVER or row.kind in ("quiescence", "lost"):
            self._banner(group, row)
        elif row.kind == "environment":
            self._note(group, row)
        else:
            self._arrow(group, row)
        mark = f"✗ {row.number}" if failing else str(row.number)
        write(group, NUMBERS, self.y - 4, mark, "mono end" if failing else "mono end soft")
        self.y += 7
        if failing:
            draw(self.back, "rect", "failing", x=0, y=top, width=WIDTH, height=self.y - top, rx=4)

    def silence(self, number: int) -> None:
        """Mark the place after the last event as the failure."""
        group = draw(self.front, "g", "bad")
        top, self.y = self.y, self.y + LINE + 8
        draw(self.back, "rect", "failing", x=0, y=top, width=WIDTH, height=self.y - top + 4, rx=4)
        write(group, NUMBERS, self.y - 4, f"✗ {number}", "mono end")
        write(group, WIDTH / 2, self.y - 4, "silence: something was due", "mono middle")
        self.y += 7

    def finish(self) -> None:
        """Draw the bars of callbacks that never returned, and the lines of the lanes."""
        for key, start in sorted(self._open.items()):
            self._bar(key, start, self.y + 6)
        for endpoint, x in DRIVER.items():
            draw(self.back, "line", "lifeline", x1=x, x2=x, y1=TOP - 6, y2=self.y + 6)
            side = LIBRARY[endpoint]
            draw(self.back, "line", "lifeline library", x1=side, x2=side, y1=TOP - 6, y2=self.y + 6)

    def _bar(self, key: _Open, start: float, end: float) -> None:
        middle = DRIVER[key.endpoint] - _towards_driver(key.endpoint) * key.depth * BAR
        draw(
            self.bars,
            "rect",
            "activation",
            x=middle - BAR / 2,
            y=start,
            width=BAR,
            height=max(end - start, 2),
            rx=1.5,
        )

    def _lines(self, group: ET.Element, lines: list[str], x: float, style: str) -> None:
        for line in lines:
            self.y += LINE
            write(group, x, self.y - 4, line, style)

    def _banner(self, group: ET.Element, row: ChartRow) -> None:
        where = f"{row.endpoint}: " if row.endpoint else ""
        lines = _wrapped(where + row.label, WIDTH - 260)
        middle = self.y + 2 + LINE * (len(lines) / 2)
        reach = max(map(len, lines), default=0) * CHARACTER / 2 + 10
        centre = (DRIVER["client"] + DRIVER["server"]) / 2
        draw(group, "line", "rule", x1=NUMBERS + 8, x2=centre - reach, y1=middle, y2=middle)
        draw(group, "line", "rule", x1=centre + reach, x2=WIDTH, y1=middle, y2=middle)
        top, height = self.y + 1, LINE * len(lines) + 1
        draw(group, "rect", "label", x=centre - reach, y=top, width=2 * reach, height=height)
        self._lines(group, lines, centre, "mono middle")

    def _note(self, group: ET.Element, row: ChartRow) -> None:
        x = LIBRARY[row.endpoint] + 8 * _towards_driver(row.endpoint)
        style = "mono end" if row.endpoint == "client" else "mono"
        self._lines(group, _wrapped(f"✱ {row.label}", 300), x, style)

    def _arrow(self, group: ET.Element, row: ChartRow) -> None:
        inwards = -_towards_driver(row.endpoint)
        level = row.depth + (row.kind == "exit")
        driver = DRIVER[row.endpoint] + inwards * (level - 0.5 if level else 0.0) * BAR
        library = LIBRARY[row.endpoint]
        # A label stands clear of every bar it would cross.
        open_levels = [key.depth + 1 for key in self._open if key.endpoint == row.endpoint]
        outermost = max([level, *open_levels])
        label_at = DRIVER[row.endpoint] + inwards * (max(outermost - 0.5, 0) * BAR + 8)
        style = "mono" if row.endpoint == "client" else "mono end"
        self._lines(group, _wrapped(row.label, abs(library - label_at) - 8), label_at, style)
        self.y += 3
        goes_in = row.kind in ("call", "exit", "sent")
        start, end = (driver, library) if goes_in else (library, driver)
        line = "back" if row.kind in ("return", "exit") else "invoke"
        draw(group, "line", line, x1=start, x2=end, y1=self.y, y2=self.y)
        tip = "tip" if line == "invoke" else "back-tip"
        arrow_head(group, (end, self.y), (end - start, 0.0), tip)
        key = _Open(row.endpoint, row.depth)
        if row.kind == "enter":
            self._open[key] = self.y
        elif row.kind == "exit" and key in self._open:
            self._bar(key, self._open.pop(key), self.y)


def render_rows_svg(
    rows: Iterable[ChartRow],
    failure_index: int | None = None,
    *,
    title: str = "Sequence chart",
    standalone: bool = False,
) -> str:
    """The chart of the rows as SVG, 980 pixels wide.

    ``failure_index`` marks the event no model state explains; past the last event it stands
    for the silence. A ``standalone`` drawing carries its own style sheet.
    """
    sheet = _Sheet(failure_index)
    rows, lanes = laned(rows)
    seen = 0
    for row in rows:
        sheet.row(row)
        seen = row.number + 1
    if failure_index is not None and failure_index >= seen:
        sheet.silence(failure_index)
    sheet.finish()
    root = drawing(WIDTH, sheet.y + 12, title)
    for endpoint, title, outer, inner in (
        ("client", lanes.left, *lanes.left_lines),
        ("server", lanes.right, *reversed(lanes.right_lines)),
    ):
        driver, library = DRIVER[endpoint], LIBRARY[endpoint]
        write(root, (driver + library) / 2, 14, title, "head middle")
        side = "" if endpoint == "client" else "end"
        write(root, driver, 32, outer, f"soft {side}".strip())
        write(root, library, 32, inner, "soft middle")
    root.extend((sheet.back, sheet.bars, sheet.front))
    return serialise(root, standalone=standalone)
