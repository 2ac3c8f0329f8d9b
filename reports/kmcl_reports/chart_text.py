"""The sequence chart as text: client on the left, server on the right, libraries in between.

::

          client                          server
          driver        library   library         driver
        0 ├─ t0: VmbChannelEnable() ▶│   │               │
        1 │◀─ EvtVmbChannelOpened() ─┤   │               │
        2 │ ├─ VmbChannelStart() ───▶│   │               │

A guest and its host are drawn in the same way, their user and their test as the drivers.

Solid arrows invoke or carry a message, dashed ones return. A bar beside the driver's line is a
callback that is going on; what a driver does inside it starts at that bar. The server's half is the
mirror image.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from kmcl_model.events import Event

from .sequence import ChartRow, laned, sequence_rows
from .text import inline

__all__ = ["render_rows", "render_sequence"]

MINIMUM_WIDTH: Final = 60
MARGIN: Final = 8
GAP: Final = "   "

_MIRROR: Final = str.maketrans("├┤◀▶╰╯", "┤├▶◀╯╰")


def _mirrored(piece: str) -> str:
    return piece[::-1].translate(_MIRROR)


def _wrapped(label: str, width: int) -> list[str]:
    """The label in lines; a line may also end after an opening parenthesis."""
    lines = textwrap.wrap(re.sub(r"\((?!\))", "( ", label), width, break_on_hyphens=False)
    return [line.replace("( ", "(") for line in lines]


class _Half:
    """One endpoint's column and the callbacks going on in it."""

    def __init__(self, width: int, *, mirrored: bool) -> None:
        self._width = width
        self._is_mirrored = mirrored
        self._open: set[int] = set()

    def _bars(self, columns: int) -> str:
        """The driver's line and the bars of open callbacks, up to a column."""
        levels = max(self._open, default=-1) + 1
        bars = "│" + "".join(" │" if n in self._open else "  " for n in range(levels))
        return bars.ljust(columns)[:columns]

    def _cell(self, head: str, label: str, fill: str, tail: str) -> str:
        """Head, label and tail with the space between them filled."""
        text = f" {label} " if label else ""
        line = fill * (self._width - len(head) - len(text) - len(tail))
        if self._is_mirrored:
            return _mirrored(tail) + line + text + _mirrored(head)
        return head + text + line + tail

    def idle(self) -> str:
        """A line on which nothing happens at this endpoint."""
        return self._cell(self._bars(self._width - 1).rstrip(), "", " ", "│")

    def note(self, label: str) -> list[str]:
        """The lines of what the world does to the endpoint, beside the library."""
        bars = self._bars(self._width - 1).rstrip()
        chunks = textwrap.wrap(f"✱ {label}", self._width - len(bars) - 4)
        return [
            self._cell(bars + " " * (self._width - len(bars) - len(chunk) - 4), chunk, "", " │")
            for chunk in chunks
        ]

    def arrow(self, row: ChartRow) -> list[str]:
        """The lines of a call, return, enter or exit."""
        fill = "─" if row.kind in ("call", "enter", "sent", "received") else "╌"
        column = 2 * row.depth + (2 if row.kind == "exit" else 0)
        if row.kind in ("call", "exit", "sent"):
            head = self._bars(column) + ("╰" if row.kind == "exit" else "├") + fill
            tail = "▶│"
        else:
            head = self._bars(column + 1) + "◀" + fill
            tail = "┤"
        if row.kind == "exit":
            self._open.discard(row.depth)
        elif row.kind == "enter":
            self._open.add(row.depth)
        # Two blanks around the label and at least one character of line.
        room = max(self._width - len(head) - len(tail) - 3, 8)
        first, *rest = _wrapped(row.label, room)
        lines = [self._cell(head, first, fill, tail)]
        indent = len(head)
        for chunk in rest:
            bars = self._bars(self._width - 1).rstrip().ljust(indent)
            lines.append(self._cell(bars, chunk, " ", "│"))
        return lines


def _banner(text: str, width: int, fill: str) -> Iterator[str]:
    for line in textwrap.wrap(text, width - 8) or [""]:
        yield f" {line} ".center(width, fill)


def _verdict(what: str, allowed: Sequence[str], width: int) -> Iterator[str]:
    indent = " " * MARGIN
    yield f"{indent}✗ {what}: the model has no explanation for it"
    if allowed:
        yield f"{indent}  allowed instead:"
    for entry in allowed:
        yield from textwrap.wrap(
            inline(entry),
            width - MARGIN,
            initial_indent=f"{indent}    · ",
            subsequent_indent=f"{indent}      ",
        )


def render_rows(
    rows: Iterable[ChartRow],
    failure_index: int | None = None,
    allowed: Sequence[str] = (),
    *,
    width: int = 100,
) -> str:
    """The chart of the rows, at most ``width`` columns wide (60 at least).

    ``failure_index`` marks the event no model state explains; past the last event it stands
    for the silence. ``allowed`` are the events that would have been right.
    """
    inner = max(width, MINIMUM_WIDTH) - MARGIN
    half = (inner - len(GAP)) // 2
    client, server = _Half(half, mirrored=False), _Half(half, mirrored=True)
    rows, titles = laned(rows)
    outer, inner_ = titles.left_lines
    lanes = outer.ljust(half - len(inner_)) + inner_
    inner_, outer = titles.right_lines
    lines = [
        " " * MARGIN + titles.left.ljust(half + len(GAP)) + titles.right.rjust(half),
        " " * MARGIN + lanes + GAP + inner_ + outer.rjust(half - len(inner_)),
    ]
    seen = 0
    for row in rows:
        seen = row.number + 1
        failing = row.number == failure_index
        drawn: list[str]
        if row.endpoint in ("client", "server"):
            own = client if row.endpoint == "client" else server
            cells = own.note(row.label) if row.kind == "environment" else own.arrow(row)
            drawn = [
                cell + GAP + server.idle() if own is client else client.idle() + GAP + cell
                for cell in cells
            ]
        else:
            where = f"{row.endpoint}: " if row.endpoint else ""
            drawn = list(_banner(where + row.label, 2 * half + len(GAP), "┄"))
        margin = f"{'✗' if failing else ' '}{row.number:>{MARGIN - 2}} "
        for line in drawn:
            lines.append(margin + line.rstrip())
            margin = " " * MARGIN
        if failing:
            silence = "the silence of " if row.kind == "quiescence" else ""
            lines += _verdict(f"{silence}event {row.number}", allowed, inner + MARGIN)
    if failure_index is not None and failure_index >= seen:
        lines += _verdict("silence after the last event", allowed, inner + MARGIN)
    return "\n".join(lines) + "\n"


def render_sequence(
    events: Iterable[Event],
    failure_index: int | None = None,
    allowed: Sequence[str] = (),
    *,
    width: int = 100,
) -> str:
    """The chart of a trace; see ``render_rows``."""
    return render_rows(sequence_rows(events), failure_index, allowed, width=width)
