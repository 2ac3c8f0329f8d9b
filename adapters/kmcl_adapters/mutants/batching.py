"""Defects of batching: what ProcessingComplete counts, and when it comes."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.lifecycle import Activity, Lifecycle, Phase
from kmcl_adapters.reference.library.packet import Then
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.reference.library.ring import ANSWER, Frame
from kmcl_model.api import STARTED

from .mutant import Mutant

__all__ = ["MUTANTS"]


class BatchCountsCompletions(Receiver):
    def take(self, frame: Frame) -> None:
        if frame.kind == ANSWER and self.batch:
            self.count()
        super().take(frame)


class BatchCountsOutstanding(Receiver):
    def report(self) -> bool:
        if self.batch:
            self.batch = max(self.channel.outstanding, 1)
        return super().report()


class SecondBatchPacketHidesReport(Receiver):
    def handled(self, status: int) -> None:
        ring = self.channel.incoming
        if self.batch > 1 and ring is not None and not ring.frames:
            self.batch = 0
        super().handled(status)


class EmptyBatchReported(Receiver):
    def report_due(self, waiting: int) -> bool:
        if super().report_due(waiting):
            return True
        return not waiting and not self.busy and self.channel.activity == Activity.RUNNING

    def report(self) -> bool:
        handler = self.channel.processing_complete
        if self.batch or handler is None:
            return super().report()
        handler(self.channel, 0, self.irql(), self.nothing)
        return True

    def nothing(self, _: int) -> None:
        """The handler has returned."""


class BatchCarriedOverPause(Receiver):
    carried = 0

    def report_before_suspend(self) -> bool:
        self.carried = self.carried or self.batch
        return super().report_before_suspend()

    def report(self) -> bool:
        if self.channel.activity == Activity.RUNNING and self.batch:
            self.batch += self.carried
            self.carried = 0
        return super().report()


class BatchReportedAfterPause(Receiver):
    def report_before_suspend(self) -> bool:
        return False

    def report_after_suspend(self) -> bool:
        return False

    def report_due(self, waiting: int) -> bool:
        stopped = self.channel.activity == Activity.STOPPED and self.batch > 0 and not self.busy
        return stopped or super().report_due(waiting)


class SinglePacketNotReported(Receiver):
    def report(self) -> bool:
        if self.batch == 1:
            self.batch = 0
            return False
        return super().report()


class BatchCountStopsAtTwo(Receiver):
    def count(self) -> None:
        self.batch = min(self.batch + 1, 2)


class BatchCountNotReset(Receiver):
    total = 0

    def count(self) -> None:
        super().count()
        self.total += 1

    def report(self) -> bool:
        if self.batch:
            self.batch = self.total
        return super().report()

    def reset(self) -> None:
        self.total = 0
        super().reset()


class BatchReportedInStarted(Lifecycle):
    left = 0

    def stop(self) -> bool:
        receiver = self.channel.receiver
        if self.channel.phase == Phase.OPEN and self.handlers_idle():
            self.left += receiver.batch
            receiver.batch = 0
        return super().stop()

    def call(self, callback: str, then: Then) -> bool:
        channel, again = self.channel, super().call(callback, then)
        if callback == STARTED and self.left and channel.processing_complete is not None:
            count, self.left = self.left, 0
            channel.processing_complete(channel, count, channel.receiver.irql(), self.nothing)
        return again


class NoReportHandlerStalls(Receiver):
    def report(self) -> bool:
        if self.channel.processing_complete is None:
            self.blocked = True
        return super().report()


_M = Mutant
MUTANTS: Final = (
    _M(
        "batch-counts-completions",
        "batching",
        "completion packets in the ring are counted as packets of the batch",
        BatchCountsCompletions,
    ),
    _M(
        "batch-counts-outstanding",
        "batching",
        "the packets still outstanding are reported instead of those delivered",
        BatchCountsOutstanding,
    ),
    _M(
        "second-batch-packet-hides-report",
        "batching",
        "a batch of several packets whose last one empties the ring is not reported",
        SecondBatchPacketHidesReport,
    ),
    _M(
        "empty-batch-reported",
        "batching",
        "every signal ends with ProcessingComplete, whether anything was delivered or not",
        EmptyBatchReported,
    ),
    _M(
        "batch-carried-over-pause",
        "batching",
        "what was reported before a pause is counted again after it",
        BatchCarriedOverPause,
    ),
    _M(
        "batch-reported-after-pause",
        "batching",
        "a batch cut short by a pause is reported by a work item that nobody waits for",
        BatchReportedAfterPause,
    ),
    _M(
        "single-packet-not-reported",
        "batching",
        "a batch of one is thought not worth a report",
        SinglePacketNotReported,
    ),
    _M(
        "batch-count-stops-at-two",
        "batching",
        "the counter of the batch has too few bits",
        BatchCountStopsAtTwo,
    ),
    _M(
        "batch-count-not-reset",
        "batching",
        "the counter is set back at the open only, so a second batch reports the sum",
        BatchCountNotReset,
    ),
    _M(
        "batch-reported-in-started",
        "batching",
        "a batch that was cut short is reported when the queue is set up again",
        BatchReportedInStarted,
    ),
    _M(
        "queue-stalls-without-report-handler",
        "batching",
        "the queue goes on when the end of a batch was handled, and nobody handles it",
        NoReportHandlerStalls,
    ),
)
