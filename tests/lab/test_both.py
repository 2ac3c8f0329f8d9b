"""Both ends on a real wire: what their answers mean, the order of their events, what is rest."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from kmcl_adapters.interface import AdapterError
from kmcl_adapters.uio.pair import Gone
from kmcl_adapters.uio.stamps import Answer
from kmcl_lab.adapter import Hang
from kmcl_lab.both import BothAdapter, BothSession, answer_of, create, is_rest, ordered
from kmcl_lab.problem import GuestLost
from kmcl_model.events import Environment, Event, Lost
from kmcl_model.stimuli import Settle

CLIENT = (5, 3, 1, 0, 0)
"""Events, channel that is seen, is aware, threads that run, opens without an answer."""
SERVER = (7, 3, 0, 100, 0, 0)
"""Events, channel that is offered, is asked, entries of the trace, waiting, threads that run."""


def test_rest_is_when_nothing_is_on_its_way() -> None:
    assert is_rest(CLIENT, SERVER)


@pytest.mark.parametrize(
    ("client", "server"),
    [
        ((5, 0, 1, 0, 0), SERVER),
        ((5, 3, 0, 0, 0), SERVER),
        ((5, 3, 1, 1, 0), SERVER),
        ((5, 3, 1, 1, 1), SERVER),
        (CLIENT, (7, 0, 0, 100, 0, 0)),
        (CLIENT, (7, 3, 0, 100, 1, 0)),
        (CLIENT, (7, 3, 0, 100, 0, 1)),
    ],
    ids=[
        "the guest does not see the offer",
        "the client has not noticed",
        "the client runs",
        "the client waits for an open that was answered",
        "the guest sees what was taken back",
        "a message is on its way",
        "the server runs",
    ],
)
def test_rest_is_not_when_something_is(client: tuple[int, ...], server: tuple[int, ...]) -> None:
    assert not is_rest(client, server)


def test_a_client_whose_open_is_not_answered_is_at_rest() -> None:
    assert is_rest((5, 3, 1, 1, 1), (7, 3, 1, 100, 0, 0))
    assert not is_rest((5, 3, 1, 2, 1), (7, 3, 1, 100, 0, 0))


class End:
    """An end whose answers the test has prepared."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)

    def request(self, kind: str, _stimulus: object = None) -> Answer:
        return self.answers.pop(0)

    def begin(self, kind: str) -> None:
        pass

    def finish(self) -> Answer:
        return self.answers.pop(0)


def event(name: str) -> Event:
    return Environment("environment", "client", name)


def settled(client: End, server: End) -> list[str]:
    """What a session shows after a settling."""
    both = BothSession(cast(Any, None), cast(Any, server), cast(Any, client))
    both.apply(Settle("settle"))
    assert client.answers == server.answers == []
    return [e.action if isinstance(e, Environment) else e.kind for e in both._ready]


def test_what_the_server_has_seen_meanwhile_ends_its_rest() -> None:
    busy = (7, 3, 0, 101, 0, 0)
    calm = [Answer([], at, busy) for at in (41, 51, 61)]
    server = End(
        Answer([], 11, SERVER), Answer([(15, event("late"))], 21, busy), Answer([], 31, busy), *calm
    )
    client = End(Answer([(12, event("first"))], 20, CLIENT), Answer([], 55, CLIENT))

    assert settled(client, server) == ["first", "late", "quiescence"]


def test_a_client_that_rested_before_the_server_did_is_asked_again() -> None:
    after = (8, 3, 0, 101, 0, 0)
    server = End(*(Answer([], at, SERVER if at < 20 else after) for at in (11, 21, 31, 41, 51, 61)))
    client = End(Answer([], 15, CLIENT), Answer([(45, event("woken"))], 55, CLIENT))

    assert settled(client, server) == ["woken", "quiescence"]


def test_rest_is_never_said_to_be_exact() -> None:
    both = BothSession(
        cast(Any, None),
        cast(Any, End(*(Answer([], at, SERVER) for at in (11, 21, 31)))),
        cast(Any, End(Answer([], 20, CLIENT))),
    )
    both.apply(Settle("settle"))

    assert both._ready == [("quiescence", False)]


def test_clocks_that_do_not_agree_are_noticed() -> None:
    assert ordered([1, 2, 3])
    assert not ordered([1, 3, 2])
    assert not ordered([1, 1])


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"error": "there is no session"}, "there is no session"),
        ({}, "KeyError: 'events'"),
        ({"events": [[1, {"event": "none"}]], "until": 2, "traffic": []}, "TraceError"),
        ({"events": [[1]], "until": 2, "traffic": []}, "ValueError"),
    ],
    ids=["error", "empty", "no event", "no pair"],
)
def test_an_answer_that_makes_no_sense_ends_the_session(told: dict[str, Any], words: str) -> None:
    with pytest.raises(Gone, match=words) as gone:
        answer_of(told)

    assert gone.value.reason == "garbage"


def test_what_stands_behind_the_colon_is_known() -> None:
    with pytest.raises(AdapterError, match=r"^host:x: only 'monitored' can stand behind the"):
        create("x")


PANIC = GuestLost("panic of the inner guest: sorry", is_hang=False)


class Mortal:
    """An end in a guest that dies as soon as the session is played."""

    def __init__(self, lab: SimpleNamespace) -> None:
        self.lab = lab

    def request(self, kind: str, _stimulus: object = None) -> Answer:
        if kind == "apply":
            self.lab.lost = PANIC
            raise Gone("crash", str(PANIC))
        return Answer([], 1, CLIENT)

    ask = request

    def kill(self) -> None:
        pass


def a_mortal_guest(monkeypatch: pytest.MonkeyPatch, *, nested: bool) -> BothAdapter:
    lab = SimpleNamespace(lost=None, choice=SimpleNamespace(nested=nested))

    def restart(_why: str) -> None:
        lab.lost = None

    lab.restart = restart
    adapter = BothAdapter(cast(Any, lab))
    monkeypatch.setattr(adapter, "_server", Mortal(lab))
    monkeypatch.setattr(adapter, "_begin", lambda: Mortal(lab))
    return adapter


def test_a_guest_that_is_lost_under_emulation_is_doubted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adapter = a_mortal_guest(monkeypatch, nested=True)
    with pytest.raises(Hang, match="sorry"):
        adapter.open().take()

    assert adapter.open().take() == [Lost("lost", "crash", str(PANIC))]
    adapter.open()  # a session whose guest lives, and the next
    adapter.open()
    with pytest.raises(Hang, match="sorry"):
        adapter.open().take()


def test_a_guest_that_is_lost_on_the_machine_itself_is_a_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adapter = a_mortal_guest(monkeypatch, nested=False)

    assert adapter.open().take() == [Lost("lost", "crash", str(PANIC))]
