"""The reference, as conversations: what is done on the left, all that is seen on the right."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from kmcl_adapters.interface import AdapterError
from kmcl_adapters.reference import create
from kmcl_adapters.reference.harness.session import Session
from kmcl_model.api import (
    CALLBACKS,
    CLOSED,
    COMPLETION_ROUTINE,
    FUNCTIONS,
    OPENED,
    POST_STARTED,
    PROCESS_PACKET,
    STARTED,
    STATE_CHANGE_CALLBACKS,
    SUSPEND,
)
from kmcl_model.events import Argument, Call, Enter, Environment, Event, Exit, Quiescence, Return
from kmcl_model.status import (
    STATUS_CANCELLED,
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_PARAMETER_1,
    STATUS_INVALID_PARAMETER_2,
    STATUS_INVALID_PARAMETER_3,
    STATUS_SUCCESS,
    STATUS_UNSUCCESSFUL,
    is_success,
)
from kmcl_model.stimuli import (
    HOLD,
    Act,
    Arm,
    Environ,
    Invoke,
    Reaction,
    Release,
    Run,
    Settle,
    Step,
)

MAXIMUM = 1000
COMPLETE = Act("VmbChannelPacketComplete", ("this", b"ok", None))


def line(event: Event) -> str:
    """One event in a few words; the channel argument of a callback only if it is foreign."""
    match event:
        case Call(_, endpoint, by, function, arguments):
            return " ".join((endpoint, by, "call", _bare(function), *map(_written, arguments)))
        case Return(_, endpoint, by, function, status, outputs):
            values = (*(() if status is None else (hex(status),)), *map(_written, outputs))
            return " ".join((endpoint, by, "return", _bare(function), *values))
        case Enter(_, endpoint, activation, _, arguments, _):
            shown = arguments[1:] if arguments[0] == endpoint else arguments
            return " ".join((endpoint, "enter", activation, *map(_written, shown)))
        case Exit(_, endpoint, activation, _, status):
            return f"{endpoint} exit {activation}" + ("" if status is None else f" {status:#x}")
        case Environment(_, endpoint, action):
            return f"{endpoint} {action}"
        case Quiescence():
            return "quiet"
        case _:
            return str(event)


def _bare(function: str) -> str:
    return function.removeprefix("Vmb").removeprefix("Channel")


def _written(value: Argument) -> str:
    if isinstance(value, bytes):
        return value.decode() if len(value) < 12 else f"<{len(value)}>"
    return str(value)


class Talk:
    """A session with a pen: stimuli go in, the lines of its events come out."""

    def __init__(self, session: Session | None = None) -> None:
        self.session = create("").open() if session is None else session

    def call(self, endpoint: str, function: str, *arguments: Argument, by: str = "t0") -> Talk:
        self.session.apply(Invoke("invoke", endpoint, by, function, arguments))
        return self

    def arm(self, endpoint: str, callback: str, *steps: Step, status: int = 0) -> Talk:
        self.session.apply(Arm("arm", endpoint, callback, Reaction(steps, status)))
        return self

    def release(self, endpoint: str, activation: str) -> Talk:
        self.session.apply(Release("release", endpoint, activation))
        return self

    def environ(self, endpoint: str, action: str) -> Talk:
        self.session.apply(Environ("environment", endpoint, action))
        return self

    def run(self, choice: int) -> Talk:
        self.session.apply(Run("run", choice))
        return self

    def settle(self) -> Talk:
        self.session.apply(Settle("settle"))
        return self

    def lines(self) -> list[str]:
        return [line(event) for event in self.session.take()]

    def forget(self) -> Talk:
        self.session.take()
        return self

    def configure(self, endpoint: str, handlers: Iterable[str] = STATE_CHANGE_CALLBACKS) -> Talk:
        self.call(endpoint, "VmbChannelAllocate", endpoint == "server")
        self.call(endpoint, "VmbChannelInitSetMaximumPacketSize", MAXIMUM)
        self.call(endpoint, "VmbChannelInitSetProcessPacketCallbacks", True, True)
        self.call(endpoint, "VmbChannelInitSetStateChangeCallbacks", 1, "size", tuple(handlers))
        if endpoint == "server":
            self.call(endpoint, "VmbServerChannelInitSetTargetInterfaceId", "type", "instance")
        else:
            self.call(endpoint, "VmbClientChannelInitSetTargetPnp", "type", "instance", True)
        return self

    def packet(self, endpoint: str, *names: str) -> Talk:
        for name in names:
            self.call(endpoint, "VmbPacketAllocate", name)
            self.call(endpoint, "VmbPacketSetCompletionRoutine", name)
        return self

    def open(self, handlers: Iterable[str] = STATE_CHANGE_CALLBACKS) -> Talk:
        handlers = tuple(handlers)
        for endpoint in ("server", "client"):
            self.configure(endpoint, handlers).packet(endpoint, "p0", "p1", "p2")
        self.call("server", "VmbChannelEnable").call("server", "VmbChannelStart")
        return self.call("client", "VmbChannelEnable").settle().forget()

    def send(self, endpoint: str, name: str, data: bytes, flags: int = 0, by: str = "t0") -> Talk:
        return self.call(endpoint, "VmbPacketSend", name, data, flags, by=by)

    def complete(self, endpoint: str, context: str, answer: bytes | None = None) -> Talk:
        return self.call(endpoint, "VmbChannelPacketComplete", context, answer, None, by="t1")


def callbacks(lines: list[str]) -> list[str]:
    """The entries and exits alone."""
    return [text for text in lines if " enter " in text or " exit " in text]


def entries(lines: list[str]) -> list[str]:
    """The entries alone, without the word."""
    return [text.replace(" enter ", " ") for text in lines if " enter " in text]


# Opening


def test_open_handshake() -> None:
    talk = Talk()
    talk.configure("server").configure("client").forget()
    talk.call("server", "VmbChannelEnable").call("server", "VmbChannelStart").settle()
    talk.call("client", "VmbChannelEnable").settle()
    assert talk.lines() == [
        "server t0 call Enable",
        "server t0 return Enable 0x0",
        "server t0 call Start",
        "server t0 return Start",
        "quiet",
        "client t0 call Enable",
        "client t0 return Enable 0x0",
        "server enter Opened",
        "server exit Opened 0x0",
        "client enter Opened",
        "client exit Opened 0x0",
        "server enter Started",
        "server exit Started",
        "client enter Started",
        "client exit Started",
        "server enter PostStarted",
        "server exit PostStarted",
        "client enter PostStarted",
        "client exit PostStarted",
        "quiet",
    ]


def test_client_waits_for_the_offer_and_the_server_for_start() -> None:
    talk = Talk()
    talk.configure("server").configure("client")
    talk.call("client", "VmbChannelEnable").settle()
    talk.call("server", "VmbChannelEnable").forget().settle()
    assert entries(talk.lines()) == [
        "server Opened",
        "client Opened",
        "client Started",
        "client PostStarted",
    ]
    talk.call("server", "VmbChannelStart").settle()
    assert entries(talk.lines()) == ["server Started", "server PostStarted"]


def test_pause_while_disabled_pauses_the_client_at_open() -> None:
    talk = Talk()
    talk.configure("server").configure("client").call("client", "VmbChannelPause")
    talk.call("server", "VmbChannelEnable").call("client", "VmbChannelEnable").settle()
    assert entries(talk.lines()) == ["server Opened", "client Opened"]
    talk.call("client", "VmbChannelStart").settle()
    assert entries(talk.lines()) == ["client Started", "client PostStarted"]


def test_rejected_by_the_server() -> None:
    talk = Talk()
    talk.configure("server").configure("client")
    talk.arm("server", OPENED, status=STATUS_UNSUCCESSFUL)
    talk.call("server", "VmbChannelEnable").call("client", "VmbChannelEnable").forget().settle()
    assert talk.lines() == [
        "server enter Opened",
        "server exit Opened 0xc0000001",
        f"client enter PnpFailure {STATUS_UNSUCCESSFUL}",
        "client exit PnpFailure",
        "quiet",
    ]
    talk.call("client", "VmbChannelDisable").call("client", "VmbChannelEnable").settle()
    assert "client Opened" in entries(talk.lines())


def test_rejected_by_the_client() -> None:
    talk = Talk()
    talk.configure("server").configure("client")
    talk.arm("client", OPENED, status=STATUS_UNSUCCESSFUL)
    talk.call("server", "VmbChannelEnable").call("client", "VmbChannelEnable").forget().settle()
    assert entries(talk.lines()) == ["server Opened", "client Opened", "server Closed"]
    talk.call("client", "VmbChannelEnable").settle()
    assert entries(talk.lines())[:2] == ["server Opened", "client Opened"]


def test_nothing_starts_while_an_opened_is_held() -> None:
    talk = Talk()
    talk.configure("server").configure("client").call("server", "VmbChannelStart")
    talk.arm("client", OPENED, HOLD)
    talk.call("server", "VmbChannelEnable").call("client", "VmbChannelEnable").forget().settle()
    assert talk.lines() == [
        "server enter Opened",
        "server exit Opened 0x0",
        "client enter Opened",
        "quiet",
    ]
    talk.call("server", "VmbChannelDisable").settle()
    assert talk.lines() == [
        "server t0 call Disable",
        "server enter Closed",
        "server exit Closed",
        "server t0 return Disable",
        "quiet",
    ]
    talk.release("client", "Opened").settle()
    assert talk.lines() == [
        "client exit Opened 0x0",
        "client enter Closed",
        "client exit Closed",
        "quiet",
    ]


def test_handlers_are_optional() -> None:
    talk = Talk().open(handlers=())
    talk.send("client", "p0", b"hello").settle()
    assert "server ProcessPacket c0 hello 0" in entries(talk.lines())
    talk.complete("server", "c0").call("server", "VmbChannelDisable").settle()
    assert talk.lines()[-2:] == ["server t0 return Disable", "quiet"]


# Traffic


def test_transaction_with_an_answer() -> None:
    talk = Talk().open()
    talk.send("client", "p0", b"hello", 1).settle()
    assert talk.lines() == [
        "client t0 call PacketSend p0 hello 1",
        "client t0 return PacketSend 0x0",
        "server enter ProcessPacket c0 hello 0",
        "server exit ProcessPacket",
        "server enter ProcessingComplete 1",
        "server exit ProcessingComplete",
        "quiet",
    ]
    talk.complete("server", "c0", b"fine").settle()
    assert talk.lines() == [
        "server t1 call PacketComplete c0 fine hello",
        "server t1 return PacketComplete",
        "client enter CompletionRoutine p0 0 fine",
        "client exit CompletionRoutine",
        "quiet",
    ]


def test_transaction_without_an_answer_is_over_when_placed() -> None:
    talk = Talk().open()
    talk.arm("server", PROCESS_PACKET, COMPLETE)
    talk.send("client", "p0", b"hello").settle()
    assert talk.lines() == [
        "client t0 call PacketSend p0 hello 0",
        "client t0 return PacketSend 0x0",
        "server enter ProcessPacket c0 hello 0",
        "server ProcessPacket call PacketComplete c0 ok hello",
        "server ProcessPacket return PacketComplete",
        "server exit ProcessPacket",
        "client enter CompletionRoutine p0 0 None",
        "client exit CompletionRoutine",
        "server enter ProcessingComplete 1",
        "server exit ProcessingComplete",
        "quiet",
    ]


def test_completions_find_their_packet_in_any_order() -> None:
    talk = Talk().open()
    for name in ("p0", "p1", "p2"):
        talk.send("client", name, name.encode(), 1)
    talk.settle().forget()
    for context in ("c2", "c0", "c1"):
        talk.complete("server", context, context.encode())
    talk.settle()
    assert entries(talk.lines()) == [
        "client CompletionRoutine p2 0 c2",
        "client CompletionRoutine p0 0 c0",
        "client CompletionRoutine p1 0 c1",
    ]


def test_batch_counts_deliveries_until_the_ring_is_empty() -> None:
    talk = Talk().open()
    for name in ("p0", "p1", "p2"):
        talk.send("client", name, b"x")
    talk.settle()
    lines = entries(talk.lines())
    assert [text for text in lines if "server" in text] == [
        "server ProcessPacket c0 x 0",
        "server ProcessPacket c1 x 0",
        "server ProcessPacket c2 x 0",
        "server ProcessingComplete 3",
    ]


def test_quota_blocks_until_a_completion() -> None:
    talk = Talk().open()
    talk.call("server", "VmbChannelSetTransactionQuota", 1)
    talk.send("client", "p0", b"one").send("client", "p1", b"two").send("client", "p2", b"three")
    talk.settle()
    lines = entries(talk.lines())
    assert [text for text in lines if "Process" in text] == ["server ProcessPacket c0 one 0"]
    talk.call("server", "VmbChannelSetTransactionQuota", 2).settle()
    assert entries(talk.lines()) == []
    talk.complete("server", "c0").settle()
    assert entries(talk.lines()) == [
        "server ProcessPacket c0 two 0",
        "server ProcessPacket c1 three 0",
        "server ProcessingComplete 3",
    ]


def test_answers_pass_packets_that_the_quota_holds_back() -> None:
    talk = Talk().open()
    talk.send("client", "p0", b"question", 1).settle()
    talk.call("client", "VmbChannelSetTransactionQuota", 1)
    talk.send("server", "p0", b"one").send("server", "p1", b"two").settle().forget()
    talk.complete("server", "c0", b"answer").settle()
    assert entries(talk.lines()) == ["client CompletionRoutine p0 0 answer"]


def test_full_ring_queues_in_order_and_goes_on_when_there_is_room() -> None:
    talk = Talk()
    talk.configure("server").configure("client").call(
        "client", "VmbClientChannelInitSetRingBufferPageCount", 1, 1
    )
    names = tuple(f"p{i}" for i in range(6))
    talk.packet("client", *names)
    talk.call("server", "VmbChannelEnable").call("client", "VmbChannelEnable").settle().forget()
    for name in names:
        talk.send("client", name, name.encode() * (MAXIMUM // 2))
    talk.settle()
    lines = talk.lines()
    assert [text for text in lines if "return" in text] == ["client t0 return PacketSend 0x0"] * 6
    # With 24 bytes of descriptor and trailer each, four packets of 1000 bytes fill a page.
    assert entries(lines) == [f"client CompletionRoutine {name} 0 None" for name in names[:4]]
    talk.call("server", "VmbChannelStart").settle()
    lines = entries(talk.lines())
    assert [text for text in lines if "ProcessPacket" in text] == [
        f"server ProcessPacket c{i} <1000> 0" for i in range(6)
    ]
    assert [text for text in lines if "Routine" in text] == [
        f"client CompletionRoutine {name} 0 None" for name in names[4:]
    ]


def test_answer_waits_for_room_in_the_ring() -> None:
    talk = Talk()
    talk.configure("server").configure("client").call(
        "client", "VmbClientChannelInitSetRingBufferPageCount", 1, 1
    )
    names = tuple(f"p{i}" for i in range(4))
    talk.packet("client", "p0").packet("server", *names)
    talk.call("server", "VmbChannelEnable").call("server", "VmbChannelStart")
    talk.call("client", "VmbChannelEnable").settle()
    talk.send("client", "p0", b"question", 1).settle()
    talk.call("client", "VmbChannelPause").settle()
    for name in names:
        talk.send("server", name, bytes(MAXIMUM))
    talk.settle().forget()
    talk.complete("server", "c0", bytes(MAXIMUM)).settle()
    assert entries(talk.lines()) == []
    talk.call("client", "VmbChannelStart").settle()
    assert "client CompletionRoutine p0 0 <1000>" in entries(talk.lines())


def test_packets_queued_before_the_open_are_sent_after_it() -> None:
    talk = Talk()
    talk.configure("server").configure("client").packet("client", "p0", "p1")
    talk.call("client", "VmbChannelEnable")
    talk.send("client", "p0", b"first", 1).send("client", "p1", b"second").settle()
    assert entries(talk.lines()) == []
    talk.call("server", "VmbChannelEnable").call("server", "VmbChannelStart").settle()
    lines = entries(talk.lines())
    assert [text for text in lines if "ProcessPacket" in text] == [
        "server ProcessPacket c0 first 0",
        "server ProcessPacket c1 second 0",
    ]


def test_fail_stops_the_queue_until_the_reopen() -> None:
    talk = Talk().open()
    talk.arm("server", PROCESS_PACKET, Act("VmbChannelPacketFail", ("this",)))
    talk.send("client", "p0", b"bad", 1).send("client", "p1", b"good").settle()
    lines = entries(talk.lines())
    assert [text for text in lines if "ProcessPacket" in text] == ["server ProcessPacket c0 bad 0"]
    talk.call("client", "VmbChannelDisable").settle().call("client", "VmbChannelEnable").settle()
    talk.forget().send("client", "p1", b"again").settle()
    assert "server ProcessPacket c0 again 0" in entries(talk.lines())


def test_malformed_packet_stops_the_queue() -> None:
    talk = Talk().open()
    talk.environ("client", "malformed").send("client", "p0", b"behind it").settle()
    assert talk.lines() == [
        "client malformed",
        "client t0 call PacketSend p0 behind it 0",
        "client t0 return PacketSend 0x0",
        "client enter CompletionRoutine p0 0 None",
        "client exit CompletionRoutine",
        "quiet",
    ]


def test_spurious_signal_shows_nothing() -> None:
    talk = Talk().open()
    assert talk.environ("client", "spurious").settle().lines() == ["client spurious", "quiet"]


# Pausing


def test_pause_waits_for_handler_suspend_and_outstanding_packets() -> None:
    talk = Talk().open()
    talk.arm("server", PROCESS_PACKET, HOLD)
    talk.send("client", "p0", b"hello", 1).settle().forget()
    talk.call("server", "VmbChannelPause").settle()
    assert talk.lines() == ["server t0 call Pause", "quiet"]
    talk.release("server", "ProcessPacket").settle()
    assert talk.lines() == [
        "server exit ProcessPacket",
        "server enter ProcessingComplete 1",
        "server exit ProcessingComplete",
        "server enter Suspend",
        "server exit Suspend",
        "quiet",
    ]
    talk.send("client", "p1", b"later").settle()
    assert callbacks(talk.lines()) == [
        "client enter CompletionRoutine p1 0 None",
        "client exit CompletionRoutine",
    ]
    talk.complete("server", "c0", b"done").settle()
    assert talk.lines() == [
        "server t1 call PacketComplete c0 done hello",
        "server t1 return PacketComplete",
        "client enter CompletionRoutine p0 0 done",
        "client exit CompletionRoutine",
        "server t0 return Pause",
        "quiet",
    ]
    talk.call("server", "VmbChannelStart").settle()
    assert entries(talk.lines()) == [
        "server Started",
        "server PostStarted",
        "server ProcessPacket c0 later 0",
        "server ProcessingComplete 1",
    ]


def test_pause_of_a_paused_channel_returns_at_once() -> None:
    talk = Talk().open().call("server", "VmbChannelPause").settle().forget()
    talk.call("server", "VmbChannelPause")
    assert talk.lines() == ["server t0 call Pause", "server t0 return Pause"]


def test_start_of_a_running_channel_does_nothing() -> None:
    talk = Talk().open().call("client", "VmbChannelStart").settle()
    assert talk.lines() == ["client t0 call Start", "client t0 return Start", "quiet"]


def test_blocking_call_from_inside_a_callback() -> None:
    talk = Talk().open()
    talk.send("client", "p0", b"hello", 1).send("server", "p0", b"you").settle()
    talk.arm("client", COMPLETION_ROUTINE, Act("VmbChannelPause")).forget()
    talk.complete("server", "c0").settle()
    assert talk.lines()[2:] == [
        "client enter CompletionRoutine p0 0 None",
        "client CompletionRoutine call Pause",
        "client enter Suspend",
        "client exit Suspend",
        "quiet",
    ]
    talk.complete("client", "c0").settle()
    assert talk.lines()[2:] == [
        "client CompletionRoutine return Pause",
        "client exit CompletionRoutine",
        "quiet",
    ]


def test_post_started_may_wait_for_an_answer() -> None:
    talk = Talk()
    talk.configure("server").configure("client").packet("client", "p0")
    send = Act("VmbPacketSend", ("p0", b"version?", 1))
    talk.arm("client", POST_STARTED, send, HOLD).arm("server", PROCESS_PACKET, COMPLETE)
    talk.call("server", "VmbChannelStart").call("server", "VmbChannelEnable")
    talk.call("server", "VmbChannelStart").call("client", "VmbChannelEnable").settle()
    lines = entries(talk.lines())
    assert lines[-4:] == [
        "client PostStarted",
        "server ProcessPacket c0 version? 0",
        "client CompletionRoutine p0 0 ok",
        "server ProcessingComplete 1",
    ]
    talk.release("client", "PostStarted").settle()
    assert talk.lines() == ["client exit PostStarted", "quiet"]


# Closing


def test_client_close_with_work_in_flight() -> None:
    talk = Talk().open()
    talk.send("client", "p0", b"unanswered", 1).send("server", "p0", b"unanswered", 1).settle()
    talk.forget().call("client", "VmbChannelDisable").settle()
    cancelled = STATUS_CANCELLED
    assert talk.lines() == [
        "client t0 call Disable",
        "server enter Suspend",
        "server exit Suspend",
        "client enter Suspend",
        "client exit Suspend",
        "quiet",
    ]
    talk.complete("client", "c0", b"too late").settle()
    assert talk.lines() == [
        "client t1 call PacketComplete c0 too late unanswered",
        "client t1 return PacketComplete",
        f"client enter CompletionRoutine p0 {cancelled} None",
        "client exit CompletionRoutine",
        "client enter Closed",
        "client exit Closed",
        "client t0 return Disable",
        "quiet",
    ]
    talk.complete("server", "c0").settle()
    assert talk.lines()[2:] == [
        f"server enter CompletionRoutine p0 {cancelled} None",
        "server exit CompletionRoutine",
        "server enter Closed",
        "server exit Closed",
        "quiet",
    ]
    talk.call("client", "VmbChannelEnable").settle()
    assert entries(talk.lines())[:3] == ["server Opened", "client Opened", "server Started"]


def test_rescind_leaves_the_client_disabled() -> None:
    talk = Talk().open().call("server", "VmbChannelDisable").settle()
    assert [text for text in entries(talk.lines()) if "client" in text] == [
        "client Suspend",
        "client Closed",
    ]
    talk.call("server", "VmbChannelEnable").settle()
    assert entries(talk.lines()) == []
    talk.call("client", "VmbChannelEnable").settle()
    assert "client Opened" in entries(talk.lines())


def test_disable_waits_for_routines_of_queued_packets() -> None:
    talk = Talk().configure("server").packet("server", "p0").call("server", "VmbChannelEnable")
    talk.arm("server", COMPLETION_ROUTINE, HOLD).send("server", "p0", b"never sent", 1)
    talk.forget().call("server", "VmbChannelDisable").settle()
    assert talk.lines() == [
        "server t0 call Disable",
        f"server enter CompletionRoutine p0 {STATUS_CANCELLED} None",
        "quiet",
    ]
    talk.release("server", "CompletionRoutine").settle()
    assert talk.lines() == [
        "server exit CompletionRoutine",
        "server t0 return Disable",
        "quiet",
    ]


def test_packets_queued_at_a_client_close_are_sent_at_the_reopen() -> None:
    talk = Talk().open()
    talk.arm("server", CLOSED, Act("VmbPacketSend", ("p0", b"for later", 0)))
    talk.call("client", "VmbChannelDisable").settle().forget()
    talk.call("client", "VmbChannelEnable").settle()
    assert "client ProcessPacket c0 for later 0" in entries(talk.lines())


def test_close_ends_a_pause_that_waits() -> None:
    talk = Talk().open().arm("client", SUSPEND, HOLD)
    talk.call("client", "VmbChannelPause").settle()
    talk.call("server", "VmbChannelDisable").settle().forget()
    talk.release("client", "Suspend").settle()
    assert talk.lines() == [
        "client exit Suspend",
        "client enter Closed",
        "client exit Closed",
        "client t0 return Pause",
        "quiet",
    ]
    talk.call("client", "VmbChannelEnable")
    assert talk.lines()[-1] == "client t0 return Enable 0x0"


def test_crash_of_the_client_looks_like_a_close() -> None:
    talk = Talk().open()
    talk.arm("client", PROCESS_PACKET, HOLD)
    talk.send("server", "p0", b"hello", 1).settle().forget()
    talk.environ("client", "crash").settle()
    assert talk.lines() == [
        "client crash",
        "server enter Suspend",
        "server exit Suspend",
        f"server enter CompletionRoutine p0 {STATUS_CANCELLED} None",
        "server exit CompletionRoutine",
        "server enter Closed",
        "server exit Closed",
        "quiet",
    ]
    talk.release("client", "ProcessPacket").call("client", "VmbChannelDisable").settle()
    assert talk.lines() == ["quiet"]


# Schedules


def test_the_tester_chooses_what_runs_next() -> None:
    def order(choice: int) -> list[str]:
        talk = Talk().open()
        talk.send("client", "p0", b"a", 1).send("server", "p0", b"b", 1).forget()
        assert talk.session.runnable() == 2
        return entries(talk.run(choice).lines())

    assert order(0) == ["server ProcessPacket c0 a 0"]
    assert order(1) == order(3) == ["client ProcessPacket c0 b 0"]


def test_run_of_nothing_does_nothing() -> None:
    talk = Talk().open()
    assert talk.session.runnable() == 0
    assert talk.run(7).lines() == []


def test_an_implementation_that_never_rests_is_lost() -> None:
    talk = Talk().open()
    resend = Reaction((Act("VmbPacketSend", ("this", b"again", 0)),), sticky=True)
    talk.session.apply(Arm("arm", "client", COMPLETION_ROUTINE, resend))
    talk.session.apply(Arm("arm", "server", PROCESS_PACKET, Reaction((COMPLETE,), sticky=True)))
    talk.send("client", "p0", b"go").settle()
    lost = talk.session.take()[-1]
    assert lost[:2] == ("lost", "flood")
    talk.settle()
    assert talk.session.take() == []


# Configuration


@pytest.mark.parametrize(
    ("endpoint", "function", "arguments", "status"),
    [
        ("client", "VmbChannelInitSetFlags", (1,), STATUS_SUCCESS),
        ("client", "VmbChannelInitSetFlags", (1 << 31,), STATUS_INVALID_PARAMETER_2),
        ("client", "VmbChannelInitSetMaximumPacketSize", (0,), STATUS_INVALID_PARAMETER_2),
        ("client", "VmbChannelInitSetMaximumExternalData", (0, 1), STATUS_INVALID_PARAMETER_2),
        ("client", "VmbChannelInitSetMaximumExternalData", (1, 0), STATUS_INVALID_PARAMETER_3),
        ("client", "VmbChannelInitSetProcessPacketCallbacks", (True, False), STATUS_SUCCESS),
        ("client", "VmbChannelInitSetStateChangeCallbacks", (1, "size", ()), STATUS_SUCCESS),
        ("client", "VmbChannelInitSetStateChangeCallbacks", (1, 48, ()), STATUS_SUCCESS),
        (
            "client",
            "VmbChannelInitSetStateChangeCallbacks",
            (1, 56, ()),
            STATUS_INVALID_PARAMETER_2,
        ),
        (
            "client",
            "VmbChannelInitSetStateChangeCallbacks",
            (2, "size", ()),
            STATUS_INVALID_PARAMETER_2,
        ),
        ("client", "VmbClientChannelInitSetTargetPnp", ("type", None, False), STATUS_SUCCESS),
        ("client", "VmbClientChannelInitSetRingBufferPageCount", (0, 8), STATUS_SUCCESS),
        (
            "server",
            "VmbClientChannelInitSetRingBufferPageCount",
            (1, 1),
            STATUS_INVALID_PARAMETER_1,
        ),
        ("server", "VmbServerChannelInitSetFlags", (0x1F,), STATUS_SUCCESS),
        ("server", "VmbServerChannelInitSetFlags", (1 << 31,), STATUS_INVALID_PARAMETER_2),
        ("client", "VmbServerChannelInitSetFlags", (0,), STATUS_INVALID_PARAMETER_1),
        ("server", "VmbServerChannelInitSetMmioMegabytes", (0, 5), STATUS_SUCCESS),
        ("server", "VmbServerChannelInitSetMmioMegabytes", (0, 0), STATUS_INVALID_PARAMETER),
        ("server", "VmbServerChannelInitSetTargetVtl", (0,), STATUS_SUCCESS),
        ("server", "VmbServerChannelInitSetTargetVtl", (255,), STATUS_INVALID_PARAMETER_2),
        ("server", "VmbServerChannelInitSetVmbusHandle", ("bus",), STATUS_SUCCESS),
    ],
)
def test_status_of_a_setting(
    endpoint: str, function: str, arguments: tuple[Argument, ...], status: int
) -> None:
    talk = Talk().call(endpoint, "VmbChannelAllocate", endpoint == "server")
    talk.call(endpoint, function, *arguments)
    returned = talk.session.take()[-1]
    assert isinstance(returned, Return)
    assert returned.status == status
    talk.call(endpoint, "VmbChannelEnable").call(endpoint, function, *arguments)
    returned = talk.session.take()[-1]
    assert isinstance(returned, Return)
    assert returned.status is not None
    assert not is_success(returned.status)


def test_settings_survive_disable() -> None:
    talk = Talk().open().call("client", "VmbChannelDisable").settle()
    talk.call("client", "VmbChannelInitSetMaximumPacketSize", 8)
    assert talk.lines()[-1].endswith("0x0")
    talk.call("client", "VmbChannelEnable").settle()
    assert "client Opened" in entries(talk.lines())
    talk.send("client", "p0", b"nine byte").send("client", "p1", b"just 8..").settle()
    assert "server ProcessPacket c0 just 8.. 0" in entries(talk.lines())


def test_client_of_another_type_never_opens() -> None:
    talk = Talk().configure("server").configure("client")
    talk.call("client", "VmbClientChannelInitSetTargetPnp", "other", None, False)
    talk.call("server", "VmbChannelEnable").call("client", "VmbChannelEnable").forget().settle()
    assert talk.lines() == ["quiet"]


# Packet objects


def test_packet_in_memory_of_the_driver() -> None:
    talk = Talk().configure("client").forget()
    for size in ("maximum+pointer", MAXIMUM + 8, "sizeof"):
        talk.call("client", "VmbPacketInitialize", "m0", size)
    talk.call("client", "VmbChannelSizeofPacket").call(
        "client", "VmbPacketInitialize", "m0", "sizeof"
    )
    talk.call("client", "VmbPacketGetChannel", "m0").call("client", "VmbPacketFree", "m0")
    assert [text for text in talk.lines() if "return" in text] == [
        "client t0 return PacketInitialize 0xc00000f1",
        "client t0 return PacketInitialize 0xc00000f1",
        "client t0 return SizeofPacket 1120",
        "client t0 return PacketInitialize 0x0",
        "client t0 return PacketGetChannel client",
    ]


def test_pointers_stay() -> None:
    talk = Talk().open()
    talk.call("client", "VmbChannelSetPointer", "channel")
    talk.call("client", "VmbPacketSetPointer", "p0", "packet")
    talk.send("client", "p0", b"x").settle().forget()
    talk.call("client", "VmbPacketGetPointer", "p0").call("client", "VmbChannelGetPointer")
    assert talk.lines()[1::2] == [
        "client t0 return PacketGetPointer packet",
        "client t0 return GetPointer channel",
    ]


def test_default_routine_frees_the_packet() -> None:
    talk = Talk().open().call("client", "VmbPacketAllocate", "d")
    talk.send("client", "d", b"x", 1).settle().forget()
    talk.complete("server", "c0").settle()
    assert entries(talk.lines()) == []
    talk.call("client", "VmbPacketAllocate", "d")
    assert talk.lines()[-1] == "client t0 return PacketAllocate True"


def test_refused_send_leaves_the_packet_with_the_caller() -> None:
    talk = Talk().open()
    talk.send("client", "p0", bytes(MAXIMUM + 1)).settle()
    assert talk.lines()[1:] == ["client t0 return PacketSend 0xc00000f1", "quiet"]
    talk.send("client", "p0", bytes(MAXIMUM)).settle()
    assert "server ProcessPacket c0 <1000> 0" in entries(talk.lines())
    talk.call("client", "VmbPacketFree", "p0")
    assert talk.lines()[-1] == "client t0 return PacketFree"


# The harness


@pytest.mark.parametrize(
    ("endpoint", "by", "function", "arguments"),
    [
        ("client", "t0", "VmbChannelAllocate", (False,)),
        ("client", "t0", "VmbChannelCleanup", ()),
        ("client", "t0", "VmbPacketSend", ("unknown", b"", 0)),
        ("client", "t0", "VmbPacketAllocate", ("p0",)),
        ("client", "t0", "VmbPacketFree", ("p1",)),
        ("client", "t0", "VmbPacketSend", ("p1", b"", 0)),
        ("client", "t0", "VmbPacketInitialize", ("m", "sizeof")),
        ("client", "t0", "VmbChannelPacketComplete", ("c7", None, None)),
        ("client", "t0", "VmbChannelPacketComplete", ("this", None, None)),
        ("server", "t0", "VmbChannelStart", ()),
        ("client", "t0", "NoSuchFunction", ()),
    ],
)
def test_senseless_calls_are_skipped(
    endpoint: str, by: str, function: str, arguments: tuple[Argument, ...]
) -> None:
    talk = Talk().open()
    talk.send("client", "p1", b"in flight", 1).settle()
    talk.arm("server", SUSPEND, HOLD).call("server", "VmbChannelPause").settle().forget()
    talk.call(endpoint, function, *arguments, by=by)
    assert talk.lines() == []


def test_every_function_of_the_vocabulary_can_be_called() -> None:
    values: dict[str, Argument] = {
        "IsServer": True,
        "Handlers": (),
        "Size": "size",
        "ByteCount": MAXIMUM * 2,
        "Buffer": b"x",
        "Seen": None,
        "Pointer": "pointer",
        "Name": "name",
    }
    last = ("VmbPacketFree", "VmbChannelDisable", "VmbChannelCleanup")
    names = {"VmbPacketInitialize": "m0", "VmbPacketFree": "p1", "VmbPacketAllocate": "d"}
    talk = Talk().open().send("client", "p0", b"x").send("client", "p1", b"y").settle().forget()
    for name in (*(name for name in FUNCTIONS if name not in last), *last):
        values["Packet"] = names.get(name, "p0")
        values["Context"] = "c1" if name == "VmbChannelPacketFail" else "c0"
        arguments = (values.get(parameter, 1) for parameter in FUNCTIONS[name].parameters)
        talk.call("server", name, *arguments, by=name).settle()
    talk.call("server", "VmbChannelAllocate", True)
    trace = talk.session.take()
    called = {event.function for event in trace if isinstance(event, Call)}
    returned = {event.function for event in trace if isinstance(event, Return)}
    assert called == returned == set(FUNCTIONS)


@pytest.mark.parametrize("arguments", [(), ("p0", b"x"), ("p0", b"x", 0, 0)])
def test_wrong_number_of_arguments_is_skipped(arguments: tuple[Argument, ...]) -> None:
    assert Talk().open().call("client", "VmbPacketSend", *arguments).lines() == []


def test_activations_of_one_callback_are_told_apart() -> None:
    talk = Talk().open()
    talk.arm("client", COMPLETION_ROUTINE, HOLD).arm("client", COMPLETION_ROUTINE, HOLD)
    talk.send("client", "p0", b"x").send("client", "p1", b"y").settle()
    talk.release("client", "CompletionRoutine.2").release("client", "CompletionRoutine")
    lines = talk.lines()
    assert "client enter CompletionRoutine.2 p1 0 None" in lines
    assert lines[-2:] == ["client exit CompletionRoutine.2", "client exit CompletionRoutine"]


def test_reactions_queue_and_a_sticky_one_stays() -> None:
    talk = Talk().open()
    sticky = Reaction((COMPLETE,), sticky=True)
    talk.session.apply(Arm("arm", "server", PROCESS_PACKET, sticky))
    for _ in range(2):
        talk.send("client", "p0", b"x").settle()
    talk.arm("server", PROCESS_PACKET).send("client", "p0", b"y").settle()
    completed = [text for text in talk.lines() if "call PacketComplete" in text]
    assert completed == ["server ProcessPacket call PacketComplete c0 ok x"] * 2


def test_irql_of_the_callbacks() -> None:
    talk = Talk().open()
    talk.send("client", "p0", b"x").call("client", "VmbChannelPause").settle()
    levels = {e.callback: e.irql for e in talk.session.take() if isinstance(e, Enter)}
    assert levels[SUSPEND] == 0
    assert levels[PROCESS_PACKET] == levels[COMPLETION_ROUTINE] == 2
    assert all(name in CALLBACKS for name in levels)


def test_sessions_do_not_share_anything() -> None:
    adapter = create("")
    first, second = Talk(adapter.open()).open(), Talk(adapter.open())
    first.send("client", "p0", b"x")
    assert second.settle().lines() == ["quiet"]


def test_closed_session_is_silent() -> None:
    talk = Talk().open().send("client", "p0", b"x").forget()
    talk.session.close()
    talk.session.close()
    assert talk.settle().run(0).lines() == []
    assert talk.session.runnable() == 0


def test_description() -> None:
    description = create("").describe()
    assert description.adapter == "reference"
    assert description.exact_quiescence
    assert {"server", "client", "schedulable", "hold", "irql"} <= description.capabilities


def test_reference_takes_no_argument() -> None:
    with pytest.raises(AdapterError, match="takes no argument"):
        create("fast")


def test_started_is_not_served_with_answers() -> None:
    talk = Talk().open()
    talk.send("client", "p0", b"x", 1).settle().call("client", "VmbChannelPause").settle()
    talk.arm("client", STARTED, HOLD).call("client", "VmbChannelStart").settle().forget()
    talk.complete("server", "c0").settle()
    assert entries(talk.lines()) == []
    talk.release("client", "Started").settle()
    assert "client CompletionRoutine p0 0 None" in entries(talk.lines())
