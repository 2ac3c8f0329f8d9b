"""Layouts, memory, hostile guests, monitored channels, saved states, and raw packets."""

import struct

import pytest

from kmcl_adapters.host import gpadl
from kmcl_adapters.host.channel import HostChannel, HostOffer, State, Unfit, rings_of
from kmcl_adapters.host.control import Status
from kmcl_adapters.host.gpadl import Gpadl, Range
from kmcl_adapters.host.machine import PAGE
from kmcl_adapters.host.memory import Scattered, piece
from kmcl_adapters.host.messages import LAYOUTS, Unreadable, decode, encode
from kmcl_adapters.host.raw import RawEnd
from kmcl_adapters.host.scripted import ScriptedGuest, ScriptedMachine
from kmcl_adapters.host.trace import Trace
from kmcl_adapters.uio.atomics import Atomics
from kmcl_adapters.uio.descriptor import COMPLETION_REQUESTED, FROM_HOST, Kind, RingError
from kmcl_adapters.uio.descriptor import encode as packet
from kmcl_adapters.uio.ring import READ_INDEX, WRITE_INDEX, Incoming, Outgoing

SIZES = {
    "OFFERCHANNEL": 196,
    "RESCIND_CHANNELOFFER": 12,
    "REQUESTOFFERS": 8,
    "OPENCHANNEL": 148,
    "OPENCHANNEL_RESULT": 20,
    "CLOSECHANNEL": 12,
    "GPADL_HEADER": 20,
    "GPADL_BODY": 16,
    "GPADL_CREATED": 20,
    "GPADL_TEARDOWN": 16,
    "GPADL_TORNDOWN": 12,
    "RELID_RELEASED": 12,
    "INITIATE_CONTACT": 40,
    "VERSION_RESPONSE": 16,
    "UNLOAD": 8,
    "MODIFYCHANNEL": 16,
    "MODIFYCHANNEL_RESPONSE": 16,
}
"""Bytes of each message, from Linux' structures."""


@pytest.mark.parametrize("name", SIZES)
def test_a_message_is_as_long_as_in_linux(name: str) -> None:
    assert LAYOUTS[name].size == SIZES[name]


def test_an_offer_lies_as_linux_reads_it() -> None:
    fields = HostOffer(flags=0x2011, mmio_megabytes=3, user_data=b"u", subchannel=4, monitor=9)
    guest = ScriptedGuest()
    channel = guest.host.offer(fields)
    data = encode("OFFERCHANNEL", channel.fields())

    assert data[8:24].hex() == "6c636d6b0100424d9000746573746564"
    assert struct.unpack_from("<HH", data, 56) == (0x2011, 3)
    assert data[60:62] == b"u\0"
    assert struct.unpack_from("<HHIBBHI", data, 180) == (4, 0, channel.relid, 9, 1, 1, 0x2001)


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (HostOffer(monitor=128), "^monitor 128: a monitor page has 128 bits$"),
        (HostOffer(monitor=-1), "^monitor -1: "),
        (HostOffer(flags=70000), "^OFFERCHANNEL: "),
        (HostOffer(user_data=bytes(121)), "^121 bytes of user data; 120 fit$"),
    ],
    ids=["monitor", "below", "flags", "user data"],
)
def test_an_offer_that_cannot_be_told_is_none(offer: HostOffer, words: str) -> None:
    guest = ScriptedGuest()
    with pytest.raises(ValueError, match=words):
        guest.host.offer(offer)
    guest.connect()
    with pytest.raises(ValueError, match=words):
        guest.host.offer(offer)

    assert guest.host.channels == {}


def test_every_message_is_read_as_it_was_written() -> None:
    for name, layout in LAYOUTS.items():
        fields = {
            field: {"if_type": f"{n:08x}-0000-4000-8000-000000000000"}.get(
                field.replace("instance", "type"), bytes(120) if "user" in field else n
            )
            for n, field in enumerate(layout.fields, start=1)
        }
        assert decode(encode(name, fields) + b"more") == (name, fields, b"more")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x05\0\0\0", "4 bytes are too few for a message"),
        (b"\x63\0\0\0\0\0\0\0", "no message has the number 99"),
        (b"\x05\0\0\0\0\0\0\0\0", "OPENCHANNEL has 148 bytes, not 9"),
    ],
)
def test_what_is_no_message_is_noted_and_harms_nobody(data: bytes, words: str) -> None:
    guest = ScriptedGuest()
    guest.connect()

    assert guest.post_bytes(data) == Status.SUCCESS
    assert guest.host.trace.since(-1)[0][2:] == (
        "guest",
        "UNREADABLE",
        {"bytes": data.hex()},
        words,
    )
    with pytest.raises(Unreadable, match=words):
        decode(data)


