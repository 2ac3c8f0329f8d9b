"""One end of a channel as its driver sees it: the calls that steer it, and its threads."""

from __future__ import annotations

from typing import Any, Final

from kmcl_adapters import signals
from kmcl_model.status import STATUS_INVALID_DEVICE_STATE, STATUS_SUCCESS

from .alarm import Alarm
from .bus import Bus, Link
from .configuration import Configuration, Handler
from .lifecycle import Activity, Connection
from .monitor import Dying, Monitor
from .parts import Parts

__all__ = ["Channel"]

PATIENCE: Final = 0.1
"""Seconds to wait for a state that the driver may know of a moment before we do."""
WORKERS: Final = 2
"""Threads that wait for signals: while one is in a handler the other heeds what comes."""


class Channel:
    """``paused``: the wish, which Pause and Start change at any time; ``keep_paused``: it was
    made while disabled and outlives Enable; ``stop``: a Pause wants its Suspend, whatever Start
    says meanwhile; ``halting``: no further packet is delivered, Suspend is next.
    """

    def __init__(self, monitor: Monitor, bus: Bus, parts: Parts, is_server: bool) -> None:
        self.monitor = monitor
        self.bus = bus
        self.is_server = is_server
        self.configuration = Configuration(bus.payload_limit, bus.page_limit)
        self.connection = Connection.DISABLED
        self.activity = Activity.STOPPED
        self.link: Link | None = None
        self.pointer: object = None
        self.error = ""
        """Why a link was stopped, by what the other side has done wrong, or could not be opened."""
        self.signals = 0
        """Signals sent, for whoever wants to know."""
        self.disabling = self.finishing = self.crashed = self.quit = False
        self.paused = self.keep_paused = self.stop = self.halting = False
        self.disables = self.stops = 0
        self.sender = parts.sender(self)
        self.receiver = parts.receiver(self)
        self.lifecycle = parts.lifecycle(self)
        self._alarm = Alarm(monitor, bus, self._is_due)
        role = "server" if is_server else "client"
        self._threads = [
            monitor.start_thread(f"{role} lifecycle", self.lifecycle.run),
            monitor.start_thread(f"{role} completions", self.sender.run),
            *(monitor.start_thread(f"{role} worker", self._work) for _ in range(WORKERS)),
        ]

    # What the parts ask

    def running(self) -> bool:
        """Whether packets may be delivered."""
        return self.activity == Activity.RUNNING

    def starting(self) -> bool:
        """Whether Started is running."""
        return self.activity == Activity.STARTING

    def leaving(self) -> bool:
        """Whether this end is on its way out of its link."""
        return self.disabling or (self.link is not None and self.link.down)

    def will_look(self) -> bool:
        """Whether there is something to do that nobody has signalled, and that will be noticed."""
        receiver = self.receiver
        looks = self.bus.patience and not self.crashed and not receiver.pumping
        return bool(looks and receiver.has_work())

    def accepts_sends(self) -> bool:
        """Whether packets may be queued (A90)."""
        return self.connection != Connection.DISABLED

    def live_link(self) -> Link | None:
        """The link, if it may be read and written."""
        link = self.link
        if self.connection != Connection.OPEN or link is None or link.down or link.broken:
            return None
        return link

    def signal(self) -> None:
        """Tell the other end to look."""
        if self.link is not None:
            self.signals += 1
            self.link.signal()

    def stop_link(self, why: str) -> None:
        """The other side has written what cannot be: nothing is read or written any more until
        the channel is closed."""
        if self.link is not None and not self.link.broken:
            self.link.broken = self.error = why

    def call(self, handler: Handler, *arguments: Any, quietly: bool = False) -> Any:
        """Call a handler of the driver, without the lock; ``quietly``: nothing has changed that
        another thread could wait for."""
        if self.crashed:
            return None
        if self.monitor.dying:
            raise Dying
        self.monitor.before_callback(quietly)
        try:
            return handler(*arguments)
        finally:
            self.monitor.after_callback()

    def call_state_handler(self, name: str) -> int:
        """Call a state handler; success where there is none (A13)."""
        handler = self.configuration.state_handlers.get(name)
        return STATUS_SUCCESS if handler is None else int(self.call(handler, self) or 0)

    # Threads

    def _is_due(self) -> bool:
        """Whether there is something for a worker that waits."""
        return not self.receiver.pumping and self.receiver.has_work()

    def _work(self) -> None:
        monitor, receiver = self.monitor, self.receiver
        while not self.quit:
            while not receiver.pumping and not self.crashed and receiver.has_work():
                receiver.pump()
            self._doze()
            monitor.running -= 1
            monitor.release()
            signalled = self.bus.wait()
            monitor.acquire()
            monitor.running += 1
            if monitor.dying:
                break
            self._heed(signalled)
        self._alarm.ring()  # for the next one
        if monitor.dying:
            raise Dying

    def _doze(self) -> None:
        """Whoever waits for signals must have asked for them."""
        link = self.live_link()
        if link is not None and not self.receiver.pumping and not link.doze.hears():
            self.receiver.pump()

    def _heed(self, signalled: bool) -> None:
        """Something has happened, or time has passed."""
        self._alarm.hear()
        self.bus.attend()
        if self.crashed:
            return
        waiting = len(self.sender.queue) + len(self.sender.answers)
        self.sender.transmit()
        if not signalled:
            self.bus.late += waiting > len(self.sender.queue) + len(self.sender.answers)
            self.bus.late += not self.receiver.pumping and self.receiver.has_work()

    def join(self) -> None:
        """End the threads; called without the lock."""
        self.monitor.acquire()
        self.quit = True
        self._alarm.stop()
        self.monitor.release()
        self._alarm.close(self._threads)

    # Calls of the driver, inside the monitor

    def at_rest(self) -> bool:
        """Whether the end is disabled and all is over."""
        return self.connection == Connection.DISABLED and not self.finishing

    def await_rest(self) -> bool:
        """Whether the end is at rest. A driver may know that its handler has returned before we do:
        then give it a moment."""
        if self.at_rest():
            return True
        passing = (Connection.CLOSING, Connection.OPENING)
        return (self.finishing or self.connection in passing) and self.monitor.wait_briefly(
            self.at_rest, PATIENCE
        )

    def enable(self) -> int:
        """VmbChannelEnable: offer, or wait for the offer; never blocks for long (A31)."""
        if not self.await_rest():
            return STATUS_INVALID_DEVICE_STATE
        self.connection = Connection.ENABLED
        self.paused = self.is_server or self.keep_paused
        self.stop = False
        if self.is_server:
            self.bus.make_offer(self.configuration.target, self.configuration.maximum_packet)
        return STATUS_SUCCESS

    def disable(self) -> None:
        """VmbChannelDisable. A client drains, then leaves; a server's offer is gone at once."""
        if self.at_rest():
            self.monitor.wait(self.sender.idle)
            return
        before = self.disables
        if self.connection != Connection.DISABLED:
            self.disabling = True
            if self.is_server:
                self.revoke()
        self.monitor.wait(lambda: self.disables != before or self.at_rest())

    def revoke(self) -> None:
        """Take back the offer, and with it the link."""
        if self.link is not None and not self.link.down:
            self.link.down = True
            self.sender.cancel_sent()
        self.bus.withdraw()

    def pause(self) -> None:
        """VmbChannelPause: until Suspend was called and all packets are completed."""
        before = self.stops
        self.paused = True
        self.keep_paused |= self.at_rest()
        self.stop |= self.activity in (Activity.STARTING, Activity.RUNNING)
        self.monitor.wait(
            lambda: self.stops != before or self.activity == Activity.STOPPED,
        )

    def start(self) -> None:
        """VmbChannelStart."""
        self.paused = self.keep_paused = False

    # The world

    def act(self, action: str) -> None:
        """What the world does to this end: it dies, writes garbage, gets a signal for nothing (or
        gives one, where nobody can be made to signal it), or something becomes of its signals."""
        if action == "crash":
            self.crashed = True
            if self.link is not None:
                self.link.down = True
            self.bus.die()
            return
        link = self.live_link()
        if link is None:
            return
        match action:
            case "spurious":
                if not self.bus.interrupt():
                    self.signal()
            case "malformed":
                if link.write_garbage():
                    link.outgoing.publish()
                self.signal()
            case signals.MASKED:
                link.incoming.mask()
                self.bus.interrupt()
            case _:
                self.bus.hold(action)
