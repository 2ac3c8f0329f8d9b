"""Defects of the driver for programs."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.guest.channels import Channel
from kmcl_adapters.guest.driver import Driver
from kmcl_adapters.guest.machine import Thread

from .mutant import GuestMutant

__all__ = ["MUTANTS"]


class OpensAgain(Driver):
    def open(self, channel: Channel) -> Thread:
        count = channel.descriptors
        channel.descriptors = 0
        error = yield from super().open(channel)
        channel.descriptors += count
        return error


class LockKeptOnError(Driver):
    def open(self, channel: Channel) -> Thread:
        error = yield from super().open(channel)
        channel.busy = channel.busy or (bool(error) and not channel.rescinded)
        return error


class FirstCloseCloses(Driver):
    def close(self, channel: Channel) -> Thread:
        if not channel.rescinded:
            yield from self.kernel.links.close(channel)
        channel.descriptors -= 1
        return 0


class ReopenFails(Driver):
    """The state of the channel stays ``opened`` after the first close."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.used: set[int] = set()

    def open(self, channel: Channel) -> Thread:
        if id(channel) in self.used and not channel.descriptors and channel.bound:
            yield None
            return 22
        self.used.add(id(channel))
        return (yield from super().open(channel))


class UnbindKeepsBuffer(Driver):
    def unbind(self, channel: Channel) -> Thread:
        channel.buffers = channel.buffers[:1]
        return (yield from super().unbind(channel))


class FailedBindKeepsBuffer(Driver):
    def bind(self, channel: Channel) -> Thread:
        kept = yield from super().bind(channel)
        return kept

    def give_back(self, channel: Channel) -> Thread:
        if channel.bound:
            yield from super().give_back(channel)
        else:
            channel.buffers.clear()
            yield None


class SignalsWhenGone(Driver):
    def close(self, channel: Channel) -> Thread:
        error = yield from super().close(channel)
        self.kernel.machine.signal(channel.relid)
        return error


class SubchannelOpenedAtOnce(Driver):
    def subchannel(self, channel: Channel) -> Thread:
        yield from channel.lock()
        if not channel.is_open:
            yield from self.kernel.links.open(channel)
        channel.unlock()


_M = GuestMutant
MUTANTS: Final = (
    _M("opens-again", "every descriptor opens the channel", "V024", OpensAgain),
    _M("lock-kept-on-error", "an error path leaves a mutex locked", "V033", LockKeptOnError),
    _M("first-close-closes", "descriptors are not counted", "V027", FirstCloseCloses),
    _M(
        "reopen-fails",
        "the channel's state stays opened after unbinding with an open descriptor",
        "V032",
        ReopenFails,
    ),
    _M("unbind-keeps-buffer", "one of two buffers is leaked", "V034", UnbindKeepsBuffer),
    _M(
        "failed-bind-keeps-buffer",
        "the error path of bind leaks the first buffer",
        "V034",
        FailedBindKeepsBuffer,
    ),
    _M("signals-when-gone", "a last interrupt after the close", "V036", SignalsWhenGone),
    _M(
        "subchannel-opened-at-once",
        "subchannels are opened without their primary",
        "V057",
        SubchannelOpenedAtOnce,
    ),
)
