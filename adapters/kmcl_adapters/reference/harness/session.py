"""One session: a fresh pair of drivers over a bus, and the stimuli that move them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.parts import Parts
from kmcl_adapters.reference.library.scheduler import Scheduler, Task
from kmcl_adapters.reference.readings import Readings
from kmcl_adapters.signals import HELD, SignalGate
from kmcl_model.events import Environment, Event, Lost, Quiescence
from kmcl_model.stimuli import Arm, Environ, Invoke, Release, Run, Settle, Stimulus

from .driver import Driver

__all__ = ["Session"]

PATIENCE: Final = 20_000
"""Steps in one settling after which an implementation counts as never coming to rest."""


class Session:
    """Both ends of one channel in memory; see ``kmcl_adapters.interface.Session``."""

    __slots__ = (
        "bus",
        "drivers",
        "events",
        "gates",
        "handles",
        "lost",
        "numbers",
        "parts",
        "readings",
        "scheduler",
    )

    def __init__(self, parts: Parts, readings: Readings) -> None:
        self.parts = parts
        self.readings = readings
        self.scheduler = Scheduler()
        self.bus = parts.bus(parts)
        self.events: list[Event] = []
        self.drivers = {
            "server": Driver(self, "server", self.events),
            "client": Driver(self, "client", self.events),
        }
        self.handles: dict[object, str] = {}
        self.lost = False
        self.numbers: dict[Task, int] = {}
        self.gates: list[SignalGate] = []

    # The interface

    def apply(self, stimulus: Stimulus) -> None:
        """Start the stimulus; a blocking call may be in progress afterwards."""
        if self.lost:
            return
        try:
            _APPLY[type(stimulus)](self, stimulus)
        except Exception as error:  # a defect of the implementation is an observation
            self.lose("crash", f"{type(error).__name__}: {error}")

    def runnable(self) -> int:
        """How many internal steps a ``Run`` could choose from."""
        return 0 if self.lost else len(self.scheduler.ready)

    def ready(self) -> tuple[int, ...]:
        """Who could take the next step; tasks are numbered as they are met."""
        if self.lost:
            return ()
        numbers = self.numbers
        return tuple([numbers.setdefault(t, len(numbers)) for t in self.scheduler.ready])

    def take(self) -> list[Event]:
        """The events recorded since the last call."""
        events = self.events[:]
        self.events.clear()
        return events

    def close(self) -> None:
        """Nothing is shared and nothing to give back."""
        self.lost = True
        self.scheduler.ready.clear()

    # Stimuli

    def invoke(self, stimulus: Invoke) -> None:
        driver = self.drivers[stimulus.endpoint]
        driver.call(stimulus.by, stimulus.function, stimulus.arguments)

    def arm(self, stimulus: Arm) -> None:
        self.drivers[stimulus.endpoint].arm(stimulus.callback, stimulus.reaction)

    def release(self, stimulus: Release) -> None:
        self.drivers[stimulus.endpoint].release(stimulus.activation)

    def run(self, stimulus: Run) -> None:
        self.scheduler.run(stimulus.choice)

    def settle(self, _: Settle) -> None:
        scheduler = self.scheduler
        ready, run = scheduler.ready, scheduler.run
        patience = PATIENCE
        if self.gates:
            for gate in self.gates:
                gate.open()
        while ready:
            run(0)
            patience -= 1
            if not patience:
                self.lose("flood", f"no rest after {PATIENCE} steps")
                return
        self.events.append(Quiescence("quiescence", True))

    def environ(self, stimulus: Environ) -> None:
        driver = self.drivers[stimulus.endpoint]
        channel = driver.channel
        if driver.dead:
            return
        event = Environment("environment", stimulus.endpoint, stimulus.action)
        if stimulus.action == "crash":
            self.events.append(event)
            driver.dead = True
            if channel is not None:
                channel.crash()
        elif channel is not None:
            if stimulus.action == "malformed" and channel.write_malformed():
                self.events.append(event)
            elif stimulus.action == "spurious":
                self.events.append(event)
                channel.signal_nothing()
            elif stimulus.action in HELD and channel.link is not None and channel.link.open:
                self.events.append(event)
                self.gate_of(channel).shut(stimulus.action)

    def gate_of(self, channel: Channel) -> SignalGate:
        """Where signals to this end come in."""
        gate = channel.receiver.gate
        if gate is None:
            gate = channel.receiver.gate = SignalGate()
            self.gates.append(gate)
        return gate

    def lose(self, reason: str, detail: str) -> None:
        """The implementation is gone."""
        self.lost = True
        self.events.append(Lost("lost", reason, detail))

    # Channels

    def new_channel(self, driver: Driver, is_server: bool) -> Channel:
        """A fresh channel for a driver."""
        channel = self.parts.channel(self.parts, self.bus, self.scheduler, self.readings, is_server)
        self.handles[channel] = driver.endpoint
        return channel

    def forget_channel(self, driver: Driver) -> None:
        """The channel of a driver is cleaned up; its handle means nothing any more."""
        self.handles.pop(driver.channel, None)

    def endpoint_of(self, channel: object) -> str:
        """The endpoint behind a handle, ``?`` for one that is not alive."""
        return self.handles.get(channel, "?")


_APPLY: Final[dict[type, Callable[[Session, Any], None]]] = {
    Invoke: Session.invoke,
    Arm: Session.arm,
    Release: Session.release,
    Run: Session.run,
    Settle: Session.settle,
    Environ: Session.environ,
}
