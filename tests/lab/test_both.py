"""Both ends on a real wire: what their answers mean, the order of their events, what is rest."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from kmcl_adapters.interface import AdapterError
from kmcl_adapters.uio.pair import Gone
from kmcl_adapters.uio.stamps import Answer
from kmcl_adapters.uio.uiobus import SAFETY_NET
from kmcl_lab.adapter import RESETS, Hang
from kmcl_lab.both import BothAdapter, BothSession, create, is_rest, name_of, ordered
from kmcl_lab.ends import answer_of
from kmcl_lab.problem import GuestLost, LabProblem
from kmcl_model.events import Environment, Event, Exit, Lost
from kmcl_model.stimuli import Environ, Invoke, Settle

CLIENT = (5, 1, 3, 1, 0, 0)
"""Events, is idle, channel that is seen, is aware, threads that run, opens without an answer."""
SERVER = (7, 1, 3, 0, 100, 0, 0)
"""Events, is idle, channel that is offered, is asked, entries of the trace, waiting, threads that
run."""


def test_rest_is_when_nothing_is_on_its_way() -> None:
    assert is_rest(CLIENT, SERVER)


@pytest.mark.parametrize(
    ("client", "server"),
    [
        ((5, 0, 3, 1, 0, 0), SERVER),
        (CLIENT, (7, 0, 3, 0, 100, 0, 0)),
        ((5, 1, 0, 1, 0, 0), SERVER),
        ((5, 1, 3, 0, 0, 0), SERVER),
        ((5, 1, 3, 1, 1, 0), SERVER),
        ((5, 1, 3, 1, 1, 1), SERVER),
        (CLIENT, (7, 1, 0, 0, 100, 0, 0)),
        (CLIENT, (7, 1, 3, 0, 100, 1, 0)),
        (CLIENT, (7, 1, 3, 0, 100, 0, 1)),
    ],
    ids=[
        "a call of the client is on its way",
        "a handler of the server runs",
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
    assert is_rest((5, 1, 3, 1, 1, 1), (7, 1, 3, 1, 100, 0, 0))
    assert not is_rest((5, 1, 3, 1, 2, 1), (7, 1, 3, 1, 100, 0, 0))


class End:
    """An end whose answers the test has prepared. A server's rests all come, but the first
    ``restless`` ones."""

    def __init__(self, *answers: Answer, restless: int = 0) -> None:
        self.answers = list(answers)
        self.restless = restless
        self.afters: list[float] = []

    def request(self, kind: str, _stimulus: object = None) -> Answer:
        return self.answers.pop(0)

    def rest(self, after: float) -> tuple[Answer, bool]:
        self.afters.append(after)
        return self.answers.pop(0), len(self.afters) > self.restless


def event(name: str) -> Event:
    return Environment("environment", "client", name)


def session(client: End, server: End) -> BothSession:
    adapter = SimpleNamespace(resets=False)
    return BothSession(cast(Any, adapter), cast(Any, server), cast(Any, client))


def settled(client: End, server: End) -> list[str]:
    """What a session shows after a settling."""
    both = session(client, server)
    both.apply(Settle("settle"))
    assert client.answers == server.answers == []
    return [e.action if isinstance(e, Environment) else e.kind for e in both._ready]


def test_a_client_that_has_seen_something_since_the_host_looked_is_no_rest() -> None:
    server = End(Answer([(11, event("first"))], 20, SERVER), Answer([], 40, SERVER))
    client = End(Answer([(21, event("late"))], 30, CLIENT), Answer([], 50, CLIENT))

    assert settled(client, server) == ["first", "late", "quiescence"]


def test_what_the_client_saw_before_the_host_looked_belies_nothing() -> None:
    server = End(Answer([(12, event("second"))], 20, SERVER))
    client = End(Answer([(11, event("first"))], 30, CLIENT))

    assert settled(client, server) == ["first", "second", "quiescence"]


def test_a_host_that_has_seen_no_rest_is_asked_again() -> None:
    server = End(Answer([], 20, SERVER), Answer([], 40, SERVER), restless=1)
    client = End(Answer([], 30, CLIENT), Answer([], 50, CLIENT))

    assert settled(client, server) == ["quiescence"]
    assert len(server.afters) == 2


def test_ends_at_rest_are_not_asked_until_they_get_something() -> None:
    call = Invoke("invoke", "client", "t0", "VmbChannelEnable", ())
    server = End(Answer([], 20, SERVER), Answer([], 41, SERVER))
    client = End(Answer([], 30, CLIENT), Answer([(35, event("called"))], 40, CLIENT))
    both = session(client, server)
    both.apply(Settle("settle"))
    assert [e.kind for e in both.take()] == ["quiescence"]
    assert both.take() == []

    both.apply(call)
    assert both.take() == [event("called")]
    assert client.answers == server.answers == []


def test_a_rest_that_is_doubted_is_looked_at_later() -> None:
    rests = [Answer([], at, SERVER) for at in (20, 40, 60, 80)]
    client = End(
        Answer([], 30, CLIENT),
        Answer([], 50, CLIENT),
        Answer([(65, event("woken"))], 70, CLIENT),
        Answer([], 90, CLIENT),
    )
    server = End(*rests)
    both = session(client, server)
    for _ in range(3):
        both.apply(Settle("settle"))
    first, *doubted, again = server.afters

    assert first == again == 0
    assert min(doubted) > SAFETY_NET
    assert [e.kind for e in both._ready] == ["quiescence"] * 2 + ["environment", "quiescence"]


class Listing(End):
    """An end that notes what it is asked for."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(*answers)
        self.asked: list[str] = []

    def request(self, kind: str, stimulus: object = None) -> Answer:
        self.asked.append(f"{kind} {getattr(stimulus, 'action', '')}".strip())
        return super().request(kind, stimulus)


