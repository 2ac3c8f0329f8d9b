"""A host led by hand, and the port of a session over it; the test plays the guest."""

import json
import struct
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kmcl_adapters.control import ControlSession, Field, Gone, Returned, Sent, Signalled
from kmcl_adapters.host.manual import ByHand
from kmcl_adapters.host.scripted import ScriptedGuest
from kmcl_conformance.sequence import RESTS
from kmcl_lab.byhand import LabPort
from kmcl_lab.hosting.byhand import ByHandCommands, _Looks
from kmcl_lab.problem import UNHEARD, GuestLost
from kmcl_model.control import version
from kmcl_model.events import Event, Quiescence
from kmcl_model.stimuli import Environ, Invoke, Post, Settle

GUID = "00000000-0000-0000-0000-0000000000d0"
OFFER: dict[str, Field] = {
    "child_relid": 3,
    "if_type": "00000000-0000-0000-0000-0000000000c0",
    "if_instance": GUID,
    "sub_channel_index": 0,
    "monitor_allocated": False,
    "chn_flags": 0,
    "monitorid": 0,
}


class Table:
    """Guest, host and lab at one table. ``restless`` are the things that the guest does, one at
    each look of the host, before it is at rest."""

    def __init__(self) -> None:
        self.guest = ScriptedGuest()
        self.host = self.guest.host
        hosting = SimpleNamespace(
            host=self.host,
            hear=lambda job: None,
            tell=lambda data: self.orders.append(json.loads(data)),
            is_at_rest=self.is_at_rest,
            expect_hello=lambda: self.done.append("expects a hello"),
        )
        self.done: list[str] = []
        self.commands = ByHandCommands(cast(Any, hosting)).table()
        self.lost: GuestLost | None = None
        self.orders: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.restless: list[Callable[[], object]] = []
        self.number = 7
        self.beginnings = 0

    def ask_host(self, command: str, *, limit: float = 10.0, **arguments: Any) -> Any:
        if self.lost is not None:
            raise self.lost
        self.asked.append(command)
        return json.loads(json.dumps(self.commands[command](**arguments)))

    def is_at_rest(self) -> bool:
        if not self.restless:
            return True
        self.restless.pop(0)()
        return False

    def say(self, what: dict[str, Any]) -> None:
        self.note("SAID", what)

    def note(self, name: str, fields: dict[str, Any]) -> None:
        with self.host.changed:
            self.host.note("guest", name, fields)

    def again(self) -> Any:
        self.beginnings += 1
        return self

    def anew(self) -> Any:
        self.done.append("the user begins")
        return self

    def reset(self) -> None:
        self.done.append("boots")

    def part(self) -> None:
        self.done.append("parts")

    def meet(self) -> None:
        self.done.append("meets")

    def port(self, *, resets: bool = False) -> LabPort:
        return LabPort(cast(Any, self), self.again, self.anew, resets=resets)

    def contact(self, wanted: int = version(5, 3)) -> None:
        fields: dict[str, Any] = {"vmbus_version_requested": wanted, "target_vcpu": 0}
        fields |= {"interrupt_page": 0, "monitor_page1": 0, "monitor_page2": 0}
        assert self.guest.post("INITIATE_CONTACT", **fields) == 0


@pytest.fixture
def table() -> Table:
    return Table()


def test_the_host_answers_nothing_and_tells_what_the_guest_says(table: Table) -> None:
    port = table.port()
    table.contact()
    table.guest.post("REQUESTOFFERS")
    header = struct.pack("<II2Q", 8192, 0, 40, 41)
    table.guest.post(
        "GPADL_HEADER", child_relid=3, gpadl=9, range_buflen=40, rangecount=1, rest=header
    )
    table.guest.post("GPADL_BODY", msgnumber=0, gpadl=9, rest=struct.pack("<3Q", 42, 43, 44))
    seen = cast(list[Sent], port.take())

    assert [(s.sender, s.message) for s in seen] == [
        ("guest", "INITIATE_CONTACT"),
        ("guest", "REQUESTOFFERS"),
        ("guest", "GPADL_HEADER"),
        ("guest", "GPADL_BODY"),
    ]
    assert [seen[2].fields[f] for f in ("byte_count", "byte_offset", "pfns")] == [8192, 0, 2]
    assert seen[3].fields["pfns"] == 3
    assert table.guest.read_all() == []


