"""The oracle, by conversations: what is accepted, what is refused, and with which requirements.

A conversation is written down by hand, and accepted as it stands; what breaks one is in
``test_broken_by_hand``.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conversations import (
    ANSWER,
    CANCELLED,
    MESSAGE,
    QUIET,
    Conversation,
    answered,
    both_answered,
    closed,
    closed_from_afar,
    completed,
    configured,
    disabling,
    drained,
    draining,
    judged,
    meeting,
    opened,
    posting,
    queued,
    ready,
    resting,
    sending,
    sent,
    small,
    started,
    unsent,
)
from kmcl_conformance.coverage import seen
from kmcl_conformance.oracle import judge_trace
from kmcl_model.api import (
    CLOSED,
    OPENED,
    POST_STARTED,
    PROCESS_PACKET,
    STARTED,
    SUSPEND,
)
from kmcl_model.events import Call, Enter, Environment, Event, Lost
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec import Specification


def readings(it: Conversation) -> set[str]:
    """The readings a conversation shows; it must be accepted."""
    specification = Specification()
    judge = judge_trace(it.events, specification)
    assert judge.failure is None
    return set(seen(specification).readings)


def test_a_whole_conversation_is_accepted() -> None:
    it = closed()
    judge = judged(it)
    assert judge.failure is None
    assert judge.events == len(it.events)


HANDLERS_RUN = [
    (number, f"{event.endpoint} {event.activation}")
    for number, event in enumerate(closed().events)
    if isinstance(event, Enter)
]


@pytest.mark.parametrize(
    "number", [n for n, _ in HANDLERS_RUN], ids=[name for _, name in HANDLERS_RUN]
)
def test_no_handler_can_be_left_out(number: int) -> None:
    events = closed().events
    judge = judge_trace(events[:number] + events[number + 2 :])
    if events[number][:3] == ("enter", "client", "Suspend"):
        assert judge.failure is None  # the other reading of A57
    else:
        assert judge.failure is not None
        assert judge.failure.number >= number


@pytest.mark.parametrize("kind", [Call, Enter])
def test_nothing_ends_that_has_not_begun(kind: type[Event]) -> None:
    events = closed().events
    for number, event in enumerate(events):
        if isinstance(event, kind):
            failure = judge_trace(events[:number] + events[number + 1 :]).failure
            assert failure is not None
            assert failure.number == number


def test_pause_waits_for_the_outstanding_packet() -> None:
    waiting = sent().call("server", "VmbChannelPause").state("server", SUSPEND).quiet()
    assert judged(waiting).failure is None
    waiting.call("server", "VmbChannelPacketComplete", "c0", ANSWER, MESSAGE, by="t1")
    waiting.back("server", "VmbChannelPacketComplete", by="t1")
    waiting.completion("client", "p0", 0, ANSWER)
    returned = Conversation(*waiting.events).back("server", "VmbChannelPause").quiet()
    assert judged(returned).failure is None
    failure = judged(waiting.quiet()).failure
    assert failure is not None
    assert failure.requirements == ("F119", "F130", "F285")


def test_two_pauses_at_once_both_return() -> None:
    both = started().call("server", "VmbChannelPause").call("server", "VmbChannelPause", by="t1")
    both.state("server", SUSPEND).back("server", "VmbChannelPause", by="t1")
    done = Conversation(*both.events).back("server", "VmbChannelPause").quiet()
    assert judged(done).failure is None
    failure = judged(both.quiet()).failure
    assert failure is not None
    assert failure.requirements == ("F285",)


def test_a_call_inside_a_callback_belongs_to_the_callback() -> None:
    it = ready().do("client", "VmbPacketSend", "p0", MESSAGE, 1, status=0)
    it.enter("server", PROCESS_PACKET, "server", "c0", MESSAGE, 0)
    it.call("server", "VmbChannelPacketComplete", "c0", ANSWER, MESSAGE, by="ProcessPacket")
    it.back("server", "VmbChannelPacketComplete", by="ProcessPacket")
    it.leave("server", PROCESS_PACKET).batch("server", 1).completion("client", "p0", 0, ANSWER)
    assert judged(it.quiet()).failure is None


def test_start_lets_a_pause_return_that_drains() -> None:
    it = drained(draining().back("server", "VmbChannelStart", by="t1").quiet())
    it.state("server", STARTED).back("server", "VmbChannelPause").state("server", POST_STARTED)

    assert judged(it.quiet()).failure is None


def test_start_never_strands_a_pause_that_drains() -> None:
    it = drained(draining().back("server", "VmbChannelStart", by="t1")).state("server", STARTED)

    failure = judged(it.state("server", POST_STARTED).quiet()).failure

    assert failure is not None
    assert failure.event == QUIET
    assert "F285" in failure.requirements


def test_start_does_not_let_packets_come_before_started() -> None:
    it = draining().back("server", "VmbChannelStart", by="t1")

    failure = judged(it.process("server", "c1", MESSAGE)).failure

    assert failure is not None
    assert "F117" in failure.requirements


def test_a_refusal_of_enable_just_after_closed_ends_with_the_rest() -> None:
    refused = 0xC0000184
    soon = closed_from_afar().do("client", "VmbChannelEnable", status=refused)
    offered = closed_from_afar().quiet().do("server", "VmbChannelEnable", status=0)
    later = offered.do("client", "VmbChannelEnable", status=refused)

    assert judged(soon.quiet()).failure is None
    failure = judged(later).failure
    assert failure is not None
    assert "F183" in failure.requirements


def test_the_quota_holds_the_queue() -> None:
    it = configured(quota=1)
    for end in ("server", "client"):
        it.do(end, "VmbChannelEnable", status=0)
    it.state("server", OPENED).state("client", OPENED).do("server", "VmbChannelStart")
    for callback in (STARTED, POST_STARTED):
        it.state("server", callback).state("client", callback)
    for number in (1, 2):
        it.do("client", "VmbPacketAllocate", f"p{number}", out=(True,))
        message = payload_bytes(Payload(number, 8))
        it.do("client", "VmbPacketSend", f"p{number}", message, 0, status=0)
    it.process("server", "c0", payload_bytes(Payload(1, 8)))
    held = Conversation(*it.events).quiet()
    assert judged(held).failure is None
    failure = judged(it.process("server", "c1", payload_bytes(Payload(2, 8)))).failure
    assert failure is not None
    assert set(failure.requirements) == {"F338", "F339", "F340", "F341"}


def test_a_silence_that_is_known_counts_like_the_first() -> None:
    def shown(silences: int) -> dict[str, int]:
        it, specification = closed(), Specification()
        for _ in range(silences):
            it.quiet()
        assert judge_trace(it.events, specification).failure is None
        return seen(specification).requirements

    one, two, nine = shown(1), shown(2), shown(9)
    kept = {id for id in two if two[id] != one[id]}
    assert {"F010", "F181"} <= kept
    assert all(nine[id] == two[id] + 7 * (two[id] - one[id]) for id in kept)


def test_a_lost_implementation_is_no_broken_requirement() -> None:
    failure = judged(Conversation(*started().events, Lost("lost", "crash", "signal 11"))).failure
    assert failure is not None
    assert failure.observer == "implementation"
    assert failure.requirements == ()
    assert [state.partition(":")[0] for state in failure.state] == [
        "client endpoint",
        "server endpoint",
    ]
    assert all("connection open, run started" in state for state in failure.state)


def test_an_end_that_dies_closes_the_other() -> None:
    it = Conversation(*started().events, Environment("environment", "client", "crash"))
    gone = Conversation(*it.events).state("server", SUSPEND, CLOSED).quiet()
    assert judged(gone).failure is None
    failure = judged(it.quiet()).failure
    assert failure is not None
    assert failure.observer == "server endpoint"


def test_a_return_without_its_call_is_refused() -> None:
    failure = judged(started().back("server", "VmbChannelPause", by="t4")).failure
    assert failure is not None
    assert failure.observer == "names"


def test_a_spent_judge_stays_with_its_failure() -> None:
    judge = judged(meeting().quiet())
    assert judge.failure is not None
    assert judge.feed(QUIET) is judge.failure


def test_a_fork_goes_its_own_way() -> None:
    judge = judged(sent())
    fork = judge.fork()
    assert fork.feed(Enter("enter", "server", "Suspend", SUSPEND, ("server",), 0)) is not None
    assert judge.failure is None
    assert judge.feed(QUIET) is None
    other = judge.fork()
    for event in (
        completed().completion("client", "p0", 0, ANSWER).quiet().events[judge.events - 1 :]
    ):
        assert other.feed(event) is None


# Readings: every one is accepted, and told ---------------------------------------------------


UNEVEN = payload_bytes(Payload(15, 13))


def reenabled() -> Conversation:
    """The client was paused when it was disabled, and is enabled and opened anew."""
    it = started().call("client", "VmbChannelPause").state("client", SUSPEND)
    it.back("client", "VmbChannelPause").call("client", "VmbChannelDisable")
    it.state("client", CLOSED).back("client", "VmbChannelDisable")
    it.state("server", SUSPEND, CLOSED).quiet().do("client", "VmbChannelEnable", status=0)
    it.state("server", OPENED).state("client", OPENED)
    return it.state("server", STARTED, POST_STARTED)


def cancelled(status: int) -> Conversation:
    it = sent().call("client", "VmbChannelDisable").state("client", SUSPEND)
    return it.completion("client", "p0", status, None)


def scant(status: int) -> Conversation:
    """Memory of a byte less than a packet takes."""
    it = configured().do("client", "VmbChannelSizeofPacket", out=(2048,))
    return it.do("client", "VmbPacketInitialize", "p0", "sizeof-1", status=status)


def processed(irql: int) -> Conversation:
    it = sending().enter("server", PROCESS_PACKET, "server", "c0", MESSAGE, 0, irql=irql)
    return it.leave("server", PROCESS_PACKET)


READINGS: dict[str, Callable[[], Conversation]] = {
    "A21/small-counts:R1": lambda: (
        small()
        .do("server", "VmbChannelEnable", status=0)
        .do("client", "VmbChannelEnable", status=0xC000000D)
    ),
    "A21/small-counts:R2": lambda: small().do("client", "VmbChannelEnable", status=0),
    "A30/level:R1": lambda: processed(2),
    "A30/level:R2": lambda: processed(0),
    "A31/callbacks:R1": opened,
    "A31/callbacks:R2": lambda: (
        configured()
        .do("server", "VmbChannelEnable", status=0)
        .call("client", "VmbChannelEnable")
        .state("server", OPENED)
        .state("client", OPENED)
        .back("client", "VmbChannelEnable", 0)
    ),
    "A39/enable:R1": lambda: reenabled().quiet(),
    "A39/enable:R2": lambda: reenabled().state("client", STARTED, POST_STARTED).quiet(),
    "A43/order:R1": opened,
    "A43/order:R2": lambda: meeting().state("client", OPENED).state("server", OPENED),
    "A43/order:R3": lambda: (
        meeting()
        .enter("server", OPENED, "server")
        .enter("client", OPENED, "client")
        .leave("client", OPENED, 0)
        .leave("server", OPENED, 0)
    ),
    "A66:R2": lambda: resting().quiet(),
    "A66:R4": lambda: resting().process("client", "c0", MESSAGE).batch("client", 1).quiet(),
    "A84/routines:R1": lambda: (
        both_answered().completion("client", "p0", 0, ANSWER).completion("client", "p1", 0, ANSWER)
    ),
    "A84/routines:R2": lambda: (
        both_answered().completion("client", "p1", 0, ANSWER).completion("client", "p0", 0, ANSWER)
    ),
    "A94/code:R1": lambda: cancelled(CANCELLED),
    "A94/code:R2": lambda: cancelled(0xC00002B6),
    "A94/code:R3": lambda: cancelled(0xC0000001),
    "A115:R1": lambda: scant(0),
    "A115:R2": lambda: scant(0xC00000F1),
    "A32:R1": lambda: answered().do("client", "VmbChannelEnable", status=0xC0000184),
    "A32:R2": lambda: answered().do("client", "VmbChannelEnable", status=0),
    "A34:R1": lambda: (
        opened()
        .state("server", STARTED, POST_STARTED)
        .state("client", STARTED, POST_STARTED)
        .quiet()
    ),
    "A34:R2": lambda: opened().state("client", STARTED, POST_STARTED).quiet(),
    "A55:R2": lambda: (
        posting()
        .process("server", "c0", MESSAGE)
        .state("server", POST_STARTED)
        .batch("server", 1)
        .quiet()
    ),
    "A57:R1": lambda: (
        disabling()
        .state("client", CLOSED)
        .back("client", "VmbChannelDisable")
        .state("server", SUSPEND, CLOSED)
        .quiet()
    ),
    "A57:R2": closed,
    "A64:R2": lambda: sent().call("client", "VmbChannelPause").state("client", SUSPEND).quiet(),
    "A71/length:R1": sent,
    "A71/length:R2": lambda: (
        sending().process("server", "c0", MESSAGE + bytes(3)).batch("server", 1).quiet()
    ),
    "A49/moment:R1": lambda: closed_from_afar().do("client", "VmbChannelEnable", status=0),
    "A49/moment:R2": lambda: (
        closed_from_afar()
        .do("server", "VmbChannelEnable", status=0)
        .do("client", "VmbChannelEnable", status=0xC0000184)
    ),
    "A148/start-during-pause:R1": lambda: drained(
        draining().back("server", "VmbChannelStart", by="t1")
    ).state("server", STARTED, POST_STARTED),
    "A148/start-during-pause:R2": lambda: (
        drained(draining().back("server", "VmbChannelStart", by="t1"))
        .back("server", "VmbChannelPause")
        .quiet()
    ),
    "A148/start-during-pause:R3": lambda: draining().quiet(),
    "A90:R1": lambda: unsent().do("client", "VmbPacketSend", "p0", MESSAGE, 1, status=0),
    "A90:R2": lambda: unsent().do("client", "VmbPacketSend", "p0", MESSAGE, 1, status=0xC0000184),
    "A91/disable:R1": lambda: (
        queued()
        .call("client", "VmbChannelDisable")
        .completion("client", "p0", CANCELLED, None)
        .back("client", "VmbChannelDisable")
        .quiet()
    ),
    "A91/disable:R2": lambda: queued().do("client", "VmbChannelDisable").quiet(),
    "A95:R1": lambda: (
        ready()
        .call("client", "VmbPacketSend", "p0", MESSAGE, 0)
        .completion("client", "p0", 0, None)
        .back("client", "VmbPacketSend", 0)
    ),
    "A98/above:R1": lambda: ready().do(
        "client", "VmbPacketSend", "p0", payload_bytes(Payload(1, 1032)), 1, status=0xC000000D
    ),
    "A105/length:R1": lambda: (
        sent()
        .do("server", "VmbChannelPacketComplete", "c0", UNEVEN, MESSAGE)
        .completion("client", "p0", 0, UNEVEN)
    ),
    "A105/length:R2": lambda: (
        sent()
        .do("server", "VmbChannelPacketComplete", "c0", UNEVEN, MESSAGE)
        .completion("client", "p0", 0, UNEVEN + bytes(3))
    ),
}


@pytest.mark.parametrize("reading", READINGS)
def test_a_reading_is_accepted_and_told(reading: str) -> None:
    found = readings(READINGS[reading]())
    assert reading in found
    place = reading.partition(":")[0]
    assert not {other for other in found if other.startswith(f"{place}:")} - {reading}


def test_no_reading_is_told_that_did_not_show() -> None:
    assert not any(label.startswith(("A55", "A57", "A64", "A91")) for label in readings(started()))


def test_an_end_that_is_told_to_leave_may_still_have_accepted() -> None:
    """The server's Disable is called while its Opened runs, and takes effect after the open."""
    it = configured()
    for end in ("server", "client"):
        it.do(end, "VmbChannelEnable", status=0)
    it.enter("server", OPENED, "server").call("server", "VmbChannelDisable")
    it.leave("server", OPENED, 0)
    it.state("client", OPENED, STARTED)
    assert judged(it).failure is None


