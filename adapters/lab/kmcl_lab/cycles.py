"""In the guest: open and close the channel many times, and hold short conversations.

``python3 -m kmcl_lab.cycles DEVICE COUNT`` prints one JSON object. Memory is what the kernel has
left, in KiB, after it was told to give its caches back.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from .wire import Endpoint, version_request

__all__ = ["main", "open_and_close"]

_CONVERSATIONS: Final = 50
_ANSWER_SECONDS: Final = 10.0


def _available() -> int:
    """KiB that the kernel could give away."""
    Path("/proc/sys/vm/drop_caches").write_text("3\n")
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, value = line.split(":")
        if name == "MemAvailable":
            return int(value.split()[0])
    raise OSError("the kernel does not say how much memory is available")


def _files() -> int:
    """File handles of the whole guest."""
    return int(Path("/proc/sys/fs/file-nr").read_text().split()[0])


def open_and_close(
    device: str, count: int, clock: Callable[[], float] = time.monotonic
) -> dict[str, Any]:
    """Open the channel and close it ``count`` times; what that took and what it left behind."""
    for _ in range(10):  # whatever is allocated once is not a leak
        Endpoint(device).close()
    before = (_available(), _files(), len(os.listdir("/proc/self/fd")))
    started = clock()
    for _ in range(count):
        Endpoint(device).close()
    seconds = clock() - started
    after = (_available(), _files(), len(os.listdir("/proc/self/fd")))
    names = ("memory_kib", "files_of_the_guest", "descriptors")
    return {
        "cycles": count,
        "seconds": round(seconds, 2),
        "before": dict(zip(names, before, strict=True)),
        "after": dict(zip(names, after, strict=True)),
    }


def conversations(device: str, clock: Callable[[], float] = time.monotonic) -> dict[str, Any]:
    """Open, ask for the version, hear the answer, close; how many of these a second."""
    started = clock()
    for number in range(1, _CONVERSATIONS + 1):
        endpoint = Endpoint(device)
        endpoint.send(version_request(number), number)
        if endpoint.receive(_ANSWER_SECONDS) is None:
            raise OSError(f"conversation {number}: the host does not answer")
        endpoint.close()
    seconds = clock() - started
    return {"conversations": _CONVERSATIONS, "per_second": round(_CONVERSATIONS / seconds, 1)}


def main(arguments: list[str]) -> None:
    """Do both on the device that the arguments name, and print the figures."""
    device, count = arguments
    print(json.dumps(open_and_close(device, int(count)) | conversations(device)))


if __name__ == "__main__":
    main(sys.argv[1:])
