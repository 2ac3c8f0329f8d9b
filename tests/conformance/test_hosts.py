"""A host that is known: what it owes is due at the one end that is judged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kmcl_adapters import Adapter, AdapterError
from kmcl_adapters.reference import create as reference
from kmcl_adapters.uio import imitation
from kmcl_adapters.uio.bus import Offer, Opening
from kmcl_adapters.uio.imitation import Conversation
from kmcl_adapters.uio.pair import create as ring
from kmcl_adapters.uio.peers import DynamicMemory
from kmcl_conformance.campaign import Options
from kmcl_conformance.coverage import seen
from kmcl_conformance.generate.tours import TOURS, Tour
from kmcl_conformance.generate.tours.hosted import CONVERSATIONS
from kmcl_conformance.hosts import DynamicMemoryHost
from kmcl_conformance.oracle import Judge
from kmcl_conformance.profiles import FULL, PROFILES, choose
from kmcl_conformance.sequence import Outcome, replay, walk
from kmcl_model.api import (
    COMPLETION_ROUTINE,
    OPENED,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STARTED,
)
from kmcl_model.events import Call, Enter, Event, Exit, Quiescence, Return
from kmcl_model.spec import Specification
from kmcl_model.status import STATUS_UNSUCCESSFUL
from kmcl_model.stimuli import Environ, Invoke

PROFILE = "client-uio-dynmem"
PEER = DynamicMemory()


def specification(profile: str = PROFILE) -> Specification:
    found = PROFILES[profile].specification()
    assert isinstance(found, Specification)
    return found


def tours() -> dict[str, Tour]:
    return {tour.name: tour for tour in Options(profile=PROFILE).plan().tours}


HOSTED = tuple(f"{name}, to a host" for name, _ in CONVERSATIONS)


def played(adapter: Adapter, name: str) -> Outcome:
    return replay(adapter, specification(), tours()[name].stimuli)


@pytest.mark.parametrize("name", HOSTED)
def test_the_endpoint_keeps_the_rules_with_a_host(name: str) -> None:
    outcome = played(ring("dynmem"), name)

    assert outcome.failure is None, outcome.failure
    came = sum(isinstance(e, Enter) and e.callback == PROCESS_PACKET for e in outcome.events)
    assert came > 0


@pytest.mark.parametrize("seed", range(6))
def test_walks_with_a_host_raise_no_alarm(seed: int) -> None:
    outcome = walk(ring("dynmem"), specification(), seed, 60)

    assert outcome.failure is None, outcome.failure


DEFECTS = (
    ("no-trailer", "questions in a row, to a host", "F042"),
    ("signals-by-new-index", "questions in a row, to a host", "F042"),
    ("loses-sends", "questions in a row, to a host", "F226"),
    ("loses-packets", "questions in a row, to a host", "F226"),
    ("counts-one-more", "questions in a row, to a host", "F057"),
    ("last-in-first-out", "questions queued before the open, to a host", "F226"),
    ("one-over-quota", "questions held by the quota, to a host", "F338"),
    ("cancels-twice", "whole conversation, to a host", "F133"),
    ("forgets-sent", "full ring of a host, to a host", "F132"),
    ("one-transaction-id", "full ring of a host, to a host", "F132"),
    ("forgets-queued", "sends in callbacks, from the client", "F132"),
)


@pytest.mark.parametrize(("defect", "name", "requirement"), DEFECTS)
def test_a_defect_of_the_endpoint_shows_at_a_host(defect: str, name: str, requirement: str) -> None:
    failure = played(ring(f"dynmem:{defect}"), name).failure

    assert failure is not None
    assert requirement in failure.requirements


def test_nothing_is_owed_by_a_host_of_which_nothing_is_known() -> None:
    """The same defect, the same conversation: without a known host it stays unseen."""
    stimuli = tours()["questions in a row, to a host"].stimuli
    outcome = replay(ring("dynmem:no-trailer"), PROFILES["client-uio"].specification(), stimuli)

    assert outcome.failure is None


def test_a_send_that_a_later_one_has_passed_is_not_in_the_queue_any_more() -> None:
    """Of a host of which nothing is known: it may leave packets in the ring for ever, but they
    stay in their order."""
    plan = Options(profile="client-uio").plan()
    found = [
        replay(ring("dynmem:loses-sends"), specification("client-uio"), tour.stimuli).failure
        for tour in plan.tours
        if tour.name in ("batches, from the client", "second session, from the client")
    ]

    assert any(f is not None and {"F132", "F181"} <= set(f.requirements) for f in found)


class Silent(Conversation):
    def answer(self, payload: bytes) -> bytes | None:
        return None


class Confused(Conversation):
    """Its answers bear the number of the question before."""

    last = 0

    def answer(self, payload: bytes) -> bytes | None:
        found = super().answer(payload)
        if found is None:
            return None
        number, self.last = self.last, int.from_bytes(found[4:8], "little")
        return found[:4] + number.to_bytes(4, "little") + found[8:]


@pytest.mark.parametrize("host", [Silent, Confused])
def test_a_host_that_does_not_do_what_is_known_of_it_is_noticed(
    host: type[Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imitation, "Conversation", host)
    failure = played(ring("dynmem"), "questions queued before the open, to a host").failure

    assert failure is not None
    assert {"F042", "F226"} <= set(failure.requirements)


def test_an_endpoint_that_is_never_let_in_is_at_fault_where_the_host_accepts_whoever_opens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(_bus: object, offer: Offer, _incoming: int, _outgoing: int) -> Opening:
        opening = Opening(offer.id)
        opening.failure = STATUS_UNSUCCESSFUL
        return opening

    monkeypatch.setattr(imitation._Bus, "open", refused)
    failure = played(ring("dynmem"), "questions in a row, to a host").failure

    assert failure is not None
    assert failure.requirements == ("F027",)


# By hand --------------------------------------------------------------------------------------


def call(
    function: str, *arguments: object, status: int | None = 0, by: str = "t0"
) -> Iterator[Event]:
    yield Call("call", "client", by, function, arguments)  # type: ignore[arg-type]
    yield Return("return", "client", by, function, status, ())


def run(name: str, *arguments: object, status: int | None = None) -> Iterator[Event]:
    short = name.removeprefix("EvtVmbChannel")
    yield Enter("enter", "client", short, name, ("client", *arguments))  # type: ignore[arg-type]
    yield Exit("exit", "client", short, name, status)


QUIET = Quiescence("quiescence", True)


def opened() -> Iterator[Event]:
    """A client that is open and running."""
    handlers = (OPENED, STARTED, POST_STARTED)
    yield from call("VmbChannelAllocate", False)
    yield from call("VmbChannelInitSetStateChangeCallbacks", 1, "size", handlers)
    yield from call("VmbChannelInitSetProcessPacketCallbacks", True, True)
    yield from call("VmbChannelInitSetMaximumPacketSize", 1040)
    yield from call("VmbClientChannelInitSetTargetPnp", "a", "b", True)
    yield from call("VmbChannelEnable")
    yield from run(OPENED, status=0)
    yield from run(STARTED)
    yield from run(POST_STARTED)
    yield from allocated("p0")


def allocated(packet: str) -> tuple[Event, Event]:
    return (
        Call("call", "client", "t0", "VmbPacketAllocate", (packet,)),
        Return("return", "client", "t0", "VmbPacketAllocate", None, (True,)),
    )


def host_question(number: int) -> bytes:
    return PEER.version(9, 9, number)


def question(number: int) -> tuple[Event, Event]:
    asks, returns = call("VmbPacketSend", "p0", host_question(number), 1)
    return asks, returns


def answer(number: int) -> Iterator[Event]:
    """It comes, and is given back at once."""
    payload = Conversation().answer(PEER.version(9, 9, number))
    yield from run(PROCESS_PACKET, "c0", payload, 0)
    yield from call("VmbChannelPacketComplete", "c0", None, payload, status=None)
    yield from run(PROCESSING_COMPLETE, 1)


def broken(*parts: Iterator[Event] | Event) -> tuple[str, ...]:
    """The requirements that the conversation breaks."""
    judge = Judge(specification())
    events = [*opened()]
    for part in parts:
        events += part if isinstance(part, Iterator) else [part]
    failure = next((f for f in map(judge.feed, events) if f is not None), None)
    return failure.requirements if failure else ()


def test_an_answer_may_come_before_the_question_has_returned() -> None:
    asks, returns = question(1)

    assert broken(asks, answer(1), returns, QUIET) == ()
    assert broken(asks, returns, answer(1), QUIET) == ()


def test_an_answer_that_does_not_come_is_missed_at_rest_and_not_before() -> None:
    asks, returns = question(1)

    assert broken(asks, returns) == ()
    assert set(broken(asks, returns, QUIET)) == {"F042", "F225", "F226", "F386"}
    assert "F226" in broken(asks, returns, answer(2), QUIET)


def overlapping(first: bytes, second: bytes) -> tuple[Event, ...]:
    """Two threads that send at once: nobody knows which message is in the ring first."""
    asks, returns = call("VmbPacketSend", "p0", first, 1)
    asks_too, returns_too = call("VmbPacketSend", "p1", second, 1, by="t1")
    return (*allocated("p1"), asks, asks_too, returns_too, returns)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_the_answers_to_questions_that_overlap_come_either_way_round(
    order: tuple[int, int],
) -> None:
    asked = overlapping(host_question(1), host_question(2))
    one, other = order

    assert broken(*asked, answer(one), answer(other), QUIET) == ()
    assert broken(*asked[:4], answer(one), *asked[4:], answer(other), QUIET) == ()
    assert "F226" in broken(*asked, answer(one), QUIET)


def test_the_answers_to_questions_one_after_the_other_come_in_their_order() -> None:
    asks, returns = question(1)
    asks_too, returns_too = call("VmbPacketSend", "p1", host_question(2), 1, by="t1")
    asked = (*allocated("p1"), asks, returns, asks_too, returns_too)

    assert broken(*asked, answer(1), answer(2), QUIET) == ()
    assert "F226" in broken(*asked, answer(2), answer(1), QUIET)


def test_a_question_that_overlaps_with_one_that_is_granted_may_come_too_late() -> None:
    """The host answers no refusals any more when it has agreed on a version."""
    granted = PEER.version(2, 0, 7)

    for asked in (
        overlapping(host_question(1), granted),
        overlapping(granted, host_question(1)),
    ):
        assert broken(*asked, QUIET) == ()
        assert broken(*asked, answer(1), QUIET) == ()


def test_a_question_that_is_refused_or_may_not_have_gone_out_obliges_nobody() -> None:
    asks, returns = question(1)
    refused = Return("return", "client", "t0", "VmbPacketSend", 0xC000000D, ())
    disable = Call("call", "client", "t1", "VmbChannelDisable", ())

    assert "F042" not in broken(asks, refused, QUIET)
    assert "F042" not in broken(disable, asks, returns, QUIET)


def test_a_client_that_does_not_open_is_missed_where_the_host_is_known_to_be_there() -> None:
    events = [*opened()][:12]
    alone, known = Judge(specification("client-uio")), Judge(specification())
    for event in [*events, QUIET]:
        alone.feed(event)
        known.feed(event)

    assert alone.failure is None
    assert known.failure is not None
    assert {"F014", "F019"} <= set(known.failure.requirements)


def test_a_host_that_was_told_its_version_owes_nothing_that_is_known() -> None:
    host = DynamicMemoryHost()
    host.opened()
    before = host.hears(host.question(3))
    host.hears(PEER.version(2, 0, 4))
    after = host.hears(host.question(5))
    host.opened()
    again = host.hears(host.question(6))

    assert (before, after) == (Conversation().answer(PEER.version(9, 9, 3)), None)
    assert again == Conversation().answer(PEER.version(9, 9, 6))


def test_a_host_that_got_a_broken_packet_owes_nothing_until_the_next_session() -> None:
    """The imitation stops reading there, as QEMU does."""
    stimuli = [*tours()["questions in a row, to a host"].stimuli]
    place = next(i for i, s in enumerate(stimuli) if s[0] == "settle") + 1
    stimuli.insert(place, Environ("environment", "client", "malformed"))
    outcome = replay(ring("dynmem"), specification(), stimuli)
    host = DynamicMemoryHost()
    host.opened()
    host.broken()
    owed = host.copy().drains, host.hears(host.question(1))
    host.opened()

    assert outcome.failure is None, outcome.failure
    assert not any(isinstance(e, Enter) and e.callback == PROCESS_PACKET for e in outcome.events)
    assert owed == (False, None)
    assert (host.drains, host.hears(host.question(2)) is not None) == (True, True)


def test_what_it_may_have_heard_makes_a_host_unknown_unless_it_changes_nothing() -> None:
    host = DynamicMemoryHost()
    host.opened()
    host.may_hear(host.question(1))
    host.may_hear(b"\x21\x01" * 8)  # no message at all
    known = host.hears(host.question(2))
    host.may_hear(PEER.version(2, 0, 3))
    host.opened()
    copy = host.copy()

    assert known is not None
    assert (host.hears(host.question(4)), copy.hears(host.question(4))) == (None, None)


def paused_and_queued() -> list[Event]:
    """A client that opens paused, with a packet queued that needs no answer."""
    events = [*opened()]
    made, enabled = events[-2:], events[10:12]
    return [
        *events[:10],
        *made,
        *call("VmbPacketSetCompletionRoutine", "p0", status=None),
        *call("VmbChannelPause", status=None),
        *enabled,
        *call("VmbPacketSend", "p0", b"8 bytes.", 0),
        *run(OPENED, status=0),
    ]


@pytest.mark.parametrize(("completed", "readings"), [(True, {"A66:R4"}), (False, set())])
def test_one_end_shows_what_becomes_of_what_is_sent_while_it_is_paused(
    completed: bool, readings: set[str]
) -> None:
    """If its routine runs it is in the ring; if it does not, the routine may be held up (A66)."""
    judged = specification()
    judge = Judge(judged)
    events = paused_and_queued()
    if completed:
        done = ("p0", 0, None)
        events.append(Enter("enter", "client", "CompletionRoutine", COMPLETION_ROUTINE, done))
        events.append(Exit("exit", "client", "CompletionRoutine", COMPLETION_ROUTINE, None))
    for event in (*events, QUIET):
        assert judge.feed(event) is None, judge.failure

    assert {r for r in seen(judged).readings if r.startswith("A66")} == readings


# Profiles and plans ---------------------------------------------------------------------------


def test_the_profile_is_the_one_that_knows_most_of_the_host() -> None:
    described = ring("dynmem").describe()

    assert choose(described) == PROFILE
    assert choose(described, "client-uio") == "client-uio"
    assert choose(ring("dynmem").describe()._replace(capabilities=frozenset({"client"}))) == (
        "client-uio"
    )
    assert choose(reference("").describe()) == FULL


def test_a_host_that_is_not_known_cannot_be_asked_for() -> None:
    plain = ring("dynmem").describe()._replace(capabilities=frozenset({"client"}))

    with pytest.raises(AdapterError, match=r"not known to have the host dynmem .* use --profile c"):
        choose(plain, PROFILE)


def test_where_the_other_driver_would_send_the_host_is_asked() -> None:
    """Every conversation of two ends in which the server sends has questions instead."""
    sending = [
        tour.name
        for tour in TOURS
        if any(
            isinstance(s, Invoke) and s.endpoint == "server" and s.function == "VmbPacketSend"
            for s in tour.stimuli
        )
    ]
    made = tours()
    asking = {
        name
        for name, tour in made.items()
        if any(isinstance(s, Invoke) and s.arguments[:1] == ("q0",) for s in tour.stimuli)
    }

    assert all("server" not in str(tour.stimuli) for tour in made.values())
    missing = [name for name in sending if name not in asking and name in made]
    assert missing == []