@pytest.mark.parametrize(
    ("action", "by_host", "by_client"),
    [
        ("signal-delayed", ["apply signal-delayed", "resume"], ["apply"]),
        ("signal-coalesced", ["apply signal-coalesced", "resume"], ["apply"]),
        ("signal-masked", ["apply signal-masked"], ["apply"]),
        ("spurious", ["apply spurious"], ["apply"]),
        ("malformed", [], ["apply malformed", "apply"]),
    ],
)
def test_the_host_plays_what_becomes_of_signals_to_the_client(
    action: str, by_host: list[str], by_client: list[str]
) -> None:
    server = Listing(*[Answer([], at, SERVER) for at in range(20, 60, 10)])
    client = Listing(*[Answer([], at, CLIENT) for at in range(25, 65, 10)])
    both = session(client, server)
    both.apply(Environ("environment", "client", action))
    both.apply(Settle("settle"))

    assert server.asked == by_host
    assert client.asked == by_client


def test_rest_is_never_said_to_be_exact() -> None:
    both = session(End(Answer([], 30, CLIENT)), End(Answer([], 20, SERVER)))
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
    for words in ("x", "monitored,", "monitored,x"):
        with pytest.raises(
            AdapterError, match=rf"^host:{words}: only 'monitored', 'resets' and 'uio-server' can"
        ):
            create(words)


DEATH = Environment("environment", "client", "crash")
DIE = Environ("environment", "client", "crash")
CLOSED: Event = Exit("exit", "server", "Closed", "EvtVmbChannelClosed", None)


class Machines:
    """Those of a session: how often they were reset, and what becomes of that."""

    def __init__(self, *, resets: bool = True, problem: LabProblem | None = None) -> None:
        self.resets = resets
        self.problem = problem
        self.count = 0

    def reset(self) -> None:
        self.count += 1
        if self.problem is not None:
            raise self.problem


def dying(machines: Machines, *server: Answer) -> tuple[BothSession, Listing, Listing]:
    """A session in which the client dies; at most then it is asked something."""
    at_host = Listing(*server)
    client = Listing(Answer([(12, event("last words")), (14, DEATH)], 30, CLIENT))
    both = BothSession(cast(Any, machines), cast(Any, at_host), cast(Any, client))
    both.apply(DIE)
    return both, client, at_host


