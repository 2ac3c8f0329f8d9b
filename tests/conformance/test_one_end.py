"""One end alone is judged: its peer may do what its role allows, and nobody sees that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import pytest

from kmcl_adapters import Adapter, AdapterError, Description, Session
from kmcl_adapters.mutants import create as mutant
from kmcl_adapters.reference import create as reference
from kmcl_conformance.campaign import Campaign, Options
from kmcl_conformance.generate.tours import TOURS
from kmcl_conformance.generate.tours.steps import DONE, configured, control, packet, react
from kmcl_conformance.oracle import judge_trace
from kmcl_conformance.profiles import choose
from kmcl_conformance.sequence import Outcome, replay, walk
from kmcl_conformance.verdicts import certificate
from kmcl_model.api import PROCESS_PACKET, STARTED
from kmcl_model.events import Environment, Event, Lost, Quiescence
from kmcl_model.spec import Specification
from kmcl_model.spec.specification import ENDPOINTS
from kmcl_model.stimuli import Act, Invoke, Stimulus
from kmcl_reports.results import Certificate, RequirementVerdict, Verdict

FAULTS = ("malformed", "spurious")


@cache
def both() -> Specification:
    return Specification()


@cache
def alone(end: str) -> Specification:
    return Specification((end,))


def shown_by(end: str, events: Iterable[Event]) -> list[Event]:
    """What a harness at one end would have recorded."""
    return [
        e
        for e in events
        if isinstance(e, (Quiescence, Environment))
        or (not isinstance(e, Lost) and e.endpoint == end)
    ]


def outcomes(adapter: Adapter, walks: int) -> Iterable[Outcome]:
    for tour in TOURS:
        if "crash" not in str(tour.stimuli):
            yield replay(adapter, both(), tour.stimuli)
    for number in range(walks):
        yield walk(adapter, both(), number, 80, faults=FAULTS if number % 4 == 0 else ())


@pytest.mark.parametrize("end", ENDPOINTS)
def test_what_both_ends_explain_one_end_explains(end: str) -> None:
    for outcome in outcomes(reference(""), 60):
        failure = judge_trace(shown_by(end, outcome.events), alone(end)).failure
        assert failure is None, failure


SEEN_ALONE = (
    "client-opens-before-server-accepts",
    "closed-missing-on-disable",
    "context-shared",
    "disable-returns-before-closed",
    "packet-during-started",
    "pause-returns-before-drain",
    "quota-off-by-one",
    "suspend-missing-on-pause",
)
"""Defects that show at the client, whatever the server does."""


@pytest.mark.parametrize("name", SEEN_ALONE)
def test_a_defect_of_one_end_is_found_there(name: str) -> None:
    found = (
        judge_trace(shown_by("client", outcome.events), alone("client")).failure
        for outcome in outcomes(mutant(name), 100)
    )
    assert any(failure is not None for failure in found)


# A client whose server acts by itself ---------------------------------------------------------


def host() -> Iterator[Stimulus]:
    """The server runs, sends whenever it starts, and completes whatever it gets."""
    yield from (s for s in configured() if isinstance(s, Invoke) and s.endpoint == "server")
    yield from packet("server", "p0")
    yield react("server", STARTED, Act("VmbPacketSend", ("p0", b"\1" * 8, 1)))
    yield react("server", PROCESS_PACKET, DONE, sticky=True)
    yield control("server", "Enable")
    yield control("server", "Start")


class ClientSession:
    """The client of a session; what the server does is not told."""

    def __init__(self, session: Session) -> None:
        self._session = session
        for stimulus in host():
            session.apply(stimulus)
        session.take()

    def apply(self, stimulus: Stimulus) -> None:
        assert getattr(stimulus, "endpoint", "client") == "client"
        self._session.apply(stimulus)

    def runnable(self) -> int:
        return self._session.runnable()

    def take(self) -> list[Event]:
        return shown_by("client", self._session.take())

    def close(self) -> None:
        self._session.close()


class Client:
    """An implementation that plays the client only."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter

    def describe(self) -> Description:
        it = self._adapter.describe()
        return it._replace(capabilities=it.capabilities - {"server", "crash", "malformed"})

    def open(self) -> Session:
        return ClientSession(self._adapter.open())

    def close(self) -> None:
        self._adapter.close()


def certified(adapter: Adapter) -> Certificate:
    client = Client(adapter)
    options = Options(sequences=60, profile=choose(client.describe()))
    campaign = Campaign(client, options)
    for _ in campaign.run():
        pass
    return certificate(campaign)


def test_a_client_is_certified_without_its_server() -> None:
    found = certified(reference(""))
    assert found.profile == "client-uio"
    assert found.verdict is Verdict.CONFORMING
    by_role = {(r.role, r.verdict) for r in found.requirements if r.exercised}
    assert by_role == {
        ("both", RequirementVerdict.PASS),
        ("client", RequirementVerdict.PASS),
    }
    passed = sum(r.verdict is RequirementVerdict.PASS for r in found.requirements)
    assert passed > 100
    assert all(
        r.verdict is not RequirementVerdict.PASS for r in found.requirements if r.role == "server"
    )
    assert not any("server" in missing for missing in found.coverage.transitions.missing)


def test_what_is_left_of_conversations_is_the_clients_and_said_once() -> None:
    tours = Options(profile="client-uio").plan().tours
    assert 50 < len(tours) < len(TOURS)
    assert len({tour.stimuli for tour in tours}) == len(tours)
    for tour in tours:
        assert {getattr(s, "endpoint", "client") for s in tour.stimuli} == {"client"}
        assert any(isinstance(s, Invoke) and s.function == "VmbChannelEnable" for s in tour.stimuli)


def test_a_defective_client_is_not() -> None:
    found = certified(mutant("pause-returns-before-drain"))
    assert found.verdict is Verdict.VIOLATIONS


def test_a_profile_that_asks_for_more_is_refused() -> None:
    description = Client(reference("")).describe()
    with pytest.raises(AdapterError, match="plays client, and --profile full is about"):
        choose(description, "full")
    assert choose(reference("").describe()) == "full"