def test_a_field_that_is_missing_or_too_large_is_told() -> None:
    with pytest.raises(ValueError, match=r"^RESCIND_CHANNELOFFER needs child_relid$"):
        encode("RESCIND_CHANNELOFFER", {})
    with pytest.raises(ValueError, match=r"^RESCIND_CHANNELOFFER: "):
        encode("RESCIND_CHANNELOFFER", {"child_relid": 1 << 32})


@pytest.mark.parametrize(
    ("code", "fast", "first", "status"),
    [
        (0x5C, True, 0x3000, Status.INVALID_CODE),
        (0x99, False, 0x3000, Status.INVALID_CODE),
        (0x5C, False, 0x3001, Status.INVALID_ALIGNMENT),
        (0x5C, False, 1 << 40, Status.INVALID_ALIGNMENT),
        (0x5D, False, 1 << 40, Status.INVALID_ALIGNMENT),
        (0x5D, True, 0x7777, Status.INVALID_CONNECTION),
        (0x5C, False, 0x3000, Status.INVALID_PARAMETER),
    ],
)
def test_a_hypercall_that_makes_no_sense_fails(
    code: int, fast: bool, first: int, status: Status
) -> None:
    guest = ScriptedGuest()
    struct.pack_into("<4I", guest.machine.memory, 0x3000, 4, 0, 1, 241)

    assert guest.host.hypercall(0, code, fast, first, 0) == status


def test_a_guest_without_a_message_page_gets_its_messages_when_it_has_one() -> None:
    guest = ScriptedGuest()
    guest.connect()
    guest.host.synic_changed(0, 0, 0, 0)
    guest.host.offer()
    assert guest.names() == []
    guest.host.synic_changed(0, 1, 0x2001, 1 << 40 | 1)  # outside the memory
    assert guest.names() == []

    guest.host.synic_changed(0, 1, 0x2001, 0x1001)
    assert guest.names() == ["OFFERCHANNEL"]


def frames_of(*frames: int, length: int = 0, offset: int = 0) -> Gpadl:
    return Gpadl(1, 1, (Range(length or len(frames) * 4096, offset, frames),))


def test_scattered_pages_are_one_piece() -> None:
    machine = ScriptedMachine()
    scattered = piece(machine.memory, (20, 10, 11))
    assert isinstance(scattered, Scattered)
    scattered[4000:4200] = bytes(range(200))

    assert bytes(machine.memory[20 * 4096 + 4000 : 21 * 4096]) == bytes(range(96))
    assert bytes(machine.memory[10 * 4096 : 10 * 4096 + 104]) == bytes(range(96, 200))
    assert scattered[4090:4110] == bytes(range(90, 110))
    assert len(scattered) == 3 * 4096
    assert isinstance(piece(machine.memory, (10, 11, 12)), memoryview)
    with pytest.raises(ValueError, match="3 bytes for a place of 2"):
        scattered[0:2] = b"abc"


@pytest.mark.parametrize(
    "shared",
    [
        frames_of(8, 9, 10),
        frames_of(8, 9, 10, 11, length=4096 * 4 - 8),
        frames_of(8, 9, 10, 11, 12, length=4096 * 4, offset=8),
        Gpadl(1, 1, (), "a page frame outside the memory"),
    ],
    ids=["too small", "no whole pages", "not at a page", "refused"],
)
def test_memory_that_is_no_pair_of_rings(shared: Gpadl) -> None:
    with pytest.raises(Unfit):
        rings_of(ScriptedMachine().memory, shared, 2)


def test_a_guest_shares_no_more_than_a_host_can_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpadl, "MOST_GPADLS", 3)
    guest = ScriptedGuest()
    guest.host.offer()
    guest.connect()

    def shared(handle: int, count: int = 2) -> int:
        (created,) = guest.share(1, handle, [8] * count)
        assert (created.name, created.fields["gpadl"]) == ("GPADL_CREATED", handle)
        return int(created.fields["creation_status"])

    assert [shared(1), shared(2)] == [0, 0]
    guest.post("GPADL_HEADER", child_relid=1, gpadl=3, range_buflen=600, rangecount=1)
    assert guest.read_all() == []
    assert [shared(4), shared(5, 90)] == [0xC000000D] * 2
    assert [*guest.host.gpadls.complete] == [1, 2]

    guest.post("GPADL_TEARDOWN", child_relid=1, gpadl=1)
    assert guest.names() == ["GPADL_TORNDOWN"]
    assert [shared(4, 90), shared(5)] == [0, 0xC000000D]


