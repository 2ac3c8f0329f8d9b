"""The lab's end of the channel into the guest: jobs that run there."""

from __future__ import annotations

import contextlib
import json
import queue
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .frames import LONGEST, FrameError, FrameReader, Kind, frame
from .problem import GuestLost

__all__ = ["Channel", "Job", "Outcome"]


class Outcome(NamedTuple):
    """How a command in the guest went."""

    code: int
    output: bytes
    errors: bytes


class Job:
    """A command that runs in the guest."""

    def __init__(self, channel: Channel, number: int) -> None:
        self._channel = channel
        self.number = number
        self._arrived: queue.SimpleQueue[tuple[Kind, bytes] | str] = queue.SimpleQueue()
        self.code: int | None = None

    def write(self, data: bytes) -> None:
        """Give it input. Raises GuestLost."""
        for start in range(0, len(data), LONGEST):
            self._channel.send(Kind.INPUT, self.number, data[start : start + LONGEST])

    def end_input(self) -> None:
        """There is no more input. Raises GuestLost."""
        self._channel.send(Kind.INPUT, self.number)

    def resize(self, rows: int, columns: int) -> None:
        """Tell its terminal how large it is. Raises GuestLost."""
        self._channel.send(Kind.SIZE, self.number, struct.pack("<HH", rows, columns))

    def kill(self) -> None:
        """End it and all it has started. Raises GuestLost."""
        self._channel.send(Kind.KILL, self.number)

    def parts(self, limit: float | None = None) -> Iterator[tuple[Kind, bytes]]:
        """What it says, OUTPUT and ERRORS as they come, until it has ended.

        ``limit``: the longest silence in seconds. Raises GuestLost, also when that is over.
        """
        while self.code is None:
            try:
                part = self._arrived.get(timeout=limit)
            except queue.Empty:
                raise GuestLost(f"no word for {limit:g} s of a command", is_hang=True) from None
            if isinstance(part, str):
                raise GuestLost(part, is_hang=False)
            kind, body = part
            if kind == Kind.EXIT:
                (self.code,) = struct.unpack("<i", body)
            else:
                yield kind, body

    def arrive(self, kind: Kind, body: bytes) -> None:
        """For the channel: something has come from the guest."""
        self._arrived.put((kind, body))

    def lose(self, why: str) -> None:
        """For the channel: nothing more will come."""
        self._arrived.put(why)


class Channel:
    """Frames over a connected socket. A thread of its own reads it.

    ``on_life`` is called for whatever comes; ``on_hello`` with what the agent said about itself,
    at every boot of the guest.
    """

    def __init__(
        self,
        connection: socket.socket,
        on_hello: Callable[[Mapping[str, Any]], None],
        on_life: Callable[[], None],
    ) -> None:
        self._socket = connection
        self._on_hello = on_hello
        self._on_life = on_life
        self._reader = FrameReader()
        self._jobs: dict[int, Job] = {}
        self._last = 0
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._is_ping_due = False
        self.why = ""
        self._thread = threading.Thread(target=self._read, name="lab-channel", daemon=True)
        self._thread.start()

    def start(
        self,
        argv: Sequence[str],
        *,
        tty: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> Job:
        """Start a command in the guest. Raises GuestLost."""
        with self._lock:
            self._last += 1
            job = self._jobs[self._last] = Job(self, self._last)
            number = self._last
        order = {"argv": list(argv), "tty": tty, "environment": dict(environment or {})}
        self.send(Kind.EXEC, number, json.dumps(order).encode())
        return job

    def resume(self, number: int) -> Job:
        """The job of that number, which runs in the guest since before it was taken back."""
        with self._lock:
            job = self._jobs[number] = Job(self, number)
        return job

    def run(self, argv: Sequence[str], data: bytes = b"", *, limit: float = 60.0) -> Outcome:
        """Run a command to its end with ``data`` as its input. ``limit``: the longest silence, in
        seconds. Raises GuestLost."""
        job = self.start(argv)
        job.write(data)
        job.end_input()
        said = {Kind.OUTPUT: b"", Kind.ERRORS: b""}
        for kind, body in job.parts(limit):
            said[kind] += body
        assert job.code is not None
        return Outcome(job.code, said[Kind.OUTPUT], said[Kind.ERRORS])

    def ping(self) -> None:
        """Ask for a sign of life; it comes as ``on_life``. Whoever calls this watches, so it never
        waits: a sender that is at it asks as soon as its frame is written, and a guest that does
        not read is not asked. Raises GuestLost."""
        self._is_ping_due = True
        if not self._sending.acquire(blocking=False):
            return
        try:
            if self._takes_a_frame():
                self._send_ping()
        except (OSError, ValueError):  # the latter: it is closed
            raise self._gone() from None
        finally:
            self._sending.release()

    def _takes_a_frame(self) -> bool:
        """Whether a short one can be sent without waiting; nobody else sends now."""
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        return bool(poll.poll(0))

    def _send_ping(self) -> None:
        self._is_ping_due = False
        self._socket.sendall(frame(Kind.PING))

    def send(self, kind: Kind, number: int, body: bytes = b"") -> None:
        """For jobs: one frame to the guest. Raises GuestLost."""
        try:
            with self._sending:
                self._socket.sendall(frame(kind, number, body))
                if self._is_ping_due:
                    self._send_ping()
        except OSError:
            raise self._gone() from None

    def _gone(self) -> GuestLost:
        return GuestLost(self.why or "the guest is gone", is_hang=False)

    def forget(self, why: str) -> None:
        """The guest was reset: its jobs are lost, and the next thing it says is a hello."""
        self._reader.seek()
        self._lose(why)

    def close(self, why: str) -> None:
        """Whoever waits for the guest is told that it is gone, and why."""
        self.why = why
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._lose(why)

    def _lose(self, why: str) -> None:
        with self._lock:
            jobs, self._jobs = self._jobs, {}
        self.why = why
        for job in jobs.values():
            job.lose(why)

    def _read(self) -> None:
        try:
            while data := self._socket.recv(1 << 16):
                self._take(data)
        except (OSError, ValueError) as error:
            self._lose(self.why or f"the channel into the guest is broken: {error}")
        else:
            self._lose(self.why or "the channel into the guest was closed")

    def _take(self, data: bytes) -> None:
        try:
            frames = self._reader.feed(data)
        except FrameError as error:  # the guest went down in the middle of a frame
            self.forget(f"the guest was cut off: {error}")
            return
        for kind, number, body in frames:
            self._on_life()
            if kind == Kind.HELLO:
                self._lose("the guest has started anew")
                self.why = ""
                self._on_hello(json.loads(body))
            elif kind in (Kind.OUTPUT, Kind.ERRORS, Kind.EXIT):
                self._deliver(kind, number, body)

    def _deliver(self, kind: Kind, number: int, body: bytes) -> None:
        with self._lock:
            job = self._jobs.get(number)
            if kind == Kind.EXIT:
                self._jobs.pop(number, None)
        if job is not None:
            job.arrive(kind, body)
