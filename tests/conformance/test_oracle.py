"""The oracle, by conversations: what is accepted, what is refused, and with which requirements.

A conversation is written down by hand. It is accepted as it stands; each defect changes it in one
place and must be refused at that place, with exactly the requirements it breaks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kmcl_conformance.coverage import seen
from kmcl_conformance.oracle import Judge, judge_trace
from kmcl_model.api import (
    CLOSED,
    COMPLETION_ROUTINE,
    OPENED,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STARTED,
    STATE_CHANGE_CALLBACKS,
    SUSPEND,
)
from kmcl_model.events import Call, Enter, Environment, Event, Exit, Lost, Quiescence, Return
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec import Specification

QUIET = Quiescence("quiescence", True)
MESSAGE = payload_bytes(Payload(1, 13))
ANSWER = payload_bytes(Payload(15, 8))
CANCELLED = 0xC0000120


def short(callback: str) -> str:
    return callback.removeprefix("EvtVmbChannel").removeprefix("EvtVmbPacket")


class Conversation:
    """A trace under construction; every method adds events and returns the conversation."""

    def __init__(self, *events: Event) -> None:
        self.events = list(events)

    def call(self, end: str, function: str, *arguments: Any, by: str = "t0") -> Conversation:
        self.events.append(Call("call", end, by, function, arguments))
        return self

    def back(
        self, end: str, function: str, status: int | None = None, *out: Any, by: str = "t0"
    ) -> Conversation:
        self.events.append(Return("return", end, by, function, status, out))
        return self

    def do(
        self, end: str, function: str, *arguments: Any, status: int | None = None, out: Any = ()
    ) -> Conversation:
        return self.call(end, function, *arguments).back(end, function, status, *out)

    def enter(self, end: str, callback: str, *arguments: Any, irql: int = 0) -> Conversation:
        self.events.append(Enter("enter", end, short(callback), callback, arguments, irql))
        return self

    def leave(self, end: str, callback: str, status: int | None = None) -> Conversation:
        self.events.append(Exit("exit", end, short(callback), callback, status))
        return self

    def state(self, end: str, *callbacks: str) -> Conversation:
        """State change callbacks that return at once."""
        for callback in callbacks:
            self.enter(end, callback, end).leave(end, callback, 0 if callback == OPENED else None)
        return self

    def process(self, end: str, context: str, message: bytes) -> Conversation:
        return self.enter(end, PROCESS_PACKET, end, context, message, 0).leave(end, PROCESS_PACKET)

    def batch(self, end: str, count: int) -> Conversation:
        return self.enter(end, PROCESSING_COMPLETE, end, count).leave(end, PROCESSING_COMPLETE)

    def completion(self, end: str, packet: str, status: int, answer: bytes | None) -> Conversation:
        self.enter(end, COMPLETION_ROUTINE, packet, status, answer)
        return self.leave(end, COMPLETION_ROUTINE)

    def quiet(self) -> Conversation:
        self.events.append(QUIET)
        return self


def configured(*, quota: int = 0) -> Conversation:
    """Both channels allocated and configured."""
    it = Conversation()
    for end in ("server", "client"):
        it.do(end, "VmbChannelAllocate", end == "server", status=0)
        it.do(
            end,
            "VmbChannelInitSetStateChangeCallbacks",
            *(1, "size", STATE_CHANGE_CALLBACKS),
            status=0,
        )
        it.do(end, "VmbChannelInitSetMaximumPacketSize", 1024, status=0)
        it.do(end, "VmbChannelInitSetProcessPacketCallbacks", True, True, status=0)
        if quota:
            it.do(end, "VmbChannelSetTransactionQuota", quota)
    return it


def opened() -> Conversation:
    """Both ends have returned from Opened; the server is still paused."""
    it = configured()
    for end in ("server", "client"):
        it.do(end, "VmbChannelEnable", status=0)
    return it.state("server", OPENED).state("client", OPENED)


def started() -> Conversation:
    """Both ends run, and nothing is on its way."""
    it = opened().do("server", "VmbChannelStart")
    for callback in (STARTED, POST_STARTED):
        it.state("server", callback).state("client", callback)
    return it.quiet()


def ready() -> Conversation:
    """As started, and the client has a packet to send."""
    it = started().do("client", "VmbPacketAllocate", "p0", out=(True,))
    return it.do("client", "VmbPacketSetCompletionRoutine", "p0")


def sent() -> Conversation:
    """The client's packet has reached the server's driver, which keeps it."""
    it = ready().do("client", "VmbPacketSend", "p0", MESSAGE, 1, status=0)
    return it.process("server", "c0", MESSAGE).batch("server", 1).quiet()


def answered() -> Conversation:
    """The server's driver has completed the packet, and the client knows."""
    it = sent().do("server", "VmbChannelPacketComplete", "c0", ANSWER, MESSAGE)
    return it.completion("client", "p0", 0, ANSWER).quiet()