def test_what_the_test_sends_arrives_as_it_was_sent(table: Table) -> None:
    port = table.port()
    table.contact()
    port.post("VERSION_RESPONSE", {"version_supported": True}, "")
    port.post("OFFERCHANNEL", OFFER, "")
    arrived = table.guest.read_all()

    assert [message.name for message in arrived] == ["VERSION_RESPONSE", "OFFERCHANNEL"]
    assert arrived[0].fields["msg_conn_id"] == 4
    assert arrived[1].fields.items() >= OFFER.items()
    sent = [s for s in port.take() if isinstance(s, Sent) and s.sender == "host"]
    assert [s.message for s in sent] == ["VERSION_RESPONSE", "OFFERCHANNEL"]


def test_where_channels_must_be_monitored_every_offer_says_so(table: Table) -> None:
    port = LabPort(cast(Any, table), table.again, table.anew, monitored=True)
    table.contact()
    port.post("OFFERCHANNEL", OFFER, "")
    port.post("RESCIND_CHANNELOFFER", {"child_relid": 3}, "")
    offered, rescinded = table.guest.read_all()

    assert offered.fields["monitor_allocated"]
    assert rescinded.fields == {"child_relid": 3}


def test_versions_without_connection_ids_get_none(table: Table) -> None:
    port = table.port()
    table.guest.connection = 1
    table.contact(version(4, 1))
    port.post("VERSION_RESPONSE", {"version_supported": True}, "")

    assert [m.fields["msg_conn_id"] for m in table.guest.read_all()] == [0]


@pytest.mark.parametrize(("flaw", "number", "cut"), [("short", 2, 1), ("unknown type", 200, 0)])
def test_a_message_can_be_wrong(
    table: Table, monkeypatch: pytest.MonkeyPatch, flaw: str, number: int, cut: int
) -> None:
    raw: list[bytes] = []

    def put(payload: bytes, on_delivery: Callable[[], object]) -> None:
        raw.append(payload)
        on_delivery()

    monkeypatch.setattr(table.host.slot, "put", put)
    table.host.slot.page = 0
    port = table.port()
    port.post("RESCIND_CHANNELOFFER", {"child_relid": 3}, flaw)

    assert [(struct.unpack_from("<I", data)[0], len(data)) for data in raw] == [(number, 12 - cut)]
    assert [cast(Sent, seen).flaw for seen in port.take()] == [flaw]


def test_an_id_that_is_wrong_is_told_and_no_flaw_of_bytes(table: Table) -> None:
    port = table.port()
    table.contact()
    port.post("GPADL_TORNDOWN", {"gpadl": 1009}, "wrong id")

    assert [m.fields for m in table.guest.read_all()] == [{"gpadl": 1009}]
    assert cast(Sent, port.take()[-1]).flaw == "wrong id"


def test_a_guest_that_has_left_misses_what_is_sent(table: Table) -> None:
    port = table.port()
    table.contact()
    table.host.synic_changed(0, 0, 0, 0)
    port.post("UNLOAD_RESPONSE", {}, "")
    port.settle()

    assert [cast(Sent, s).message for s in port.take()] == ["INITIATE_CONTACT", "UNLOAD_RESPONSE"]


def test_flaws_that_nobody_knows_are_refused(table: Table) -> None:
    with pytest.raises(ValueError, match="rotten"):
        cast(ByHand, table.host.control).post("UNLOAD_RESPONSE", {}, "rotten")


def test_signals_are_told_by_relid_and_those_of_the_test_are_not(table: Table) -> None:
    port = table.port()
    table.contact()
    port.post("OFFERCHANNEL", OFFER, "")
    assert table.guest.signal(0x2003) == 0
    port.act("guest", "spurious 77")
    seen = port.take()

    assert seen[-1] == Signalled("guest", 3)
    assert table.guest.events() == [77]


def test_a_busy_host_refuses_one_post_and_does_not_tell_of_it(table: Table) -> None:
    port = table.port()
    table.contact()
    port.take()
    port.act("host", "busy")

    assert [table.guest.post("REQUESTOFFERS") for _ in range(2)] == [0x13, 0]
    assert [cast(Sent, s).message for s in port.take()] == ["REQUESTOFFERS"]


def test_a_guest_is_heard_wherever_it_speaks_and_where_is_told(table: Table) -> None:
    port = table.port()
    table.guest.connection = 9
    table.guest.post("REQUESTOFFERS")

    assert port.take() == [Sent("guest", "REQUESTOFFERS", {"connection": 9})]


