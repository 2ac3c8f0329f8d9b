"""Ctrl-C, and being told to end: what was found by then is kept."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kmcl_reports.results import Certificate

__all__ = ["Interrupted", "interrupt_no_more", "stopping", "terminable"]

TOGETHER: Final = 1.0
"""Seconds within which SIGTERM and SIGTERM again are one."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came; ``found`` is the certificate of what had been run, ``unwritten`` says what of it
    could not be written."""

    def __init__(self, found: Certificate, unwritten: str = "") -> None:
        super().__init__()
        self.found = found
        self.unwritten = unwritten


@contextmanager
def stopping() -> Iterator[list[bool]]:
    """While it lasts, Ctrl-C ends the campaign at the next sequence; a second one ends it at once.

    A sequence that is cut short would be counted in part and run again after a resume. SIGTERM is
    as good as the first Ctrl-C, however often it comes: ``timeout`` sends it twice.
    """
    asked = [False]
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked[0] and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked[0] = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt_no_more() -> None:
    """From now on Ctrl-C does nothing: what was found is reported, which takes a moment, and then
    the process ends. SIGTERM still ends it."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def terminable() -> Iterator[None]:
    """While it lasts, SIGTERM is as good as Ctrl-C; ``timeout`` sends it twice, heard is one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    heard = [-TOGETHER]

    def end(_number: int, _frame: FrameType | None) -> None:
        if time.monotonic() - heard[0] < TOGETHER:
            return  # else it would interrupt what tidies up after the first
        heard[0] = time.monotonic()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
