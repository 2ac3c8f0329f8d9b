"""How threads that wait for a bus learn of what nobody has signalled."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence

from .bus import Bus
from .monitor import Monitor

__all__ = ["Alarm"]


class Alarm:
    """Wakes one of them when somebody gives up the lock and something ``is_due``. From then on it
    counts as running, until it is heard. Everything is called with the lock held, if not said
    otherwise."""

    def __init__(self, monitor: Monitor, bus: Bus, is_due: Callable[[], bool]) -> None:
        self._monitor = monitor
        self._bus = bus
        self._is_due = is_due
        self._rings = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        bus.watch(self._bell)
        monitor.on_release.append(self._look)

    def _look(self) -> None:
        if not self._rings and self._is_due():
            self._rings = True
            self._monitor.running += 1
            self.ring()

    def ring(self) -> None:
        """Wake one of those that wait, whatever there is to do."""
        os.eventfd_write(self._bell, 1)

    def hear(self) -> None:
        """A thread is awake."""
        if self._rings:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._bell)
            self._rings = False
            self._monitor.running -= 1

    def stop(self) -> None:
        """Look no more; one thread is woken, and rings for the next."""
        if self._look in self._monitor.on_release:
            self._monitor.on_release.remove(self._look)
        self.ring()

    def close(self, threads: Sequence[threading.Thread]) -> None:
        """Without the lock, after ``stop``: wait for these threads, and give the bell back once
        nobody can ring it."""
        others = [thread for thread in threads if thread is not threading.current_thread()]
        for thread in others:
            thread.join(1.0)
        if not any(thread.is_alive() for thread in threads):
            self._bus.unwatch(self._bell)
            os.close(self._bell)
