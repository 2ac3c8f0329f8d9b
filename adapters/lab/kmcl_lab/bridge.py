"""A command in the guest as a process here: ``python3 -m kmcl_lab.bridge DOOR [--tty] ARGV …``.

Standard input goes there, output and errors come back, and so does the exit code. With
``--tty`` the command has a terminal, and ours passes every key on.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import sys
import termios
import tty
from collections.abc import Iterator, Sequence

from .frames import LONGEST, FrameReader, Kind, frame
from .problem import LOST_CODE

__all__ = ["bridge", "main"]


def bridge(door: str, argv: Sequence[str], *, terminal: bool = False) -> int:
    """Run ``argv`` in the guest behind the door, with our standard streams; its exit code, 128 + n
    for signal n as a shell has it. Raises OSError if the door is closed."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(door)
        order = {"argv": list(argv), "tty": terminal}
        _send(connection, frame(Kind.EXEC, 0, json.dumps(order).encode()))
        with _raw_terminal() if terminal else contextlib.nullcontext() as resized:
            code = _exchange(connection, resized)
    return code if code >= 0 else 128 - code


def _exchange(connection: socket.socket, resized: int | None) -> int:
    """``resized`` can be read when our terminal has another size, where we have one."""
    poll = select.poll()
    if resized is not None:
        _tell_size(connection)
        poll.register(resized, select.POLLIN)
    poll.register(connection, select.POLLIN)
    poll.register(0, select.POLLIN)
    reader = FrameReader(seeking=False)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == 0:
                data = os.read(0, LONGEST)
                if not _send(connection, frame(Kind.INPUT, 0, data)) or not data:
                    poll.unregister(0)
                continue
            if descriptor == resized:
                os.eventfd_read(descriptor)
                _tell_size(connection)
                continue
            data = connection.recv(1 << 16)
            if not data:
                raise OSError("the lab has closed the door")
            for kind, _, body in reader.feed(data):
                if kind == Kind.EXIT:
                    code: int = struct.unpack("<i", body)[0]
                    return code
                _write(2 if kind == Kind.ERRORS else 1, body)


def _send(connection: socket.socket, data: bytes) -> bool:
    """False where nobody reads any more: what was said last is still to be heard."""
    try:
        connection.sendall(data)
    except BrokenPipeError:
        return False
    return True


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _tell_size(connection: socket.socket) -> None:
    columns, rows = shutil.get_terminal_size()
    _send(connection, frame(Kind.SIZE, 0, struct.pack("<HH", rows, columns)))


@contextlib.contextmanager
def _raw_terminal() -> Iterator[int | None]:
    """Our terminal passes everything on, and what is yielded can be read when it has another size:
    a signal may come in the middle of a frame, where nothing can be said."""
    if not os.isatty(0):
        yield None
        return
    before = termios.tcgetattr(0)
    resized = os.eventfd(0, os.EFD_CLOEXEC)
    signal.signal(signal.SIGWINCH, lambda *_: os.eventfd_write(resized, 1))
    try:
        tty.setraw(0)
        yield resized
    finally:
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        os.close(resized)


def main() -> int:
    """Run what the arguments say."""
    door, *argv = sys.argv[1:]
    terminal = argv[:1] == ["--tty"]
    try:
        return bridge(door, argv[terminal:], terminal=terminal)
    except OSError as error:
        print(f"kmcl: the lab is gone: {error}", file=sys.stderr)
        return LOST_CODE


if __name__ == "__main__":
    sys.exit(main())
