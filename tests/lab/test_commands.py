"""What the control connection can ask of the programmable host; the test plays the guest."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kmcl_adapters.driver import ThreadedSession
from kmcl_adapters.host.channel import TEST_CLASS
from kmcl_adapters.host.rules import RuleError
from kmcl_adapters.host.scripted import ScriptedGuest
from kmcl_adapters.host.trace import LIMIT
from kmcl_lab.hosting.commands import SERVERS, HostCommands
from kmcl_lab.hosting.control import CommandError
from kmcl_model.case import stimulus_to_json
from kmcl_model.stimuli import Invoke


class Desk:
    """The commands over a host without a machine."""

    def __init__(self) -> None:
        self.guest = ScriptedGuest()
        self.done: list[str] = []
        note = self.done.append
        hosting = SimpleNamespace(
            host=self.guest.host,
            machine=SimpleNamespace(
                vcpus=[SimpleNamespace(exits={2: 3})], seen_by_guest=lambda: [range(0)]
            ),
            running=True,
            resets=0,
            stalls=[],
            reset=lambda: note("reset"),
            stop=lambda: note("stop"),
            go_on=lambda: note("cont"),
            save=lambda name: note(f"save {name}"),
            rewind=lambda name: note(f"rewind {name}"),
            tsc_offset=lambda: 0,
            is_at_rest=lambda: self.is_at_rest(),
        )
        self.commands = HostCommands(cast(Any, hosting)).table()

        self.looks = 0
        self.restless: list[Callable[[], object]] = []
        """What the guest does, one thing at each look."""

    def is_at_rest(self) -> bool:
        self.looks += 1
        if not self.restless:
            return True
        self.restless.pop(0)()
        return False

    def ask(self, command: str, **arguments: Any) -> Any:
        return self.commands[command](**arguments)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_channel_is_offered_shown_and_taken_back(desk: Desk) -> None:
    told = desk.ask("offer", class_id=TEST_CLASS, user_data="6d696e65", monitor=3)
    (offer,) = desk.guest.connect()
    assert (offer["child_relid"], offer["if_instance"]) == (told["relid"], told["instance"])
    assert (offer["user_def"][:4], offer["monitorid"]) == (b"mine", 3)
    (shown,) = desk.ask("channels")
    assert (shown["state"], shown["class_id"]) == ("offered", TEST_CLASS)
    desk.ask("rescind", relid=told["relid"])

    assert desk.guest.names() == ["RESCIND_CHANNELOFFER"]
    with pytest.raises(CommandError, match="there is no channel 99"):
        desk.ask("rescind", relid=99)


def test_messages_are_steered_and_found_again(desk: Desk) -> None:
    relid = desk.ask("offer")["relid"]
    desk.guest.connect()
    since = desk.ask("figures")["trace"]
    desk.ask("rule", name="GPADL_CREATED", action="hold")
    assert desk.guest.share(relid, 5, [8, 9]) == []
    assert desk.ask("held")[0][:2] == ["host", "GPADL_CREATED"]
    assert desk.ask("release") == {"name": "GPADL_CREATED"}
    assert desk.guest.names() == ["GPADL_CREATED"]
    assert [entry[3] for entry in desk.ask("trace", since=since)] == [
        "GPADL_HEADER",
        "HELD",
        "GPADL_CREATED",
    ]
    found = desk.ask("wait-for", name="GPADL_CREATED", since=since, gpadl=5)
    assert found[2:4] == ["host", "GPADL_CREATED"]
    desk.ask("send", name="RESCIND_CHANNELOFFER", child_relid=77)
    desk.ask("send", hex="6300000000000000")
    desk.ask("signal", relid=relid)

    first = desk.guest.read()
    assert first is not None
    assert first.fields == {"child_relid": 77}
    assert desk.guest.events() == [relid]
    with pytest.raises(CommandError, match="no message is held at place 0"):
        desk.ask("release")
    with pytest.raises(RuleError, match="no such message"):
        desk.ask("rule", name="NO_SUCH", action="drop")


def test_versions_are_refused(desk: Desk) -> None:
    desk.ask("refuse-versions", versions=[0x50003])

    assert desk.guest.contact()["version_supported"] == 0
    assert desk.guest.contact(0x50002)["version_supported"] == 1


def test_whoever_waits_says_for_how_long(desk: Desk) -> None:
    desk.guest.connect()
    with pytest.raises(TimeoutError, match=r"RESCINDED .* did not come"):
        desk.ask("wait-for", name="RESCINDED", within=0.0)
    relid = desk.ask("offer", class_id=TEST_CLASS)["relid"]
    with pytest.raises(TimeoutError):
        desk.ask("receive", relid=relid, within=0.0)


def test_the_machine_is_steered(desk: Desk) -> None:
    for command in ("stop", "cont", "system_reset"):
        desk.ask(command)
    desk.ask("save", name="here")
    desk.ask("rewind", name="here")

    assert desk.done == ["stop", "cont", "reset", "save here", "rewind here"]
    assert desk.ask("query-status") == {"running": True, "status": "running"}
    assert desk.ask("query-version")["host"].startswith("kmcl programmable host")
    figures = desk.ask("figures")
    assert (figures["exits"], figures["resets"]) == ([{2: 3}], 0)
    assert not figures.keys() & desk.ask("resources").keys()  # what is held has one place


def test_what_the_host_holds_is_told(desk: Desk) -> None:
    told = desk.ask("resources")
    assert all(told[name] > 0 for name in ("kib", "descriptors", "threads"))
    assert told["settled"] == 0
    desk.guest.host.trace.add("guest", "GPADL_BODY", {"rest": bytes(LIMIT)})
    desk.guest.host.trace.add("guest", "SIGNAL", {})

    assert desk.ask("resources")["settled"] == 1


@pytest.mark.parametrize("by", SERVERS)
def test_a_server_is_played_on_an_instance(desk: Desk, by: str) -> None:
    with pytest.raises(CommandError, match="nobody serves a channel"):
        desk.ask("end", do="open")
    instance = "00000000-0000-4000-8000-000000000001"
    desk.ask("serve", class_id=TEST_CLASS, instance=instance, ring_bytes=69632, by=by)
    desk.guest.connect()
    desk.ask("end", do="open")
    for function, arguments in (("VmbChannelAllocate", (True,)), ("VmbChannelEnable", ())):
        stimulus = stimulus_to_json(Invoke("invoke", "server", "t0", function, arguments))
        told = desk.ask("end", do="apply", stimulus=stimulus)
    (offer,) = desk.guest.read_all()
    _, _, offered, opening, *_ = told["traffic"]
    desk.ask("end", do="close")

    assert offer.fields["if_instance"] == instance
    assert (offered, opening) == (offer.fields["child_relid"], 0)
    assert desk.guest.names() == ["RESCIND_CHANNELOFFER"]


def test_who_plays_a_server_is_known(desk: Desk) -> None:
    with pytest.raises(CommandError, match="no server's end 'me'; there are reference, uio"):
        desk.ask("serve", class_id=TEST_CLASS, instance="", ring_bytes=69632, by="me")


def serving(desk: Desk) -> Desk:
    """A server plays on an instance, which is not enabled."""
    with pytest.raises(CommandError, match="nobody serves a channel"):
        desk.ask("rest", looks=3, seconds=60.0)
    instance = "00000000-0000-4000-8000-000000000001"
    desk.ask("serve", class_id=TEST_CLASS, instance=instance, ring_bytes=69632)
    desk.ask("end", do="open")
    return desk


def test_a_rest_is_waited_for_while_the_guest_does_something(desk: Desk) -> None:
    serving(desk).restless = [lambda: None] * 2

    assert desk.ask("rest", looks=3, seconds=60.0)["rests"]
    assert desk.looks == 2 + 3


def test_what_happens_between_two_looks_belies_a_rest(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = serving(desk).guest.host

    def look() -> bool:
        desk.looks += 1
        if desk.looks == 2:
            host.trace.add("guest", "SIGNAL", {})
        return True

    monkeypatch.setattr(desk, "is_at_rest", look)

    assert desk.ask("rest", looks=3, seconds=60.0)["rests"]
    assert desk.looks == 2 + 3


def test_a_server_that_does_something_does_not_rest(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = [True, True, False]
    serving(desk)
    monkeypatch.setattr(ThreadedSession, "is_idle", lambda _: not (busy and busy.pop(0)))

    assert desk.ask("rest", looks=3, seconds=60.0)["rests"]
    assert desk.looks == 2 + 3


@pytest.mark.parametrize("happens", ["panic", "nothing"])
def test_who_waits_for_a_rest_comes_back_from_a_guest_that_never_rests(
    desk: Desk, happens: str
) -> None:
    host = serving(desk).guest.host
    first = host.crashed if happens == "panic" else lambda: None
    desk.restless = [first, *[lambda: None] * 99]
    told = desk.ask("rest", looks=3, seconds=60.0 if happens == "panic" else 0.0)

    assert not told["rests"]
    assert desk.looks == 1


def test_a_rest_that_is_doubted_is_not_looked_for_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    story: list[object] = []
    serving(desk).restless = [lambda: story.append("look")]
    monkeypatch.setattr("time.sleep", story.append)
    desk.ask("rest", looks=1, seconds=60.0, after=0.12)

    assert story[:2] == [0.12, "look"]
