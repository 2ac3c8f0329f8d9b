"""Defects of the endpoint, one realistic bug each."""

from __future__ import annotations

from typing import Final

from .descriptor import DESCRIPTOR_BYTES, TRAILER_BYTES, Kind, Packet, parse
from .descriptor import Packet as Frame
from .devicemutants import DEVICE_MUTANTS, Mutant
from .packets import Packet as Sent
from .packets import Received
from .parts import SOUND, Parts
from .receive import Doze
from .receiving import Receiver
from .ring import (
    INTERRUPT_MASK,
    PENDING_SEND_SIZE,
    READ_INDEX,
    WRITE_INDEX,
    Incoming,
    Outgoing,
    fence,
)
from .sending import Sender
from .signalmutants import GoesPastTheQueue, TrustsItsUnmasking

__all__ = ["ALL_MUTANTS", "MUTANTS", "parts_of"]

_EVERY: Final = 3
"""What is lost now and then is every third one."""


class NoTrailer(Outgoing):
    def put(self, packet: bytes) -> bool:
        start = self._write
        if not self.fits(len(packet)):
            return False
        self._copy(start, packet)
        self._write = (start + len(packet)) % self.capacity
        return True


class TrailerOfTheEnd(Outgoing):
    def trailer(self, start: int) -> bytes:
        return (self._read << 32).to_bytes(TRAILER_BYTES, "little")


class FillsUp(Outgoing):
    def fits(self, size: int) -> bool:
        return self.free() >= size


class WrapsOneUnitLate(Outgoing):
    def _copy(self, start: int, packet: bytes) -> None:
        first = self.capacity - start
        if len(packet) <= first:
            super()._copy(start, packet)
        else:
            self._data[start : self.capacity] = packet[:first]
            rest = packet[first:]
            self._data[8 : 8 + len(rest)] = rest


class SignalsIfMasked(Outgoing):
    def signal_needed(self, before: int) -> bool:
        return self._load_read() == before


class SignalsByNewIndex(Outgoing):
    def signal_needed(self, before: int) -> bool:
        return not self._header[INTERRUPT_MASK] and self._load_read() == self._write


class SignalsBeforePublishing(Outgoing):
    def publish(self) -> bool:
        needed = self._write != self._published and self.signal_needed(self._published)
        self._published = self._header[WRITE_INDEX] = self._write
        return needed


class WaitsWithoutLooking(Outgoing):
    def wait_for(self, size: int) -> bool:
        self._waits = True
        self._header[PENDING_SEND_SIZE] = size
        return True


class KeepsWaiting(Outgoing):
    def stop_waiting(self) -> None:
        self._waits = False


class TrustsTheWriter(Incoming):
    def _load_write(self) -> int:
        return int(self._header[WRITE_INDEX])


class TrustsTheReader(Outgoing):
    def _load_read(self) -> int:
        return int(self._header[READ_INDEX])


class TrustsLengths(Incoming):
    def peek(self) -> Packet | None:
        if self._next is None:
            if self._place == len(self._copy) and not self._fill():
                return None
            room = bytes(8 * 0xFFFF)  # whatever lies behind
            self._next, self._behind = parse(self._copy + room, self._place, self._accepts)
        return self._next


class LooksTwice(Incoming):
    """Validates what it has copied, then copies the packet again to use it."""

    def peek(self) -> Packet | None:
        found = super().peek()
        if found is None:
            return None
        start = (self._read + DESCRIPTOR_BYTES) % self.capacity
        stop = start + len(found.payload)
        if stop > self.capacity:
            return found
        return found._replace(payload=bytes(self._data[start:stop]))


class HeedsTheMask(Incoming):
    def release(self) -> bool:
        return super().release() and not self._header[INTERRUPT_MASK]


class NeverGivesRoom(Incoming):
    def release(self) -> bool:
        super().release()
        return False


class SignalsAllRoom(Incoming):
    def release(self) -> bool:
        super().release()
        return bool(self._header[PENDING_SEND_SIZE])


class SignalsRoomTooEarly(Incoming):
    def _free(self, write: int, read: int) -> int:
        return super()._free(write, read) + 8


class SleepsWithoutLooking(Doze):
    def fall_asleep(self) -> bool:
        self._ring.unmask()
        fence()
        self.asleep = True
        return True


