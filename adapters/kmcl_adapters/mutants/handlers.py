"""Defects of how handlers are called: for which channel, at which level, and where none is."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.configuration import ProcessPacketHandler
from kmcl_adapters.reference.library.irql import DISPATCH
from kmcl_adapters.reference.library.lifecycle import Lifecycle
from kmcl_adapters.reference.library.packet import Received, Then
from kmcl_adapters.reference.library.receiver import Receiver
from kmcl_model.api import CLOSED, OPENED, POST_STARTED, STARTED, SUSPEND
from kmcl_model.status import STATUS_UNSUCCESSFUL

from .mutant import Mutant

__all__ = ["MUTANTS"]


def _other(channel: Channel) -> Channel:
    """The other end of an open channel."""
    return channel if channel.link is None else channel.link.peer(channel)


class _GivesOther(Lifecycle):
    """Gives one handler the other end's handle."""

    callback: str
    due = ""

    def call(self, callback: str, then: Then) -> bool:
        self.due = callback
        return super().call(callback, then)

    def post_start(self) -> bool:
        self.due = POST_STARTED
        return super().post_start()

    def handle(self) -> Channel:
        return _other(self.channel) if self.due == self.callback else self.channel


class OpenedForOtherEnd(_GivesOther):
    callback = OPENED


class PostStartedForOtherEnd(_GivesOther):
    callback = POST_STARTED


class SuspendForOtherEnd(_GivesOther):
    callback = SUSPEND


class PacketForOtherEnd(Receiver):
    def indicate(self, handler: ProcessPacketHandler, received: Received) -> None:
        whose = _other(self.channel)
        handler(whose, received, received.buffer, 0, self.irql(), self.handled)


class BatchForOtherEnd(Receiver):
    def report(self) -> bool:
        count, self.batch = self.batch, 0
        handler = self.channel.processing_complete
        if handler is None or not count:
            return False
        self.busy = True
        handler(_other(self.channel), count, self.irql(), self.handled)
        return True


class PacketSaysExternalData(Receiver):
    def indicate(self, handler: ProcessPacketHandler, received: Received) -> None:
        long = len(received.buffer) > 64
        handler(self.channel, received, received.buffer, int(long), self.irql(), self.handled)


class BatchAboveDispatch(Receiver):
    level = DISPATCH

    def report(self) -> bool:
        self.level = DISPATCH + 1
        try:
            return super().report()
        finally:
            self.level = DISPATCH

    def irql(self) -> int:
        return self.level


class _Absent(Lifecycle):
    """Stops where one handler is missing."""

    callback: str

    def call(self, callback: str, then: Then) -> bool:
        if callback == self.callback and callback not in self.channel.state_handlers:
            return False
        return super().call(callback, then)


class AbsentStartedHangs(_Absent):
    callback = STARTED


class AbsentClosedHangs(_Absent):
    callback = CLOSED


class AbsentOpenedRejects(Lifecycle):
    def call(self, callback: str, then: Then) -> bool:
        if callback == OPENED and callback not in self.channel.state_handlers:
            then(STATUS_UNSUCCESSFUL)
            return True
        return super().call(callback, then)


class AbsentPostStartedHangs(Lifecycle):
    def post_start(self) -> bool:
        self.post_running = True
        return super().post_start()


class _AtDispatch(Lifecycle):
    """Calls one handler at DISPATCH_LEVEL."""

    callback: str

    def irql(self, callback: str) -> int:
        return DISPATCH if callback == self.callback else super().irql(callback)


class OpenedAtDispatch(_AtDispatch):
    callback = OPENED


class StartedAtDispatch(_AtDispatch):
    callback = STARTED


class PostStartedAtDispatch(_AtDispatch):
    callback = POST_STARTED


class SuspendAtDispatch(_AtDispatch):
    callback = SUSPEND


class ClosedAtDispatch(_AtDispatch):
    callback = CLOSED


_M = Mutant
MUTANTS: Final = (
    _M(
        "opened-for-other-end",
        "callback order",
        "Opened is called with the handle of the device at the other end of the bus",
        OpenedForOtherEnd,
    ),
    _M(
        "post-started-for-other-end",
        "callback order",
        "a work item is queued with the wrong one of two handles",
        PostStartedForOtherEnd,
    ),
    _M(
        "suspend-for-other-end",
        "callback order",
        "who closes is named in Suspend, not who is closed",
        SuspendForOtherEnd,
    ),
    _M(
        "packet-for-other-end",
        "callback order",
        "a packet is delivered with the handle of its sender",
        PacketForOtherEnd,
    ),
    _M(
        "batch-for-other-end",
        "batching",
        "the end of a batch is reported with the handle of its sender",
        BatchForOtherEnd,
    ),
    _M(
        "long-packet-says-external-data",
        "ownership",
        "a packet that was copied in two pieces is flagged as one with external data",
        PacketSaysExternalData,
    ),
    _M(
        "batch-above-dispatch",
        "batching",
        "the end of a batch is reported with the interrupt lock held",
        BatchAboveDispatch,
    ),
    _M(
        "absent-started-hangs-start",
        "blocking",
        "a channel without a Started handler waits for one to return",
        AbsentStartedHangs,
    ),
    _M(
        "absent-closed-hangs-close",
        "blocking",
        "a channel without a Closed handler waits for one to return",
        AbsentClosedHangs,
    ),
    _M(
        "absent-opened-rejects",
        "lifecycle",
        "a channel that nobody has accepted is taken for one that was rejected",
        AbsentOpenedRejects,
    ),
    _M(
        "absent-post-started-hangs-close",
        "blocking",
        "a count of running handlers goes up before it is known whether there is one",
        AbsentPostStartedHangs,
    ),
    _M(
        "opened-at-dispatch",
        "callback order",
        "the offer is accepted in the DPC that has read it, not in a work item",
        OpenedAtDispatch,
    ),
    _M(
        "started-at-dispatch",
        "callback order",
        "Started is called with the lock of the queue held",
        StartedAtDispatch,
    ),
    _M(
        "post-started-at-dispatch",
        "callback order",
        "the DPC that drains the ring calls PostStarted as well",
        PostStartedAtDispatch,
    ),
    _M(
        "suspend-at-dispatch",
        "callback order",
        "the last completion calls Suspend at the level of whoever completes",
        SuspendAtDispatch,
    ),
    _M(
        "closed-at-dispatch",
        "callback order",
        "a rescind is carried out in the DPC that has read it",
        ClosedAtDispatch,
    ),
)