@pytest.mark.parametrize("frames", [range(8, 16), (30, 9, 12, 11, 40, 8, 20, 21)])
def test_packets_pass_in_both_directions(frames: tuple[int, ...]) -> None:
    guest = ScriptedGuest()
    end = RawEnd(guest.host)
    channel = guest.host.offer(None, end)
    guest.connect()
    guest.open(channel.relid, frames=frames)
    memory = guest.machine.memory
    ours = rings_of(memory, frames_of(*frames), 4)
    outgoing, incoming = Outgoing(*ours.from_guest), Incoming(*ours.to_guest, FROM_HOST)
    outgoing.put(packet(Kind.IN_BAND, 7, b"question", COMPLETION_REQUESTED))
    assert outgoing.publish()
    guest.signal(channel.connection_id)

    asked = end.receive(0)
    assert (asked.transaction, asked.payload) == (7, b"question")
    assert end.complete(asked, b"answered")
    answer = incoming.peek()
    assert answer is not None
    assert (answer.kind, answer.transaction, answer.payload) == (11, 7, b"answered")
    assert guest.events() == [channel.relid]
    with pytest.raises(TimeoutError, match="no packet from the guest"):
        end.receive(0)
    guest.close(channel.relid)
    with pytest.raises(ValueError, match="the guest has not opened the channel"):
        end.send(b"late")


@pytest.mark.parametrize("relid", [-1, 2048, 1 << 20])
def test_an_id_that_has_no_event_flag_is_not_signalled(relid: int) -> None:
    guest = ScriptedGuest()
    guest.connect()
    before = bytes(guest.machine.memory)
    with pytest.raises(ValueError, match=f"^channel {relid} has no event flag; 0 to 2047 have$"):
        guest.host.signal(HostChannel(HostOffer(), relid))
    assert bytes(guest.machine.memory) == before

    guest.host.signal(HostChannel(HostOffer(), 2047))
    assert guest.events() == [2047]


def answering() -> tuple[ScriptedGuest, RawEnd, HostChannel]:
    """A guest, and the end that answers it on an open channel."""
    guest = ScriptedGuest()
    end = RawEnd(guest.host)
    end.answers = True
    channel = guest.host.offer(None, end)
    guest.connect()
    guest.open(channel.relid)
    return guest, end, channel


def test_an_end_that_answers_completes_at_once() -> None:
    guest, _, channel = answering()
    ours = rings_of(guest.machine.memory, frames_of(*range(8, 16)), 4)
    outgoing, incoming = Outgoing(*ours.from_guest), Incoming(*ours.to_guest, FROM_HOST)
    for transaction, flags in ((1, COMPLETION_REQUESTED), (2, 0), (3, COMPLETION_REQUESTED)):
        outgoing.put(packet(Kind.IN_BAND, transaction, b"12345678", flags))
    outgoing.publish()
    guest.signal(channel.connection_id)
    answered = []
    while (answer := incoming.peek()) is not None:
        answered.append(answer.transaction)
        incoming.take()

    assert answered == [1, 3]