def test_a_user_that_is_not_heard_ends_the_session_as_garbage(table: Table) -> None:
    port = table.port()
    with table.host.changed:
        table.host.note("guest", "SAID", {}, f"{UNHEARD}: it has ended")

    assert port.take() == [Gone("garbage", f"{UNHEARD}: it has ended")]


def test_a_guest_that_resets_itself_is_lost(table: Table) -> None:
    port = table.port()
    table.note("SIGNAL", {"child_relid": 3})
    with table.host.changed:
        table.host.note("guest", "ENDED", {}, "the guest has reset itself")
    table.contact()

    assert port.take() == [Signalled("guest", 3), Gone("crash", "the guest has reset itself")]


def test_calls_go_to_the_user_and_come_back(table: Table) -> None:
    port = table.port()
    port.call("u0", "open", (GUID,))
    assert table.orders == [{"by": "u0", "do": "open", "arguments": [GUID]}]
    table.say({"by": "u0", "do": "open", "errno": 19})

    assert port.take() == [Returned("u0", "open", 19)]


def test_a_rest_is_waited_for_while_the_guest_does_something(table: Table) -> None:
    port = table.port()
    requests = [lambda n=n: table.note("SIGNAL", {"child_relid": n}) for n in (3, 4)]
    table.restless = [table.contact, *requests]
    port.settle()

    seen = port.take()
    assert [cast(Sent, s).message for s in seen[:1]] == ["INITIATE_CONTACT"]
    assert seen[1:] == [Signalled("guest", 3), Signalled("guest", 4)]


def test_what_happens_between_two_looks_belies_a_rest(table: Table) -> None:
    table.port()
    looks: list[int] = []

    def look() -> bool:
        looks.append(len(looks))
        if len(looks) == 2:
            table.note("SIGNAL", {"child_relid": 3})
        return True

    commands = ByHandCommands(cast(Any, SimpleNamespace(host=table.host, is_at_rest=look))).table()

    assert commands["hand-settle"](since=0, seconds=60.0, looks=3)["entries"] != []
    assert len(looks) == 5


def test_a_guest_at_rest_is_not_asked_until_it_gets_something(table: Table) -> None:
    port = table.port()
    port.settle()
    del table.asked[:]
    assert port.take() == []
    assert table.asked == []

    port.act("guest", "spurious")
    port.take()
    assert table.asked == ["hand-signal", "hand-seen"]


