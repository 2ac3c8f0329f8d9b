"""One end of the ``ring`` adapter, in a process of its own: ``python -m … ROLE DESCRIPTOR PARTS``.

Requests and replies are Python tuples over an inherited socket. Each event carries the time of the
monotonic clock, which is one clock for the whole machine, taken inside the interval in which the
event happened: a call before it enters, a return after it left, a handler's entry first and its
exit last. Events of both processes sorted by it are in an order in which they can have happened.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from typing import Any, NamedTuple

from kmcl_adapters.driver import ThreadedSession
from kmcl_model.events import Event
from kmcl_model.stimuli import Settle, Stimulus

from .library import Library
from .mutants import parts_of
from .pairbus import PairBus
from .parts import Parts

__all__ = ["Answer", "PairLibrary", "main"]


class Answer(NamedTuple):
    """What a request brought: stamped events, a time after which all later ones lie, and what was
    sent to and received from the other end, with the number of events so far."""

    events: list[tuple[int, Event]]
    until: int
    traffic: tuple[int, int, int]


class PairLibrary(Library):
    """A library that knows when its end is at rest, as the other end is ours too."""

    def WaitIdle(self, milliseconds: int) -> tuple[int, int] | None:
        """See ``kmcl_adapters.threaded``."""
        return self.monitor.wait_idle(milliseconds)


class _Recorder:
    """Stamps events with strictly increasing times."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._events: list[tuple[int, Event]] = []
        self.count = 0

    def __call__(self, event: Event) -> None:
        if event.kind == "quiescence":
            return  # of this end alone
        with self._lock:
            self._events.append((self._now(), event))
            self.count += 1

    def _now(self) -> int:
        self._last = max(time.monotonic_ns(), self._last + 1)
        return self._last

    def drain(self) -> tuple[list[tuple[int, Event]], int]:
        with self._lock:
            events, self._events = self._events, []
            return events, self._now()


class _End:
    """A session of this end."""

    def __init__(self, server: bool, requests: Connection, parts: Parts) -> None:
        control = socket.socket(fileno=recv_handle(requests))
        doorbells = recv_handle(requests), recv_handle(requests)
        self._bus = PairBus(server, control, doorbells, parts)
        self._library = PairLibrary(self._bus, parts)
        self._recorder = _Recorder()
        self._session = ThreadedSession(
            self._library, on_event=self._recorder, on_close=self._library.Reset
        )

    def apply(self, stimulus: Stimulus | None) -> Answer:
        if stimulus is not None:
            self._session.apply(stimulus)
        return self._answer()

    def settle(self) -> Answer:
        self._session.apply(Settle("settle"))
        return self._answer()

    def _answer(self) -> Answer:
        monitor = self._library.monitor
        monitor.acquire()
        if self._library.channel is None:
            self._bus.attend()  # no thread does
        sent, received = self._bus.sent, self._bus.received
        monitor.release()
        count = self._recorder.count
        events, until = self._recorder.drain()
        return Answer(events, until, (sent, received, count))

    def close(self) -> None:
        self._session.close()


def main(arguments: list[str]) -> None:
    """Serve the end named by the arguments until the other side of the socket is closed."""
    role, descriptor, name = arguments
    sys.setswitchinterval(0.0005)  # callbacks come on many threads, each for a moment
    requests: Connection[Any, Any] = Connection(int(descriptor))
    end: _End | None = None
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            kind, stimulus = requests.recv()
            answer: Answer | None = None
            if kind == "open":
                end = _End(role == "server", requests, parts_of(name))
            elif end is not None:
                match kind:
                    case "apply":
                        answer = end.apply(stimulus)
                    case "settle":
                        answer = end.settle()
                    case "close":
                        end.close()
                        end = None
            requests.send(answer and tuple(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
