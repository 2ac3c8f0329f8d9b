"""The agent in the guest: runs commands for the lab, by frames over one virtio port.

It is the first process of the guest (``python3 -m kmcl_lab.guest``): if it dies the kernel
panics, which the lab recognises. One thread, one poll; several jobs at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path
from typing import Any, Final

from .frames import LONGEST, Frame, FrameReader, Kind, frame

__all__ = ["Agent", "main", "port", "wait_for_host"]

PORT: Final = "kmcl.guest"
_PORTS: Final = Path("/sys/class/virtio-ports")
_PORT_SECONDS: Final = 20.0
"""A port may appear a moment after its driver: the host names it."""


class _Job:
    """A command that runs, and our ends of its pipes (or of its terminal)."""

    def __init__(self, number: int, order: dict[str, Any]) -> None:
        self.number = number
        self.outputs: dict[int, Kind] = {}
        self.waiting = bytearray()
        self.input_ends = False
        self.status: int | None = None
        start = self._start_on_terminal if order.get("tty") else self._start_on_pipes
        start([str(word) for word in order["argv"]], os.environ | order.get("environment", {}))

    def _start_on_pipes(self, argv: list[str], environment: dict[str, str]) -> None:
        pipes = [os.pipe() for _ in range(3)]
        (stdin, self.input), (output, stdout), (errors, stderr) = pipes
        try:
            self.pid = self._spawn(argv, environment, (stdin, stdout, stderr))
        except OSError:
            for descriptor in (self.input, output, errors):
                os.close(descriptor)
            raise
        finally:
            for descriptor in (stdin, stdout, stderr):
                os.close(descriptor)
        self.outputs = {output: Kind.OUTPUT, errors: Kind.ERRORS}
        os.set_blocking(self.input, False)

    def _start_on_terminal(self, argv: list[str], environment: dict[str, str]) -> None:
        pid, terminal = pty.fork()
        if pid == 0:
            try:
                os.execvpe(argv[0], argv, environment)
            except OSError as error:
                os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
                os._exit(127)
        self.pid, self.input = pid, os.dup(terminal)
        self.outputs = {terminal: Kind.OUTPUT}
        os.set_blocking(self.input, False)

    @staticmethod
    def _spawn(argv: list[str], environment: dict[str, str], ends: tuple[int, int, int]) -> int:
        moves = [(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate(ends)]
        return os.posix_spawnp(argv[0], argv, environment, file_actions=moves, setsid=True)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def resize(self, rows: int, columns: int) -> None:
        with contextlib.suppress(OSError):
            size = struct.pack("HHHH", rows, columns, 0, 0)
            fcntl.ioctl(self.input, termios.TIOCSWINSZ, size)

    def close_input(self) -> None:
        if self.input >= 0:
            os.close(self.input)
            self.input = -1


class Agent:
    """Serves the stream behind ``descriptor`` until it ends."""

    def __init__(self, descriptor: int) -> None:
        self._stream = descriptor
        self._reader = FrameReader(seeking=False)
        self._jobs: dict[int, _Job] = {}
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        # A child that ends wakes the poll through this pipe.
        self._woken, wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._poll.register(self._woken, select.POLLIN)

    def serve(self) -> None:
        """Say hello, then do what is asked."""
        hello = {"kernel": platform.release(), "python": platform.python_version()}
        self._send(Kind.HELLO, 0, json.dumps(hello).encode())
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._woken:
                    os.read(self._woken, LONGEST)
                elif descriptor == self._stream:
                    data = os.read(self._stream, LONGEST)
                    if not data:
                        return
                    for received in self._reader.feed(data):
                        self._handle(received)
                else:
                    self._pass_on(descriptor)
            self._reap()

    def _send(self, kind: Kind, job: int, body: bytes = b"") -> None:
        data = memoryview(frame(kind, job, body))
        while data:
            data = data[os.write(self._stream, data) :]

    def _handle(self, received: Frame) -> None:
        kind, number, body = received
        if kind == Kind.PING:
            self._send(Kind.PONG, number, body)
        elif kind == Kind.EXEC:
            self._start(number, json.loads(body))
        elif job := self._jobs.get(number):
            if kind == Kind.INPUT:
                job.waiting += body
                job.input_ends |= not body
                self._feed(job)
            elif kind == Kind.KILL:
                job.kill()
            elif kind == Kind.SIZE:
                job.resize(*struct.unpack("<HH", body))

    def _start(self, number: int, order: dict[str, Any]) -> None:
        try:
            job = _Job(number, order)
        except OSError as error:
            self._send(Kind.ERRORS, number, f"{order['argv'][0]}: {error.strerror}\n".encode())
            self._send(Kind.EXIT, number, struct.pack("<i", 127))
            return
        self._jobs[number] = job
        for descriptor in job.outputs:
            self._poll.register(descriptor, select.POLLIN)

    def _feed(self, job: _Job) -> None:
        """Write what the job has not taken yet; the rest when its pipe has room again."""
        while job.waiting and job.input >= 0:
            try:
                del job.waiting[: os.write(job.input, job.waiting)]
            except BlockingIOError:
                self._poll.register(job.input, select.POLLOUT)
                return
            except OSError:  # it does not read any more
                job.waiting.clear()
                self._end_input(job)
        if job.input_ends and not job.waiting:
            self._end_input(job)

    def _end_input(self, job: _Job) -> None:
        if job.input >= 0:
            self._forget(job.input)
        job.close_input()

    def _pass_on(self, descriptor: int) -> None:
        for job in self._jobs.values():
            if descriptor == job.input:
                self._poll.unregister(descriptor)
                self._feed(job)
                return
            if descriptor in job.outputs:
                try:
                    data = os.read(descriptor, LONGEST)
                except OSError:  # a terminal whose last user has gone
                    data = b""
                if data:
                    self._send(job.outputs[descriptor], job.number, data)
                else:
                    del job.outputs[descriptor]
                    self._forget(descriptor)
                    os.close(descriptor)
                return

    def _reap(self) -> None:
        """Collect whoever has ended, ours or an orphan; a job is over when its pipes are too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            for job in self._jobs.values():
                if job.pid == pid:
                    job.status = os.waitstatus_to_exitcode(status)
        for job in list(self._jobs.values()):
            if job.status is not None and not job.outputs:
                self._end_input(job)
                del self._jobs[job.number]
                self._send(Kind.EXIT, job.number, struct.pack("<i", job.status))

    def _forget(self, descriptor: int) -> None:
        with contextlib.suppress(KeyError):
            self._poll.unregister(descriptor)


def port(name: str = PORT, ports: Path = _PORTS) -> Path:
    """The device of the virtio port of that name. Raises FileNotFoundError."""
    for entry in sorted(ports.glob("*/name")):
        if entry.read_text().strip() == name:
            return Path("/dev") / entry.parent.name
    raise FileNotFoundError(f"there is no virtio port {name}")


def wait_for_host(descriptor: int, deadline: float) -> None:
    """Until somebody is connected at the other end: a port has its name a moment before, and until
    then reads as if it had been closed."""
    poll = select.poll()
    poll.register(descriptor, 0)
    while poll.poll(0) and time.monotonic() < deadline:
        time.sleep(0.01)


def main() -> None:
    """Serve the port of the lab for ever."""
    deadline = time.monotonic() + _PORT_SECONDS
    while True:
        try:
            device = port()
            break
        except FileNotFoundError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    stream = os.open(device, os.O_RDWR)
    wait_for_host(stream, deadline)
    Agent(stream).serve()
    sys.exit("the lab has closed its end")


if __name__ == "__main__":
    main()
