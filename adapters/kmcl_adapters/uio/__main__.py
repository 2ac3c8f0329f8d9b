"""``python -m kmcl_adapters.uio --device DEVICE``: the line protocol over a device's channel."""

from __future__ import annotations

import argparse
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator

from kmcl_adapters.interface import AdapterError
from kmcl_adapters.lines import PROTOCOL, encode, serve

from .mutants import ALL_MUTANTS, parts_of
from .serving import IDLE_SECONDS, UioAdapter
from .uiobus import SAFETY_NET

__all__ = ["main"]


def _requests(descriptor: int) -> Iterator[bytes]:
    """Whole lines, from a pipe as well as from a character device without an end."""
    partial = b""
    while chunk := os.read(descriptor, 1 << 16):
        *lines, partial = (partial + chunk).split(b"\n")
        yield from (line for line in lines if line.strip())


def _writer(descriptor: int) -> Callable[[bytes], None]:
    def write(line: bytes) -> None:
        while line:
            line = line[os.write(descriptor, line) :]

    return write


def _descriptors(path: str | None) -> tuple[int, int]:
    """Where requests come from and answers go to. What else is printed goes to standard error."""
    if path is None:
        requests, answers = os.dup(0), os.dup(1)
        os.dup2(2, 1)
        return requests, answers
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    if os.isatty(descriptor):
        tty.setraw(descriptor, termios.TCSANOW)
    return descriptor, descriptor


def main(arguments: list[str]) -> int:
    """Serve until the end of input; 1 where the device cannot be used, which the hello tells."""
    parser = argparse.ArgumentParser(prog="python -m kmcl_adapters.uio", description=__doc__)
    parser.add_argument(
        "--device", required=True, help="/dev/uioN, an instance GUID, class:GUID, or dynmem"
    )
    parser.add_argument("--io", metavar="PATH", help="a character device instead of stdin/stdout")
    parser.add_argument(
        "--bind", action="store_true", help="take the device from its driver if another one has it"
    )
    parser.add_argument(
        "--idle", type=float, default=IDLE_SECONDS, help="seconds that count as rest"
    )
    parser.add_argument(
        "--safety-net",
        type=float,
        default=SAFETY_NET,
        help="seconds after which the rings are looked at without an interrupt; 0: never",
    )
    parser.add_argument(
        "--poll-for-room",
        action="store_true",
        help="clear the feature bit by which we ask to be signalled when there is room",
    )
    parser.add_argument(
        "--defect",
        default="",
        choices=["", *ALL_MUTANTS],
        metavar="NAME",
        help=f"build one in, to see that it is found: {', '.join(ALL_MUTANTS)}",
    )
    chosen = parser.parse_args(arguments)
    requests, answers = _descriptors(chosen.io)
    write = _writer(answers)
    sys.setswitchinterval(0.0005)  # callbacks come on many threads, each for a moment
    try:
        adapter = UioAdapter(
            chosen.device,
            take=chosen.bind,
            idle_seconds=chosen.idle,
            safety_net=chosen.safety_net,
            pending_send=not chosen.poll_for_room,
            parts=parts_of(chosen.defect),
        )
    except AdapterError as error:
        write(encode({"protocol": PROTOCOL, "error": str(error)}))
        return 1
    serve(adapter, _requests(requests), write)
    adapter.close()
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # a call that hangs in the kernel must not keep the process
