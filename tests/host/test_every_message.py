"""Every control message, of host and guest, under every rule: what passes on the wire."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kmcl_adapters.host.channel import HostOffer
from kmcl_adapters.host.control import NEWEST, Control
from kmcl_adapters.host.host import SOUND, VmbusHost
from kmcl_adapters.host.messages import LAYOUTS, Message
from kmcl_adapters.host.rules import ACTIONS, Rule, RuleError
from kmcl_adapters.host.scripted import ScriptedGuest

INSTANCE = "11111111-2222-3333-4444-555555555555"
OFFER = HostOffer(instance=INSTANCE)
BUFFER = bytes.fromhex("002000000000000008000000000000000900000000000000")
"""One range: two pages, 8 and 9."""
NOTHING_ELSE = "TL_CONNECT_RESULT"
"""A message of the host that no situation here leads to: it is sent to see what comes first."""


class Listening(Control):
    """A host's control that notes what it is given to handle."""

    def __init__(self, host: VmbusHost) -> None:
        super().__init__(host)
        self.heard: list[str] = []

    def handle(self, message: Message, connection: int) -> str:
        self.heard.append(message.name)
        return super().handle(message, connection)


def connected() -> ScriptedGuest:
    """A guest that knows of one channel, 1; what was handled so far is forgotten."""
    guest = ScriptedGuest(SOUND._replace(control=Listening))
    guest.host.offer(OFFER)
    guest.connect()
    heard(guest).clear()
    return guest


def heard(guest: ScriptedGuest) -> list[str]:
    control = guest.host.control
    assert isinstance(control, Listening)
    return control.heard


def rescinded() -> ScriptedGuest:
    guest = connected()
    guest.host.rescind(guest.host.channels[1])
    guest.read_all()
    return guest


def sharing() -> ScriptedGuest:
    guest = connected()
    guest.share(1, 900, range(8, 16))
    heard(guest).clear()
    return guest


def opened() -> ScriptedGuest:
    guest = connected()
    guest.open(1)
    heard(guest).clear()
    return guest


def describing() -> ScriptedGuest:
    """A guest in the middle of a GPADL."""
    guest = connected()
    begin(guest, len(BUFFER), BUFFER[:16])
    heard(guest).clear()
    return guest


def begin(guest: ScriptedGuest, length: int = len(BUFFER), rest: bytes = BUFFER) -> int:
    head = {"child_relid": 1, "gpadl": 5, "range_buflen": length, "rangecount": 1}
    return guest.post("GPADL_HEADER", rest=rest, **head)


def go_on(guest: ScriptedGuest) -> int:
    return guest.post("GPADL_BODY", rest=BUFFER[16:], msgnumber=0, gpadl=5)


def ask_to_open(guest: ScriptedGuest) -> int:
    return guest.post(
        "OPENCHANNEL",
        child_relid=1,
        openid=1,
        ring_buffer_gpadlhandle=900,
        target_vp=0,
        downstream_ringbuffer_pageoffset=4,
        userdata=b"",
    )


Situation = tuple[Callable[[], ScriptedGuest], Callable[[ScriptedGuest], object]]
"""A guest, and what makes the message pass."""

OF_THE_HOST: dict[str, Situation] = {
    "OFFERCHANNEL": (
        connected,
        lambda g: g.host.offer(HostOffer(instance=INSTANCE.replace("1", "6"))),
    ),
    "RESCIND_CHANNELOFFER": (connected, lambda g: g.host.rescind(g.host.channels[1])),
    "ALLOFFERS_DELIVERED": (rescinded, lambda g: g.post("REQUESTOFFERS")),
    "OPENCHANNEL_RESULT": (sharing, ask_to_open),
    "GPADL_CREATED": (connected, begin),
    "GPADL_TORNDOWN": (
        sharing,
        lambda g: g.post("GPADL_TEARDOWN", child_relid=1, gpadl=900),
    ),
    "VERSION_RESPONSE": (connected, lambda g: g.begin(NEWEST)),
    "UNLOAD_RESPONSE": (connected, lambda g: g.post("UNLOAD")),
    "MODIFYCHANNEL_RESPONSE": (
        opened,
        lambda g: g.post("MODIFYCHANNEL", child_relid=1, target_vp=0),
    ),
    NOTHING_ELSE: (connected, lambda g: g.host.send(NOTHING_ELSE)),
}

