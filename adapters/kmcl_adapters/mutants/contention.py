"""Defects that show only when two threads call at the same time."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Activity, Lifecycle, Phase
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_adapters.reference.library.ring import Ring
from kmcl_model.api import STARTED

from .mutant import Mutant

__all__ = ["MUTANTS"]


class StartDuringDrainStrandsPause(Channel):
    def unpause(self) -> None:
        if self.activity == Activity.DRAINING:
            self.pause_waits.clear()
        super().unpause()


class StartDuringDrainSkipsStarted(Channel):
    def unpause(self) -> None:
        if self.activity == Activity.DRAINING and not self.lifecycle.calling:
            self.activity = Activity.RUNNING
            self.stop_wanted = False
            self.release(self.pause_waits)
        super().unpause()


class StartDuringSuspendOverlaps(Channel):
    def unpause(self) -> None:
        lifecycle = self.lifecycle
        overlaps = self.activity == Activity.DRAINING and lifecycle.calling
        super().unpause()
        if overlaps:
            lifecycle.call(STARTED, lifecycle.nothing)


class LateTeardownUndoesEnable(Lifecycle):
    late = False

    def closed(self, status: int) -> None:
        super().closed(status)
        self.late = self.channel.is_disabled()
        if self.late:
            self.wake()

    def step(self) -> None:
        if self.late and not self.calling:
            self.late = False
            if self.channel.phase == Phase.ENABLED:
                self.channel.phase = Phase.DISABLED
        super().step()


class LateSignalStopsQueue(Receiver):
    late: Ring | None = None

    def signal(self) -> None:
        if not self.queued:
            self.late = self.channel.incoming
        super().signal()

    def step(self) -> None:
        late, self.late = self.late, None
        if late is not None and self.channel.incoming not in (None, late):
            self.failed = True
        super().step()


_M = Mutant
MUTANTS: Final = (
    _M(
        "start-during-drain-strands-pause",
        "blocking",
        "Start takes the request for a pause back and nobody wakes the thread that waits for it",
        StartDuringDrainStrandsPause,
    ),
    _M(
        "start-during-drain-skips-started",
        "callback order",
        "Start finds the channel not yet paused and just lets the queue run on after Suspend",
        StartDuringDrainSkipsStarted,
    ),
    _M(
        "start-during-suspend-overlaps",
        "callback order",
        "Start looks at the pause part alone and calls Started while Suspend is still running",
        StartDuringSuspendOverlaps,
    ),
    _M(
        "late-teardown-undoes-enable",
        "lifecycle",
        "the work that ends a session is queued when Closed returns and runs into the next one",
        LateTeardownUndoesEnable,
    ),
    _M(
        "late-signal-stops-queue",
        "flow control",
        "work queued by a signal runs when the channel is open again, finds another ring, and takes"
        " it for a broken one",
        LateSignalStopsQueue,
    ),
)
