"""Connection and activity of an end: which callback is next, and in which order.

Two independent parts: the connection (disabled, enabled, opening, open, closing) and the
activity of the incoming queue. One thread looks at what is wanted and takes the next step, so
that Opened, Started, PostStarted, Suspend and Closed of an end never overlap.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from kmcl_model.api import CLOSED, OPENED, POST_STARTED, STARTED, SUSPEND
from kmcl_model.status import STATUS_SUCCESS, is_success

from .bus import Opening
from .descriptor import RingError, ring_bytes
from .ring import HEADER_BYTES

if TYPE_CHECKING:
    from .bus import Link, Offer
    from .channel import Channel

__all__ = ["Activity", "Connection", "Lifecycle", "Step"]


class Connection(IntEnum):
    """Where the connection is."""

    DISABLED = 0
    ENABLED = 1  # offered, or waiting for an offer
    CONNECTING = 2  # client: the other side has been asked
    OPENING = 3  # Opened is due or running
    OPEN = 4
    CLOSING = 5


class Activity(IntEnum):
    """Where the incoming queue is."""

    STOPPED = 0
    STARTING = 1  # Started is running
    RUNNING = 2
    SUSPENDING = 3  # Suspend was called; packets are being completed


class Step(IntEnum):
    """What the lifecycle can do next."""

    NOTHING = 0
    WITHDRAW = 1
    REPORT_FAILURE = 2
    CONNECT = 3
    CONNECTED = 4
    ACCEPT = 5
    OPEN = 6
    START = 7
    SUSPEND = 8
    CLOSE = 9


class Lifecycle:
    """The thread that moves an end through its states."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.opening: Opening | None = None
        self.openers = 0
        """Threads that ask the other side, perhaps for nobody any more."""
        self.refused: int | None = None
        """The offer that was tried in vain; a new one may be tried."""
        self.failure = STATUS_SUCCESS
        """What the PnP failure handler is to be told."""

    def run(self) -> None:
        """Take steps until the channel is cleaned up."""
        channel = self.channel
        while True:
            channel.monitor.wait(lambda: channel.quit or self.next() != Step.NOTHING)
            if channel.quit:
                return
            _STEPS[self.next()](self)

    def next(self) -> Step:
        """What can be done now."""
        channel = self.channel
        if channel.crashed:
            return Step.NOTHING
        match channel.connection:
            case Connection.ENABLED:
                return self.next_enabled()
            case Connection.CONNECTING:
                assert self.opening is not None
                over = self.opening.settled or channel.disabling
                return Step.CONNECTED if over else Step.NOTHING
            case Connection.OPENING:
                return Step.OPEN
            case Connection.OPEN:
                return self.next_open()
            case _:
                return Step.NOTHING

    def next_enabled(self) -> Step:
        channel = self.channel
        if channel.disabling:
            return Step.WITHDRAW
        if self.failure:
            return Step.REPORT_FAILURE
        if channel.is_server:
            return Step.ACCEPT if channel.bus.asked() is not None else Step.NOTHING
        return Step.CONNECT if self.wanted_offer() is not None else Step.NOTHING

    def next_open(self) -> Step:
        channel = self.channel
        if channel.activity == Activity.RUNNING:
            return Step.SUSPEND if channel.leaving() or channel.stop else Step.NOTHING
        if channel.leaving():
            return Step.CLOSE
        return Step.NOTHING if channel.paused else Step.START

    def wanted_offer(self) -> Offer | None:
        """The offer to be opened now; None where there is none. What was given up is closed first:
        a device that is open, or being opened, is shared, and the other side would hear of no
        end and no beginning."""
        offer = self.channel.bus.offer()
        if offer is None or offer.id == self.refused or self.openers:
            return None
        return offer if offer.is_for(self.channel.configuration.target) else None

    # Steps

    def withdraw(self) -> None:
        self.become_disabled()

    def report_failure(self) -> None:
        """Tell the client that a device was found and could not be opened (A46, A52)."""
        status, self.failure = self.failure, STATUS_SUCCESS
        handler = self.channel.configuration.pnp_failure
        if handler is not None:
            self.channel.call(handler, self.channel, status)

    def connect(self) -> None:
        """Ask the other side to open the channel."""
        channel, offer = self.channel, self.wanted_offer()
        if offer is None:
            return
        settings, bus = channel.configuration, channel.bus
        # A packet of maximal length always fits an empty ring (A21), which is never filled.
        outgoing = max(
            settings.outgoing_pages * HEADER_BYTES, ring_bytes(settings.maximum_packet) + 8
        )
        incoming = max(settings.incoming_pages * HEADER_BYTES, ring_bytes(offer.maximum_packet) + 8)
        channel.connection = Connection.CONNECTING
        self.refused = offer.id  # unless it works out
        if not bus.opens_slowly:
            self.opening = bus.open(offer, incoming, outgoing)
            return
        # In a thread of its own: a host may let it wait for ever, and a Disable must not.
        self.opening = opening = Opening(offer.id)
        self.openers += 1
        channel.monitor.start_thread(
            "client opener", lambda: self.open_slowly(opening, offer, incoming, outgoing)
        )

    def open_slowly(self, wish: Opening, offer: Offer, incoming: int, outgoing: int) -> None:
        """Open, and tell by the wish what came of it. What nobody wants any more is given up."""
        channel = self.channel
        with channel.monitor.outside():
            found = channel.bus.open(offer, incoming, outgoing)
        if self.opening is wish and not channel.monitor.dying:
            wish.words = found.words
            wish.link, wish.failure, wish.withdrawn = found.link, found.failure, found.withdrawn
        else:
            self.abandon(found)
        self.openers -= 1

    def abandon(self, opening: Opening) -> None:
        """The client does not want it any more; giving it up may wait for the host."""
        channel = self.channel
        if channel.bus.opens_slowly:
            with channel.monitor.outside():
                channel.bus.abandon(opening)
        else:
            channel.bus.abandon(opening)

    def connected(self) -> None:
        """The other side has answered, or nobody wants to know any more."""
        channel, opening = self.channel, self.opening
        assert opening is not None
        self.opening = None
        channel.connection = Connection.ENABLED
        if channel.disabling:
            self.abandon(opening)
        elif opening.link is not None:
            self.refused = None
            channel.link = opening.link
            channel.connection = Connection.OPENING
        elif opening.failure:
            self.failure, channel.error = opening.failure, opening.words

    def accept(self) -> None:
        """A client has asked: run the server's Opened, which decides (A44)."""
        channel = self.channel
        link = channel.bus.asked()
        if link is None:
            return
        channel.bus.accept(link)
        channel.link = link
        channel.connection = Connection.OPENING
        status = channel.call_state_handler(OPENED)
        if is_success(status):
            self.opened(link)
            channel.bus.answer(link, STATUS_SUCCESS)
            return
        link.down = True
        channel.link = None
        channel.bus.answer(link, status)
        channel.connection = Connection.ENABLED

    def open(self) -> None:
        """The server has accepted: run the client's Opened."""
        channel = self.channel
        link = channel.link
        assert link is not None
        if is_success(channel.call_state_handler(OPENED)):
            self.opened(link)
            return
        self.leave(link)
        self.become_disabled()

    def opened(self, link: Link) -> None:
        """The channel is open at this end."""
        channel = self.channel
        channel.receiver.reset()
        channel.connection = Connection.OPEN
        try:
            if not link.down:
                link.doze.fall_asleep()  # some kernels mask at the open
        except RingError as error:
            channel.stop_link(f"incoming ring: {error}")
        channel.sender.transmit()

    def start(self) -> None:
        """Started, then PostStarted: the queue runs while that one does (A55, A56)."""
        channel = self.channel
        channel.activity = Activity.STARTING
        channel.call_state_handler(STARTED)
        channel.activity = Activity.RUNNING
        channel.receiver.quota_reached = False
        if not channel.stop and not channel.leaving():
            channel.call_state_handler(POST_STARTED)

    def suspend(self) -> None:
        """Let the last handler return and its batch be reported; Suspend; then drain."""
        channel, receiver = self.channel, self.channel.receiver
        channel.halting = True
        channel.monitor.wait(lambda: not receiver.delivering)
        channel.activity = Activity.SUSPENDING
        channel.halting = channel.stop = False
        channel.call_state_handler(SUSPEND)
        channel.monitor.wait(lambda: not receiver.outstanding)
        channel.activity = Activity.STOPPED
        channel.stops += 1

    def close(self) -> None:
        """Leave the link, end all transactions, Closed."""
        channel, link = self.channel, self.channel.link
        assert link is not None
        self.leave(link)
        channel.sender.cancel_queue()
        channel.monitor.wait(channel.sender.idle)
        channel.connection = Connection.CLOSING
        channel.call_state_handler(CLOSED)
        if channel.is_server and not channel.disabling:
            channel.connection = Connection.ENABLED
        else:
            self.become_disabled()

    def leave(self, link: Link) -> None:
        """Nothing is read or written any more; the other end hears of it; memory is unmapped."""
        channel = self.channel
        link.down = True
        channel.sender.cancel_sent()
        channel.link = None
        if channel.bus.opens_slowly:
            with channel.monitor.outside():
                channel.bus.leave(link)
        else:
            channel.bus.leave(link)

    def become_disabled(self) -> None:
        """Everything is over; no handler is called once Disable has returned."""
        channel = self.channel
        channel.connection = Connection.DISABLED
        channel.sender.cancel_queue()
        channel.finishing = channel.disabling
        if channel.finishing:
            channel.monitor.wait(channel.sender.idle)
        channel.disabling = channel.finishing = False
        self.refused, self.failure = None, STATUS_SUCCESS
        channel.disables += 1


_STEPS = {
    Step.NOTHING: lambda _: None,
    Step.WITHDRAW: Lifecycle.withdraw,
    Step.REPORT_FAILURE: Lifecycle.report_failure,
    Step.CONNECT: Lifecycle.connect,
    Step.CONNECTED: Lifecycle.connected,
    Step.ACCEPT: Lifecycle.accept,
    Step.OPEN: Lifecycle.open,
    Step.START: Lifecycle.start,
    Step.SUSPEND: Lifecycle.suspend,
    Step.CLOSE: Lifecycle.close,
}
