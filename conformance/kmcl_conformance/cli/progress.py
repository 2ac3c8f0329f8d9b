"""Progress on standard error: a bar with the time left where somebody looks, else a few lines."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .output import plain_console

__all__ = ["Meter"]

_LINES = 10


class Meter:
    """Shows how far something is. ``total`` None: there is no end to count towards."""

    def __init__(self, total: int | None, unit: str, *, silent: bool = False) -> None:
        console = plain_console(stderr=True)
        self._total = total
        self._unit = unit
        self._silent = silent
        self._lines_said = 0
        self._bar: Progress | None = None
        if not silent and console.is_terminal:
            self._bar = Progress(
                TextColumn("  {task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[text]}"),
                TimeElapsedColumn() if total is None else TimeRemainingColumn(compact=True),
                TextColumn("" if total is None else "left"),
                console=console,
                transient=True,
                refresh_per_second=8,
            )
            self._task = self._bar.add_task("starting", total=total, text="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, text: str) -> None:
        """So much is done; ``text`` says what came of it."""
        if self._silent:
            return
        of = "" if self._total is None else f" of {self._total:,}"
        amount = f"{done:,}{of} {self._unit}"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=amount, text=text)
            return
        # A line at every tenth; without a total, whenever the count has doubled.
        due = done.bit_length() if self._total is None else done * _LINES // max(self._total, 1)
        if due > self._lines_said:
            self._lines_said = due
            print(f"  {amount}   {text}", file=sys.stderr, flush=True)