def test_an_end_that_has_not_accepted_starts_no_client() -> None:
    it = configured()
    for end in ("server", "client"):
        it.do(end, "VmbChannelEnable", status=0)
    it.enter("server", OPENED, "server").call("server", "VmbChannelDisable")
    it.state("client", OPENED).enter("client", STARTED, "client")
    failure = judged(it).failure
    assert failure is not None
    assert failure.requirements == ("F021",)


def test_a_client_may_find_no_offer_while_the_server_withdraws_it() -> None:
    """The server is disabled before its Disable returns, and may be for a while (A52)."""
    it = configured()
    for end in ("server", "client"):
        it.do(end, "VmbChannelEnable", status=0)
    it.call("server", "VmbChannelDisable").do("client", "VmbChannelDisable")
    it.do("client", "VmbChannelEnable", status=0xC0000001)
    assert judged(it).failure is None

    meanwhile = configured().do("server", "VmbChannelEnable", status=0)
    meanwhile.call("client", "VmbChannelEnable").call("server", "VmbChannelDisable", by="t1")
    meanwhile.back("client", "VmbChannelEnable", 0xC0000001)
    assert judged(meanwhile).failure is None

    rejected = configured()
    for end in ("server", "client"):
        rejected.do(end, "VmbChannelEnable", status=0)
    rejected.enter("server", OPENED, "server").leave("server", OPENED, 0xC0000001).quiet()
    rejected.do("client", "VmbChannelDisable").call("server", "VmbChannelDisable")
    rejected.do("client", "VmbChannelEnable", status=0xC0000001)
    assert judged(rejected).failure is None


def test_a_quota_limits_nothing_before_its_call_has_returned() -> None:
    """Of a call in progress nobody knows whether it has taken effect; then it holds."""
    it = sent().call("server", "VmbChannelSetTransactionQuota", 1)
    for name in ("p1", "p2"):
        it.do("client", "VmbPacketAllocate", name, out=(True,))
    it.do("client", "VmbPacketSend", "p1", MESSAGE, 1, status=0)
    it.process("server", "c1", MESSAGE).batch("server", 1)
    assert judged(it).failure is None

    it.back("server", "VmbChannelSetTransactionQuota")
    it.do("client", "VmbPacketSend", "p2", MESSAGE, 1, status=0)
    assert judged(it.quiet()).failure is None

    broken = Conversation(*it.events).process("server", "c2", MESSAGE)
    failure = judge_trace(broken.events).failure
    assert failure is not None
    assert "F338" in failure.requirements
