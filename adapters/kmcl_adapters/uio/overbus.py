"""What a library over a bus has besides the functions of the header."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kmcl_model.status import STATUS_INVALID_DEVICE_STATE

from .bus import Bus
from .monitor import Dying, Monitor

__all__ = ["OverBus"]


class OverBus:
    """One end at a time of the channel that a bus stands for: ``channel``, while it is allocated.
    ``monitor`` is its lock."""

    channel: Any

    def __init__(self, bus: Bus) -> None:
        self.monitor = Monitor()
        self.bus = bus
        self.channel = None

    @property
    def Signals(self) -> frozenset[str]:
        """What else can become of the signals to an end here."""
        return self.bus.signal_faults

    def Resume(self) -> None:
        """Let signals come that ``Act`` has held back."""
        self.monitor.acquire()
        self.bus.resume()
        self.monitor.release_quietly()

    def AtRest(self) -> bool:
        """Whether no thread of ours has anything to do. What the other end will do is its own."""
        return not self.monitor.busy()

    def WillLook(self) -> bool:
        """Whether a thread will look at the ring without a signal, and find something."""
        return False

    def Inside(self) -> tuple[int, int] | None:
        """The calls and callbacks that are inside, while no thread of ours has anything to do, nor
        will have when it looks at the ring without a signal. To ask changes nothing."""
        self.monitor.acquire()
        try:
            if not self.AtRest() or self.WillLook():
                return None
            return self.monitor.calls, self.monitor.callbacks
        finally:
            self.monitor.release_quietly()

    def Reset(self) -> None:
        """End the threads and give the device back."""
        raise NotImplementedError

    def _inside(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """A call of the driver. One that waits while the library is being ended gives up."""
        self.monitor.enter()
        try:
            return work(*arguments)
        except Dying:
            return STATUS_INVALID_DEVICE_STATE
        finally:
            self.monitor.leave()
