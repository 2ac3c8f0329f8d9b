"""Both ends of a channel over shared memory in one process: the reference as the server, the
endpoint of ``uio`` as the client. An implementation as ``kmcl_adapters.driver`` takes it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

from kmcl_adapters.reference import SOUND as REFERENCE
from kmcl_adapters.reference import Parts
from kmcl_adapters.uio.library import Library
from kmcl_adapters.uio.pairbus import PairBus
from kmcl_adapters.wire import PARTS, WireLibrary

__all__ = ["WirePair", "factory"]


class WirePair:
    """Dispatches to the library of the end; knows exactly when both rest."""

    Name = "kmcl reference on a wire, and kmcl endpoint"
    Capabilities = "server client crash malformed spurious"

    def __init__(self, parts: Parts = REFERENCE) -> None:
        sockets = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        bells = [os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in sockets]
        theirs = [os.dup(bell) for bell in bells]
        self.buses = (
            PairBus(True, sockets[0], (bells[0], theirs[1]), PARTS),
            PairBus(False, sockets[1], (bells[1], theirs[0])),
        )
        self.server = WireLibrary(self.buses[0], parts)
        self.client = Library(self.buses[1])
        self._a_moment = threading.Event()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("Vmb") or not hasattr(self.server, name):
            raise AttributeError(name)

        def call(handle: Any, *arguments: Any) -> Any:
            return getattr(self._library(handle), name)(handle, *arguments)

        return call

    def _library(self, handle: Any) -> Any:
        """Whose channel, packet or context it is."""
        ours = type(handle).__module__.startswith("kmcl_adapters.uio.")
        return self.client if ours else self.server

    def VmbChannelAllocate(self, is_server: bool) -> Any:
        return (self.server if is_server else self.client).VmbChannelAllocate(is_server)

    @property
    def Signals(self) -> frozenset[str]:
        return self.server.Signals

    def Act(self, channel: Any, action: str) -> None:
        self._library(channel).Act(channel, action)

    def Entered(self) -> None:
        self.server.Entered()

    def WaitIdle(self, milliseconds: int) -> tuple[int, int] | None:
        before = None
        for _ in range(20_000):
            inside = []
            for library, bus in zip((self.server, self.client), self.buses, strict=True):
                library.Resume()
                monitor = library.monitor
                if library.channel is None:
                    monitor.acquire()
                    bus.attend()
                    monitor.release()
                found = monitor.wait_idle(milliseconds)
                library.AtRest()
                if found is None:
                    return None
                inside.append(found)
            traffic = [(bus.sent, bus.received) for bus in self.buses]
            (sent, received), (their_sent, their_received) = traffic
            if (traffic, inside) == before and (sent, their_sent) == (their_received, received):
                return inside[0][0] + inside[1][0], inside[0][1] + inside[1][1]
            if (traffic, inside) == before:  # something is on its way
                self._a_moment.wait(0.001)
            before = (traffic, inside)
        raise AssertionError(f"the ends do not come to rest: sent and received {traffic}")

    def Reset(self) -> None:
        self.server.Reset()
        self.client.Reset()


def factory(parts: Parts = REFERENCE) -> Callable[[], WirePair]:
    """What makes pairs of these parts."""
    return lambda: WirePair(parts)