OF_THE_GUEST: dict[str, Situation] = {
    "REQUESTOFFERS": (connected, lambda g: g.post("REQUESTOFFERS")),
    "OPENCHANNEL": (sharing, ask_to_open),
    "CLOSECHANNEL": (opened, lambda g: g.post("CLOSECHANNEL", child_relid=1)),
    "GPADL_HEADER": (connected, begin),
    "GPADL_BODY": (describing, go_on),
    "GPADL_TEARDOWN": (
        sharing,
        lambda g: g.post("GPADL_TEARDOWN", child_relid=1, gpadl=900),
    ),
    "RELID_RELEASED": (rescinded, lambda g: g.post("RELID_RELEASED", child_relid=1)),
    "INITIATE_CONTACT": (connected, lambda g: g.begin(NEWEST)),
    "UNLOAD": (connected, lambda g: g.post("UNLOAD")),
    "TL_CONNECT_REQUEST": (connected, lambda g: g.post("TL_CONNECT_REQUEST")),
    "MODIFYCHANNEL": (opened, lambda g: g.post("MODIFYCHANNEL", child_relid=1, target_vp=0)),
}
"""Each post gives the status of its hypercall."""

EVERY = OF_THE_HOST | OF_THE_GUEST
WITH_STATUS = [name for name, layout in LAYOUTS.items() if layout.status]


def ordinary(name: str) -> Message:
    """The message of the host as it passes without a rule, and nothing besides."""
    begin, act = OF_THE_HOST[name]
    guest = begin()
    act(guest)
    (message,) = guest.read_all()
    assert message.name == name
    return message


def ruled(name: str, action: str, value: float = 0) -> tuple[ScriptedGuest, object]:
    """The guest with one such rule, when its situation has led to the message."""
    begin, act = EVERY[name]
    guest = begin()
    guest.host.rules.add(Rule(name, action, value))
    answer = act(guest)
    assert guest.host.rules.take(name, {}) == (None, None), "the rule is used up"
    return guest, answer


def test_no_message_and_no_action_is_left_out() -> None:
    assert {n for n, layout in LAYOUTS.items() if layout.sender == "host"} == set(OF_THE_HOST)
    assert {n for n, layout in LAYOUTS.items() if layout.sender == "guest"} == set(OF_THE_GUEST)
    assert set(ACTIONS) == {"hold", "drop", "delay", "repeat", "fail", "refuse"}


# Of the host ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OF_THE_HOST)
def test_a_message_of_the_host_is_held(name: str) -> None:
    guest, _ = ruled(name, "hold")

    assert guest.read_all() == []
    assert [(held.sender, held.name) for held in guest.host.held] == [("host", name)]
    guest.host.release()
    assert guest.read_all() == [ordinary(name)]
    assert guest.host.held == []


@pytest.mark.parametrize("name", OF_THE_HOST)
def test_a_message_of_the_host_is_overtaken(name: str) -> None:
    guest, _ = ruled(name, "hold")
    guest.host.send(NOTHING_ELSE)
    guest.host.release()

    assert guest.names() == [NOTHING_ELSE, name]


@pytest.mark.parametrize("name", OF_THE_HOST)
def test_a_message_of_the_host_is_dropped(name: str) -> None:
    guest, _ = ruled(name, "drop")

    assert guest.read_all() == []
    assert guest.run_later() == []
    last = guest.host.trace.since(-1)[0]
    assert (last.name, last.fields) == ("DROPPED", {"name": name})


