"""A door into a running lab: a socket through which other processes run commands in the guest.

What travels through it is what travels on the channel itself, with one job a connection: EXEC
first, then INPUT; back come OUTPUT and ERRORS, then EXIT. Closing the connection ends the job.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from .channel import Channel, Job
from .frames import Frame, FrameError, FrameReader, Kind, frame
from .problem import LOST_CODE, GuestLost

__all__ = ["Door"]


class Door:
    """Open from the start until ``close``. ``channel`` gives the way into the guest, which may be
    another one after a restart."""

    def __init__(self, channel: Callable[[], Channel]) -> None:
        self._channel = channel
        self._folder = Path(tempfile.mkdtemp(prefix="kmcl-lab-"))
        self.path = self._folder / "door"
        self._closing = False
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen()
        threading.Thread(target=self._accept, name="lab-door", daemon=True).start()

    def close(self) -> None:
        """Nobody comes in any more; idempotent."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        try:
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(
                    target=self._serve, args=(connection,), name="lab-visitor", daemon=True
                ).start()
        except OSError as error:
            if not self._closing:  # too many open files, for one; who comes now is not kept waiting
                print(f"kmcl: nobody gets into the guest any more: {error}", file=sys.stderr)
                self._listening.close()

    def _serve(self, connection: socket.socket) -> None:
        """One connection: one job."""
        reader = FrameReader(seeking=False)
        job: Job | None = None
        try:
            while data := connection.recv(1 << 16):
                for received in reader.feed(data):
                    job = self._take(connection, job, received)
        except (GuestLost, FrameError, OSError, ValueError, KeyError) as error:
            _say(connection, str(error))
        finally:
            connection.close()
            if job is not None and job.code is None:
                with contextlib.suppress(GuestLost):
                    job.kill()

    def _take(self, connection: socket.socket, job: Job | None, received: Frame) -> Job | None:
        kind, _, body = received
        if job is None:
            if kind != Kind.EXEC:
                raise FrameError("a connection begins with EXEC")
            order = json.loads(body)
            environment = order.get("environment")
            job = self._channel().start(
                order["argv"], tty=bool(order.get("tty")), environment=environment
            )
            threading.Thread(
                target=self._pass_on, args=(connection, job), name="lab-job", daemon=True
            ).start()
        elif kind == Kind.INPUT:
            job.write(body) if body else job.end_input()
        elif kind == Kind.SIZE:
            job.resize(*struct.unpack("<HH", body))
        elif kind == Kind.KILL:
            job.kill()
        return job

    @staticmethod
    def _pass_on(connection: socket.socket, job: Job) -> None:
        with contextlib.suppress(OSError):
            try:
                for kind, body in job.parts():
                    connection.sendall(frame(kind, 0, body))
            except GuestLost as lost:
                _say(connection, str(lost))
                return
            connection.sendall(frame(Kind.EXIT, 0, struct.pack("<i", job.code or 0)))


def _say(connection: socket.socket, why: str) -> None:
    """The command has ended because the guest has: one line, and an exit code of its own."""
    with contextlib.suppress(OSError):
        connection.sendall(frame(Kind.ERRORS, 0, f"kmcl: {why}\n".encode()))
        connection.sendall(frame(Kind.EXIT, 0, struct.pack("<i", LOST_CODE)))
