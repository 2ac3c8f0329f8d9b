"""Defects of flow control: the quota, the failed queue, the room in the ring."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Phase
from kmcl_adapters.reference.library.link import Link
from kmcl_adapters.reference.library.packet import Received
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.reference.library.ring import PACKET, PAGE, Frame, Ring
from kmcl_adapters.reference.library.sender import Sender

from .mutant import Mutant

__all__ = ["MUTANTS"]


class LiteralRing(Ring):
    def fits(self, frame: Frame, before: int = 0) -> bool:
        return self.used + before + frame.cost <= self.capacity


class PageCountTakenLiterally(Link):
    def lay(self, ring: type[Ring]) -> None:
        self.to_client = LiteralRing(self.client.incoming_pages * PAGE)
        self.to_server = LiteralRing(self.client.outgoing_pages * PAGE)


class QuotaOffByOne(Receiver):
    def at_quota(self, outstanding: int) -> bool:
        return super().at_quota(outstanding - 1)


class QuotaRaiseWakesQueue(Channel):
    def set_transaction_quota(self, quota: int) -> None:
        super().set_transaction_quota(quota)
        self.receiver.blocked = False
        self.receiver.wake()


class AnyCompletionResumes(Channel):
    def retire(self) -> None:
        super().retire()
        if self.receiver.blocked:
            self.quota = self.outstanding + 1
            self.receiver.blocked = False
            self.receiver.wake()


class QuotaIgnoredWhenLowered(Channel):
    def set_transaction_quota(self, quota: int) -> None:
        if quota < self.outstanding:
            quota = self.outstanding + 1
        super().set_transaction_quota(quota)


class QuotaWakesOnlyWhenEmpty(Channel):
    def retire(self) -> None:
        blocked = self.receiver.blocked
        super().retire()
        if blocked and self.outstanding and not self.receiver.blocked:
            self.receiver.blocked = True


class BlockedSurvivesReopen(Receiver):
    blocked_at_suspend = False
    stuck = False

    def report_before_suspend(self) -> bool:
        self.blocked_at_suspend = self.blocked
        return super().report_before_suspend()

    def reset(self) -> None:
        self.stuck = self.blocked_at_suspend
        super().reset()

    def within_quota(self, waiting: int) -> bool:
        return not self.stuck and super().within_quota(waiting)


class FailDoesNotStopQueue(Channel):
    def packet_fail(self, received: Received) -> None:
        super().packet_fail(received)
        self.receiver.failed = False


class FailedPacketDeliveredAgain(Channel):
    def packet_fail(self, received: Received) -> None:
        super().packet_fail(received)
        if self.incoming is not None:
            self.incoming.put(Frame(PACKET, received.buffer))
            self.receiver.failed = False
            self.receiver.wake()


class MalformedDelivered(Receiver):
    def broken(self) -> None:
        self.deliver(Frame(PACKET, b"\xff" * 64))


class RingSpaceLostWhenFull(Ring):
    def release(self, frame: Frame) -> None:
        if self.used * 4 <= self.capacity * 3:
            super().release(frame)


class NoWakeupWhenRoom(Sender):
    def room(self) -> None:
        """The signal is lost."""


class MaximalPacketRefused(Channel):
    def length_allowed(self, length: int) -> bool:
        return length != self.maximum_packet_size and super().length_allowed(length)


class QuotaOfOneStalls(Receiver):
    def at_quota(self, outstanding: int) -> bool:
        return self.channel.quota == 1 or super().at_quota(outstanding)


class FailedQueueRestartedByQuota(Channel):
    def set_transaction_quota(self, quota: int) -> None:
        super().set_transaction_quota(quota)
        self.receiver.failed = False
        self.receiver.wake()


class FailedQueueRestartedByCompletion(Channel):
    def packet_complete(self, received: Received, buffer: bytes | None) -> None:
        self.receiver.failed = False
        self.receiver.wake()
        super().packet_complete(received, buffer)


class FailedPacketKeepsQuota(Channel):
    failures = 0

    def packet_fail(self, received: Received) -> None:
        self.failures += 1
        super().packet_fail(received)

    def set_transaction_quota(self, quota: int) -> None:
        super().set_transaction_quota(quota - self.failures)


class QuotaSetOnPeer(Channel):
    def set_transaction_quota(self, quota: int) -> None:
        if self.link is not None and self.link.open:
            self.link.peer(self).quota = quota
        else:
            super().set_transaction_quota(quota)


class QuotaWhilePausedIgnored(Channel):
    def set_transaction_quota(self, quota: int) -> None:
        if not self.paused or self.phase != Phase.OPEN:
            super().set_transaction_quota(quota)


_M = Mutant
MUTANTS: Final = (
    _M(
        "quota-off-by-one",
        "flow control",
        "the quota is compared with 'greater than' where 'not less than' was meant",
        QuotaOffByOne,
    ),
    _M(
        "quota-raise-wakes-queue",
        "flow control",
        "raising the quota restarts a queue that only a completion may restart",
        QuotaRaiseWakesQueue,
    ),
    _M(
        "lowered-quota-ignored",
        "flow control",
        "a quota below the number outstanding is silently raised",
        QuotaIgnoredWhenLowered,
    ),
    _M(
        "any-completion-resumes",
        "flow control",
        "each completion lets one more packet in, even above a quota that was lowered",
        AnyCompletionResumes,
    ),
    _M(
        "quota-wakes-only-when-empty",
        "flow control",
        "a blocked queue goes on only after the last outstanding packet",
        QuotaWakesOnlyWhenEmpty,
    ),
    _M(
        "quota-of-one-stalls",
        "flow control",
        "with a quota of one no packet is ever delivered",
        QuotaOfOneStalls,
    ),
    _M(
        "blocked-survives-reopen",
        "flow control",
        "a queue blocked by quota at the close is blocked for ever after the reopen",
        BlockedSurvivesReopen,
    ),
    _M(
        "fail-does-not-stop-queue",
        "flow control",
        "VmbChannelPacketFail drops the packet and goes on with the next",
        FailDoesNotStopQueue,
    ),
    _M(
        "failed-packet-delivered-again",
        "flow control",
        "a failed packet goes back into the queue as if it had been put off",
        FailedPacketDeliveredAgain,
    ),
    _M(
        "malformed-delivered",
        "flow control",
        "the lengths in a descriptor are trusted, so that a broken packet reaches the driver",
        MalformedDelivered,
    ),
    _M(
        "ring-space-lost-when-full",
        "flow control",
        "the read index is not advanced past the wrap, so that a full ring stays full",
        RingSpaceLostWhenFull,
    ),
    _M(
        "no-wakeup-when-room",
        "flow control",
        "the signal that the ring has room again is lost",
        NoWakeupWhenRoom,
    ),
    _M(
        "maximal-packet-refused",
        "flow control",
        "the length is compared with 'not less than' where 'greater than' was meant",
        MaximalPacketRefused,
    ),
    _M(
        "page-count-taken-literally",
        "flow control",
        "a ring is laid out as asked for, although a maximal packet does not fit it",
        PageCountTakenLiterally,
    ),
    _M(
        "failed-queue-restarts-by-quota",
        "flow control",
        "a new quota starts every stopped queue, a failed one as well",
        FailedQueueRestartedByQuota,
    ),
    _M(
        "failed-queue-restarts-by-completion",
        "flow control",
        "a completion starts every stopped queue, a failed one as well",
        FailedQueueRestartedByCompletion,
    ),
    _M(
        "failed-packet-keeps-quota",
        "flow control",
        "a failed packet counts towards the quota for the rest of the channel's life",
        FailedPacketKeepsQuota,
    ),
    _M(
        "quota-set-on-peer",
        "flow control",
        "the quota of an open channel is set for the direction of its sends",
        QuotaSetOnPeer,
    ),
    _M(
        "quota-while-paused-ignored",
        "flow control",
        "a quota set during a pause is not kept for the next start",
        QuotaWhilePausedIgnored,
    ),
)
