"""In the guest: the client end, by one JSON object a line (``end.StampedEnd``).

``python3 -m kmcl_adapters.host.client INSTANCE`` says hello with the size of the device's rings,
which must be there then. A request is ``{"do":"apply","stimulus":{…}}``, its answer one line. With
``--lingering`` behind the instance, an end that dies closes nothing: its machine is about to go.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final

from kmcl_adapters.uio.atomics import Atomics, NoAtomics
from kmcl_adapters.uio.device import DeviceError, find, ring_size
from kmcl_adapters.uio.followbus import FollowingBus
from kmcl_adapters.uio.lifecycle import Connection
from kmcl_adapters.uio.refusing import UioLibrary

from .end import StampedEnd

__all__ = ["LINGERING", "Client", "ClientLibrary", "main"]

LINGERING: Final = "--lingering"
"""The option by which what dies leaves its channel open."""


class ClientLibrary(UioLibrary):
    """An end whose host may let an open wait as long as it likes: a thread that waits for that is
    at rest. Whether the host does wait is for whoever asks both ends."""

    def __init__(self, bus: FollowingBus) -> None:
        super().__init__(bus)
        self._following = bus

    def AtRest(self) -> bool:
        """Whether no other thread of ours has anything to do, inside the library."""
        return self.monitor.running <= self._following.opening


class Client:
    """The end on the device of this instance; ``lingers``: see ``FollowingBus``. Raises
    DeviceError, NoAtomics."""

    def __init__(self, instance: str, *, lingers: bool = False) -> None:
        self._lingers = lingers
        self._device = find(instance)
        if self._device.uio is None:
            raise DeviceError(f"{instance}: not bound to uio_hv_generic")
        self.size = ring_size(self._device.uio)
        self._bus: FollowingBus | None = None
        self._made: UioLibrary | None = None
        self.end = StampedEnd(self._library, Atomics().time_stamp, self._traffic)

    def _library(self) -> UioLibrary:
        self._bus = FollowingBus(self._device, self.size, lingers=self._lingers)
        self._made = ClientLibrary(self._bus)
        return self._made

    def _traffic(self) -> tuple[int, ...]:
        """The channel that can be opened; whether the end has drawn the consequences of all it can
        see; its running threads; how many of them wait for an open to be answered."""
        library, bus = self._made, self._bus
        if library is None or bus is None:
            return (0, 1, 0, 0)
        channel = library.channel
        state = Connection.DISABLED if channel is None else channel.connection
        looks = channel is not None and state == Connection.ENABLED and not channel.crashed
        return (bus.seen(), int(bus.is_aware(looks)), library.monitor.running, bus.opening)


def main(arguments: list[str]) -> int:
    """Serve the instance until the end of input; 1 where there is nothing to serve."""
    instance, *options = arguments
    output = os.dup(1)
    os.dup2(2, 1)  # what anybody prints is not of the protocol
    sys.setswitchinterval(0.0005)

    def write(message: dict[str, Any]) -> None:
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        while data:
            data = data[os.write(output, data) :]

    try:
        client = Client(instance, lingers=LINGERING in options)
    except (DeviceError, NoAtomics) as error:
        write({"error": str(error)})
        return 1
    write({"size": client.size})
    for line in sys.stdin.buffer:
        try:
            write(client.end.request(**json.loads(line)))
        except (ValueError, TypeError) as error:
            write({"error": str(error)})
    client.end.close()
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # a call that hangs in the kernel must not keep the process