def _at_rest(table: Table, monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """A guest that does nothing, each three looks at which take 12 ms: how long until now."""
    clock = [0.0]

    def rests(looks: int, **_: Any) -> dict[str, Any]:
        clock[0] += 0.004 * looks
        return {"entries": [], "more": 0, "rests": True}

    table.commands |= {"hand-settle": rests}
    fake = SimpleNamespace(monotonic=lambda: clock[0])
    monkeypatch.setattr("kmcl_lab.byhand.time", fake)
    return lambda: round(clock[0], 3)


def test_a_rest_that_is_asked_for_again_is_looked_at_for_longer(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten in a row, as the judge asks for where something is missing, take more than a second; two
    in a row, as walks have them, little."""
    until = _at_rest(table, monkeypatch)
    port = table.port()
    ends = []
    for _ in range(RESTS + 2):
        port.settle()
        ends.append(until())
    took = [round(end - begin, 3) for begin, end in pairwise([0.0, *ends])]

    assert took[:3] == [0.012, 0.012, 0.024]
    assert 1.1 < ends[RESTS - 1] < 1.3
    assert took[RESTS:] == [0.012, 0.012]  # whoever has slept through all that sleeps on


@pytest.mark.parametrize("what", ["the test does something", "the guest does something"])
def test_whatever_is_done_a_rest_is_believed_anew(
    table: Table, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    until = _at_rest(table, monkeypatch)
    port = table.port()
    for _ in range(5):
        port.settle()
    begin = until()
    if what == "the test does something":
        port.act("guest", "spurious")
        port.settle()
    else:
        calm = table.commands["hand-settle"]
        entry = [0, "guest", "SIGNAL", {"child_relid": 3}, ""]
        woken = {"entries": [entry], "more": 0, "rests": True}
        table.commands |= {"hand-settle": lambda **_: woken}
        port.settle()
        table.commands |= {"hand-settle": calm}
        port.settle()

    assert until() - begin == pytest.approx(0.012)


def test_what_comes_while_a_rest_is_doubted_ends_the_doubt(table: Table) -> None:
    port = table.port()
    port.settle()
    table.restless = [lambda: table.note("SIGNAL", {"child_relid": 3})]
    port.settle()

    assert port.take() == [Signalled("guest", 3)]
    assert table.asked.count("hand-settle") == 2


def test_a_guest_that_never_rests_is_lost(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kmcl_lab.byhand._SLICE", 0.0)
    table.restless = [lambda: None] * 99
    port = table.port()
    port.settle()

    assert port.take() == [Gone("hang", "no rest within 0 s")]
    assert table.asked.count("hand-settle") == 40


def test_a_panic_ends_the_wait_for_a_rest(table: Table) -> None:
    port = table.port()
    table.restless = [table.contact, table.host.crashed, *[lambda: None] * 99]
    port.settle()

    contact, gone = port.take()
    assert (cast(Sent, contact).message, cast(Gone, gone).reason) == ("INITIATE_CONTACT", "crash")
    assert len(table.restless) == 99


def test_a_guest_that_is_lost_meanwhile_is_not_waited_for(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmcl_lab.byhand._SLICE", 0.0)
    port = table.port()

    def lose() -> None:
        table.lost = GuestLost("the inner guest has not answered for 30 s", is_hang=True)

    table.restless = [lambda: None, lose, *[lambda: None] * 99]
    port.settle()

    assert port.take() == [Gone("hang", "the inner guest has not answered for 30 s")]
    assert table.asked.count("hand-settle") == 2


def test_a_lost_guest_is_gone_and_stays_so(table: Table) -> None:
    port = table.port()
    table.lost = GuestLost("panic of the inner guest: sorry", is_hang=False)
    port.post("ALLOFFERS_DELIVERED", {}, "")
    port.call("u0", "load", ())
    port.settle()

    assert port.take() == [Gone("crash", "panic of the inner guest: sorry")]
    assert table.orders == []


def test_a_panic_that_the_guest_tells_of_is_a_crash(table: Table) -> None:
    port = table.port()
    table.host.crashed()

    assert [type(seen) for seen in port.take()] == [Gone]


def test_a_long_trace_comes_in_pieces(table: Table) -> None:
    port = table.port()
    for relid in range(1000):
        table.note("SIGNAL", {"child_relid": relid})

    assert port.take() == [Signalled("guest", relid) for relid in range(1000)]


def test_a_reset_goes_back_to_the_beginning(table: Table) -> None:
    port = table.port()
    table.contact()
    port.act("guest", "reset")

    assert table.beginnings == 2
    assert [cast(Sent, s).message for s in port.take()] == ["INITIATE_CONTACT"]


def test_where_it_is_wanted_a_reset_boots_the_machine(table: Table) -> None:
    port = table.port(resets=True)
    table.contact()
    port.act("guest", "reset")

    assert (table.beginnings, table.done) == (1, ["boots", "the user begins"])
    assert [cast(Sent, s).message for s in port.take()] == ["INITIATE_CONTACT"]


def test_another_kernel_is_waited_for_and_its_hello_is_the_return(table: Table) -> None:
    port = table.port()
    table.contact()
    port.call("u1", "kexec", ())
    table.restless = [lambda: None, lambda: table.guest.post("UNLOAD")]
    port.settle()
    parting = port.take()
    port.post("UNLOAD_RESPONSE", {}, "")
    booting: list[Callable[[], object]] = [lambda: None] * 3
    table.restless = [*booting, lambda: table.note("HELLO", {"kernel": "6"})]
    port.settle()

    assert [cast(Sent, seen).message for seen in parting] == ["INITIATE_CONTACT", "UNLOAD"]
    assert port.take()[1:] == [Returned("u1", "kexec", 0)]
    assert table.done == ["parts", "expects a hello", "meets", "the user begins"]


def test_a_guest_that_halts_while_it_boots_is_not_at_rest(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmcl_lab.byhand._SLICE", 0.0)
    port = table.port()
    port.call("u0", "kexec", ())
    port.settle()

    assert port.take() == [Gone("hang", "no rest within 0 s")]


def test_a_guest_that_halts_for_long_on_its_way_waits_for_something() -> None:
    """A bind that waits for the host keeps a device from being shut down. Timers wake it now and
    then."""
    table = Table()
    clock = iter(range(1000))
    woken = iter([True, True, True, True, False] * 200)
    hosting = SimpleNamespace(
        host=table.host,
        is_at_rest=lambda: next(woken),
        expect_hello=lambda: None,
        tell=lambda data: None,
    )
    commands = ByHandCommands(cast(Any, hosting), lambda: float(next(clock))).table()
    commands["hand-call"](by="u0", do="kexec", arguments=[])
    early = commands["hand-settle"](since=0, seconds=0.0, looks=1)
    late = commands["hand-settle"](since=0, seconds=60.0, looks=1)

    assert (early["rests"], late["rests"]) == (False, True)


def test_a_guest_that_works_half_of_the_time_is_on_its_way() -> None:
    looks = _Looks()
    seen = []
    for second in range(40):
        looks.look(second % 2 == 0, 7, float(second))
        seen.append(looks.waits)

    assert not any(seen)


def test_a_guest_that_says_something_is_on_its_way_again() -> None:
    looks = _Looks()
    for second in range(20):
        looks.look(True, 7, float(second))
    waited = looks.waits
    looks.look(True, 8, 20.0)

    assert (waited, looks.waits) == (True, False)


@pytest.mark.parametrize("flaw", ["short", "unknown type"])
def test_an_answer_that_is_none_does_not_let_the_guest_go(table: Table, flaw: str) -> None:
    """So it rests, where nothing else comes."""
    port = table.port()
    table.contact()
    port.call("u0", "kexec", ())
    table.restless = [lambda: table.guest.post("UNLOAD")]
    port.settle()
    port.post("UNLOAD_RESPONSE", {}, flaw)
    port.settle()

    assert [cast(Sent, s).message for s in port.take()][1:] == ["UNLOAD", "UNLOAD_RESPONSE"]


def test_a_kexec_that_fails_is_told_like_any_call(table: Table) -> None:
    port = table.port()
    port.call("u0", "kexec", ())
    table.restless = [lambda: table.say({"by": "u0", "do": "kexec", "errno": 95})]
    port.settle()

    assert port.take() == [Returned("u0", "kexec", 95)]


def test_a_guest_that_is_lost_between_two_kernels_is_gone(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = table.port()
    port.call("u0", "kexec", ())

    def lose() -> None:
        raise GuestLost("not done within 150 s: the inner guest boots", is_hang=True)

    monkeypatch.setattr(table, "meet", lose)
    table.restless = [lambda: table.note("HELLO", {})]
    port.settle()

    assert port.take() == [Gone("hang", "not done within 150 s: the inner guest boots")]


def test_a_released_relid_does_not_signal_any_more(table: Table) -> None:
    port = table.port()
    table.contact()
    port.post("OFFERCHANNEL", OFFER, "")
    table.guest.post("RELID_RELEASED", child_relid=3)

    assert table.host.channels == {}


def test_a_session_is_played_over_the_port(table: Table) -> None:
    session = ControlSession(table.port(), exact=False)
    table.restless = [table.contact]
    events: list[Event] = []
    for stimulus in (
        Invoke("invoke", "guest", "u0", "load", ()),
        Settle("settle"),
        Post("post", "VERSION_RESPONSE", (True, None), ""),
        Environ("environment", "host", "busy"),
    ):
        session.apply(stimulus)
        events += session.take()

    assert [e[0] for e in events] == ["call", "message", "quiescence", "message", "environment"]
    assert events[2] == Quiescence("quiescence", False)
    assert session.runnable() == 0


def test_a_slot_is_empty_when_the_guest_has_taken_all_there_was(table: Table) -> None:
    port = table.port()
    table.contact()
    slot = table.host.slot
    empty = [slot.is_empty]
    for relid in (3, 4):
        port.post("RESCIND_CHANNELOFFER", {"child_relid": relid}, "")
        empty.append(slot.is_empty)
    table.guest.read_all()

    assert [*empty, slot.is_empty] == [True, False, False, True]


def test_what_the_guest_said_at_the_last_moment_comes_before_its_reset(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It speaks after the session has listened, and before the host resets it."""
    port = table.port()
    session = ControlSession(port, exact=False)
    reset = port.act

    def act(endpoint: str, action: str) -> None:
        table.contact()
        reset(endpoint, action)

    monkeypatch.setattr(port, "act", act)
    session.apply(Environ("environment", "guest", "reset"))
    said, happened = session.take()

    assert list(said)[:3] == ["message", "guest", "INITIATE_CONTACT"]
    assert happened == ("environment", "guest", "reset")


def test_a_guest_that_panics_just_before_its_reset_is_lost(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = table.port()
    session = ControlSession(port, exact=False)
    reset = port.act

    def act(endpoint: str, action: str) -> None:
        table.host.crashed()
        reset(endpoint, action)

    monkeypatch.setattr(port, "act", act)
    session.apply(Environ("environment", "guest", "reset"))

    assert [event[0] for event in session.take()] == ["lost"]