def closed() -> Conversation:
    """The client has disabled its channel; the server offers again."""
    it = answered().call("client", "VmbChannelDisable").state("client", SUSPEND, CLOSED)
    it.back("client", "VmbChannelDisable")
    return it.state("server", SUSPEND, CLOSED).quiet()


def judged(it: Conversation) -> Judge:
    return judge_trace(it.events, Specification())


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


def disabling() -> Conversation:
    """The client is about to disable its channel; the peer has heard."""
    return answered().call("client", "VmbChannelDisable")


def sending() -> Conversation:
    return ready().do("client", "VmbPacketSend", "p0", MESSAGE, 1, status=0)


def meeting() -> Conversation:
    """An offer and an opener."""
    it = configured()
    for end in ("server", "client"):
        it.do(end, "VmbChannelEnable", status=0)
    return it


def completed() -> Conversation:
    return sent().do("server", "VmbChannelPacketComplete", "c0", ANSWER, MESSAGE)


OTHER = payload_bytes(Payload(2, 13))

# What goes wrong, where it is seen, counted from the end, and the requirements broken.
DEFECTS: dict[str, tuple[Callable[[], Conversation], int, str]] = {
    "Enable fails": (
        lambda: configured().do("server", "VmbChannelEnable", status=0xC0000001),
        -1,
        "F183 F184 F187",
    ),
    "Opened after an Enable that failed": (
        lambda: (
            small()
            .do("server", "VmbChannelEnable", status=0)
            .do("client", "VmbChannelEnable", status=0xC000000D)
            .enter("client", OPENED, "client")
        ),
        -1,
        "F008 F010 F014 F181",
    ),
    "Enable fails although a maximal packet fits the pages": (
        lambda: (
            configured()
            .do("client", "VmbClientChannelInitSetRingBufferPageCount", 1, 1, status=0)
            .do("client", "VmbChannelEnable", status=0xC000000D)
        ),
        -1,
        "F183 F184 F187",
    ),
    "Opened before there is an offer": (
        lambda: (
            configured()
            .do("client", "VmbChannelEnable", status=0)
            .enter("client", OPENED, "client")
        ),
        -1,
        "F014 F018 F019 F038 F180",
    ),
    "Opened for the other channel": (
        lambda: meeting().enter("server", OPENED, "client"),
        -1,
        "F015",
    ),
    "Started before Opened": (
        lambda: meeting().do("server", "VmbChannelStart").enter("server", STARTED, "server"),
        -1,
        "F021 F024 F035 F092 F098",
    ),
    "Started a second time": (
        lambda: started().enter("client", STARTED, "client"),
        -1,
        "F091 F113",
    ),
    "PostStarted before Started": (
        lambda: opened().do("server", "VmbChannelStart").enter("server", POST_STARTED, "server"),
        -1,
        "F033 F035",
    ),
    "Opened is missing": (
        lambda: meeting().quiet(),
        -1,
        "F014 F019 F038 F184",
    ),
    "Started is missing": (
        lambda: opened().do("server", "VmbChannelStart").quiet(),
        -1,
        "F091 F094",
    ),
    "PostStarted is missing": (
        lambda: (
            opened()
            .do("server", "VmbChannelStart")
            .state("server", STARTED)
            .state("client", STARTED, POST_STARTED)
            .quiet()
        ),
        -1,
        "F032",
    ),
    "ProcessPacket is missing": (
        lambda: sending().quiet(),
        -1,
        "F042 F226 F386",
    ),
    "another message is delivered": (
        lambda: sending().process("server", "c0", OTHER),
        -2,
        "F042 F045 F046 F215 F216 F226 F262",
    ),
    "a message is delivered twice": (
        lambda: sent().process("server", "c1", MESSAGE),
        -2,
        "F042 F045 F046 F215 F216 F226 F262",
    ),
    "a batch is counted wrong": (
        lambda: sending().process("server", "c0", MESSAGE).batch("server", 2),
        -2,
        "F057",
    ),
    "the end of a batch is not told": (
        lambda: sending().process("server", "c0", MESSAGE).quiet(),
        -1,
        "F049 F053 F227",
    ),
    "success without an answer": (
        lambda: sent().completion("client", "p0", 0, None),
        -2,
        "F134 F138",
    ),
    "a failure without a reason": (
        lambda: sent().completion("client", "p0", CANCELLED, None),
        -2,
        "F132 F134",
    ),
    "another answer": (
        lambda: completed().completion("client", "p0", 0, payload_bytes(Payload(14, 8))),
        -2,
        "F135 F136 F251",
    ),
    "the completion routine is missing": (
        lambda: completed().quiet(),
        -1,
        "F132 F250 F252",
    ),
    "the completion routine is missing where silence was right before": (
        lambda: (
            answered()
            .quiet()
            .do("client", "VmbPacketSend", "p0", MESSAGE, 1, status=0)
            .process("server", "c1", MESSAGE)
            .batch("server", 1)
            .do("server", "VmbChannelPacketComplete", "c1", ANSWER, MESSAGE)
            .quiet()
        ),
        -1,
        "F132 F250 F252",
    ),
    "a setting does not return where silence was right before": (
        lambda: answered().quiet().call("client", "VmbChannelSetPointer", 5).quiet(),
        -1,
        "F147",
    ),
    "the received bytes change": (
        lambda: sent().call("server", "VmbChannelPacketComplete", "c0", ANSWER, OTHER),
        -1,
        "F045 F050 F248",
    ),
    "Suspend for nothing": (
        lambda: answered().enter("server", SUSPEND, "server"),
        -1,
        "F109 F113 F114 F115",
    ),
    "Suspend at DISPATCH_LEVEL": (
        lambda: (
            answered().call("server", "VmbChannelPause").enter("server", SUSPEND, "server", irql=2)
        ),
        -1,
        "F131",
    ),
    "Suspend for the other channel": (
        lambda: answered().call("server", "VmbChannelPause").enter("server", SUSPEND, "client"),
        -1,
        "F111",
    ),
    "Pause returns before Suspend": (
        lambda: answered().do("server", "VmbChannelPause"),
        -1,
        "F113 F124 F285",
    ),
    "a packet for a paused channel": (
        lambda: (
            ready()
            .call("server", "VmbChannelPause")
            .state("server", SUSPEND)
            .call("client", "VmbPacketSend", "p0", MESSAGE, 1)
            .process("server", "c0", MESSAGE)
        ),
        -2,
        "F093 F283 F284 F287",
    ),
    "a server closes without Suspend": (
        lambda: (
            disabling()
            .state("client", SUSPEND, CLOSED)
            .back("client", "VmbChannelDisable")
            .enter("server", CLOSED, "server")
        ),
        -1,
        "F108 F110 F114 F115",
    ),
    "Disable never returns": (
        lambda: (
            disabling().state("client", SUSPEND, CLOSED).state("server", SUSPEND, CLOSED).quiet()
        ),
        -1,
        "F181",
    ),
    "the peer does not hear of the close": (
        lambda: (
            disabling().state("client", SUSPEND, CLOSED).back("client", "VmbChannelDisable").quiet()
        ),
        -1,
        "F108 F109 F115",
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_refused_where_it_shows(name: str) -> None:
    make, place, requirements = DEFECTS[name]
    it = make()
    failure = judged(it).failure
    assert failure is not None
    assert failure.number == len(it.events) + place
    assert failure.event == it.events[place]
    assert failure.requirements == tuple(requirements.split())
    assert all(broken.words for broken in failure.broken)
    assert failure.state


# Where one event breaks several rules at once, these are surely among them.
WRONG_IN_MANY_WAYS: dict[str, tuple[Callable[[], Conversation], str]] = {
    "Opened a second time": (lambda: opened().enter("server", OPENED, "server"), "F181"),
    "Closed a second time": (lambda: closed().enter("server", CLOSED, "server"), "F001"),
    "the completion routine a second time": (
        lambda: answered().completion("client", "p0", 0, ANSWER),
        "F132 F133 F395",
    ),
    "Pause returns with a packet outstanding": (
        lambda: (
            sent()
            .call("server", "VmbChannelPause")
            .state("server", SUSPEND)
            .back("server", "VmbChannelPause")
        ),
        "F120 F125",
    ),
    "Disable returns at once": (lambda: answered().do("client", "VmbChannelDisable"), "F126 F181"),
    "the end of a batch is told twice": (lambda: sent().batch("server", 1), "F053 F054"),
}


@pytest.mark.parametrize("name", WRONG_IN_MANY_WAYS)
def test_a_defect_names_its_requirements(name: str) -> None:
    make, requirements = WRONG_IN_MANY_WAYS[name]
    failure = judged(make()).failure
    assert failure is not None
    assert set(requirements.split()) <= set(failure.requirements)


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
    assert failure.requirements == ("F285",)


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


def draining() -> Conversation:
    """The server's Pause has called Suspend and waits for a packet; another thread calls Start."""
    return (
        sent()
        .call("server", "VmbChannelPause")
        .state("server", SUSPEND)
        .call("server", "VmbChannelStart", by="t1")
    )


def drained(it: Conversation) -> Conversation:
    """The packet that Pause waited for is given back."""
    complete = ("server", "VmbChannelPacketComplete")
    it.call(*complete, "c0", None, MESSAGE, by="t2").back(*complete, by="t2")
    return it.completion("client", "p0", 0, None)


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


def closed_from_afar() -> Conversation:
    """The server was disabled; the client's Closed has returned a moment ago."""
    it = started().call("server", "VmbChannelDisable").state("server", SUSPEND)
    it.state("client", SUSPEND).state("server", CLOSED).back("server", "VmbChannelDisable")
    return it.state("client", CLOSED)


def test_a_refusal_of_enable_just_after_closed_ends_with_the_rest() -> None:
    refused = 0xC0000184
    soon = closed_from_afar().do("client", "VmbChannelEnable", status=refused)
    later = closed_from_afar().quiet().do("client", "VmbChannelEnable", status=refused)

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


def queued() -> Conversation:
    """The client waits for an offer with a packet in its queue."""
    it = configured().do("client", "VmbPacketAllocate", "p0", out=(True,))
    it.do("client", "VmbPacketSetCompletionRoutine", "p0")
    it.do("client", "VmbChannelEnable", status=0)
    return it.do("client", "VmbPacketSend", "p0", MESSAGE, 1, status=0).quiet()


def posting() -> Conversation:
    """The client has sent; the server has returned from Started alone."""
    it = opened().do("server", "VmbChannelStart").state("server", STARTED)
    it.state("client", STARTED, POST_STARTED).do("client", "VmbPacketAllocate", "p0", out=(True,))
    it.do("client", "VmbPacketSetCompletionRoutine", "p0")
    return it.do("client", "VmbPacketSend", "p0", MESSAGE, 1, status=0)


def unsent() -> Conversation:
    it = configured().do("client", "VmbPacketAllocate", "p0", out=(True,))
    return it.do("client", "VmbPacketSetCompletionRoutine", "p0")


UNEVEN = payload_bytes(Payload(15, 13))


def small() -> Conversation:
    """The client has asked for rings of a page, and its packets may be larger."""
    it = configured().do("client", "VmbClientChannelInitSetRingBufferPageCount", 1, 1, status=0)
    return it.do("client", "VmbChannelInitSetMaximumPacketSize", 8192, status=0)


def reenabled() -> Conversation:
    """The client was paused when it was disabled, and is enabled and opened anew."""
    it = started().call("client", "VmbChannelPause").state("client", SUSPEND)
    it.back("client", "VmbChannelPause").call("client", "VmbChannelDisable")
    it.state("client", CLOSED).back("client", "VmbChannelDisable")
    it.state("server", SUSPEND, CLOSED).quiet().do("client", "VmbChannelEnable", status=0)
    it.state("server", OPENED).state("client", OPENED)
    return it.state("server", STARTED, POST_STARTED)


def resting() -> Conversation:
    """The server, which nobody has started, has queued a packet; the client runs."""
    it = configured().do("server", "VmbPacketAllocate", "p0", out=(True,))
    it.do("server", "VmbPacketSetCompletionRoutine", "p0")
    it.do("server", "VmbChannelEnable", status=0)
    it.do("server", "VmbPacketSend", "p0", MESSAGE, 1, status=0)
    it.do("client", "VmbChannelEnable", status=0)
    it.state("server", OPENED).state("client", OPENED)
    return it.state("client", STARTED, POST_STARTED)


def both_answered() -> Conversation:
    """The server's driver completes two packets, and the client has heard of none."""
    it = ready().do("client", "VmbPacketAllocate", "p1", out=(True,))
    it.do("client", "VmbPacketSetCompletionRoutine", "p1")
    for packet, message in (("p0", MESSAGE), ("p1", OTHER)):
        it.do("client", "VmbPacketSend", packet, message, 1, status=0)
    it.process("server", "c0", MESSAGE).process("server", "c1", OTHER).batch("server", 2).quiet()
    it.do("server", "VmbChannelPacketComplete", "c0", ANSWER, MESSAGE)
    return it.do("server", "VmbChannelPacketComplete", "c1", ANSWER, OTHER)


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
    "A21/small-counts:R1": lambda: small().do("client", "VmbChannelEnable", status=0xC000000D),
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
    "A49/moment:R2": lambda: closed_from_afar().do("client", "VmbChannelEnable", status=0xC0000184),
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
    assert "F024" in failure.requirements
