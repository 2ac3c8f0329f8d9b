"""GPADLs of the reference guest: made in fragments, given back in one message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from kmcl_model.control import PAGE, PFNS_IN_BODY, PFNS_IN_HEADER, RANGE_HEADER

from .channels import Channel
from .machine import Thread

if TYPE_CHECKING:
    from .kernel import Kernel

__all__ = ["EDQUOT", "ENODEV", "FIRST", "Gpadls"]

EDQUOT: Final = 122
ENODEV: Final = 19
FIRST: Final = 0xE1E10
PFN: Final = 8


class Gpadls:
    """Hands out ids, one after the other over all channels."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.next = FIRST

    def new_id(self) -> int:
        """An id that was never used on this connection."""
        self.next += 1
        return self.next - 1

    def fragments(self, pages: int) -> Iterator[int]:
        """How many pages each GPADL_BODY carries, after what fits into the header."""
        left = pages - PFNS_IN_HEADER
        while left > 0:
            yield min(left, PFNS_IN_BODY)
            left -= PFNS_IN_BODY

    def establish(self, channel: Channel, pages: int) -> Thread:
        """Make a GPADL of so many pages; gives its id and an errno."""
        if channel.rescinded:
            return 0, self.kernel.habits.errors[2]
        number = self.new_id()
        request = self.kernel.requests.begin(
            "GPADL_HEADER",
            channel,
            child_relid=channel.relid,
            gpadl=number,
            range_buflen=RANGE_HEADER + PFN * pages,
            rangecount=1,
            byte_count=pages * PAGE,
            byte_offset=0,
            pfns=min(pages, PFNS_IN_HEADER),
            repeated=0,
        )
        for place, pfns in enumerate(self.fragments(pages), start=1):
            yield None
            order = place if self.kernel.habits.counts_bodies else 0
            self.kernel.wire.post(
                "GPADL_BODY", msgnumber=order, gpadl=number, pfns=pfns, repeated=0
            )
        yield from self.kernel.requests.wait(request)
        return self.outcome(channel, number, request.answer)

    def outcome(
        self, channel: Channel, number: int, answer: dict[str, int | str | bool] | None
    ) -> tuple[int, int]:
        """The id and the errno that an answer means."""
        if answer is not None and answer["creation_status"]:
            return 0, self.kernel.habits.errors[0]
        return (0, self.kernel.habits.errors[2]) if channel.rescinded else (number, 0)

    def tear_down(self, channel: Channel, number: int) -> Thread:
        """Give a GPADL back, and wait until the host has let go of its pages."""
        if channel.rescinded:
            return
        request = self.kernel.requests.begin(
            "GPADL_TEARDOWN", channel, child_relid=channel.relid, gpadl=number
        )
        yield from self.kernel.requests.wait(request)
