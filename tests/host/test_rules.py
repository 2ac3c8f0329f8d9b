"""What a test makes of control messages."""

import pytest

from kmcl_adapters.host.channel import HostOffer, State
from kmcl_adapters.host.control import Status
from kmcl_adapters.host.rules import Rule, RuleError
from kmcl_adapters.host.scripted import ScriptedGuest


def connected() -> ScriptedGuest:
    guest = ScriptedGuest()
    guest.host.offer(HostOffer())
    guest.connect()
    return guest


def test_answers_are_held_and_let_go_in_another_order() -> None:
    guest = connected()
    guest.host.rules.add(Rule("GPADL_CREATED", "hold", times=2))
    assert guest.share(1, 5, [8, 9]) + guest.share(1, 6, [10, 11]) == []

    assert [held.fields["gpadl"] for held in guest.host.held] == [5, 6]
    guest.host.release(1)
    guest.host.release()
    assert [message.fields["gpadl"] for message in guest.read_all()] == [6, 5]
    assert guest.names() == []


def test_what_the_guest_has_posted_is_held() -> None:
    guest = connected()
    guest.host.rules.add(Rule("GPADL_TEARDOWN", "hold"))
    guest.share(1, 5, [8, 9])
    guest.post("GPADL_TEARDOWN", child_relid=1, gpadl=5)

    assert 5 in guest.host.gpadls.complete
    guest.host.release()
    assert guest.names() == ["GPADL_TORNDOWN"]


def test_an_answer_is_lost() -> None:
    guest = connected()
    guest.host.rules.add(Rule("GPADL_CREATED", "drop"))

    assert guest.share(1, 5, [8, 9]) == []
    assert [message.name for message in guest.share(1, 6, [8, 9])] == ["GPADL_CREATED"]
    names = [entry.name for entry in guest.host.trace.since(-4)]
    assert names == ["GPADL_HEADER", "DROPPED", "GPADL_HEADER", "GPADL_CREATED"]


def test_an_answer_comes_three_times() -> None:
    guest = connected()
    guest.host.rules.add(Rule("GPADL_CREATED", "repeat", 2))

    assert [message.name for message in guest.share(1, 5, [8, 9])] == ["GPADL_CREATED"] * 3


def test_an_answer_comes_late() -> None:
    guest = connected()
    guest.host.rules.add(Rule("GPADL_CREATED", "delay", 0.5))

    assert guest.share(1, 5, [8, 9]) == []
    assert guest.run_later() == [0.5]
    assert guest.names() == ["GPADL_CREATED"]


def test_an_open_fails_and_the_host_knows_it() -> None:
    guest = connected()
    guest.host.rules.add(Rule("OPENCHANNEL_RESULT", "fail", 0xC000009A))
    *_, result = guest.open(1)
    channel = guest.host.channels[1]

    assert result.fields["status"] == 0xC000009A
    assert (channel.state, channel.opening) == (State.OFFERED, None)


def test_a_gpadl_fails_and_the_host_knows_it() -> None:
    guest = connected()
    guest.host.rules.add(Rule("GPADL_CREATED", "fail", 1))
    (created,) = guest.share(1, 5, [8, 9])

    assert created.fields["creation_status"] == 1
    assert guest.host.gpadls.complete == {}


def test_a_version_is_refused_by_a_rule() -> None:
    guest = ScriptedGuest()
    guest.host.rules.add(Rule("VERSION_RESPONSE", "fail", 2))

    assert guest.contact() == {"version_supported": 0, "connection_state": 2, "msg_conn_id": 4}
    assert guest.contact()["version_supported"] == 1


def test_a_post_fails_so_often_and_is_in_the_trace() -> None:
    guest = connected()
    guest.host.rules.add(Rule("REQUESTOFFERS", "refuse", Status.INSUFFICIENT_BUFFERS, times=2))
    statuses = [guest.post("REQUESTOFFERS") for _ in range(3)]

    assert statuses == [0x13, 0x13, 0]
    noted = [e.note for e in guest.host.trace.since(0) if e.name == "REQUESTOFFERS"]
    assert noted == ["", "refused with 0x13", "refused with 0x13", ""]


def test_a_rule_is_for_the_messages_it_names() -> None:
    guest = connected()
    guest.host.rules.add(Rule("GPADL_CREATED", "drop", times=0, fields={"gpadl": 6}))

    assert [len(guest.share(1, handle, [8, 9])) for handle in (5, 6, 7)] == [1, 0, 1]
    guest.host.rules.clear()
    guest.post("GPADL_TEARDOWN", child_relid=1, gpadl=6)
    guest.read_all()
    assert len(guest.share(1, 6, [8, 9])) == 1


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule("OPEN", "drop"), "OPEN: no such message"),
        (Rule("OPENCHANNEL", "lose"), "lose: no such action; there are: hold, drop"),
        (Rule("OFFERCHANNEL", "refuse", 5), "OFFERCHANNEL is no post of the guest"),
        (Rule("UNLOAD_RESPONSE", "fail", 5), "UNLOAD_RESPONSE tells no status"),
        (Rule("OPENCHANNEL", "delay"), "delay needs a value: it comes later"),
        (Rule("OPENCHANNEL", "drop", times=-1), "-1 messages are none"),
        (
            Rule("VERSION_RESPONSE", "fail", 0xC000000D),
            "fail: 0xc000000d does not fit connection_state of VERSION_RESPONSE",
        ),
        (
            Rule("GPADL_CREATED", "fail", 1 << 32),
            "fail: 0x100000000 does not fit creation_status of GPADL_CREATED",
        ),
        (Rule("GPADL_CREATED", "fail", 0.5), "fail: 0.5 is no whole number"),
        (Rule("OPENCHANNEL", "repeat", float("inf")), "repeat: inf is no whole number"),
        (
            Rule("ALLOFFERS_DELIVERED", "repeat", 1e12),
            "repeat: 1000000000000 times are too many; 1000 at most",
        ),
        (
            Rule("UNLOAD", "refuse", 0x10000),
            "refuse: 0x10000 does not fit the status of a hypercall",
        ),
        (Rule("UNLOAD", "delay", float("inf")), "delay: inf seconds are too many"),
    ],
    ids=[
        "message",
        "action",
        "refuse",
        "status",
        "value",
        "times",
        "a byte",
        "four bytes",
        "half",
        "for ever",
        "far too often",
        "two bytes",
        "never",
    ],
)
def test_a_rule_that_makes_no_sense_is_told(rule: Rule, words: str) -> None:
    with pytest.raises(RuleError, match=f"^{words}"):
        connected().host.rules.add(rule)


@pytest.mark.parametrize(
    "rule",
    [
        Rule("VERSION_RESPONSE", "fail", 0xFF),
        Rule("OPENCHANNEL_RESULT", "fail", 0xFFFFFFFF),
        Rule("UNLOAD", "refuse", 0xFFFF),
        Rule("UNLOAD", "delay", 0.5),
    ],
    ids=["a byte", "four bytes", "two bytes", "half a second"],
)
def test_the_largest_number_that_can_be_told_is_taken(rule: Rule) -> None:
    assert rule.check() is rule
