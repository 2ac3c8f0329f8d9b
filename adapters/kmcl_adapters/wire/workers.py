"""Threads that give a cooperative library its steps, and run the handlers that it calls.

One thread at a time has the lock and takes steps. A step may call one handler: the thread that took
it runs the handler next, before any other step, and keeps the lock until the driver has noted that
it was entered. So handlers are entered in the order in which the library calls them. While
handlers run, others go on with the steps: there are as many threads as handlers, and one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from kmcl_adapters.reference.library.packet import Then
from kmcl_adapters.reference.library.scheduler import Scheduler
from kmcl_adapters.uio.alarm import Alarm
from kmcl_adapters.uio.bus import Bus
from kmcl_adapters.uio.monitor import Dying, Monitor

__all__ = ["Handler", "Workers", "World"]

_STEPS: Final = 64
"""Steps after which others have their turn: a guest may send without end."""

Handler = Callable[..., Any]


class World(Protocol):
    """What the threads heed besides the scheduler."""

    def attend(self) -> None:
        """Something has happened."""

    def doze(self) -> bool:
        """Whether nothing is to be done until there is a signal."""


class _Job(NamedTuple):
    handler: Handler
    arguments: tuple[Any, ...]
    then: Then


class Workers:
    """``wire`` is what they wait for, ``world`` what they heed then. ``failure``: what has ended
    one of them, which is a defect of the library."""

    def __init__(self, monitor: Monitor, scheduler: Scheduler, wire: Bus, world: World) -> None:
        self.monitor = monitor
        self.scheduler = scheduler
        self.failure: Exception | None = None
        self.is_dead = False
        """The end has crashed: no handler is called any more."""
        self._wire = wire
        self._world = world
        self._jobs: deque[_Job] = deque()
        self._steps = 0
        self._waiting = 0  # for the wire
        self._entering: _Job | None = None
        self._quit = False
        self._alarm = Alarm(monitor, wire, self._is_due)
        self._threads: list[threading.Thread] = []
        self._add()

    def call(self, handler: Handler, arguments: tuple[Any, ...], then: Then) -> None:
        """Have a handler called; ``then`` gets what it returns, as a status."""
        self._jobs.append(_Job(handler, arguments, then))

    def entered(self) -> None:
        """The handler that was called last has been entered; called by its own thread."""
        if self._entering is not None:
            self._entering = None
            self.monitor.before_callback()

    def _add(self) -> None:
        name = f"worker {len(self._threads) + 1}"
        self._threads.append(self.monitor.start_thread(name, self._work))

    def _has_work(self) -> bool:
        return bool(self.scheduler.ready or self._jobs)

    def _is_due(self) -> bool:
        """Whether there is something for a thread that waits."""
        return bool(self._waiting) and self._has_work()

    def _work(self) -> None:
        monitor = self.monitor
        try:
            while not self._quit:
                self._go_on()
                if not self._world.doze():
                    continue
                self._waiting += 1
                monitor.running -= 1
                monitor.release()
                self._wire.wait()
                monitor.acquire()
                monitor.running += 1
                self._waiting -= 1
                if monitor.dying:
                    raise Dying
                self._alarm.hear()
                self._world.attend()
        except Dying:
            raise
        except Exception as error:
            self.failure = error
        finally:
            self._alarm.ring()  # for the next one

    def _go_on(self) -> None:
        """Take steps and run handlers as long as there are any."""
        while self._has_work() and not self._quit:
            if self._jobs:
                self._run(self._jobs.popleft())
                continue
            self.scheduler.run(0)
            self._steps += 1
            if not self._steps % _STEPS:
                self.monitor.give_way()

    def _run(self, job: _Job) -> None:
        if self.is_dead:
            return
        if self.monitor.dying:
            raise Dying
        if not self._waiting:
            self._add()
        self._world.doze()
        self._entering = job
        try:
            status = job.handler(*job.arguments)
        finally:
            if self._entering is job:  # the driver has not said so, and the lock is ours still
                self._entering = None
            else:
                self.monitor.after_callback()
        if not self.is_dead:
            job.then(int(status or 0))

    def join(self) -> None:
        """End the threads; called without the lock."""
        self.monitor.acquire()
        self._quit = True
        self._alarm.stop()
        self.monitor.release()
        self._alarm.close(self._threads)
