"""In the guest: open and close the channel many times, and hold short conversations.

``python3 -m kmcl_lab.cycles DEVICE COUNT`` prints one JSON object; ``… DEVICE COUNT exchange`` that
of cycles with an exchange in each, for a host that completes requests. The guest's memory is what
its kernel could still give away, in KiB, after it was told to give its caches back; it says what
the kernel itself has lost. This process is measured apart.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from .wire import COMPLETION, COMPLETION_REQUESTED, Endpoint, version_request

__all__ = ["conversations", "exchanges", "main", "open_and_close"]

_CONVERSATIONS: Final = 50
_ANSWER_SECONDS: Final = 10.0
_WARM_UP: Final = 10
_REQUEST_BYTES: Final = 40


def _available() -> int:
    """KiB that the kernel could give away."""
    Path("/proc/sys/vm/drop_caches").write_text("3\n")
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, value = line.split(":")
        if name == "MemAvailable":
            return int(value.split()[0])
    raise OSError("the kernel does not say how much memory is available")


def _files() -> int:
    """Open files of the whole guest, as its kernel's allocator counts them."""
    for line in Path("/proc/slabinfo").read_text().splitlines():
        if line.startswith("filp "):
            return int(line.split()[1])
    raise OSError("the kernel does not say how many files are open")


def _resident() -> int:
    """KiB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _state() -> dict[str, int]:
    return {
        "guest_free_kib": _available(),
        "guest_files": _files(),
        "process_kib": _resident(),
        "process_descriptors": len(os.listdir("/proc/self/fd")),
    }


def open_and_close(
    device: str, count: int, clock: Callable[[], float] = time.monotonic
) -> dict[str, Any]:
    """Open the channel and close it ``count`` times; what that took and what it left behind."""
    for _ in range(_WARM_UP):  # whatever is allocated once is not a leak
        Endpoint(device).close()
    before = _state()
    started = clock()
    for _ in range(count):
        Endpoint(device).close()
    seconds = clock() - started
    after = _state()
    return {"cycles": count, "seconds": round(seconds, 2), "before": before, "after": after}


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


def exchanges(
    device: str, count: int, clock: Callable[[], float] = time.monotonic
) -> dict[str, Any]:
    """Open, send a request, hear its completion, close, so many times; how many of these a second,
    and what they left behind."""
    for number in range(1, _WARM_UP + 1):
        _exchange(device, number)
    before = _state()
    started = clock()
    for number in range(1, count + 1):
        _exchange(device, number)
    seconds = clock() - started
    after = _state()
    rate = round(count / seconds, 1)
    return {"cycles": count, "cycles_per_second": rate, "before": before, "after": after}


def _exchange(device: str, number: int) -> None:
    endpoint = Endpoint(device)
    endpoint.send(bytes(_REQUEST_BYTES), number, COMPLETION_REQUESTED)
    packet = endpoint.receive(_ANSWER_SECONDS)
    if packet is None or (packet.kind, packet.transaction) != (COMPLETION, number):
        raise OSError(f"request {number} was answered by {packet}")
    endpoint.close()


def main(arguments: list[str]) -> None:
    """Do it on the device that the arguments name, and print the figures."""
    device, count, *mode = arguments
    if mode == ["exchange"]:
        print(json.dumps(exchanges(device, int(count))))
    else:
        print(json.dumps(open_and_close(device, int(count)) | conversations(device)))


if __name__ == "__main__":
    main(sys.argv[1:])
