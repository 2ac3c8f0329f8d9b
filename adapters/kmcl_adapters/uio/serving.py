"""The ``uio`` adapter: a client's session over a real device, in this process."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from kmcl_adapters.driver import ThreadedSession
from kmcl_adapters.interface import AdapterError, Description
from kmcl_model.events import Event

from .device import Device, DeviceError, bind, find
from .library import VERSION
from .parts import SOUND, Parts
from .peers import peer
from .refusing import UioLibrary, refusal
from .surroundings import surroundings
from .uiobus import SAFETY_NET, UioBus

__all__ = ["CAPABILITIES", "IDLE_SECONDS", "UioAdapter"]

CAPABILITIES: Final = frozenset({"client", "hold"})
IDLE_SECONDS: Final = 0.03
"""Only the host has to be waited for, which takes some milliseconds, under emulation many.
Silence that would break something is asked for again by whoever judges."""
LIMIT: Final = 8.0
"""Seconds that a settling may take; less than the time the other side gives a request."""

_LATE: Final = "times only the safety net noticed what had come"
_REMASKED: Final = "times the driver was found to have masked signals again"
_MASKS: Final = "sessions in which the driver masked signals at the open"
_LEAVES: Final = "sessions in which the driver left the mask alone at the open"


class UioAdapter:
    """A device found by ``wanted`` (see ``device.find``); ``take`` it from another driver.

    ``pending_send``: whether the host is told that we wait to be signalled when there is room;
    ``parts``: what the endpoint is made of.
    Raises AdapterError where the device cannot be used.
    """

    def __init__(
        self,
        wanted: str,
        *,
        take: bool = False,
        idle_seconds: float = IDLE_SECONDS,
        safety_net: float = SAFETY_NET,
        pending_send: bool = True,
        sysfs: Path = Path("/sys"),
        dev: Path = Path("/dev"),
        make_bus: Callable[..., UioBus] = UioBus,
        parts: Parts = SOUND,
    ) -> None:
        self._wanted = wanted
        self._idle_seconds = idle_seconds
        self._safety_net = safety_net
        self._pending_send = pending_send
        self._sysfs = sysfs
        self._dev = dev
        self._make_bus = make_bus
        self._parts = parts
        self._told: set[str] = set()
        self._last: UioBus | None = None  # of the session that may still go on
        self._counted = Counter({_LATE: 0})
        try:
            self.device: Device = bind(find(wanted, sysfs), sysfs, take=take)
            self._bus().close()
        except DeviceError as error:
            raise AdapterError(f"uio:{error}") from None

    def describe(self) -> Description:
        """A client's end, and the kind of host at the other one where it is known."""
        host = peer(self.device.class_id)
        known = {host.name} if host.class_id else set()
        return Description(
            "kmcl endpoint over uio_hv_generic",
            VERSION,
            f"uio:{self._wanted}",
            CAPABILITIES | known,
            exact_quiescence=False,
            idle_seconds=self._idle_seconds,
            surroundings=surroundings(self._sysfs),
        )

    def open(self, record: Callable[[Event], None] | None = None) -> ThreadedSession:
        """A fresh endpoint; the channel itself is opened by VmbChannelEnable."""
        try:
            # Meanwhile it may have gone and come back, and its node be another device's.
            self.device = bind(find(self.device.instance, self._sysfs), self._sysfs)
            bus = self._bus()
        except DeviceError as error:
            raise AdapterError(f"uio:{error}") from None
        self._counted, self._last = self._tallied(), bus
        library = UioLibrary(bus, self._parts)
        return ThreadedSession(
            library,
            on_event=record,
            on_close=library.Reset,
            idle_seconds=self._idle_seconds,
            limit=LIMIT,
        )

    def close(self) -> None:
        """The device stays bound, also one that another driver had. Signals that came late are told
        of: nothing else shows them to who has no certificate."""
        tally = self.tally()
        if tally[_LATE]:
            self._tell("; ".join(f"{count} {words}" for words, count in tally.items()))

    def refusal(self, function: str) -> str | None:
        """See ``kmcl_adapters.interface.Refusing``."""
        return refusal(function)

    def tally(self) -> Mapping[str, int]:
        """What the sessions have shown of the driver and of signals: whether the driver masks
        signals by itself, and how often only the safety net noticed what had come."""
        return self._tallied()

    def _tallied(self) -> Counter[str]:
        found, bus = Counter(self._counted), self._last
        if bus is not None:
            found[_LATE] += bus.late
            if bus.traits.masks_at_open is not None:
                found[_MASKS if bus.traits.masks_at_open else _LEAVES] += 1
            if bus.remasked:
                found[_REMASKED] += bus.remasked
        return found

    def _tell(self, words: str) -> None:
        """What an open failed with, on standard error, once: a campaign opens thousands of times,
        and no event has room for it."""
        if words not in self._told:
            self._told.add(words)
            print(f"uio:{words}", file=sys.stderr, flush=True)

    def _bus(self) -> UioBus:
        return self._make_bus(
            self.device,
            sysfs=self._sysfs,
            dev=self._dev,
            safety_net=self._safety_net,
            pending_send=self._pending_send,
            parts=self._parts,
            report=self._tell,
        )
