"""GPADLs in pieces of every size: what is announced in the header is what counts."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from kmcl_adapters.host.channel import HostOffer
from kmcl_adapters.host.control import Status
from kmcl_adapters.host.gpadl import Range
from kmcl_adapters.host.machine import PAGE
from kmcl_adapters.host.messages import LAYOUTS, LONGEST
from kmcl_adapters.host.scripted import ScriptedGuest

INVALID = 0xC000000D
RANGE = 8
FRAME = 8
IN_HEADER = (LONGEST - LAYOUTS["GPADL_HEADER"].size - RANGE) // FRAME
IN_BODY = (LONGEST - LAYOUTS["GPADL_BODY"].size) // FRAME


def connected() -> ScriptedGuest:
    guest = ScriptedGuest()
    guest.host.offer(HostOffer())
    guest.connect()
    return guest


def frames(count: int) -> tuple[int, ...]:
    return tuple(8 + 7 * n % 480 for n in range(count))


def described(*lists: Sequence[int]) -> bytes:
    """Ranges of whole pages."""
    return b"".join(
        struct.pack(f"<II{len(one)}Q", len(one) * PAGE, 0, *one) for one in map(tuple, lists)
    )


def begin(
    guest: ScriptedGuest, piece: bytes, length: int, *, handle: int = 5, ranges: int = 1
) -> int:
    head = {"child_relid": 1, "gpadl": handle, "range_buflen": length, "rangecount": ranges}
    return guest.post("GPADL_HEADER", rest=piece, **head)


def go_on(guest: ScriptedGuest, piece: bytes, handle: int = 5) -> int:
    return guest.post("GPADL_BODY", rest=piece, msgnumber=0, gpadl=handle)


def statuses(guest: ScriptedGuest) -> list[int]:
    """Of the creations that are answered."""
    read = guest.read_all()
    assert {message.name for message in read} <= {"GPADL_CREATED"}
    return [message.fields["creation_status"] for message in read]


def whole(guest: ScriptedGuest, handle: int = 5) -> tuple[Range, ...]:
    return guest.host.gpadls.complete[handle].ranges


def ignored(guest: ScriptedGuest) -> str:
    """Why the last message was."""
    last = guest.host.trace.since(-1)[0]
    assert last.name == "IGNORED"
    return last.note


def test_the_largest_pieces_are_those_of_linux() -> None:
    assert (IN_HEADER, IN_BODY) == (26, 28)


SPLITS = {
    "all in the header": (3,),
    "a header that is exactly full": (IN_HEADER,),
    "one in each": (1,) * 12,
    "none in the header, one in each body": (0,) + (1,) * 5,
    "uneven": (5, 1, 27, 2, 28, 3),
    "growing": tuple(range(8)),
    "exactly full": (IN_HEADER, IN_BODY, IN_BODY),
    "one more than the header takes": (IN_HEADER, 1),
    "one more than the first body takes": (IN_HEADER, IN_BODY, 1),
    "empty pieces between": (2, 0, 0, 3, 0, 1),
}
"""Page frames in the header, and in each body."""


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_a_gpadl_comes_in_pieces_of_any_number_of_frames(split: tuple[int, ...]) -> None:
    guest = connected()
    wanted = frames(sum(split))
    data = described(wanted)
    ends = [RANGE + FRAME * sum(split[: n + 1]) for n in range(len(split))]
    pieces = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    assert begin(guest, pieces[0], len(data)) == Status.SUCCESS
    for piece in pieces[1:]:
        assert statuses(guest) == []
        assert go_on(guest, piece) == Status.SUCCESS
    assert statuses(guest) == [0]
    assert whole(guest) == (Range(len(wanted) * PAGE, 0, wanted),)


@pytest.mark.parametrize("step", [1, 3, 7, 9, 13])
def test_a_piece_may_end_inside_a_frame_or_a_range(step: int) -> None:
    guest = connected()
    lists = frames(3), frames(1), frames(4)
    data = described(*lists)
    begin(guest, data[:step], len(data), ranges=3)
    for place in range(step, len(data), step):
        assert statuses(guest) == []
        go_on(guest, data[place : place + step])

    assert statuses(guest) == [0]
    assert whole(guest) == tuple(Range(len(one) * PAGE, 0, one) for one in lists)


def test_pieces_of_two_gpadls_come_in_turn() -> None:
    guest = connected()
    first, second = frames(4), frames(5)[1:]
    data = {5: described(first), 6: described(second)}
    for handle in data:
        begin(guest, data[handle][:16], len(data[handle]), handle=handle)
    for place in range(16, 40, 8):
        assert statuses(guest) == []
        for handle in data:
            go_on(guest, data[handle][place : place + 8], handle)

    assert statuses(guest) == [0, 0]
    assert [whole(guest, handle)[0].frames for handle in data] == [first, second]


def test_an_empty_last_piece_ends_nothing() -> None:
    guest = connected()
    data = described(frames(4))
    begin(guest, data[:24], len(data))
    go_on(guest, b"")
    assert (statuses(guest), guest.host.gpadls.complete) == ([], {})
    go_on(guest, data[24:])
    assert statuses(guest) == [0]


@pytest.mark.parametrize("piece", [b"", bytes(8)], ids=["empty", "a frame"])
def test_a_piece_of_what_is_complete_is_refused(piece: bytes) -> None:
    guest = connected()
    data = described(frames(2))
    begin(guest, data, len(data))
    assert statuses(guest) == [0]
    go_on(guest, piece)

    assert ignored(guest) == "GPADL 5 waits for no body"
    assert (statuses(guest), whole(guest)[0].frames) == ([], frames(2))


def test_a_piece_before_the_header_is_refused() -> None:
    guest = connected()
    go_on(guest, described(frames(2)))

    assert ignored(guest) == "GPADL 5 waits for no body"
    assert (statuses(guest), guest.host.gpadls.complete) == ([], {})


def test_a_last_piece_is_not_read_beyond_what_was_announced() -> None:
    """What is too much of it names no page, also where it looks like one."""
    guest = connected()
    data = described(frames(4))
    begin(guest, data[:24], len(data))
    go_on(guest, data[24:] + struct.pack("<2Q", 20, 1 << 40))

    assert statuses(guest) == [0]
    assert whole(guest) == (Range(4 * PAGE, 0, frames(4)),)


@pytest.mark.parametrize("more", [1, FRAME])
def test_a_piece_that_no_message_holds_is_refused_by_the_hypercall(more: int) -> None:
    """And the GPADL waits for it as before."""
    guest = connected()
    wanted = frames(IN_HEADER + IN_BODY)
    data = described(wanted)
    cut = RANGE + FRAME * IN_HEADER
    begin(guest, data[:cut], len(data))
    assert go_on(guest, data[cut:] + bytes(more)) == Status.INVALID_PARAMETER
    assert (statuses(guest), guest.host.gpadls.complete) == ([], {})
    go_on(guest, data[cut:])

    assert statuses(guest) == [0]
    assert whole(guest)[0].frames == wanted


@pytest.mark.parametrize("too_much", [False, True], ids=["as announced", "more than announced"])
@pytest.mark.parametrize("short", [1, FRAME, 3 * FRAME, 4 * FRAME + 1])
def test_fewer_bytes_than_its_range_needs_make_no_gpadl(short: int, too_much: bool) -> None:
    """What was announced counts, also where the last piece brings what is missing of the range."""
    guest = connected()
    data = described(frames(4))
    length = len(data) - short
    begin(guest, data[:5], length)
    go_on(guest, data[5:] if too_much else data[5:length])

    assert statuses(guest) == [INVALID]
    assert guest.host.gpadls.complete == {}
