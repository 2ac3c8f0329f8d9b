"""Defects of GPADLs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kmcl_adapters.control import Field
from kmcl_adapters.guest.channels import Channel
from kmcl_adapters.guest.driver import SEND_PAGES
from kmcl_adapters.guest.gpadls import FIRST, Gpadls
from kmcl_adapters.guest.machine import Machine, Thread
from kmcl_adapters.guest.requests import Wire

from .mutant import GuestMutant

__all__ = ["MUTANTS"]


class IdReusedBeforeTorndown(Gpadls):
    def tear_down(self, channel: Channel, number: int) -> Thread:
        self.free = [*getattr(self, "free", []), number]
        yield from super().tear_down(channel, number)

    def new_id(self) -> int:
        free: list[int] = getattr(self, "free", [])
        return free.pop() if free else super().new_id()


class IdsOfEachChannel(Gpadls):
    def establish(self, channel: Channel, pages: int) -> Thread:
        self.next = FIRST + len(channel.buffers)
        return (yield from super().establish(channel, pages))


class LastFragmentLost(Gpadls):
    def fragments(self, pages: int) -> Iterator[int]:
        every = list(super().fragments(pages))
        yield from every[:-1] if len(every) > 1 else every


class FragmentTooMany(Gpadls):
    def fragments(self, pages: int) -> Iterator[int]:
        yield from super().fragments(pages)
        yield 1


class FragmentTooLarge(Gpadls):
    def fragments(self, pages: int) -> Iterator[int]:
        every = list(super().fragments(pages))
        if len(every) > 1:
            every[0], every[1] = every[0] + 2, every[1] - 2
        yield from every


class RangeTooShort(Wire):
    def post(self, message: str, **fields: Field) -> None:
        if message == "GPADL_HEADER":
            fields["byte_count"] = int(fields["byte_count"]) - 4096
        super().post(message, **fields)


class TeardownOfAnotherChannel(Wire):
    """The channel that had the first GPADL is named for all."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.first: Field = 0

    def post(self, message: str, **fields: Field) -> None:
        if message == "GPADL_HEADER":
            self.first = self.first or fields["child_relid"]
        if message == "GPADL_TEARDOWN":
            fields["child_relid"] = self.first
        super().post(message, **fields)


class TornDownTwice(Gpadls):
    def tear_down(self, channel: Channel, number: int) -> Thread:
        if not channel.rescinded:
            self.kernel.wire.post("GPADL_TEARDOWN", child_relid=channel.relid, gpadl=number)
        yield from super().tear_down(channel, number)


class RefusedGpadlTornDown(Gpadls):
    def outcome(
        self, channel: Channel, number: int, answer: dict[str, Field] | None
    ) -> tuple[int, int]:
        if answer is not None and answer["creation_status"]:
            self.kernel.wire.post("GPADL_TEARDOWN", child_relid=channel.relid, gpadl=number)
        return super().outcome(channel, number, answer)


class RefusedGpadlUsed(Gpadls):
    def outcome(
        self, channel: Channel, number: int, answer: dict[str, Field] | None
    ) -> tuple[int, int]:
        return super().outcome(channel, number, answer and {**answer, "creation_status": 0})


class BindDoesNotWait(Gpadls):
    def establish(self, channel: Channel, pages: int) -> Thread:
        if pages != SEND_PAGES:
            return (yield from super().establish(channel, pages))
        begun = super().establish(channel, pages)
        condition = next(begun)

        def rest() -> Thread:
            yield condition
            yield from begun

        self.kernel.machine.start(rest())
        yield None
        return self.next - 1, 0


_M = GuestMutant
MUTANTS: Final = (
    _M(
        "id-reused-before-torndown",
        "the id is free again when the teardown is sent",
        "V038",
        IdReusedBeforeTorndown,
    ),
    _M(
        "ids-of-each-channel",
        "ids are counted for each channel, though answers carry no relid",
        "V037",
        IdsOfEachChannel,
    ),
    _M("last-fragment-lost", "an off-by-one in the number of bodies", "V042", LastFragmentLost),
    _M("fragment-too-many", "a body for a remainder of nothing", "V041", FragmentTooMany),
    _M(
        "fragment-too-large",
        "the size of a header is forgotten in the maximum",
        "V040",
        FragmentTooLarge,
    ),
    _M("range-too-short", "the header page of a ring is not counted", "V039", RangeTooShort),
    _M(
        "teardown-of-another-channel",
        "the primary's relid in the teardown of another channel's buffer",
        "V044",
        TeardownOfAnotherChannel,
    ),
    _M("torn-down-twice", "both close and free tear down", "V045", TornDownTwice),
    _M(
        "refused-gpadl-torn-down",
        "the error path cleans up what does not exist",
        "V043",
        RefusedGpadlTornDown,
    ),
    _M(
        "refused-gpadl-used",
        "the status of the creation is not looked at",
        "V025",
        RefusedGpadlUsed,
    ),
    _M(
        "bind-does-not-wait", "the probe ends before its buffers are there", "V060", BindDoesNotWait
    ),
)
