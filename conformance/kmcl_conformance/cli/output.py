"""What a command says, to whom, and the code it ends with.

Results go to standard output, progress and errors to standard error. Text that came from an
implementation is never read as markup and reaches a terminal without control characters.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.text import Text

from kmcl_reports.text import inline, printable

__all__ = [
    "Code",
    "NobodyReads",
    "Problem",
    "Screen",
    "as_json",
    "complain",
    "plain_console",
    "save",
]

CHART_WIDTHS: Final = (60, 140)
"""The narrowest and the widest sequence chart, in columns."""

_WIDTH_OF_A_FILE: Final = 100


class Code(IntEnum):
    """The exit codes."""

    CONFORMING = 0
    VIOLATIONS = 1
    USAGE = 2
    UNJUDGED = 3


class Problem(Exception):
    """The command ends here: one line that says what is wrong and what to do."""

    def __init__(self, message: str, code: Code = Code.USAGE) -> None:
        super().__init__(message)
        self.code = code


class NobodyReads(Exception):
    """Whoever read standard output has seen enough."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise NobodyReads


def plain_console(*, stderr: bool = False) -> Console:
    """A console that takes text literally; 100 columns where nobody is looking."""
    console = _Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    return console


def complain(message: str) -> None:
    """One line on standard error."""
    print(f"kmcl: {inline(message)}", file=sys.stderr)


def as_json(value: Any) -> str:
    """The value as JSON text for people and machines."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


class Screen:
    """Standard output as the options ask for it: for people, for machines, or silent."""

    def __init__(self, *, quiet: bool, as_json: bool) -> None:
        self.is_for_machines = as_json
        self.is_for_people = not (quiet or as_json)
        self.console = plain_console()

    @property
    def chart_width(self) -> int:
        """The columns a sequence chart may take."""
        narrowest, widest = CHART_WIDTHS
        return max(narrowest, min(self.console.width, widest))

    def show(self, *things: RenderableType) -> None:
        """Print for people. A string keeps its lines whole; control characters are escaped."""
        if not self.is_for_people:
            return
        for thing in things:
            if isinstance(thing, str):
                self.console.print(Text(printable(thing).rstrip("\n")), soft_wrap=True)
            else:
                with self.console.capture() as captured:
                    self.console.print(thing)
                lines = captured.get().splitlines()
                _write("\n".join(line.rstrip() for line in lines) + "\n")

    def word(self, word: str, *, good: bool) -> None:
        """Print a verdict of one word."""
        self.show(Text(word, style="bold green" if good else "bold red"))

    def result(self, value: Any) -> None:
        """Print the result for machines: a JSON text as it is, anything else as JSON."""
        if self.is_for_machines:
            _write(value if isinstance(value, str) else as_json(value))

    def give(self, value: Any, out: Path | None, name: str) -> None:
        """Print the result for machines, and write it into ``out`` if there is one."""
        if out is not None:
            save(out, name, as_json(value))
        self.result(value)


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise NobodyReads from None


def save(folder: Path, name: str, text: str) -> Path:
    """Write a file into ``folder``, which is made if need be. Raises Problem where it cannot."""
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        with suppress(OSError):
            path.unlink()  # half of it
        raise Problem(
            f"{path}: {error.strerror}; choose a folder that can be written with --out"
        ) from None
    return path
