"""The session of the control protocol: the fields a message gets, and the order of what is told."""

from collections.abc import Mapping

import pytest

from kmcl_adapters.control import (
    ControlSession,
    Field,
    Gone,
    Returned,
    Seen,
    Sent,
    Signalled,
    described,
    seen_of,
)
from kmcl_adapters.guest import GuestPort
from kmcl_conformance.control.setup import DEVICES, SETTLE, happens, offer, post, user
from kmcl_model.control import GUEST, HOST
from kmcl_model.events import Call, Environment, Lost, Message, Quiescence, Return, Signal
from kmcl_model.stimuli import Post, Stimulus


class Scripted:
    """A port that tells what it was told to tell, and keeps what it was asked to post."""

    def __init__(self, *seen: Seen) -> None:
        self.coming: list[Seen] = list(seen)
        self.posted: list[tuple[str, Mapping[str, Field], str]] = []
        self.acts: list[tuple[str, str]] = []

    def post(self, message: str, fields: Mapping[str, Field], flaw: str) -> None:
        self.posted.append((message, fields, flaw))
        self.coming.append(Sent(HOST, message, fields, flaw))

    def call(self, by: str, function: str, arguments: tuple[Field, ...]) -> None:
        self.coming.append(Returned(by, function, 0))

    def act(self, endpoint: str, action: str) -> None:
        self.acts.append((endpoint, action))

    def ready(self) -> tuple[int, ...]:
        return ()

    def step(self, choice: int) -> None:
        raise AssertionError("nothing is ready")

    def settle(self) -> None:
        pass

    def take(self) -> list[Seen]:
        coming, self.coming = self.coming, []
        return coming

    def close(self) -> None:
        pass


def header(relid: int, gpadl: int) -> Sent:
    fields: dict[str, Field] = {
        "child_relid": relid,
        "gpadl": gpadl,
        "range_buflen": 16,
        "rangecount": 1,
        "byte_count": 4096,
        "byte_offset": 0,
        "pfns": 1,
    }
    return Sent(GUEST, "GPADL_HEADER", fields)


def posted(port: Scripted, *stimuli: Stimulus) -> list[dict[str, Field]]:
    session = ControlSession(port, exact=False)
    for stimulus in stimuli:
        session.apply(stimulus)
    return [dict(fields) for _, fields, _ in port.posted]


def test_an_answer_bears_the_id_of_the_oldest_request_of_its_channel() -> None:
    port = Scripted(header(1, 70), header(2, 71), header(1, 72))
    created = post("GPADL_CREATED", 1, 0)

    assert [f["gpadl"] for f in posted(port, created, created)] == [70, 72]


def test_an_answer_that_nobody_waits_for_bears_the_id_of_the_last_one_answered() -> None:
    port = Scripted(header(1, 70))
    created = post("GPADL_CREATED", 1, 0)

    assert posted(port, created, created)[1] == {
        "child_relid": 1,
        "gpadl": 70,
        "creation_status": 0,
    }


def test_an_answer_without_any_request_bears_zero() -> None:
    assert posted(Scripted(), post("OPENCHANNEL_RESULT", 5, 0)) == [
        {"child_relid": 5, "openid": 0, "status": 0}
    ]


@pytest.mark.parametrize(
    ("flaw", "fields"),
    [
        ("wrong id", {"child_relid": 1, "gpadl": 1070, "creation_status": 0}),
        ("wrong relid", {"child_relid": 1001, "gpadl": 70, "creation_status": 0}),
        ("short", {"child_relid": 1, "gpadl": 70, "creation_status": 0}),
    ],
)
def test_a_flawed_answer_leaves_the_request_waiting(flaw: str, fields: dict[str, Field]) -> None:
    port = Scripted(header(1, 70))

    sent = posted(port, post("GPADL_CREATED", 1, 0, flaw=flaw), post("GPADL_CREATED", 1, 0))

    assert sent == [fields, {"child_relid": 1, "gpadl": 70, "creation_status": 0}]
    assert [f for _, _, f in port.posted] == [flaw, ""]


def test_a_reset_forgets_the_requests() -> None:
    port = Scripted(header(1, 70))

    assert posted(port, happens("reset"), post("GPADL_CREATED", 1, 0))[0]["gpadl"] == 0
    assert port.acts == [(GUEST, "reset")]


