"""Threads of the driver, so that a call that blocks blocks nobody else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["DriverThread", "quietly"]


class DriverThread(threading.Thread):
    """A thread of the driver; ``busy`` while a call of it is in progress."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.busy = False
        self.jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.start()

    def run(self) -> None:
        while (job := self.jobs.get()) is not None:
            job()


def quietly(call: Callable[[], object]) -> None:
    """Make a call whose failure is nobody's business any more."""
    with contextlib.suppress(Exception):
        call()
