"""What is known of hosts, as bytes."""

from __future__ import annotations

import struct

import pytest

from kmcl_adapters.uio.peers import PEERS, DynamicMemory, Unknown, peer

HOST = DynamicMemory()


def message(kind: int, number: int, body: bytes) -> bytes:
    return struct.pack("<HHI", kind, 8 + len(body), number) + body


def test_a_class_has_its_host() -> None:
    assert isinstance(peer("525074dc-8985-46e2-8057-a307dc18a502"), DynamicMemory)
    assert isinstance(peer("34d14be3-dee4-41c8-9ae7-6b174977c192"), Unknown)
    assert [make().name for make in PEERS.values()] == list(PEERS)


def test_the_introduction_comes_in_order() -> None:
    names: list[str] = []
    for provocation in HOST.provocations():
        assert set(provocation.after) <= set(names)
        assert len(provocation.payload) % 8 == 0
        _, size, number = struct.unpack_from("<HHI", provocation.payload)
        assert (size, number) == (len(provocation.payload), len(names) + 1)
        names.append(provocation.name)
    assert names == ["version 9.9", "version 2.0", "capabilities", "status report"]


@pytest.mark.parametrize(
    ("place", "answer", "says"),
    [
        (0, message(2, 1, struct.pack("<Q", 0)), ""),
        (0, message(2, 1, struct.pack("<Q", 1)), "accepted"),
        (1, message(2, 2, struct.pack("<Q", 1)), ""),
        (1, message(2, 2, struct.pack("<Q", 0)), "refused"),
        (1, message(2, 1, struct.pack("<Q", 1)), "transaction 1 instead of 2"),
        (1, message(4, 2, struct.pack("<Q", 1)), "a capabilities response instead"),
        (1, b"", "a packet of another kind instead"),
        (2, message(4, 3, struct.pack("<Q", 5)), ""),
        (2, message(4, 3, struct.pack("<Q", 0)), "refused"),
        (2, message(2, 3, struct.pack("<Q", 1)), "a version response instead"),
    ],
)
def test_the_answers_it_owes(place: int, answer: bytes, says: str) -> None:
    owes = HOST.provocations()[place].owes
    assert owes is not None
    assert owes(answer) == says


def test_no_page_is_ever_given_away() -> None:
    request = message(6, 77, struct.pack("<II", 512, 0))

    assert HOST.recognise(request) == "balloon request"
    assert HOST.reply(request) == message(7, 77, bytes(8))


def test_only_the_last_part_of_an_unballoon_request_is_answered() -> None:
    more, last = (message(8, 5, struct.pack("<IIQ", flag, 1, 0)) for flag in (1, 0))

    assert HOST.reply(more) is None
    assert HOST.reply(last) == message(9, 5, b"")


@pytest.mark.parametrize("packet", [b"", b"1234567", message(6, 1, b""), message(99, 1, bytes(16))])
def test_what_such_a_host_never_sends(packet: bytes) -> None:
    assert HOST.recognise(packet) == ""
    assert HOST.reply(packet) is None


def test_of_an_unknown_host_nothing_is_expected() -> None:
    assert Unknown().provocations() == ()
    assert Unknown().reply(b"12345678") is None
