"""Defects of opening, closing and moving channels."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.control import Field
from kmcl_adapters.guest.channels import Channel
from kmcl_adapters.guest.connection import Connection
from kmcl_adapters.guest.gpadls import ENODEV
from kmcl_adapters.guest.links import Links
from kmcl_adapters.guest.machine import Thread
from kmcl_adapters.guest.requests import Wire

from .mutant import GuestMutant

__all__ = ["MUTANTS"]


class ResultIgnored(Links):
    def refused(self, channel: Channel) -> Thread:
        yield None
        channel.is_open = True

    def open(self, channel: Channel) -> Thread:
        error = yield from super().open(channel)
        return 0 if channel.is_open else error


class OpensAfterRelease(Links):
    """An open that was cut off by a rescind is tried once more."""

    def open(self, channel: Channel) -> Thread:
        error = yield from super().open(channel)
        if error == ENODEV:
            channel.unlock()
            yield lambda: channel.released
            self.kernel.wire.post(
                "OPENCHANNEL",
                child_relid=channel.relid,
                openid=channel.relid,
                ringbuffer_gpadlhandle=channel.ring,
                target_vp=0,
                downstream_ringbuffer_pageoffset=1,
            )
        return error


class RingKeptWhenRefused(Links):
    def refused(self, channel: Channel) -> Thread:
        yield None


class ClosesWithoutSaying(Links):
    def say_closed(self, channel: Channel) -> None:
        channel.is_open = False


class ClosesWithoutTeardown(Links):
    def close_one(self, channel: Channel) -> Thread:
        self.say_closed(channel)
        yield None


class TeardownBeforeClose(Links):
    def close_one(self, channel: Channel) -> Thread:
        yield from self.kernel.gpadls.tear_down(channel, channel.ring)
        self.say_closed(channel)


class CloseDoesNotWait(Links):
    def close_one(self, channel: Channel) -> Thread:
        self.say_closed(channel)
        yield None
        self.kernel.wire.post("GPADL_TEARDOWN", child_relid=channel.relid, gpadl=channel.ring)


class PrimaryClosedFirst(Links):
    def close(self, channel: Channel) -> Thread:
        self.say_closed(channel)
        for subchannel in list(channel.subchannels):
            if subchannel.is_open:
                yield from self.close_one(subchannel)
        yield from self.kernel.gpadls.tear_down(channel, channel.ring)


class RingsOverlap(Wire):
    def post(self, message: str, **fields: Field) -> None:
        if message == "OPENCHANNEL":
            fields["downstream_ringbuffer_pageoffset"] = 0
        super().post(message, **fields)


class MoveDoesNotWait(Links):
    def move(self, channel: Channel, processor: int) -> Thread:
        yield None
        if channel.is_open and self.kernel.connection.knows_modify():
            self.kernel.wire.post("MODIFYCHANNEL", child_relid=channel.relid, target_vp=processor)
        return 0


class MovesInAnyVersion(Connection):
    def knows_modify(self) -> bool:
        return True


_M = GuestMutant
MUTANTS: Final = (
    _M("result-ignored", "the status of the open is not looked at", "V031", ResultIgnored),
    _M(
        "opens-after-release",
        "an open that a rescind has cut off is tried again",
        "V022",
        OpensAfterRelease,
    ),
    _M("ring-kept-when-refused", "the error path forgets the ring", "V030", RingKeptWhenRefused),
    _M("closes-without-saying", "the host is not told", "V029", ClosesWithoutSaying),
    _M("closes-without-teardown", "the ring stays shared", "V028", ClosesWithoutTeardown),
    _M(
        "teardown-before-close",
        "the ring is taken away under the host",
        "V029",
        TeardownBeforeClose,
    ),
    _M(
        "close-does-not-wait",
        "the ring is freed while the host may touch it",
        "V035",
        CloseDoesNotWait,
    ),
    _M("primary-closed-first", "the order of closing is turned", "V058", PrimaryClosedFirst),
    _M("rings-overlap", "the offset of the second ring is not set", "V026", RingsOverlap),
    _M("move-does-not-wait", "the answer of 5.3 is not awaited", "V056", MoveDoesNotWait),
    _M("moves-in-any-version", "the version is not looked at", "V055", MovesInAnyVersion),
)
