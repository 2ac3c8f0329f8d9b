"""Progress on standard error: a bar with the time left where somebody looks, else a few lines."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from ..campaign import Progress
from .output import plain_console

__all__ = ["Meter"]

_LINES = 10


class Meter:
    """Shows how far a campaign is; ``report`` is what ``certify`` calls.

    ``endless``: there is no total worth showing. ``silent``: nothing is shown.
    """

    def __init__(self, *, endless: bool = False, silent: bool = False) -> None:
        console = plain_console(stderr=True)
        self._silent = silent
        self._endless = endless
        self._lines_said = 0
        self._bar: RichProgress | None = None
        self._task = TaskID(0)
        if not silent and console.is_terminal:
            self._bar = RichProgress(
                TextColumn("  {task.fields[what]}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[found]}"),
                TimeElapsedColumn() if endless else TimeRemainingColumn(compact=True),
                TextColumn("" if endless else "left"),
                console=console,
                transient=True,
                refresh_per_second=8,
            )

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=None, what="starting", found="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def report(self, progress: Progress) -> None:
        """Show this."""
        if self._bar is not None:
            self._bar.update(
                self._task,
                completed=progress.done,
                total=None if self._endless else progress.total,
                what=_amount(progress, self._endless),
                found=_found(progress),
            )
        elif not self._silent:
            self._say(progress)

    def _say(self, progress: Progress) -> None:
        """A line at every tenth; without a total, whenever the count has doubled."""
        if self._endless:
            due = progress.done.bit_length()
        else:
            due = progress.done * _LINES // max(progress.total, 1)
        if due > self._lines_said:
            self._lines_said = due
            line = f"  {_amount(progress, self._endless)}   {_found(progress)}"
            print(line, file=sys.stderr, flush=True)


def _amount(progress: Progress, endless: bool) -> str:
    total = "" if endless else f" of {progress.total:,}"
    return f"{progress.done:,}{total} sequences, {progress.steps:,} steps"


def _found(progress: Progress) -> str:
    failures = f", {progress.failures} failing" if progress.failures else ""
    return f"{progress.requirements} requirements exercised{failures}"
