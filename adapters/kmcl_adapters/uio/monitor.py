"""One lock, threads that wait for conditions, and knowing that nothing more will happen.

Nobody signals anybody by hand: a thread that waits leaves its condition behind, and whoever
gives up the lock wakes those whose condition has come true. So no wake-up can be forgotten, and
"nothing more will happen here" is a number: no thread is running inside the library.

A lock of Python's is not fair: who gives it up and takes it again may have it first, for ever. So
whoever has to wait for it does so at a turnstile, one at a time, and a thread with endless work
that calls ``give_way`` goes through there as well: whoever stood there has the lock before it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["KEPT_SECONDS", "Condition", "Dying", "Monitor"]

Condition = Callable[[], bool]


KEPT_SECONDS: Final = 0.5
"""So long a thread may be in the kernel and count as doing something."""


class Dying(Exception):
    """The library is being ended: whoever waited gives up."""


class _Waiter:
    """A thread that sleeps; ``timed`` ones wake by themselves, so they count as running."""

    __slots__ = ("asleep", "condition", "counts", "woken")

    def __init__(self, condition: Condition, counts: bool) -> None:
        self.condition = condition
        self.counts = counts
        self.woken = False
        self.asleep = threading.Lock()
        self.asleep.acquire()


class Monitor:
    """``on_release`` runs, with the lock, whenever it is about to be given up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turnstile = threading.Lock()
        self._waiters: list[_Waiter] = []
        self.on_release: list[Callable[[], object]] = []
        self.running = 0
        """Threads inside the library that neither wait nor run a handler."""
        self.calls = 0
        """Calls of the driver inside the library, waiting ones included."""
        self.callbacks = 0
        """Handlers of the driver that were entered and have not returned."""
        self.dying = False
        self._idlers = 0  # threads that wait for rest
        self._outside: list[float] = []

    def acquire(self) -> None:
        """Take the lock."""
        if not self._lock.acquire(False):
            self._queue()

    def _queue(self) -> None:
        with self._turnstile:
            self._lock.acquire()

    def give_way(self) -> None:
        """Let another thread have the lock, if one waits for it. Raises Dying."""
        self.release()
        self._queue()
        if self.dying:
            raise Dying

    def release(self) -> None:
        """Wake whoever may go on, and give up the lock."""
        self._wake()
        self._lock.release()

    def release_quietly(self) -> None:
        """Give up the lock where nothing has changed that a thread could wait for, but rest. Most
        packets pass without anybody waiting for them."""
        if self._idlers or self.dying:
            self._wake()
        self._lock.release()

    def _wake(self) -> None:
        for look in self.on_release:
            look()
        for waiter in self._waiters:
            if not waiter.woken and (self.dying or waiter.condition()):
                waiter.woken = True
                if waiter.counts:
                    self.running += 1
                waiter.asleep.release()

    def enter(self) -> None:
        """A call of the driver comes in."""
        if not self._lock.acquire(False):
            self._queue()
        self.calls += 1
        self.running += 1

    def leave(self) -> None:
        """The call goes back to the driver."""
        self.calls -= 1
        self.running -= 1
        self.release()

    def leave_quietly(self) -> None:
        """As ``leave``, where nothing has changed that a thread could wait for, but rest."""
        self.calls -= 1
        self.running -= 1
        self.release_quietly()

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Without the lock, but running: for what may block in the kernel."""
        left = time.monotonic()
        self._outside.append(left)
        self.release()
        try:
            yield
        finally:
            self.acquire()
            self._outside.remove(left)

    def busy(self) -> bool:
        """Whether a thread has something to do. One that the kernel has kept for long waits for the
        host, which may let it wait for ever."""
        now = time.monotonic()
        return self.running > sum(now - left > KEPT_SECONDS for left in self._outside)

    def before_callback(self, quietly: bool = False) -> None:
        """A handler of the driver is about to be entered; ``quietly``: see above."""
        self.callbacks += 1
        self.running -= 1
        if quietly:
            self.release_quietly()
        else:
            self.release()

    def after_callback(self) -> None:
        """The handler has returned."""
        if not self._lock.acquire(False):
            self._queue()
        self.callbacks -= 1
        self.running += 1

    def wait(self, condition: Condition) -> None:
        """Until the condition holds; the lock is given up meanwhile. Raises Dying."""
        while not self.dying and not condition():
            self._sleep(_Waiter(condition, counts=True), None)
        if self.dying:
            raise Dying

    def wait_briefly(self, condition: Condition, seconds: float) -> bool:
        """As ``wait``, for so long at most; whether the condition holds."""
        deadline = time.monotonic() + seconds
        while not self.dying and not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._sleep(_Waiter(condition, counts=False), left)
        if self.dying:
            raise Dying
        return condition()

    def _sleep(self, waiter: _Waiter, seconds: float | None) -> None:
        self._waiters.append(waiter)
        if waiter.counts:
            self.running -= 1
        self.release()
        waiter.asleep.acquire(timeout=-1 if seconds is None else seconds)
        self.acquire()
        self._waiters.remove(waiter)

    def wait_idle(self, milliseconds: int) -> tuple[int, int] | None:
        """Until no thread is running in here: the calls and callbacks that are inside then. None
        after the given time."""
        deadline = time.monotonic() + milliseconds / 1000
        self.acquire()
        try:
            self._idlers += 1
            while self.running and (left := deadline - time.monotonic()) > 0:
                self._sleep(_Waiter(lambda: not self.running, counts=False), left)
            self._idlers -= 1
            return None if self.running else (self.calls, self.callbacks)
        finally:
            self._lock.release()

    def start_thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """A thread that runs ``work`` with the lock held; it counts from now on."""
        self.running += 1

        def run() -> None:
            self.acquire()
            try:
                work()
            except Dying:
                pass
            finally:
                self.running -= 1
                self.release()

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread

    def end(self) -> None:
        """Everybody who waits gives up."""
        self.acquire()
        self.dying = True
        self.release()
