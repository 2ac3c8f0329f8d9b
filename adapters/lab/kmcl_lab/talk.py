"""In the guest: a raw endpoint that does what it is told, one JSON object a line.

``python3 -m kmcl_lab.talk DEVICE [SUBCHANNEL]`` opens the channel and says so; then
``{"do":"send",…}``, ``{"do":"fill","size":N}``, ``{"do":"receive"}``, ``{"do":"wait"}``,
``{"do":"exchange","count":N}`` or ``{"do":"close"}`` are each answered by one line. An error of
the device is an answer: ``{"errno":"EIO"}``.
"""

from __future__ import annotations

import errno
import json
import sys
import time
from typing import Any, Final

from .wire import COMPLETION_REQUESTED, Endpoint

__all__ = ["Talk", "main"]

_SECONDS: Final = 10.0


class Talk:
    """The orders by name, for the channel behind a device, or a subchannel of it. Raises
    OSError."""

    def __init__(self, device: str, subchannel: int = 0) -> None:
        self._endpoint = Endpoint(device, subchannel)
        self._last = 0

    def carry_out(self, order: dict[str, Any]) -> dict[str, Any]:
        """One order; its answer."""
        name = order.pop("do")
        if name not in ("send", "fill", "receive", "wait", "exchange", "close"):
            return {"error": f"nothing known as {name!r}"}
        try:
            answer: dict[str, Any] = getattr(self, name)(**order)
            return answer
        except OSError as error:
            return {"errno": errno.errorcode.get(error.errno or 0, str(error))}

    def send(self, payload: str = "", transaction: int = 1, flags: int = 0) -> dict[str, Any]:
        """A packet; ``payload`` in hexadecimal."""
        self._endpoint.send(bytes.fromhex(payload), transaction, flags)
        return {"sent": transaction}

    def fill(self, size: int) -> dict[str, Any]:
        """Packets of so many bytes, numbered, until there is no room for one more."""
        count = 0
        while self._endpoint.put(bytes(size), count + 1):
            count += 1
        self._endpoint.signal()
        return {"packets": count, "unread": self._endpoint.unread}

    def receive(self, limit: float = _SECONDS) -> dict[str, Any]:
        """The next packet, waiting so many seconds for it."""
        packet = self._endpoint.receive(limit)
        if packet is None:
            return {"received": False}
        return packet._asdict() | {"payload": packet.payload.hex(), "received": True}

    def wait(self, limit: float = _SECONDS) -> dict[str, Any]:
        """Whether the host signals."""
        return {"signalled": self._endpoint.wait(limit)}

    def exchange(self, count: int) -> dict[str, Any]:
        """So many requests, each with its completion; seconds for one, on average."""
        started = time.monotonic()
        for _ in range(count):
            self._last += 1
            self._endpoint.send(bytes(40), self._last, COMPLETION_REQUESTED)
            packet = self._endpoint.receive(_SECONDS)
            if packet is None or packet.transaction != self._last:
                return {"error": f"request {self._last} was answered by {packet}"}
        return {"seconds": (time.monotonic() - started) / count}

    def close(self) -> dict[str, Any]:
        """Close the channel; nothing can follow."""
        self._endpoint.close()
        return {"closed": True}


def main(arguments: list[str]) -> None:
    """Carry out the orders of standard input."""
    device, *subchannel = arguments
    talk = Talk(device, *map(int, subchannel))
    print(json.dumps({"open": device}), flush=True)
    for line in sys.stdin:
        print(json.dumps(talk.carry_out(json.loads(line))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