@pytest.mark.parametrize("frame", [8, 12], ids=["its reading", "its writing"])
def test_an_end_does_not_open_rings_that_make_no_sense(frame: int) -> None:
    guest = ScriptedGuest()
    end = RawEnd(guest.host)
    channel = guest.host.offer(None, end)
    guest.connect()
    guest.machine.words[frame * PAGE // 4 + (READ_INDEX if frame == 8 else WRITE_INDEX)] = 12
    *_, result = guest.open(channel.relid)

    assert result.fields["status"] == 0xC000000D
    assert (guest.host.in_use, channel.opening, channel.state) == ([], None, State.OFFERED)
    assert (end.incoming, end.outgoing) == (None, None)
    guest.machine.words[frame * PAGE // 4 : frame * PAGE // 4 + 2] = memoryview(bytes(8)).cast("I")
    assert guest.open(channel.relid, handle=901)[-1].fields["status"] == 0


@pytest.mark.parametrize(
    ("frame", "place", "words"),
    [
        (8, WRITE_INDEX, "write index 12 in a ring of 12288 bytes"),
        (12, READ_INDEX, "read index 12 in a ring of 12288 bytes"),
    ],
    ids=["what comes", "what goes"],
)
def test_an_end_that_answers_gives_up_where_a_ring_makes_no_sense(
    frame: int, place: int, words: str
) -> None:
    guest, end, channel = answering()
    outgoing = Outgoing(*rings_of(guest.machine.memory, frames_of(*range(8, 16)), 4).from_guest)
    outgoing.put(packet(Kind.IN_BAND, 1, b"12345678", COMPLETION_REQUESTED))
    outgoing.publish()
    guest.machine.words[frame * PAGE // 4 + place] = 12

    assert guest.signal(channel.connection_id) == Status.SUCCESS
    assert guest.host.trace.since(-1)[0][2:] == (
        "guest",
        "UNREADABLE",
        {"child_relid": channel.relid},
        words,
    )
    assert not end.answers
    with pytest.raises(RingError, match=words):
        end.receive(0) if frame == 8 else end.send(b"")


def test_a_monitored_channel_is_signalled_by_its_bit() -> None:
    guest = ScriptedGuest()
    channel = guest.host.offer(HostOffer(monitor=37))
    guest.connect()
    guest.open(channel.relid)
    guest.set_monitor_bit(37)
    guest.host.scan_monitor()
    guest.host.scan_monitor()
    signals = [entry.fields for entry in guest.host.trace.since(0) if entry.name == "SIGNAL"]

    assert channel.signals == 1
    assert signals == [{"child_relid": channel.relid, "monitor": 37}]


def test_a_saved_host_comes_back_as_it_was() -> None:
    guest = ScriptedGuest()
    channel = guest.host.offer()
    guest.connect()
    guest.share(channel.relid, 5, [8, 9])
    saved = guest.host.save()
    guest.open(channel.relid)
    guest.host.rescind(channel)
    guest.read_all()
    guest.post("RELID_RELEASED", child_relid=channel.relid)
    assert guest.host.channels == {}
    guest.host.restore(saved)

    assert guest.host.channels == {channel.relid: channel}
    assert (channel.state, channel.opening) == (State.OFFERED, None)
    assert list(guest.host.gpadls.complete) == [5]
    assert [message.name for message in guest.open(channel.relid)] == [
        "GPADL_CREATED",
        "OPENCHANNEL_RESULT",
    ]
    with pytest.raises(ValueError, match="a channel is open"):
        guest.host.save()


def test_a_trace_forgets_its_beginning_and_goes_on_counting() -> None:
    trace = Trace(clock=lambda: 1.5, limit=1600)
    was_full = []
    for number in range(5):
        trace.add("guest", "SIGNAL", {"child_relid": number})
        was_full.append(trace.is_full)

    assert was_full == [False, False, False, True, True]
    assert [entry.number for entry in trace.since(0)] == [2, 3, 4]
    assert [entry.number for entry in trace.since(4)] == [4]
    assert trace.since(5) == []
    assert [entry.number for entry in trace.since(-2)] == [3, 4]
    assert trace.find("SIGNAL", 3, child_relid=2) is None
    assert trace.find("SIGNAL", 1, child_relid=3) == (
        3,
        1.5,
        "guest",
        "SIGNAL",
        {"child_relid": 3},
        "",
    )


def test_a_trace_of_long_messages_forgets_more_of_them() -> None:
    long, short = Trace(limit=100_000), Trace(limit=100_000)
    for number in range(1000):
        long.add("guest", "GPADL_BODY", {"gpadl": number, "rest": bytes(224)})
        short.add("guest", "SIGNAL", {})

    assert len(long.since(0)) < len(short.since(0)) < 1000
    assert long.since(0)[-1].number == short.since(0)[-1].number == 999


def test_a_host_with_messages_on_their_way_is_not_saved() -> None:
    guest = ScriptedGuest()
    guest.connect()
    guest.host.offer()
    guest.host.offer()

    with pytest.raises(ValueError, match="messages are on their way"):
        guest.host.save()


def test_locked_bits_and_a_clock_that_goes_on() -> None:
    import ctypes

    atomics = Atomics()
    word = ctypes.c_uint32(0b0110)
    atomics.set_bits(ctypes.addressof(word), 0b1001)
    atomics.clear_bits(ctypes.addressof(word), 0b0010)
    atomics.fence()

    time_stamp = atomics.time_stamp
    del atomics
    assert word.value == 0b1101
    assert time_stamp() < time_stamp()


def test_a_host_knows_which_pages_it_may_have_written() -> None:
    guest = ScriptedGuest()
    before = guest.host.written.bits
    relid = guest.host.offer().relid
    guest.connect()
    guest.open(relid, frames=range(60, 68))
    guest.host.synic_changed(0, 1, PAGE * 40 | 1, PAGE << 50 | 1)

    added = guest.host.written.bits & ~before
    assert [page for page in range(512) if added >> page & 1] == [4, 40, *range(60, 68)]
    assert added < 1 << 512