@pytest.mark.parametrize("name", OF_THE_HOST)
def test_a_message_of_the_host_is_delayed(name: str) -> None:
    guest, _ = ruled(name, "delay", 1.5)

    assert guest.read_all() == []
    assert guest.run_later() == [1.5]
    assert guest.read_all() == [ordinary(name)]


@pytest.mark.parametrize("name", OF_THE_HOST)
def test_a_message_of_the_host_is_repeated(name: str) -> None:
    guest, _ = ruled(name, "repeat", 2)

    assert guest.read_all() == [ordinary(name)] * 3


@pytest.mark.parametrize("passage", ["", "hold", "drop", "delay", "repeat"])
@pytest.mark.parametrize("name", WITH_STATUS)
def test_an_answer_tells_an_error_whatever_else_becomes_of_it(name: str, passage: str) -> None:
    begin, act = OF_THE_HOST[name]
    guest = begin()
    guest.host.rules.add(Rule(name, "fail", 0x77))
    if passage:
        guest.host.rules.add(Rule(name, passage, 1 if passage in ("delay", "repeat") else 0))
    act(guest)
    if passage == "hold":
        assert guest.read_all() == []
        guest.host.release()
    guest.run_later()
    read = guest.read_all()

    assert len(read) == {"drop": 0, "repeat": 2}.get(passage, 1)
    field = LAYOUTS[name].status
    wanted = ordinary(name).fields | {field: 0x77}
    if name == "VERSION_RESPONSE":
        wanted |= {"version_supported": 0}
    assert all(message.fields == wanted for message in read)


@pytest.mark.parametrize("name", sorted(set(EVERY) - set(WITH_STATUS)))
def test_a_message_without_a_status_cannot_fail(name: str) -> None:
    with pytest.raises(RuleError, match=f"^{name} tells no status$"):
        connected().host.rules.add(Rule(name, "fail", 1))


@pytest.mark.parametrize("name", OF_THE_HOST)
def test_a_message_of_the_host_is_no_post_that_could_be_refused(name: str) -> None:
    with pytest.raises(RuleError, match=f"^{name} is no post of the guest"):
        connected().host.rules.add(Rule(name, "refuse", 5))


# Of the guest ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OF_THE_GUEST)
def test_a_message_of_the_guest_is_handled_without_a_rule(name: str) -> None:
    begin, act = OF_THE_GUEST[name]
    guest = begin()

    assert act(guest) == 0
    assert heard(guest) == [name]


@pytest.mark.parametrize("name", OF_THE_GUEST)
def test_a_message_of_the_guest_is_held(name: str) -> None:
    guest, status = ruled(name, "hold")

    assert (status, heard(guest), guest.read_all()) == (0, [], [])
    assert [(held.sender, held.name) for held in guest.host.held] == [("guest", name)]
    guest.host.release()
    assert heard(guest) == [name]


@pytest.mark.parametrize("name", OF_THE_GUEST)
def test_a_message_of_the_guest_is_dropped(name: str) -> None:
    guest, status = ruled(name, "drop")

    assert (status, guest.run_later(), heard(guest), guest.read_all()) == (0, [], [], [])


@pytest.mark.parametrize("name", OF_THE_GUEST)
def test_a_message_of_the_guest_is_delayed(name: str) -> None:
    guest, status = ruled(name, "delay", 0.5)

    assert (status, heard(guest), guest.read_all()) == (0, [], [])
    assert guest.run_later() == [0.5]
    assert heard(guest) == [name]


@pytest.mark.parametrize("name", OF_THE_GUEST)
def test_a_message_of_the_guest_is_repeated(name: str) -> None:
    guest, status = ruled(name, "repeat", 2)

    assert (status, heard(guest)) == (0, [name] * 3)


@pytest.mark.parametrize("name", OF_THE_GUEST)
def test_a_post_of_the_guest_is_refused(name: str) -> None:
    guest, status = ruled(name, "refuse", 0x13)

    assert (status, heard(guest), guest.read_all()) == (0x13, [], [])
    assert guest.host.trace.since(-1)[0].note == "refused with 0x13"
