"""Ctrl-C, and being told to end: what was found by then is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from kmcl_reports.results import Certificate

__all__ = ["Interrupted", "interrupt_no_more", "stopping", "terminable"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came; ``found`` is the certificate of what had been run."""

    def __init__(self, found: Certificate) -> None:
        super().__init__()
        self.found = found


@contextmanager
def stopping() -> Iterator[list[bool]]:
    """While it lasts, Ctrl-C ends the campaign at the next sequence; a second one ends it at once.

    A sequence that is cut short would be counted in part and run again after a resume.
    """
    asked = [False]
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(_number: int, _frame: FrameType | None) -> None:
        if asked[0]:
            raise KeyboardInterrupt
        asked[0] = True

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def interrupt_no_more() -> None:
    """From now on Ctrl-C does nothing: what was found is reported, which takes a moment, and then
    the process ends. SIGTERM still ends it."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def terminable() -> Iterator[None]:
    """While it lasts, SIGTERM is as good as Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
