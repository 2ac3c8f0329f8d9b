"""How fast the endpoint is over shared memory: ``python -m kmcl_adapters.uio.bench``.

A client in this process and a server in another one, through all of the endpoint: calls of the
header on one side, handlers on the other. One way, the last packet asks for a completion, which
ends the time. The round trip is a packet that the server completes inside its handler, until the
client's completion routine runs. Both share one core; the round trip is also taken on two. What a
machine takes to wake a process, and to be woken by it, is measured beside it: no endpoint is
faster than that.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any, Final

from .library import Library
from .packets import Received
from .pairbus import PairBus

__all__ = ["bare_round_trips", "main", "one_way", "round_trips", "some_cores"]

PAYLOAD: Final = bytes(range(64))
PAGES: Final = 16
WAIT_FOR_COMPLETION: Final = 0x1


def some_cores(count: int) -> tuple[int, ...]:
    """So many of the cores that this process may use, the first of them; or all, if fewer."""
    return tuple(sorted(os.sched_getaffinity(0))[:count])


def _open(library: Library, server: bool) -> Any:
    """A channel of this role, enabled and started."""
    _, channel = library.VmbChannelAllocate(server)
    assert channel is not None

    def process(channel: object, received: Received, buffer: bytes, flags: int) -> None:
        library.VmbChannelPacketComplete(received, None)

    library.VmbChannelInitSetProcessPacketCallbacks(channel, process, None)
    if not server:
        library.VmbClientChannelInitSetRingBufferPageCount(channel, PAGES, PAGES)
    library.VmbChannelEnable(channel)
    library.VmbChannelStart(channel)
    return channel


@contextmanager
def _client(cores: Collection[int]) -> Iterator[tuple[Library, Any]]:
    """A client that is open to a server in another process; both may use these cores."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    bells = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
    handed = (theirs.fileno(), bells[1], bells[0])
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    server = subprocess.Popen(
        (sys.executable, "-m", "kmcl_adapters.uio.bench", "serve", *map(str, handed)),
        stdin=subprocess.PIPE,
        pass_fds=handed,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    theirs.close()
    library = Library(PairBus(False, ours, (bells[0], bells[1])))
    try:
        channel = _open(library, False)
        _until_answered(library, channel)
        yield library, channel
        library.VmbChannelDisable(channel)
        library.VmbChannelCleanup(channel)
    finally:
        library.Reset()
        server.communicate()  # the end of its input ends it
        os.sched_setaffinity(0, before)


def _until_answered(library: Library, channel: Any) -> None:
    """Send one packet and wait until it is completed."""
    answered = threading.Event()
    packet = library.VmbPacketAllocate(channel)
    library.VmbPacketSetCompletionRoutine(packet, lambda *_: answered.set())
    library.VmbPacketSend(packet, PAYLOAD, WAIT_FOR_COMPLETION)
    answered.wait()


def one_way(count: int, repeats: int) -> tuple[float, ...]:
    """Packets of 64 bytes a second from a client to a server, both on one core."""
    rates = []
    with _client(some_cores(1)) as (library, channel):
        for _ in range(repeats):
            began = time.perf_counter()
            for _ in range(count - 1):
                packet = library.VmbPacketAllocate(channel)
                library.VmbPacketSend(packet, PAYLOAD, 0)
            _until_answered(library, channel)
            rates.append(count / (time.perf_counter() - began))
    return tuple(rates)


def round_trips(count: int, repeats: int, cores: Collection[int]) -> tuple[float, ...]:
    """Microseconds of the median round trip, of ``count``, between two processes that may use
    these cores; each repeat."""
    medians = []
    with _client(cores) as (library, channel):
        packet = library.VmbPacketAllocate(channel)
        answered = threading.Semaphore(0)
        began, times = 0.0, list[float]()

        def complete(*_: object) -> None:
            times.append((time.perf_counter() - began) * 1e6)
            answered.release()

        library.VmbPacketSetCompletionRoutine(packet, complete)
        for _ in range(repeats):
            times.clear()
            for _ in range(count):
                began = time.perf_counter()
                library.VmbPacketSend(packet, PAYLOAD, WAIT_FOR_COMPLETION)
                answered.acquire()
            medians.append(median(times))
    return tuple(medians)


def bare_round_trips(count: int, repeats: int, cores: Collection[int]) -> tuple[float, ...]:
    """The same of two event descriptors and nothing else: one process wakes another one, and is
    woken by it; one on the first of these cores, the other on the last."""
    medians = []
    before = os.sched_getaffinity(0)
    there, back = os.eventfd(0), os.eventfd(0)
    echo = subprocess.Popen(
        (sys.executable, "-m", "kmcl_adapters.uio.bench", "echo", str(there), str(back)),
        pass_fds=(there, back),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        os.eventfd_write(there, 1)
        os.eventfd_read(back)
        os.sched_setaffinity(0, {min(cores)})
        os.sched_setaffinity(echo.pid, {max(cores)})
        for _ in range(repeats):
            times = []
            for _ in range(count):
                began = time.perf_counter()
                os.eventfd_write(there, 1)
                os.eventfd_read(back)
                times.append((time.perf_counter() - began) * 1e6)
            medians.append(median(times))
    finally:
        os.sched_setaffinity(0, before)
        echo.kill()
        echo.wait()
        os.close(there)
        os.close(back)
    return tuple(medians)


def _echo(there: int, back: int) -> None:
    while True:
        os.eventfd_read(there)
        os.eventfd_write(back, 1)


def _serve(control: int, ours: int, theirs: int) -> None:
    library = Library(PairBus(True, socket.socket(fileno=control), (ours, theirs)))
    _open(library, True)
    sys.stdin.buffer.read()
    os._exit(0)


def main(arguments: list[str]) -> int:
    """Print the figures."""
    if arguments[:1] == ["serve"]:
        _serve(*map(int, arguments[1:]))
    if arguments[:1] == ["echo"]:
        _echo(*map(int, arguments[1:]))
    rates = one_way(20_000, 5)
    print(f"one way on one core: {median(rates):,.0f} packets/s of {len(PAYLOAD)} bytes")
    for words, cores in (("one core", some_cores(1)), ("two cores", some_cores(2))):
        trips = round_trips(2_000, 5, cores)
        bare = bare_round_trips(2_000, 5, cores)
        print(
            f"round trip between two processes on {words}: {median(trips):.0f} us, "
            f"of two event descriptors: {median(bare):.0f} us"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
