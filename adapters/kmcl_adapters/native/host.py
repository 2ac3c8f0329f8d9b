"""The child process of the native adapter: ``python -m kmcl_adapters.native.host LIB.so``.

Whatever the library does, it does here. The protocol keeps the original standard output to
itself; what the library prints goes to standard error.
"""

from __future__ import annotations

import mmap
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from kmcl_adapters.interface import AdapterError, Description
from kmcl_adapters.lines import PROTOCOL, encode, serve
from kmcl_adapters.threaded import ThreadedSession, description_of
from kmcl_model.events import Event

from .binding import NativeLibrary, NotAKmclLibrary

__all__ = ["main"]

IDLE_SECONDS = 0.02
AGAIN = 75
"""Exit code of a fork whose session is over: another one, please."""
SETTLE_SECONDS = 5.0
"""Shorter than the time the other side gives a request, so that we can say what is wrong."""


class _Service:
    """Sessions over the one library; a second one only if the library can be reset."""

    def __init__(self, library: NativeLibrary) -> None:
        self._library = library

    def describe(self) -> Description:
        return description_of(self._library, "native", IDLE_SECONDS)

    def open(self, record: Callable[[Event], None]) -> ThreadedSession:
        return _Session(self._library, record)


class _Session(ThreadedSession):
    """A session that resets the library when it ends, and takes the time that needs: a library
    that does not come back is killed from outside."""

    def __init__(self, library: NativeLibrary, record: Callable[[Event], None]) -> None:
        super().__init__(library, on_event=record, idle_seconds=IDLE_SECONDS, limit=SETTLE_SECONDS)
        self._reset = getattr(library, "Reset", None)

    def close(self) -> None:
        super().close()
        if self._reset is not None and not self._reset():
            raise AdapterError("the library could not be reset")


def _requests(descriptor: int) -> Iterator[bytes]:
    """Lines, read by a thread of its own: at the end of input this process ends at once, even
    if the library keeps the main thread."""
    lines: SimpleQueue[bytes] = SimpleQueue()

    def read() -> None:
        with os.fdopen(descriptor, "rb") as stream:
            for line in stream:
                lines.put(line)
        os._exit(0)

    threading.Thread(target=read, name="reader", daemon=True).start()
    while True:
        yield lines.get()


class _Output:
    """Whole lines to the other side."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._descriptor, line) :]


def _serve(path: str, requests: int, write: _Output, *, hello: bool) -> int | None:
    """Load the library and serve it: to the end, or if it cannot be reset for one session. Gives
    the request that is to be answered when the next session is possible."""
    sys.setswitchinterval(0.0005)  # callbacks come on many threads, each for a moment
    try:
        library = NativeLibrary(path)
    except NotAKmclLibrary as error:
        write(encode({"protocol": PROTOCOL, "error": str(error)}))
        return None
    once = getattr(library, "Reset", None) is None
    return serve(_Service(library), _requests(requests), write, hello=hello, once=once)


def main(arguments: list[str]) -> None:
    """Serve the library named by the one argument until the end of input.

    The library is loaded in a fork of this process: one that cannot be reset gets a new fork for
    each session, which is much cheaper than a new interpreter. This process ends as a fork does
    that does not ask for another one, by the same signal if it was a signal.
    """
    requests, write = os.dup(0), _Output(os.dup(1))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    unanswered = mmap.mmap(-1, 8)  # shared with the forks
    hello = True
    while True:
        if (fork := os.fork()) == 0:
            number = _serve(arguments[0], requests, write, hello=hello)
            unanswered[:] = (number or 0).to_bytes(8, "little")
            os._exit(AGAIN if number else 0)
        _, status = os.waitpid(fork, 0)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        if code != AGAIN:
            os._exit(code)
        write(encode({"reply": int.from_bytes(unanswered[:], "little"), "runnable": 0}))
        hello = False


if __name__ == "__main__":
    main(sys.argv[1:])