def test_events_come_in_the_order_in_which_the_port_saw_them() -> None:
    port = Scripted(header(1, 70), Signalled(GUEST, 1))
    session = ControlSession(port, exact=False)

    session.apply(user("open", DEVICES[0]))
    session.apply(happens("busy"))
    session.apply(SETTLE)

    assert session.take() == [
        Message("message", GUEST, "GPADL_HEADER", (1, 70, 16, 1, 4096, 0, 1, None, None)),
        Signal("signal", GUEST, 1),
        Call("call", GUEST, "u0", "open", (DEVICES[0],)),
        Return("return", GUEST, "u0", "open", 0, ()),
        Environment("environment", HOST, "busy"),
        Quiescence("quiescence", False),
    ]


def test_nothing_is_told_after_the_loss_of_the_guest() -> None:
    port = Scripted(Gone("crash", "oops"), header(1, 70))
    session = ControlSession(port, exact=True)

    session.apply(SETTLE)
    session.apply(post("RESCIND_CHANNELOFFER", 1))

    assert session.take() == [Lost("lost", "crash", "oops")]
    assert port.posted == []


def test_an_error_inside_the_reference_is_the_loss_of_the_guest() -> None:
    session = ControlSession(GuestPort(), exact=True)
    for stimulus in (user("load"), SETTLE, post("VERSION_RESPONSE", True), SETTLE):
        session.apply(stimulus)
    session.take()

    session.apply(Post("post", "OFFERCHANNEL", ("one", "", "", 0, False, 0, 0)))
    session.apply(SETTLE)

    assert [event.kind for event in session.take()] == ["message", "lost"]


def test_an_entry_of_a_hosts_trace_is_told_by_the_names_of_linux() -> None:
    fields = {"child_relid": 1, "openid": 1, "ring_buffer_gpadlhandle": 70}

    assert seen_of(GUEST, "OPENCHANNEL", fields) == Sent(
        GUEST, "OPENCHANNEL", {"child_relid": 1, "openid": 1, "ringbuffer_gpadlhandle": 70}
    )
    assert seen_of(GUEST, "SIGNAL", {"child_relid": 3}) == Signalled(GUEST, 3)
    assert isinstance(seen_of(GUEST, "CRASH", {}), Gone)
    assert isinstance(seen_of(GUEST, "UNREADABLE", {"bytes": "00"}), Gone)
    assert seen_of(HOST, "IGNORED", {"name": "UNLOAD"}) is None
    assert seen_of(GUEST, "TL_CONNECT_REQUEST", {}) is None


def test_the_pages_behind_a_gpadl_message_are_counted() -> None:
    ranges = (8192).to_bytes(4, "little") + (0).to_bytes(4, "little") + bytes(16)

    assert described("GPADL_HEADER", ranges) == {"byte_count": 8192, "byte_offset": 0, "pfns": 2}
    assert described("GPADL_BODY", bytes(24)) == {"pfns": 3}
    assert described("GPADL_HEADER", b"\1\2") == {"byte_count": 0, "byte_offset": 0, "pfns": 0}
    assert described("UNLOAD", b"") == {}


def test_an_offer_carries_everything_that_a_test_gives() -> None:
    assert posted(Scripted(), offer(4, DEVICES[1], 2)) == [
        {
            "child_relid": 4,
            "if_type": "00000000-0000-0000-0000-0000000000c0",
            "if_instance": DEVICES[1],
            "sub_channel_index": 2,
            "monitor_allocated": False,
            "chn_flags": 0,
            "monitorid": 0,
        }
    ]


@pytest.mark.parametrize("action", ["spurious x", "spurious -1", "spurious 2048", "spurious 1 2"])
def test_a_signal_of_no_relid_is_an_error_of_the_test_not_of_the_guest(action: str) -> None:
    port = GuestPort()
    with pytest.raises(ValueError, match=f"^'{action}': a relid is a number from 0 to 2047$"):
        port.act("guest", action)

    assert port.take() == []
    port.act("guest", "spurious 2047")
    port.act("guest", "spurious")
    assert port.take() == []
    port.close()
