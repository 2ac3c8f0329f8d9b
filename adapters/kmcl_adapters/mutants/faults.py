"""Defects in what follows a fault of the world: a crash, a broken packet, a signal that is empty
or comes for many."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Activity, Phase
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.reference.library.ring import Frame

from .mutant import Mutant

__all__ = ["MUTANTS"]


class _UnseenCrash(Channel):
    def is_unseen_by(self, peer: Channel) -> bool:
        raise NotImplementedError

    def crash(self) -> None:
        link = self.link
        if link is not None and self.is_unseen_by(link.peer(self)):
            self.link = None
        super().crash()
        self.link = link


class CrashWhilePausedUnnoticed(_UnseenCrash):
    def is_unseen_by(self, peer: Channel) -> bool:
        return peer.paused and peer.phase == Phase.OPEN


class CrashWhileOpeningUnnoticed(_UnseenCrash):
    def is_unseen_by(self, peer: Channel) -> bool:
        return peer.phase == Phase.OPENING


class CrashWhileStartingUnnoticed(_UnseenCrash):
    def is_unseen_by(self, peer: Channel) -> bool:
        return peer.activity == Activity.STARTING


class CrashStrandsPause(Channel):
    def crash(self) -> None:
        if self.link is not None:
            self.link.peer(self).pause_waits.clear()
        super().crash()


class CrashStrandsSentPackets(Channel):
    def crash(self) -> None:
        if self.link is not None:
            self.link.peer(self).sent.clear()
        super().crash()


class SpuriousSignalIgnoresQuota(Channel):
    def signal_nothing(self) -> None:
        quota, self.quota = self.quota, None
        self.receiver.blocked = False
        self.receiver.step()
        self.quota = quota
        super().signal_nothing()


class SpuriousSignalIgnoresPause(Channel):
    def signal_nothing(self) -> None:
        ring = self.incoming
        if ring is not None and self.phase == Phase.OPEN and self.activity == Activity.STOPPED:
            frame = ring.take(packets=not self.receiver.busy, answers=False)
            if frame is not None:
                self.receiver.take(frame)
        super().signal_nothing()


class SpuriousSignalReported(Channel):
    def signal_nothing(self) -> None:
        super().signal_nothing()
        receiver, ring, report = self.receiver, self.incoming, self.processing_complete
        resting = self.activity == Activity.RUNNING and not (receiver.busy or receiver.batch)
        if resting and report is not None and ring is not None and not ring.frames:
            receiver.busy = True
            report(self, 0, receiver.irql(), receiver.handled)


class MalformedForgetsSentPackets(Receiver):
    def broken(self) -> None:
        super().broken()
        self.channel.sent.clear()


class MalformedTakesNextPacket(Receiver):
    skips = False

    def broken(self) -> None:
        self.skips = True

    def deliver(self, frame: Frame) -> None:
        if self.skips:
            self.skips = False
        else:
            super().deliver(frame)


class OnePacketPerSignal(Receiver):
    signals = 0
    of: object = None

    def signal(self) -> None:
        if self.of is not self.channel.incoming:
            self.of, self.signals = self.channel.incoming, 0
        self.signals += 1
        super().signal()

    def step(self) -> None:
        ring = self.channel.incoming
        before = len(ring.frames) if ring is not None else 0
        if before and not self.signals:
            return
        super().step()
        if ring is not None and len(ring.frames) < before:
            self.signals -= 1


_M = Mutant
MUTANTS: Final = (
    _M(
        "crash-while-paused-unnoticed",
        "lifecycle",
        "the end of the peer is found out by the incoming queue, which a paused channel has not",
        CrashWhilePausedUnnoticed,
    ),
    _M(
        "crash-while-opening-unnoticed",
        "lifecycle",
        "the close of a channel whose Opened is still running is taken for one of before",
        CrashWhileOpeningUnnoticed,
    ),
    _M(
        "crash-while-starting-unnoticed",
        "lifecycle",
        "the close is dropped while the queue is neither stopped nor running",
        CrashWhileStartingUnnoticed,
    ),
    _M(
        "crash-strands-pause",
        "blocking",
        "the close path takes the waiting Pause off its list and does not let it return",
        CrashStrandsPause,
    ),
    _M(
        "crash-strands-sent-packets",
        "cancellation",
        "the table of transactions is thought to be in the memory that died with the peer",
        CrashStrandsSentPackets,
    ),
    _M(
        "spurious-signal-ignores-quota",
        "flow control",
        "every signal starts the queue, whatever had stopped it",
        SpuriousSignalIgnoresQuota,
    ),
    _M(
        "spurious-signal-ignores-pause",
        "flow control",
        "the interrupt masks of a paused ring are cleared, but nobody asks for the reason",
        SpuriousSignalIgnoresPause,
    ),
    _M(
        "spurious-signal-reported",
        "batching",
        "the end of a batch is reported for each signal, with or without packets",
        SpuriousSignalReported,
    ),
    _M(
        "malformed-forgets-sent-packets",
        "cancellation",
        "a broken packet resets the ring and with it the table of transactions",
        MalformedForgetsSentPackets,
    ),
    _M(
        "malformed-takes-next-packet",
        "flow control",
        "skipping a broken packet goes by a length that covers the next one as well",
        MalformedTakesNextPacket,
    ),
    _M(
        "one-packet-per-signal",
        "flow control",
        "each interrupt takes one packet, as if there were an interrupt for each",
        OnePacketPerSignal,
    ),
)