class NeverMasks(Doze):
    def wake(self) -> None:
        self.asleep = False


class CancelsTwice(Sender):
    def cancel_sent(self) -> None:
        for packet in self.sent.values():
            self.finish(packet, 0xC0000120)
        self.answers.clear()


class ForgetsSent(Sender):
    def cancel_sent(self) -> None:
        self.sent.clear()
        self.answers.clear()


class ForgetsQueued(Sender):
    def cancel_queue(self) -> None:
        self.queue.clear()


class LastInFirstOut(Sender):
    def fill(self) -> int:
        self.queue.reverse()
        blocked = super().fill()
        self.queue.reverse()
        return blocked


class LosesSends(Sender):
    turn = 0

    def send_at_once(self, packet: Sent) -> bool:
        self.turn += self.channel.live_link() is not None
        return self.turn % _EVERY == 0 or super().send_at_once(packet)


class LosesAnswers(Sender):
    turn = 0

    def answer(self, received: Received, buffer: bytes | None) -> None:
        self.turn += 1
        if self.turn % _EVERY:
            super().answer(received, buffer)


class OneTransactionId(Sender):
    """Every packet goes with the same id, so that completions find the wrong packet."""

    def placed(self, packet: Sent, transaction: int) -> None:
        super().placed(packet, 1)

    def frame(self, packet: Sent, transaction: int) -> bytes:
        return super().frame(packet, 1)


class AnswersNobodyAsked(Receiver):
    def deliver(self, frame: Frame) -> None:
        super().deliver(frame._replace(flags=0))


class LosesPackets(Receiver):
    turn = 0

    def deliver(self, frame: Frame) -> None:
        self.turn += 1
        if self.turn % _EVERY:
            super().deliver(frame)


class LosesCompletions(Receiver):
    turn = 0

    def completion(self, frame: Frame) -> None:
        self.turn += 1
        if self.turn % _EVERY:
            super().completion(frame)


class OneOverQuota(Receiver):
    def quota_is_used(self) -> bool:
        return self.quota is not None and self.outstanding > self.quota


class CountsOneMore(Receiver):
    def report(self) -> None:
        self.batch += 1
        super().report()


class DeliversWhileHalting(Receiver):
    def may_deliver(self) -> bool:
        return not self.failed and not self.quota_reached and not self.channel.starting()


class HearsAnswersOnly(Receiver):
    """What comes without anything having been sent since the last packet is dropped."""

    heard = 0

    def deliver(self, frame: Frame) -> None:
        sent = self.channel.sender.transactions
        if sent != self.heard:
            self.heard = sent
            super().deliver(frame)


class CompletesDuringStarted(Receiver):
    def has_work(self) -> bool:
        frame = self.head()
        return super().has_work() or (frame is not None and frame.kind == Kind.COMPLETION)

    def drain(self) -> None:
        frame = self.head()
        if frame is not None and frame.kind == Kind.COMPLETION and self.channel.starting():
            self.take()
            self.completion(frame)
        super().drain()


def _ring(outgoing: type[Outgoing] = Outgoing, incoming: type[Incoming] = Incoming) -> Parts:
    return SOUND._replace(outgoing=outgoing, incoming=incoming)


