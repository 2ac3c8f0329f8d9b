"""The child process of the native adapter: ``python -m kmcl_adapters.native.host LIB.so``.

Whatever the library does, it does here. The protocol keeps the original standard output to
itself; what the library prints goes to standard error.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from kmcl_model.events import Event

from ..interface import AdapterError, Description
from ..lines import PROTOCOL, encode, serve
from ..threaded import ThreadedSession, description_of
from .binding import NativeLibrary, NotAKmclLibrary

__all__ = ["main"]

IDLE_SECONDS = 0.02
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
        super().__init__(
            library, on_event=record, idle_seconds=IDLE_SECONDS, limit=SETTLE_SECONDS
        )
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


def main(arguments: list[str]) -> None:
    """Serve the library named by the one argument; ends with the process."""
    requests, answers = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setswitchinterval(0.0005)  # callbacks come on many threads, each for a moment

    def write(line: bytes) -> None:
        while line:
            line = line[os.write(answers, line) :]

    try:
        library = NativeLibrary(arguments[0])
    except NotAKmclLibrary as error:
        write(encode({"protocol": PROTOCOL, "error": str(error)}))
        return
    serve(
        _Service(library), _requests(requests), write, many=getattr(library, "Reset", None) is not None
    )


if __name__ == "__main__":
    main(sys.argv[1:])
