"""A whole channel against a host that writes garbage: queues, transactions and handlers too.

The channel is the endpoint's own, without its threads: what those would do is done in turn by
whoever plays, so that the same seed does the same. Nothing that a host writes may raise, and
every packet that was accepted ends once.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias, cast

from kmcl_model.status import is_success

from .bus import Bus, Link
from .channel import Channel
from .descriptor import FROM_HOST, MAXIMUM_PAYLOAD, Kind, RingError, encode
from .lifecycle import Activity, Connection
from .monitor import Monitor
from .packets import Packet, Received
from .parts import Parts
from .ring import Incoming, Outgoing

__all__ = ["Broken", "Endless", "Host", "Rings", "converse"]

Rings: TypeAlias = tuple[tuple[object, object], tuple[object, object]]
"""Header and data of the ring to the host, and of the one from it."""

_MOST: Final = 20_000
"""Packets that one conversation may deliver; no ring here holds so many."""


class Broken(Exception):
    """A promise to the driver is broken: a defect, whatever the host did."""


class Endless(Broken):
    """More packets come than there can be."""


class Host(Protocol):
    """The hand that fills and corrupts; see ``fuzz``."""

    writer: Outgoing

    def fill(self) -> None:
        """Write some packets into the ring from the host."""

    def corrupt(self) -> None:
        """Change bytes of packets, words of its header, or both."""


class _Still(Monitor):
    """Its threads never run."""

    def start_thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        return threading.Thread(name=name)


class _NoBus:
    """Nothing is waited for, nothing opened or left."""

    payload_limit = MAXIMUM_PAYLOAD
    page_limit = 1
    patience = 0.0
    late = 0

    def watch(self, descriptor: int) -> None:
        pass

    def unwatch(self, descriptor: int) -> None:
        pass


class _Link(Link):
    def signal(self) -> None:
        """Nobody listens: the host looks when it likes."""


class _Conversation:
    """A channel that is open and started, and its driver."""

    def __init__(self, parts: Parts, outgoing: Outgoing, incoming: Incoming) -> None:
        self.channel = Channel(_Still(), cast(Bus, _NoBus()), parts, False)
        self.channel.link = _Link(1, outgoing, incoming, parts.doze(incoming))
        self.channel.connection = Connection.OPEN
        self.channel.activity = Activity.RUNNING
        self.channel.configuration.process_packet = self.process
        self.received: list[Received] = []
        self.delivered = 0
        self.accepted = 0
        self.ended: Counter[object] = Counter()

    def process(self, channel: object, received: Received, buffer: bytes, flags: int) -> None:
        self.received.append(received)
        self.delivered += 1
        if self.delivered > _MOST:
            raise Endless("packets without end")

    def send(self, payload: bytes, flags: int) -> None:
        packet = Packet(self.channel, True)
        packet.pointer = self.accepted
        packet.routine = self.end
        self.accepted += is_success(self.channel.sender.send(packet, payload, flags))

    def end(self, packet: Packet, status: int, answer: bytes | None) -> None:
        self.ended[packet.pointer] += 1

    def work(self) -> None:
        """What the threads do between two events."""
        receiver, sender = self.channel.receiver, self.channel.sender
        if receiver.has_work():
            receiver.pump()
        sender.transmit()
        while sender.done:
            sender.call_routine(sender.done.popleft())

    def leave(self) -> None:
        """Close, as often as a driver may, and see that everything has ended once."""
        assert self.channel.link is not None
        self.channel.link.down = True
        for _ in range(2):
            self.channel.sender.cancel_sent()
            self.channel.sender.cancel_queue()
            self.work()
        if self.ended != Counter(range(self.accepted)):
            raise Broken(f"{self.accepted} packets were accepted, ended: {dict(self.ended)}")


def converse(
    chance: random.Random, parts: Parts, from_host: Host, lie: Callable[[], None], rings: Rings
) -> tuple[int, int]:
    """Play one conversation; ``lie`` corrupts the header of the ring to the host. How many packets
    were delivered, and how many accepted. Raises Broken, and RingError where the rings make no
    sense from the beginning."""
    outgoing, incoming = parts.outgoing(*rings[0]), parts.incoming(*rings[1], FROM_HOST)
    talk = _Conversation(parts, outgoing, incoming)
    channel = talk.channel
    channel.monitor.acquire()
    try:
        for _ in range(chance.randrange(2, 10)):
            match chance.randrange(4):
                case 0:
                    talk.send(chance.randbytes(chance.choice((0, 8, 40, 200))), chance.randrange(2))
                case 1 if talk.received:
                    one = talk.received.pop(chance.randrange(len(talk.received)))
                    channel.receiver.complete(one, chance.choice((None, b"12345678")))
                case 2 if channel.sender.sent:
                    answer = encode(Kind.COMPLETION, chance.choice(list(channel.sender.sent)), b"")
                    with contextlib.suppress(RingError):  # the host's own lie
                        from_host.writer.put(answer)
                        from_host.writer.publish()
                case _:
                    with contextlib.suppress(RingError):
                        from_host.fill()
            if chance.random() < 0.3:
                from_host.corrupt()
            if chance.random() < 0.1:
                lie()
            talk.work()
        talk.leave()
    except RingError as error:
        raise Broken(f"the host's lie reached the driver: {error}") from None
    finally:
        channel.monitor.release()
        channel._alarm.close(())
    return talk.delivered, talk.accepted
