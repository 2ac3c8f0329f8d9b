"""In the guest: the minimal cases behind the findings about the VMBus host, on raw packets.

``python3 -m kmcl_lab.cases NAME DEVICE`` plays one and prints what happened, one JSON object a
line; the last says whether the host ``deviates``. ``kmcl lab run`` runs them from outside.
"""

from __future__ import annotations

import json
import platform
import struct
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from .wire import COMPLETION, COMPLETION_REQUESTED, FEATURES, PENDING, Endpoint, version_request

__all__ = ["CASES", "agree", "main", "never_completed", "not_woken"]

Say: TypeAlias = Callable[..., None]

_ANSWER_SECONDS: Final = 10.0
_CAPABILITIES_REPORT: Final = 3
_STATUS_REPORT: Final = 5
_ANY_SIZE: Final = 4 * 4096


def agree(endpoint: Endpoint) -> None:
    """Version and capabilities: come to the state in which the host takes status reports."""
    endpoint.send(version_request(1), 1)
    if endpoint.receive(_ANSWER_SECONDS) is None:
        raise OSError("no answer to the version request")
    endpoint.send(struct.pack("<HHIQQQ", _CAPABILITIES_REPORT, 32, 2, 1, 1 << 14, 1 << 20), 2)
    if endpoint.receive(_ANSWER_SECONDS) is None:
        raise OSError("no answer to the capabilities")


def never_completed(device: str, say: Say) -> bool:
    """A packet that requests a completion: the answer to its message comes, a completion not."""
    endpoint = Endpoint(device)
    endpoint.send(version_request(7), 7, COMPLETION_REQUESTED)
    say("sent", transaction=7, flags=COMPLETION_REQUESTED)
    completed = False
    while (packet := endpoint.receive(_ANSWER_SECONDS)) is not None:
        say("received", type=packet.kind, transaction=packet.transaction, flags=packet.flags)
        completed |= packet.kind == COMPLETION
    say("silence", seconds=_ANSWER_SECONDS, unread_by_host=endpoint.unread)
    deviates = not completed and not endpoint.unread
    endpoint.close()
    return deviates


def not_woken(device: str, say: Say) -> bool:
    """A full ring and a sender that waits for space, with and without feature bit 0."""
    woken = {bit: _wait_for_space(device, bit, say) for bit in (1, 0)}
    return woken[0] and not woken[1]


def _wait_for_space(device: str, bit: int, say: Say) -> bool:
    """Whether the host wakes a sender that has filled the ring and waits."""
    endpoint = Endpoint(device)
    agree(endpoint)
    while endpoint.wait(0.5):  # signals of the conversation so far
        pass
    features = endpoint.tx.word(FEATURES)
    endpoint.tx.set_word(FEATURES, features | 1 if bit else features & ~1)
    report = struct.pack("<HHIQQQQII", _STATUS_REPORT, 48, 3, 0, 0, 0, 0, 0, 0)
    count = 0
    while endpoint.put(report, 3):
        count += 1
    endpoint.tx.set_word(PENDING, _ANY_SIZE)
    started = time.monotonic()
    say("full", feature_bit=bit, packets=count, unread=endpoint.unread, pending_send_sz=_ANY_SIZE)
    endpoint.signal()
    drained = None
    while time.monotonic() - started < _ANSWER_SECONDS:
        if drained is None and not endpoint.unread:
            drained = round(time.monotonic() - started, 2)
            say("drained", feature_bit=bit, seconds=drained)
        if endpoint.wait(0.01):
            after = round(time.monotonic() - started, 2)
            say("woken", feature_bit=bit, seconds=after, unread=endpoint.unread)
            endpoint.close()
            return True
    say("silence", feature_bit=bit, seconds=_ANSWER_SECONDS, unread=endpoint.unread)
    endpoint.close()
    if drained is None:
        raise OSError("the host has not drained the ring: nothing can be said")
    return False


CASES: Final[Mapping[str, Callable[[str, Say], bool]]] = {
    "never-completed": never_completed,
    "not-woken": not_woken,
}
"""The cases by name."""


def main(arguments: list[str]) -> None:
    """Play the case on the device that the arguments name."""
    name, device = arguments
    started = time.monotonic()

    def say(what: str, **details: Any) -> None:
        line = {"after": round(time.monotonic() - started, 3), "what": what} | details
        print(json.dumps(line), flush=True)

    say("begin", case=name, kernel=platform.release())
    say("end", deviates=CASES[name](device, say))


if __name__ == "__main__":
    main(sys.argv[1:])
