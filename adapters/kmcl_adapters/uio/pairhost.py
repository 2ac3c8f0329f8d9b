"""One end of the ``ring`` adapter, in a process of its own: ``python -m … ROLE DESCRIPTOR PARTS``.

Requests and replies are Python tuples over an inherited socket. Events are stamped with the
monotonic clock, which is one clock for the whole machine. The traffic in an answer is what was sent
to and received from the other end, with the number of events so far.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from typing import Any

from kmcl_adapters.driver import ThreadedSession
from kmcl_model.stimuli import Settle, Stimulus

from .library import Library
from .mutants import parts_of
from .pairbus import PairBus
from .parts import Parts
from .stamps import Answer, Recorder

__all__ = ["PairLibrary", "main"]


class PairLibrary(Library):
    """A library that knows when its end is at rest, as the other end is ours too."""

    def WaitIdle(self, milliseconds: int) -> tuple[int, int] | None:
        """See ``kmcl_adapters.threaded``."""
        return self.monitor.wait_idle(milliseconds)


class _End:
    """A session of this end."""

    def __init__(self, server: bool, requests: Connection, parts: Parts) -> None:
        control = socket.socket(fileno=recv_handle(requests))
        doorbells = recv_handle(requests), recv_handle(requests)
        self._bus = PairBus(server, control, doorbells, parts)
        self._library = PairLibrary(self._bus, parts)
        self._recorder = Recorder(time.monotonic_ns)
        self._session = ThreadedSession(
            self._library, on_event=self._recorder, on_close=self._library.Reset
        )

    def apply(self, stimulus: Stimulus | None) -> Answer:
        if stimulus is not None:
            self._session.apply(stimulus)
        return self._answer()

    def settle(self) -> Answer:
        self._library.Resume()
        self._session.apply(Settle("settle"))
        return self._answer()

    def _answer(self) -> Answer:
        monitor = self._library.monitor
        monitor.acquire()
        if self._library.channel is None:
            self._bus.attend()  # no thread does
        sent, received = self._bus.sent, self._bus.received
        monitor.release_quietly()  # to be asked is no reason to look at the rings
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
