"""Threads that give the reference its steps and run its handlers."""

import threading
from collections.abc import Iterator
from functools import partial
from queue import SimpleQueue
from typing import Any, cast

import pytest

from kmcl_adapters.reference.library.scheduler import Scheduler, Task
from kmcl_adapters.uio.bus import Watch
from kmcl_adapters.uio.monitor import Monitor
from kmcl_adapters.wire.workers import Handler, Workers


class Still:
    """A world in which nothing happens."""

    def attend(self) -> None:
        pass

    def doze(self) -> bool:
        return True


class Shop:
    """Workers, and what became of the handlers they were given."""

    def __init__(self) -> None:
        self.monitor = Monitor()
        self.scheduler = Scheduler()
        self.workers = Workers(self.monitor, self.scheduler, cast(Any, Watch()), Still())
        self.over: dict[str, threading.Event] = {}

    def give(self, **handlers: Handler) -> None:
        """Handlers that the library calls one after the other, in one go."""
        self.monitor.acquire()
        for name, handler in handlers.items():
            self.over[name] = threading.Event()
            self.workers.call(handler, (), partial(self._is_over, name))
        self.monitor.release()

    def _is_over(self, name: str, _: int) -> None:
        self.over[name].set()

    def await_over(self, *names: str) -> None:
        for name in names:
            assert self.over[name].wait(20), name


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.monitor.end()
    made.workers.join()


def test_who_returns_while_another_enters_waits_for_the_lock(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either the first one finds the lock taken, and stands in the queue, or it is over."""
    enters = threading.Event()
    seen: list[str] = []
    queue, is_over = shop.monitor._queue, shop._is_over
    moves: SimpleQueue[str] = SimpleQueue()
    of_first: list[threading.Thread] = []

    def queue_and_tell() -> None:
        if threading.current_thread() in of_first:
            moves.put("first waits")
        queue()

    def tell(name: str, status: int) -> None:
        moves.put(f"{name} is over")
        is_over(name, status)

    monkeypatch.setattr(shop.monitor, "_queue", queue_and_tell)
    monkeypatch.setattr(shop, "_is_over", tell)

    def first() -> None:
        of_first.append(threading.current_thread())
        shop.workers.entered()
        assert enters.wait(20)

    def second() -> None:
        enters.set()
        seen.append(moves.get(timeout=20))
        shop.workers.entered()

    shop.give(first=first, second=second)
    shop.await_over("first", "second")

    assert seen == ["first waits"]


def test_handlers_are_entered_in_the_order_of_their_calls(shop: Shop) -> None:
    order: list[int] = []

    def handler(number: int) -> Handler:
        def enter() -> None:
            order.append(number)
            shop.workers.entered()

        return enter

    shop.give(**{str(number): handler(number) for number in range(50)})
    shop.await_over(*map(str, range(50)))

    assert order == [*range(50)]


def test_as_many_handlers_stand_as_are_called(shop: Shop) -> None:
    together = threading.Barrier(4)

    def stand() -> None:
        shop.workers.entered()
        together.wait(20)

    shop.give(**{str(number): stand for number in range(4)})

    shop.await_over(*map(str, range(4)))


def test_a_handler_that_never_says_that_it_was_entered_keeps_the_lock(shop: Shop) -> None:
    held: list[bool] = []
    shop.give(silent=lambda: held.append(shop.monitor._lock.locked()), next=shop.workers.entered)

    shop.await_over("silent", "next")
    assert held == [True]


class Endless(Task):
    """Wakes itself, until it is told to stop."""

    stops = False

    def step(self) -> None:
        if not self.stops:
            self.wake()


def test_work_without_end_lets_a_call_in(shop: Shop) -> None:
    task = Endless(shop.scheduler)
    shop.monitor.acquire()
    task.wake()
    shop.monitor.release()

    def call() -> None:
        shop.monitor.enter()
        task.stops = True
        shop.monitor.leave()

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    caller.join(20)

    assert not caller.is_alive()
    assert shop.monitor.wait_idle(20_000) == (0, 0)