MUTANTS: Final[dict[str, Mutant]] = {
    "no-trailer": Mutant(_ring(NoTrailer), "packets follow each other without trailers"),
    "wrong-trailer": Mutant(
        _ring(TrailerOfTheEnd), "a trailer tells where something else begins; most readers skip it"
    ),
    "fills-up": Mutant(_ring(FillsUp), "a ring filled to the last byte looks empty"),
    "wraps-late": Mutant(_ring(WrapsOneUnitLate), "the part behind the end lands too far on"),
    "signals-if-masked": Mutant(
        _ring(SignalsIfMasked), "a host may slow down a guest that signals when it must not"
    ),
    "signals-by-new-index": Mutant(
        _ring(SignalsByNewIndex), "the first packet into an empty ring is not signalled"
    ),
    "signals-before-publishing": Mutant(
        _ring(SignalsBeforePublishing), "the mask is read before the index is stored"
    ),
    "waits-without-looking": Mutant(
        _ring(WaitsWithoutLooking), "room that came while waiting was announced is never noticed"
    ),
    "keeps-waiting": Mutant(
        _ring(KeepsWaiting), "the reader goes on being asked for signals nobody needs"
    ),
    "trusts-writer": Mutant(_ring(incoming=TrustsTheWriter), "a write index beyond the ring"),
    "trusts-reader": Mutant(_ring(TrustsTheReader), "a read index beyond the ring"),
    "trusts-lengths": Mutant(
        _ring(incoming=TrustsLengths), "a packet is as long as it says, whatever was published"
    ),
    "looks-twice": Mutant(
        _ring(incoming=LooksTwice), "what was validated is not what is used: the host changed it"
    ),
    "heeds-mask": Mutant(
        _ring(incoming=HeedsTheMask), "room is not signalled to a writer that masks its own ring"
    ),
    "never-gives-room": Mutant(
        _ring(incoming=NeverGivesRoom), "a writer that waits for room waits for ever"
    ),
    "signals-all-room": Mutant(
        _ring(incoming=SignalsAllRoom), "every packet taken is signalled while a writer waits"
    ),
    "signals-room-early": Mutant(
        _ring(incoming=SignalsRoomTooEarly), "the one signal comes when the room is still too small"
    ),
    "sleeps-without-looking": Mutant(
        SOUND._replace(doze=SleepsWithoutLooking), "a packet that comes before unmasking is lost"
    ),
    "trusts-its-unmasking": Mutant(
        SOUND._replace(doze=TrustsItsUnmasking),
        "a driver masks at an interrupt without a packet, and the next packet is not signalled",
    ),
    "never-masks": Mutant(SOUND._replace(doze=NeverMasks), "an interrupt for every packet"),
    "goes-past-queue": Mutant(
        SOUND._replace(sender=GoesPastTheQueue),
        "packets that wait for the signal of room are overtaken by whoever sees the room first",
    ),
    "cancels-twice": Mutant(
        SOUND._replace(sender=CancelsTwice), "sent packets are cancelled again at the next close"
    ),
    "forgets-sent": Mutant(
        SOUND._replace(sender=ForgetsSent), "nobody completes what was in flight at a rescind"
    ),
    "forgets-queued": Mutant(
        SOUND._replace(sender=ForgetsQueued), "nobody completes what was queued at a close"
    ),
    "last-in-first-out": Mutant(
        SOUND._replace(sender=LastInFirstOut), "queued packets overtake each other"
    ),
    "loses-sends": Mutant(
        SOUND._replace(sender=LosesSends), "a packet that was accepted is put nowhere"
    ),
    "loses-answers": Mutant(
        SOUND._replace(sender=LosesAnswers), "a completion is dropped on its way into the ring"
    ),
    "loses-packets": Mutant(
        SOUND._replace(receiver=LosesPackets), "a packet is taken out of the ring and not indicated"
    ),
    "loses-completions": Mutant(
        SOUND._replace(receiver=LosesCompletions), "a completion is taken and its packet not found"
    ),
    "one-transaction-id": Mutant(
        SOUND._replace(sender=OneTransactionId), "a completion ends somebody else's transaction"
    ),
    "drops-request-flag": Mutant(
        SOUND._replace(receiver=AnswersNobodyAsked), "a completion that was asked for is not sent"
    ),
    "one-over-quota": Mutant(
        SOUND._replace(receiver=OneOverQuota), "one packet more is outstanding than may be"
    ),
    "counts-one-more": Mutant(
        SOUND._replace(receiver=CountsOneMore), "ProcessingComplete counts wrongly"
    ),
    "delivers-while-halting": Mutant(
        SOUND._replace(receiver=DeliversWhileHalting), "packets after Suspend"
    ),
    "hears-answers-only": Mutant(
        SOUND._replace(receiver=HearsAnswersOnly), "a packet that nobody asked for is dropped"
    ),
    "completes-during-started": Mutant(
        SOUND._replace(receiver=CompletesDuringStarted), "a completion arrives inside Started"
    ),
}


ALL_MUTANTS: Final = {**MUTANTS, **DEVICE_MUTANTS}
"""Those that any two ends show, and those that only a device does."""


def parts_of(name: str) -> Parts:
    """The parts of a mutant; of the sound endpoint for no name."""
    return ALL_MUTANTS[name].parts if name else SOUND