def test_a_client_dies_with_its_machine_and_the_server_goes_on() -> None:
    machines = Machines()
    busy = (8, 0, 3, 0, 101, 0, 1)
    both, client, server = dying(
        machines,
        Answer([(11, event("before"))], 40, SERVER),
        Answer([], 45, SERVER),
        Answer([], 50, busy),
        Answer([(55, CLOSED)], 60, SERVER),
        Answer([], 70, SERVER),
    )
    seen = both.take()
    both.apply(Invoke("invoke", "client", "t0", "VmbChannelEnable", ()))
    both.apply(Invoke("invoke", "server", "t0", "VmbChannelDisable", ()))
    both.apply(Settle("settle"))
    seen += both.take()
    both.apply(DIE)

    assert seen == [event("before"), event("last words"), DEATH, CLOSED, ("quiescence", False)]
    assert (machines.count, client.asked) == (1, ["apply crash"])
    assert server.asked == ["apply", "apply"]
    assert server.afters == [0.0, 0.0]


def test_what_the_client_does_without_a_reset_is_its_own_business() -> None:
    machines = Machines(resets=False)
    both, client, _ = dying(machines, Answer([], 40, SERVER))
    client.answers.append(Answer([], 50, CLIENT))

    assert both.take() == [event("last words"), DEATH]
    assert (machines.count, client.asked) == (0, ["apply crash"])


def test_a_client_that_could_not_die_has_its_machine_still() -> None:
    machines = Machines()
    client = Listing(Answer([], 30, CLIENT))
    both = BothSession(cast(Any, machines), cast(Any, End()), cast(Any, client))
    both.apply(DIE)

    assert machines.count == 0


def test_a_machine_that_does_not_come_back_is_no_verdict() -> None:
    with pytest.raises(Hang, match=r"^host: not done within 150 s$"):
        dying(Machines(problem=GuestLost("not done within 150 s", is_hang=True)))


def test_a_session_ends_without_the_client_that_has_died() -> None:
    both, client, server = dying(Machines(), Answer([], 40, SERVER))
    both.close()

    assert (client.asked, server.asked) == (["apply crash"], ["close"])


def test_the_next_session_has_another_client(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[End] = []
    lab = SimpleNamespace(lost=None, reset=lambda: None)
    adapter = BothAdapter(cast(Any, lab), resets=True)

    def begin() -> End:
        begun.append(End(Answer([], 1, CLIENT), Answer([(14, DEATH)], 30, CLIENT)))
        return begun[-1]

    monkeypatch.setattr(adapter, "_begin", begin)
    monkeypatch.setattr(adapter, "_server", End(*[Answer([], at, SERVER) for at in range(6)]))
    for _ in range(2):
        session = adapter.open()
        session.apply(DIE)
        session.close()

    assert len(begun) == 2
    assert adapter.tally() == {RESETS: 2}
    assert BothAdapter(cast(Any, lab)).tally() == {}


@pytest.mark.parametrize(
    ("monitored", "resets", "name"),
    [
        (False, False, "host:"),
        (True, False, "host:monitored"),
        (False, True, "host:resets"),
        (True, True, "host:monitored,resets"),
    ],
)
def test_a_name_of_the_adapter_says_all_of_it(
    monitored: bool, resets: bool, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmcl_lab.both.build", lambda *_, **__: None)
    monkeypatch.setattr(
        "kmcl_lab.both.PassingLab", lambda *_, **__: SimpleNamespace(start=lambda: None)
    )
    assert name_of(monitored=monitored, resets=resets) == name
    made = create(name.removeprefix("host:"))

    assert (bool(made._more), made.resets) == (monitored, resets)


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


@pytest.mark.parametrize("nested", [True, False])
def test_a_guest_that_is_lost_is_told_for_others_to_find_out_whether_it_comes_back(
    monkeypatch: pytest.MonkeyPatch, nested: bool
) -> None:
    adapter = a_mortal_guest(monkeypatch, nested=nested)
    for _ in range(2):
        assert adapter.open().take() == [Lost("lost", "crash", str(PANIC))]
