"""Conversations with the VMBus host, without a machine; and hosts with a defect that they find."""

from collections.abc import Callable

import pytest

from kmcl_adapters.host.channel import HostChannel, HostOffer, HostOpening, State
from kmcl_adapters.host.control import Status, version
from kmcl_adapters.host.host import SOUND
from kmcl_adapters.host.mutants import MUTANTS
from kmcl_adapters.host.rules import Rule
from kmcl_adapters.host.scripted import ScriptedGuest, ScriptedMachine

Conversation = Callable[[ScriptedGuest], None]
CONVERSATIONS: dict[str, Conversation] = {}

ONE = HostOffer(instance="00000000-0000-4000-8000-000000000001")
RESULT = "OPENCHANNEL_RESULT"


def conversation(function: Conversation) -> Conversation:
    CONVERSATIONS[function.__name__] = function
    return function


class Server:
    """Serves a channel, and notes what it is told, and of which openings."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.openings: list[HostOpening] = []

    def asked(self, opening: HostOpening) -> None:
        self.told.append("asked")
        self.openings.append(opening)

    def signalled(self, channel: HostChannel) -> None:
        self.told.append("signalled")

    def left(self, opening: HostOpening) -> None:
        assert opening in self.openings
        self.told.append("left")


def reset(guest: ScriptedGuest) -> None:
    guest.host.machine_reset()
    guest.power_on()


def keep_back(guest: ScriptedGuest, relid: int) -> None:
    """One message of each side is held, and one delayed."""
    for name, action in (
        ("GPADL_CREATED", "hold"),
        ("GPADL_CREATED", "delay"),
        ("UNLOAD", "hold"),
        ("UNLOAD", "delay"),
    ):
        guest.host.rules.add(Rule(name, action, float(action == "delay")))
    for handle in (5, 6):
        assert guest.share(relid, handle, [8, 9]) == []
        guest.post("UNLOAD")
    assert guest.names() == []
    assert (len(guest.host.held), guest.host.underway.count) == (2, 4)


def refused_to_save(guest: ScriptedGuest, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        guest.host.save()


def served(guest: ScriptedGuest) -> tuple[HostChannel, Server]:
    """A channel that is open, and who serves it."""
    server = Server()
    channel = guest.host.offer(ONE, server)
    guest.connect()
    guest.open(channel.relid)
    guest.host.answer_open(server.openings[0], 0)
    assert guest.names() == [RESULT]
    return channel, server


@conversation
def offers_come_when_they_are_asked_for(guest: ScriptedGuest) -> None:
    first = guest.host.offer(ONE)
    assert guest.contact() == {"version_supported": 1, "connection_state": 0, "msg_conn_id": 4}
    second = guest.host.offer(HostOffer(flags=0x10, user_data=b"mine", monitor=37))
    assert guest.read_all() == []
    guest.post("REQUESTOFFERS")
    one, two, last = guest.read_all()
    assert (one.fields["if_instance"], one.fields["child_relid"]) == (ONE.instance, first.relid)
    assert two.fields == second.fields() | {"user_def": b"mine".ljust(120, b"\0")}
    assert (two.fields["monitorid"], two.fields["monitor_allocated"]) == (37, 1)
    assert last.name == "ALLOFFERS_DELIVERED"
    third = guest.host.offer()
    (late,) = guest.read_all()
    assert late.fields["child_relid"] == third.relid


@conversation
def versions_are_refused_until_one_is_known(guest: ScriptedGuest) -> None:
    guest.host.control.refused = frozenset({version(5, 3)})
    assert guest.contact(version(6, 9))["version_supported"] == 0
    assert guest.contact(version(5, 3))["version_supported"] == 0
    assert guest.post("REQUESTOFFERS") == Status.INVALID_CONNECTION
    assert guest.contact(version(5, 2))["version_supported"] == 1
    guest.connection = 1
    assert guest.post("REQUESTOFFERS") == Status.INVALID_CONNECTION
    assert guest.contact(version(4, 0))["msg_conn_id"] == 0
    assert guest.post("REQUESTOFFERS") == Status.SUCCESS


@conversation
def many_messages_pass_one_slot(guest: ScriptedGuest) -> None:
    guest.connect()
    interrupts = len(guest.machine.interrupts)
    channels = [guest.host.offer() for _ in range(40)]
    offered = [message.fields["child_relid"] for message in guest.read_all()]
    assert offered == [channel.relid for channel in channels]
    assert len(guest.machine.interrupts) - interrupts == 40
    assert guest.host.slot.busy


@conversation
def a_slot_emptied_at_the_last_moment_is_found(guest: ScriptedGuest) -> None:
    guest.connect()
    guest.host.offer()
    taken = []

    def take() -> None:
        guest.machine.on_fence = lambda: None
        taken.append(guest.machine.memory[0x1000 + 512 + 16])
        guest.machine.words[(0x1000 + 512) // 4] = 0  # without having seen the request

    guest.machine.on_fence = take
    second = guest.host.offer()
    (message,) = guest.read_all()
    assert (taken, message.fields["child_relid"]) == ([1], second.relid)


@conversation
def a_long_gpadl_is_put_together(guest: ScriptedGuest) -> None:
    relid = guest.host.offer().relid
    guest.connect()
    frames = [8 + 7 * n % 480 for n in range(200)]
    (created,) = guest.share(relid, 5, frames)
    assert created.fields == {"child_relid": relid, "gpadl": 5, "creation_status": 0}
    assert guest.host.gpadls.complete[5].frames == tuple(frames)


@conversation
def a_gpadl_outside_the_memory_is_refused(guest: ScriptedGuest) -> None:
    relid = guest.host.offer().relid
    guest.connect()
    (created,) = guest.share(relid, 5, [8, 9, 512])
    assert created.fields["creation_status"] == 0xC000000D
    assert [message.name for message in guest.share(relid, 5, [8, 9])] == ["GPADL_CREATED"]


@conversation
def a_handle_in_use_is_not_taken_again(guest: ScriptedGuest) -> None:
    relid = guest.host.offer().relid
    guest.connect()
    guest.share(relid, 5, [8, 9])
    assert guest.share(relid, 5, [10, 11]) == []
    assert guest.host.gpadls.complete[5].frames == (8, 9)


@conversation
def what_a_channel_shared_goes_with_its_id(guest: ScriptedGuest) -> None:
    """The guest may use the handles again, and those of another channel stay."""
    channel, other = guest.host.offer(ONE), guest.host.offer()
    guest.connect()
    guest.share(channel.relid, 5, [8, 9])
    guest.post(
        "GPADL_HEADER", child_relid=channel.relid, gpadl=6, range_buflen=24, rangecount=1, rest=b""
    )
    guest.share(other.relid, 7, [10, 11])
    guest.host.rescind(channel)
    guest.read_all()
    assert [*guest.host.gpadls.complete] == [5, 7]
    guest.post("RELID_RELEASED", child_relid=channel.relid)
    assert [*guest.host.gpadls.complete] == [7]
    for handle in (5, 6):
        (created,) = guest.share(other.relid, handle, [12, 13])
        assert created.fields["creation_status"] == 0


@conversation
def a_channel_is_opened_used_and_closed(guest: ScriptedGuest) -> None:
    server = Server()
    channel = guest.host.offer(ONE, server)
    guest.connect()
    assert [message.name for message in guest.open(channel.relid)] == ["GPADL_CREATED"]
    assert channel.state == State.OPENING
    guest.host.answer_open(server.openings[0], 0)
    (result,) = guest.read_all()
    assert result.fields == {"child_relid": channel.relid, "openid": channel.relid, "status": 0}
    assert guest.signal(channel.connection_id) == Status.SUCCESS
    guest.host.signal(channel)
    assert guest.events() == [channel.relid]
    assert guest.close(channel.relid) == []  # the server still uses the rings
    guest.host.let_go(server.openings[0])
    assert guest.names() == ["GPADL_TORNDOWN"]
    assert (server.told, channel.state) == (["asked", "signalled", "left"], State.OFFERED)


@conversation
def an_open_is_refused_and_tried_again(guest: ScriptedGuest) -> None:
    server = Server()
    channel = guest.host.offer(ONE, server)
    guest.connect()
    guest.open(channel.relid)
    guest.host.answer_open(server.openings[0], 0xC000009A)
    guest.host.let_go(server.openings[0])
    guest.post("GPADL_TEARDOWN", child_relid=channel.relid, gpadl=900)
    result, torn_down = guest.read_all()
    assert (result.fields["status"], torn_down.name) == (0xC000009A, "GPADL_TORNDOWN")
    guest.open(channel.relid)
    guest.host.answer_open(server.openings[1], 0)
    assert guest.names() == [RESULT]


@conversation
def rings_must_be_the_channels_own(guest: ScriptedGuest) -> None:
    one, two = guest.host.offer(), guest.host.offer()
    guest.connect()
    guest.share(two.relid, 7, range(8, 16))
    guest.post(
        "OPENCHANNEL",
        child_relid=one.relid,
        openid=3,
        ring_buffer_gpadlhandle=7,
        target_vp=0,
        downstream_ringbuffer_pageoffset=4,
        userdata=b"",
    )
    (result,) = guest.read_all()
    assert result.fields["status"] == 0xC000000D
    assert one.state == State.OFFERED


@conversation
def a_rescinded_channel_is_neither_opened_nor_answered(guest: ScriptedGuest) -> None:
    server = Server()
    channel = guest.host.offer(ONE, server)
    guest.connect()
    guest.open(channel.relid)
    guest.host.rescind(channel)
    guest.host.answer_open(server.openings[0], 0)
    assert guest.names() == ["RESCIND_CHANNELOFFER"]
    assert [message.name for message in guest.open(channel.relid, 901)] == ["GPADL_CREATED"]
    guest.host.let_go(server.openings[0])
    assert [m.name for m in guest.close(channel.relid, 901)] == ["GPADL_TORNDOWN"]
    assert server.told == ["asked", "left"]


@conversation
def an_instance_comes_back_when_it_was_released(guest: ScriptedGuest) -> None:
    channel = guest.host.offer(ONE)
    guest.connect()
    guest.host.rescind(channel)
    again = guest.host.offer(ONE)
    assert guest.names() == ["RESCIND_CHANNELOFFER"]
    guest.post("RELID_RELEASED", child_relid=channel.relid)
    (offer,) = guest.read_all()
    assert offer.fields["if_instance"] == ONE.instance
    assert offer.fields["child_relid"] == again.relid != channel.relid
    assert channel.state == State.RELEASED
    guest.post("RELID_RELEASED", child_relid=channel.relid)
    assert guest.host.trace.since(-1)[0].note == f"there is no channel {channel.relid}"


@conversation
def a_guest_that_begins_anew_finds_all_closed(guest: ScriptedGuest) -> None:
    server = Server()
    channel, gone = guest.host.offer(ONE, server), guest.host.offer()
    guest.connect()
    guest.open(channel.relid)
    guest.host.answer_open(server.openings[0], 0)
    guest.host.rescind(gone)
    guest.read_all()
    guest.begin()
    assert server.told == ["asked", "left"]
    guest.host.let_go(server.openings[0])
    assert guest.names() == ["VERSION_RESPONSE"]
    guest.post("REQUESTOFFERS")
    offers = [m.fields["child_relid"] for m in guest.read_all() if m.name == "OFFERCHANNEL"]
    assert offers == [channel.relid]
    assert (server.told, channel.state) == (["asked", "left"], State.OFFERED)
    assert guest.host.gpadls.complete == {}


@conversation
def an_unload_ends_the_connection(guest: ScriptedGuest) -> None:
    guest.host.offer(ONE)
    guest.connect()
    guest.post("UNLOAD")
    assert guest.names() == ["UNLOAD_RESPONSE"]
    assert guest.post("REQUESTOFFERS") == Status.INVALID_CONNECTION
    assert len(guest.connect()) == 1


@conversation
def a_channel_is_opened_again_before_it_was_let_go(guest: ScriptedGuest) -> None:
    """Nothing answers a close, so a guest need not wait for its end."""
    channel, server = served(guest)
    guest.post("CLOSECHANNEL", child_relid=channel.relid)
    assert [m.name for m in guest.open(channel.relid, 901, range(16, 24))] == ["GPADL_CREATED"]
    assert (server.told, channel.state) == (["asked", "left"], State.OPENING)
    guest.post("GPADL_TEARDOWN", child_relid=channel.relid, gpadl=900)
    assert guest.names() == []
    first = server.openings[0]
    guest.host.let_go(first)
    assert guest.names() == ["GPADL_TORNDOWN"]
    assert server.told == ["asked", "left", "asked"]
    second = server.openings[1]
    assert (second.gpadl, channel.opening) == (901, second)
    guest.host.answer_open(second, 0)
    (result,) = guest.read_all()
    assert (result.fields["status"], channel.state) == (0, State.OPEN)


@conversation
def what_is_said_of_an_earlier_opening_does_not_touch_the_next(guest: ScriptedGuest) -> None:
    server = Server()
    channel = guest.host.offer(ONE, server)
    guest.connect()
    guest.open(channel.relid)
    guest.post("CLOSECHANNEL", child_relid=channel.relid)  # it did not wait for the answer
    guest.open(channel.relid, 901, range(16, 24))
    first = server.openings[0]
    guest.host.answer_open(first, 0)
    assert (guest.names(), channel.state) == ([], State.OPENING)
    guest.host.let_go(first)
    second = server.openings[1]
    guest.host.answer_open(first, 0xC000009A)
    guest.host.let_go(first)
    assert (guest.names(), channel.state) == ([], State.OPENING)
    assert guest.host.in_use == [second]
    guest.host.answer_open(second, 0)
    assert guest.names() == [RESULT]
    assert guest.close(channel.relid, 901) == []
    guest.host.let_go(first)
    assert guest.names() == []
    guest.host.let_go(second)
    assert guest.names() == ["GPADL_TORNDOWN"]


@conversation
def a_wish_to_open_again_is_given_up(guest: ScriptedGuest) -> None:
    channel, server = served(guest)
    guest.post("CLOSECHANNEL", child_relid=channel.relid)
    guest.open(channel.relid, 901, range(16, 24))
    guest.post("CLOSECHANNEL", child_relid=channel.relid)
    guest.host.let_go(server.openings[0])
    assert (server.told, channel.state) == (["asked", "left"], State.OFFERED)
    guest.post("GPADL_TEARDOWN", child_relid=channel.relid, gpadl=901)
    assert guest.names() == ["GPADL_TORNDOWN"]
    assert [m.name for m in guest.open(channel.relid, 902)] == ["GPADL_CREATED"]
    assert server.told == ["asked", "left", "asked"]


@conversation
def a_wish_to_open_again_ends_with_the_offer(guest: ScriptedGuest) -> None:
    channel, server = served(guest)
    guest.post("CLOSECHANNEL", child_relid=channel.relid)
    guest.open(channel.relid, 901, range(16, 24))
    guest.host.rescind(channel)
    guest.host.let_go(server.openings[0])
    assert guest.names() == ["RESCIND_CHANNELOFFER"]
    assert (server.told, channel.state) == (["asked", "left"], State.RESCINDED)


@conversation
def rings_that_are_none_are_refused_when_their_turn_comes(guest: ScriptedGuest) -> None:
    channel, server = served(guest)
    guest.post("CLOSECHANNEL", child_relid=channel.relid)
    guest.open(channel.relid, 901, [16, 17, 18])
    guest.host.let_go(server.openings[0])
    (result,) = guest.read_all()
    assert (result.name, result.fields["status"]) == (RESULT, 0xC000000D)
    assert (server.told, channel.state) == (["asked", "left"], State.OFFERED)


@conversation
def a_handle_is_free_when_it_was_torn_down(guest: ScriptedGuest) -> None:
    """The answer names no channel: two of one handle could not be told apart."""
    channel, server = served(guest)
    guest.close(channel.relid)
    assert guest.share(channel.relid, 900, range(16, 24)) == []
    guest.host.let_go(server.openings[0])
    assert guest.names() == ["GPADL_TORNDOWN"]
    (created,) = guest.share(channel.relid, 900, range(16, 24))
    assert created.fields["creation_status"] == 0


@conversation
def an_unload_is_answered_when_no_memory_is_in_use(guest: ScriptedGuest) -> None:
    """The guest takes the answer for leave to use its memory for something else."""
    channel, server = served(guest)
    guest.post("UNLOAD")
    assert (guest.names(), server.told) == ([], ["asked", "left"])
    assert guest.post("REQUESTOFFERS") == Status.INVALID_CONNECTION
    assert guest.signal(channel.connection_id) == Status.INVALID_CONNECTION
    guest.host.let_go(server.openings[0])
    assert guest.names() == ["UNLOAD_RESPONSE"]
    assert guest.post("UNLOAD") == Status.INVALID_CONNECTION
    assert len(guest.connect()) == 1


@conversation
def an_unload_waits_for_rings_of_an_id_that_was_released(guest: ScriptedGuest) -> None:
    channel, server = served(guest)
    guest.host.rescind(channel)
    guest.post("RELID_RELEASED", child_relid=channel.relid)
    guest.post("UNLOAD")
    assert (guest.names(), guest.host.channels) == (["RESCIND_CHANNELOFFER"], {})
    guest.host.let_go(server.openings[0])
    assert guest.names() == ["UNLOAD_RESPONSE"]


@conversation
def a_contact_is_answered_when_no_memory_is_in_use(guest: ScriptedGuest) -> None:
    """Another kernel, started without a word of farewell."""
    channel, server = served(guest)
    assert guest.begin() == Status.SUCCESS
    assert guest.names() == []
    assert guest.post("REQUESTOFFERS") == Status.INVALID_CONNECTION
    guest.host.let_go(server.openings[0])
    assert guest.names() == ["VERSION_RESPONSE"]
    guest.post("REQUESTOFFERS")
    assert guest.names() == ["OFFERCHANNEL", "ALLOFFERS_DELIVERED"]
    assert [m.name for m in guest.open(channel.relid, 77, range(32, 40))] == ["GPADL_CREATED"]
    guest.host.answer_open(server.openings[1], 0)
    assert guest.names() == [RESULT]


@conversation
def of_two_farewells_the_last_is_answered(guest: ScriptedGuest) -> None:
    _, server = served(guest)
    guest.post("UNLOAD")
    guest.begin()
    guest.host.let_go(server.openings[0])
    assert guest.names() == ["VERSION_RESPONSE"]
    guest.post("REQUESTOFFERS")
    (offer, _) = guest.read_all()
    guest.open(offer.fields["child_relid"])
    guest.begin()
    assert guest.post("UNLOAD") == Status.SUCCESS
    guest.host.let_go(server.openings[1])
    assert guest.names() == ["UNLOAD_RESPONSE"]


@conversation
def a_reset_ends_what_the_guest_has_waited_for(guest: ScriptedGuest) -> None:
    channel, server = served(guest)
    aside = Server()
    other = guest.host.offer(None, aside)
    guest.read_all()
    guest.open(other.relid, 910, range(16, 24))
    guest.close(channel.relid)
    guest.open(channel.relid, 901, range(24, 32))
    guest.host.rules.add(Rule("OPENCHANNEL_RESULT", "hold"))
    guest.host.answer_open(aside.openings[0], 0)
    guest.post("UNLOAD")
    guest.host.machine_reset()
    guest.power_on()
    guest.begin()
    assert guest.names() == []
    guest.host.let_go(server.openings[0])
    assert guest.names() == []
    guest.host.let_go(aside.openings[0])
    assert (guest.names(), guest.host.held) == (["VERSION_RESPONSE"], [])
    assert (server.told, aside.told) == (["asked", "left"],) * 2


@conversation
def a_reset_leaves_no_farewell_behind(guest: ScriptedGuest) -> None:
    _, server = served(guest)
    guest.post("UNLOAD")
    guest.host.machine_reset()
    guest.power_on()
    guest.host.let_go(server.openings[0])
    assert guest.names() == []


@conversation
def a_rewound_guest_has_left_its_rings(guest: ScriptedGuest) -> None:
    """Whoever serves a channel that came after the moment hears of it, and takes nothing back."""
    server, late = Server(), Server()
    channel = guest.host.offer(ONE, server)
    guest.connect()
    saved = guest.host.save()
    newcomer = guest.host.offer(None, late)
    guest.read_all()
    for relid, handle, start in ((channel.relid, 900, 8), (newcomer.relid, 910, 16)):
        guest.open(relid, handle, range(start, start + 8))
    guest.close(channel.relid)
    guest.host.restore(saved)
    assert (server.told, late.told) == (["asked", "left"],) * 2
    guest.host.rescind(newcomer)
    guest.host.let_go(late.openings[0])
    assert guest.names() == []
    assert [m.name for m in guest.open(channel.relid, 900)] == ["GPADL_CREATED"]
    assert server.told == ["asked", "left"]
    guest.host.let_go(server.openings[0])
    assert (guest.names(), server.told) == ([], ["asked", "left", "asked"])


@conversation
def what_is_kept_back_ends_with_the_connection(guest: ScriptedGuest) -> None:
    """Held or delayed, of either side; by a new contact, an unload, a reset."""
    for end, answer in (
        (lambda guest: guest.begin(), ["VERSION_RESPONSE"]),
        (lambda guest: guest.post("UNLOAD"), ["UNLOAD_RESPONSE"]),
        (reset, []),
    ):
        channel = guest.host.offer()
        guest.read_all()
        guest.connect()
        keep_back(guest, channel.relid)
        end(guest)
        assert (guest.names(), guest.host.held) == (answer, [])
        assert guest.contact()["version_supported"]
        guest.run_later()
        assert (guest.names(), guest.host.underway.count) == ([], 0)
        assert guest.post("REQUESTOFFERS") == Status.SUCCESS
        guest.read_all()
        guest.host.rescind(channel)
        guest.post("RELID_RELEASED", child_relid=channel.relid)
        guest.read_all()


@conversation
def what_is_kept_back_ends_where_the_guest_goes_back(guest: ScriptedGuest) -> None:
    channel = guest.host.offer()
    guest.connect()
    saved = guest.host.save()
    keep_back(guest, channel.relid)
    guest.host.restore(saved)
    guest.run_later()
    assert (guest.names(), guest.host.held) == ([], [])
    assert guest.host.gpadls.complete == {}
    assert guest.post("REQUESTOFFERS") == Status.SUCCESS


@conversation
def a_host_is_not_saved_while_something_is_to_come(guest: ScriptedGuest) -> None:
    channel, server = served(guest)
    guest.host.rules.add(Rule("GPADL_CREATED", "delay", 0.5))
    guest.host.rules.add(Rule("GPADL_CREATED", "hold"))
    guest.share(channel.relid, 5, [40, 41])
    refused_to_save(guest, "messages are on their way")
    guest.run_later()
    guest.read_all()
    refused_to_save(guest, "a channel is open")
    guest.share(channel.relid, 6, [42, 43])
    refused_to_save(guest, "messages are on their way")
    guest.host.release()
    guest.read_all()
    guest.host.rescind(channel)
    guest.post("RELID_RELEASED", child_relid=channel.relid)
    guest.read_all()
    refused_to_save(guest, "a channel is open")
    guest.host.let_go(server.openings[0])
    assert guest.host.save().channels == []


@conversation
def an_answer_fails_and_is_held(guest: ScriptedGuest) -> None:
    relid = guest.host.offer().relid
    guest.connect()
    guest.host.rules.add(Rule("GPADL_CREATED", "fail", 1))
    guest.host.rules.add(Rule("GPADL_CREATED", "hold"))
    assert guest.share(relid, 5, [8, 9]) == []
    assert guest.host.gpadls.complete == {}
    assert [held.fields["creation_status"] for held in guest.host.held] == [1]
    guest.host.release()
    (created,) = guest.read_all()
    assert created.fields["creation_status"] == 1
    assert guest.host.trace.since(-1)[0].note == "fail"
    (created,) = guest.share(relid, 6, [8, 9])
    assert created.fields["creation_status"] == 0


@conversation
def interrupts_move_to_another_processor(guest: ScriptedGuest) -> None:
    channel = guest.host.offer(ONE)
    guest.connect()
    guest.open(channel.relid)
    guest.post("MODIFYCHANNEL", child_relid=channel.relid, target_vp=1)
    guest.post("MODIFYCHANNEL", child_relid=channel.relid, target_vp=2)
    assert [message.fields["status"] for message in guest.read_all()] == [0, 0xC000000D]
    assert channel.target_vp == 1


@conversation
def a_close_has_no_answer(guest: ScriptedGuest) -> None:
    channel = guest.host.offer(ONE)
    guest.connect()
    guest.open(channel.relid)
    assert [message.name for message in guest.close(channel.relid)] == ["GPADL_TORNDOWN"]


FINDS = {
    "looks-once": "a_slot_emptied_at_the_last_moment_is_found",
    "never-asks": "many_messages_pass_one_slot",
    "overwrites": "many_messages_pass_one_slot",
    "one-interrupt": "many_messages_pass_one_slot",
    "header-only": "a_long_gpadl_is_put_together",
    "believes-frames": "a_gpadl_outside_the_memory_is_refused",
    "forgets-the-last": "a_long_gpadl_is_put_together",
    "takes-handles-twice": "a_handle_in_use_is_not_taken_again",
    "keeps-gpadls": "what_a_channel_shared_goes_with_its_id",
    "tears-down-early": "a_channel_is_opened_used_and_closed",
    "offers-at-once": "an_instance_comes_back_when_it_was_released",
    "offers-unasked": "offers_come_when_they_are_asked_for",
    "answers-after-rescind": "a_rescinded_channel_is_neither_opened_nor_answered",
    "opens-rescinded": "a_rescinded_channel_is_neither_opened_nor_answered",
    "keeps-channels": "a_guest_that_begins_anew_finds_all_closed",
    "any-version": "versions_are_refused_until_one_is_known",
    "any-connection": "versions_are_refused_until_one_is_known",
    "any-gpadl": "rings_must_be_the_channels_own",
    "answers-close": "a_close_has_no_answer",
    "keeps-released": "an_instance_comes_back_when_it_was_released",
    "forgets-modify": "interrupts_move_to_another_processor",
    "reopens-at-once": "a_channel_is_opened_again_before_it_was_let_go",
    "forgets-the-reopening": "a_channel_is_opened_again_before_it_was_let_go",
    "answers-the-next": "what_is_said_of_an_earlier_opening_does_not_touch_the_next",
    "opens-what-was-given-up": "a_wish_to_open_again_is_given_up",
    "reopens-what-was-rescinded": "a_wish_to_open_again_ends_with_the_offer",
    "takes-handles-early": "a_handle_is_free_when_it_was_torn_down",
    "unloads-at-once": "an_unload_is_answered_when_no_memory_is_in_use",
    "looks-at-channels-only": "an_unload_waits_for_rings_of_an_id_that_was_released",
    "agrees-at-once": "a_contact_is_answered_when_no_memory_is_in_use",
    "answers-every-farewell": "of_two_farewells_the_last_is_answered",
    "keeps-the-farewell": "a_reset_leaves_no_farewell_behind",
    "keeps-messages": "what_is_kept_back_ends_with_the_connection",
    "keeps-timers": "what_is_kept_back_ends_where_the_guest_goes_back",
    "saves-with-timers": "a_host_is_not_saved_while_something_is_to_come",
    "one-rule-each": "an_answer_fails_and_is_held",
}
"""For each defect the conversation that is about it; others may find it as well."""


def a_guest(parts: object = SOUND) -> ScriptedGuest:
    return ScriptedGuest(parts, ScriptedMachine(processors=2))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_host_that_behaves(name: str) -> None:
    CONVERSATIONS[name](a_guest())


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_defect_is_found_by_the_conversation_about_it(mutant: str) -> None:
    with pytest.raises((AssertionError, ValueError, KeyError)):
        CONVERSATIONS[FINDS[mutant]](a_guest(MUTANTS[mutant].parts))


def test_every_defect_says_what_it_stands_for() -> None:
    assert [name for name, mutant in MUTANTS.items() if not mutant.stands_for] == []
    assert set(FINDS) == set(MUTANTS)
