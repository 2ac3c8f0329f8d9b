"""The driver shim over small implementations in Python, whose threads the tests steer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kmcl_adapters.interface import AdapterError
from kmcl_adapters.threaded import ThreadedAdapter, ThreadedSession, create
from kmcl_model.api import (
    COMPLETION_ROUTINE,
    OPENED,
    PROCESS_PACKET,
    STARTED,
    STATE_CHANGE_CALLBACKS,
)
from kmcl_model.events import Call, Enter, Environment, Event, Exit, Lost, Quiescence, Return
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
    Stimulus,
)

SETTLE = Settle("settle")


def invoke(function: str, *arguments: Any, by: str = "t0", endpoint: str = "client") -> Invoke:
    return Invoke("invoke", endpoint, by, function, arguments)


def arm(callback: str, *steps: Step, status: int = 0, sticky: bool = False) -> Arm:
    return Arm("arm", "client", callback, Reaction(steps, status, sticky))


class Library:
    """One end and no bus: what it does is called for by the test, through its handlers."""

    Name = "toy"
    LibraryVersion = "7"
    Capabilities = "client crash spurious"

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[..., Any]] = {}
        self.process: Callable[..., Any] | None = None
        self.routines: dict[object, Callable[..., Any]] = {}
        self.sent: list[tuple[object, bytes | None, int]] = []
        self.completed: list[tuple[object, bytes | None]] = []
        self.freed: list[object] = []
        self.acted: list[tuple[object, str]] = []
        self.pause_may_return = threading.Event()
        self.inside = 0
        self.statuses: dict[str, int] = {}

    def VmbChannelAllocate(self, is_server: bool) -> tuple[int, object]:
        return self.statuses.get("VmbChannelAllocate", 0), "server" if is_server else "client"

    def VmbChannelCleanup(self, channel: object) -> None:
        pass

    def VmbChannelInitSetMaximumPacketSize(self, channel: object, size: int) -> int:
        return 0

    def VmbChannelInitSetStateChangeCallbacks(
        self, channel: object, version: int, size: int, handlers: dict[str, Any]
    ) -> int:
        self.handlers = handlers
        return 0 if (version, size) == (1, 48) else -1073741584  # signed, as C has it

    def VmbChannelInitSetProcessPacketCallbacks(
        self, channel: object, process: Any, complete: Any
    ) -> int:
        self.process = process
        return 0

    def VmbChannelEnable(self, channel: object) -> int:
        return self.statuses.get("VmbChannelEnable", 0)

    def VmbChannelDisable(self, channel: object) -> None:
        pass

    def VmbChannelPause(self, channel: object) -> None:
        self.inside += 1
        self.pause_may_return.wait()
        self.inside -= 1

    def VmbChannelStart(self, channel: object) -> None:
        if STARTED in self.handlers:
            self.handlers[STARTED](channel)

    def VmbChannelSizeofPacket(self, channel: object) -> int:
        return 96

    def VmbPacketAllocate(self, channel: object) -> object:
        return object()

    def VmbPacketInitialize(
        self, channel: object, memory: bytearray, size: int
    ) -> tuple[int, object]:
        assert len(memory) == size
        return (0 if size >= 96 else 0xC00000F1), id(memory)

    def VmbPacketSetCompletionRoutine(self, packet: object, routine: Callable[..., Any]) -> None:
        self.routines[packet] = routine

    def VmbPacketSend(self, packet: object, buffer: bytes | None, flags: int) -> int:
        self.sent.append((packet, buffer, flags))
        return self.statuses.get("VmbPacketSend", 0)

    def VmbPacketFree(self, packet: object) -> None:
        self.freed.append(packet)

    def VmbPacketGetChannel(self, packet: object) -> object:
        return "client"

    def VmbChannelPacketComplete(self, context: object, buffer: bytes | None) -> None:
        self.completed.append((context, buffer))

    def Act(self, channel: object, action: str) -> None:
        self.acted.append((channel, action))


class Exact(Library):
    """A library that knows its own quiescence: nothing happens without a call."""

    def WaitIdle(self, milliseconds: int) -> tuple[int, int] | None:
        leaving = self.inside and self.pause_may_return.is_set()
        return None if leaving else (self.inside, 0)


def session_over(library: Library, **options: Any) -> ThreadedSession:
    session = ThreadedSession(library, **options)
    for stimulus in (
        invoke("VmbChannelAllocate", False),
        invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS),
        invoke("VmbChannelInitSetProcessPacketCallbacks", True, True),
    ):
        session.apply(stimulus)
    assert [e for e in session.take() if isinstance(e, Lost)] == []
    return session


@pytest.fixture
def library() -> Exact:
    return Exact()


@pytest.fixture
def session(library: Exact) -> Iterator[ThreadedSession]:
    session = session_over(library)
    yield session
    library.pause_may_return.set()
    session.close()


def after(session: ThreadedSession, *stimuli: Stimulus) -> list[Event]:
    for stimulus in stimuli:
        session.apply(stimulus)
    return session.take()


def call(function: str, *arguments: Any, by: str = "t0") -> Call:
    return Call("call", "client", by, function, arguments)


def returned(function: str, status: int | None = None, *outputs: Any, by: str = "t0") -> Return:
    return Return("return", "client", by, function, status, outputs)


def test_a_call_is_recorded_before_it_enters_and_after_it_left(session: ThreadedSession) -> None:
    assert after(session, invoke("VmbChannelEnable"), SETTLE) == [
        call("VmbChannelEnable"),
        returned("VmbChannelEnable", 0),
        Quiescence("quiescence", True),
    ]


def test_a_signed_status_is_shown_unsigned(session: ThreadedSession) -> None:
    events = after(
        session, invoke("VmbChannelInitSetStateChangeCallbacks", 1, 40, STATE_CHANGE_CALLBACKS)
    )

    assert events[1] == returned("VmbChannelInitSetStateChangeCallbacks", 0xC00000F0)


def test_a_blocking_call_blocks_its_thread_only(library: Exact, session: ThreadedSession) -> None:
    pause = invoke("VmbChannelPause")

    assert after(session, pause, SETTLE) == [
        call("VmbChannelPause"),
        Quiescence("quiescence", True),
    ]
    assert after(session, pause, invoke("VmbChannelEnable", by="t1")) == [
        call("VmbChannelEnable", by="t1"),
        returned("VmbChannelEnable", 0, by="t1"),
    ]
    library.pause_may_return.set()
    assert after(session, SETTLE) == [
        returned("VmbChannelPause"),
        Quiescence("quiescence", True),
    ]


def test_a_session_is_idle_when_it_counts_as_the_implementation_does(
    library: Exact, session: ThreadedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: list[tuple[int, int] | None] = [(1, 0), (0, 0), (1, 1), None]
    monkeypatch.setattr(library, "Inside", lambda: inside.pop(0), raising=False)
    after(session, invoke("VmbChannelPause"))

    assert [session.is_idle() for _ in range(4)] == [True, False, False, False]


def test_quiescence_waits_for_a_call_that_has_left_and_is_not_recorded_yet(
    library: Exact, session: ThreadedSession
) -> None:
    after(session, invoke("VmbChannelPause"), SETTLE)
    asked = 0

    def wait_idle(milliseconds: int) -> tuple[int, int] | None:
        nonlocal asked
        asked += 1
        if asked == 1:  # the call has left, but nobody has said so yet
            return 0, 0
        library.pause_may_return.set()
        return Exact.WaitIdle(library, milliseconds)

    session._wait_idle = wait_idle
    assert after(session, SETTLE)[-2:] == [
        returned("VmbChannelPause"),
        Quiescence("quiescence", True),
    ]
    assert asked > 1


def test_a_library_that_never_rests_counts_as_hanging(library: Exact) -> None:
    session = session_over(library, limit=0.05)
    session._wait_idle = lambda _: None
    events = after(session, SETTLE, invoke("VmbChannelEnable"))

    assert events == [Lost("lost", "hang", "no rest within 0.05 s")]
    session.close()


def test_without_wait_idle_an_idle_time_stands_for_quiescence() -> None:
    session = session_over(Library(), idle_seconds=0.001)

    assert after(session, SETTLE) == [Quiescence("quiescence", False)]
    session.close()


def test_a_reaction_calls_holds_and_returns_its_status(
    library: Exact, session: ThreadedSession
) -> None:
    after(session, arm(OPENED, Act("VmbChannelEnable"), HOLD, status=0xC0000001))
    status: list[int] = []
    thread = threading.Thread(target=lambda: status.append(library.handlers[OPENED]("client")))
    thread.start()
    with session._lock:
        session._lock.wait_for(lambda: bool(session._holding))
    events = session.take()
    assert events[0] == Enter("enter", "client", "Opened", OPENED, ("client",))
    session.apply(Release("release", "client", "Closed"))
    assert thread.is_alive()
    session.apply(Release("release", "client", "Opened"))
    thread.join()

    assert status == [0xC0000001]
    assert session.take()[-1] == Exit("exit", "client", "Opened", OPENED, 0xC0000001)


def test_a_held_handler_on_a_driver_thread_does_not_delay_the_next_stimulus(
    session: ThreadedSession,
) -> None:
    events = after(
        session,
        arm(STARTED, HOLD),
        invoke("VmbChannelStart"),
        invoke("VmbChannelEnable", by="t1"),
        Release("release", "client", "Started"),
        SETTLE,
    )

    assert events == [
        call("VmbChannelStart"),
        Enter("enter", "client", "Started", STARTED, ("client",)),
        call("VmbChannelEnable", by="t1"),
        returned("VmbChannelEnable", 0, by="t1"),
        Exit("exit", "client", "Started", STARTED, None),
        returned("VmbChannelStart"),
        Quiescence("quiescence", True),
    ]


def test_a_sticky_reaction_stays_until_the_next_is_armed(
    library: Exact, session: ThreadedSession
) -> None:
    session.apply(arm(OPENED, status=5, sticky=True))
    assert [library.handlers[OPENED]("client") for _ in range(2)] == [5, 5]
    session.apply(arm(OPENED, status=6))
    session.apply(arm(OPENED, status=7))
    assert [library.handlers[OPENED]("client") for _ in range(3)] == [6, 7, 0]


def test_activations_that_overlap_are_numbered(library: Exact, session: ThreadedSession) -> None:
    session.apply(arm(STARTED, Act("VmbChannelStart"), HOLD))
    events = after(session, invoke("VmbChannelStart"))

    assert [e.activation for e in events if isinstance(e, Enter)] == ["Started", "Started.2"]


def test_a_foreign_handle_is_a_question_mark(library: Exact, session: ThreadedSession) -> None:
    library.handlers[OPENED]("another")

    assert session.take()[0] == Enter("enter", "client", "Opened", OPENED, ("?",))


def test_contexts_get_the_lowest_free_name_and_show_what_they_hold(
    library: Exact, session: ThreadedSession
) -> None:
    assert library.process is not None
    first = bytearray(b"one")
    for context, buffer in ((10, first), (11, b"two"), (11, b"two")):
        library.process("client", context, buffer, 0)
    first[:] = b"ONE"
    events = after(
        session,
        invoke("VmbChannelPacketComplete", "c0", b"answer", None),
        invoke("VmbChannelPacketComplete", "c0", b"again", None),
    )
    library.process("client", 12, b"three", 0)

    assert [e.arguments[1:3] for e in events if isinstance(e, Enter)] == [
        ("c0", b"one"),
        ("c1", b"two"),
        ("c1", b"two"),  # one value for two live packets: a defect that must be seen
    ]
    assert events[-2:] == [
        call("VmbChannelPacketComplete", "c0", b"answer", b"ONE"),
        returned("VmbChannelPacketComplete"),
    ]
    assert library.completed == [(10, b"answer")]
    enter = session.take()[0]
    assert isinstance(enter, Enter)
    assert enter.arguments[1] == "c0"


def test_this_is_the_packet_the_handler_was_called_for(
    library: Exact, session: ThreadedSession
) -> None:
    assert library.process is not None
    session.apply(arm(PROCESS_PACKET, Act("VmbChannelPacketComplete", ("this", None, None))))
    library.process("client", 10, b"x", 0)
    after(session, invoke("VmbPacketAllocate", "p0"), invoke("VmbPacketSetCompletionRoutine", "p0"))
    after(session, invoke("VmbPacketSend", "p0", b"data", 1))
    session.apply(arm(COMPLETION_ROUTINE, Act("VmbPacketFree", ("this",))))
    packet = library.sent[0][0]
    library.routines[packet](packet, -1073741536, b"")

    assert library.completed == [(10, None)]
    assert library.freed == [packet]
    assert session.take()[:2] == [
        Enter(
            "enter",
            "client",
            "CompletionRoutine",
            COMPLETION_ROUTINE,
            ("p0", 0xC0000120, None),
        ),
        call("VmbPacketFree", "p0", by="CompletionRoutine"),
    ]


def test_calls_that_make_no_sense_leave_no_event(library: Exact, session: ThreadedSession) -> None:
    for stimulus in (
        invoke("VmbChannelEnable", endpoint="server"),  # not allocated
        invoke("VmbChannelEnable", endpoint="nobody"),
        invoke("VmbChannelAllocate", False),  # allocated already
        invoke("VmbChannelAllocate", False, endpoint="server"),  # not its role
        invoke("VmbChannelPacketFail", "c0"),  # no such context
        invoke("VmbChannelGetPointer"),  # not offered
        invoke("VmbPacketFree", "p0"),  # no such packet
        invoke("VmbPacketInitialize", "p0", "sizeof"),  # the size was never asked for
        invoke("VmbPacketInitialize", "p0", "maximum+pointer"),  # the maximum was never set
        Release("release", "client", "Opened"),
        Run("run", 3),
        Environ("environment", "client", "malformed"),  # not among its capabilities
    ):
        assert after(session, stimulus) == [], stimulus
    assert session.runnable() == 0


def test_the_life_of_packet_names(library: Exact, session: ThreadedSession) -> None:
    def count(*stimuli: Stimulus) -> int:
        return len(after(session, *stimuli))

    allocate, send = invoke("VmbPacketAllocate", "p0"), invoke("VmbPacketSend", "p0", b"x", 0)
    assert count(allocate) == 2
    assert count(allocate) == 0  # the name is taken
    library.statuses["VmbPacketSend"] = 0xC0000184
    assert count(send) == 2
    library.statuses.clear()
    assert count(send) == 2  # a send that failed leaves the packet with the driver
    assert count(send) == 0  # the default routine frees it
    assert count(allocate, invoke("VmbPacketSetCompletionRoutine", "p0"), send) == 6
    assert count(send, invoke("VmbPacketFree", "p0")) == 0  # in flight
    packet = library.sent[-1][0]
    library.routines[packet](packet, 0, None)
    assert count() == 2
    assert count(invoke("VmbPacketGetChannel", "p0"), invoke("VmbPacketFree", "p0")) == 4
    assert library.freed == [packet]
    assert count(invoke("VmbPacketGetChannel", "p0")) == 0


def test_memory_of_the_driver_becomes_a_packet(library: Exact, session: ThreadedSession) -> None:
    events = after(
        session,
        invoke("VmbChannelInitSetMaximumPacketSize", 64),
        invoke("VmbChannelSizeofPacket"),
        invoke("VmbPacketInitialize", "p0", "maximum+pointer"),
        invoke("VmbPacketInitialize", "p0", "sizeof"),
        invoke("VmbPacketFree", "p0"),  # the memory is the driver's
    )

    assert [e for e in events if isinstance(e, Return)][1:] == [
        returned("VmbChannelSizeofPacket", None, 96),
        returned("VmbPacketInitialize", 0xC00000F1),
        returned("VmbPacketInitialize", 0),
    ]


def test_cleanup_needs_a_disabled_channel_and_forgets_everything(
    session: ThreadedSession,
) -> None:
    cleanup = invoke("VmbChannelCleanup")
    after(session, invoke("VmbPacketAllocate", "p0"), invoke("VmbChannelEnable"))

    assert after(session, cleanup) == []
    assert len(after(session, invoke("VmbChannelDisable"), cleanup)) == 4
    assert after(session, cleanup, invoke("VmbPacketFree", "p0")) == []
    assert len(after(session, invoke("VmbChannelAllocate", False))) == 2


def test_a_channel_that_could_not_be_had_is_not_used() -> None:
    library = Exact()
    library.statuses["VmbChannelAllocate"] = 0xC000009A
    session = ThreadedSession(library)

    assert after(session, invoke("VmbChannelAllocate", False), invoke("VmbChannelEnable")) == [
        call("VmbChannelAllocate", False),
        returned("VmbChannelAllocate", 0xC000009A),
    ]
    session.close()


class Noting(Exact):
    """Notes what is recorded when it is told that a handler was entered, and on which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list[Event] = []
        self.noted: list[tuple[Event, int]] = []

    def Entered(self) -> None:
        self.noted.append((self.recorded[-1], threading.get_ident()))


def test_the_library_is_told_that_a_handler_was_entered() -> None:
    library = Noting()
    session = session_over(library, on_event=library.recorded.append)
    after(session, arm(STARTED, Act("VmbChannelSizeofPacket", ())), arm(OPENED))
    library.handlers[STARTED]("client")
    library.handlers[OPENED]("client")
    session.close()

    entries = [event for event in library.recorded if isinstance(event, Enter)]
    assert library.noted == [(entry, threading.get_ident()) for entry in entries]
    assert len(entries) == 2


class Slow(Exact):
    """Notes whether a handler that was held has returned before it knows of a crash."""

    def __init__(self) -> None:
        super().__init__()
        self.patience = 0.05
        self.returned = threading.Event()
        self.was_returned = True

    def Act(self, channel: object, action: str) -> None:
        self.was_returned = self.returned.wait(self.patience)


def crashed_while_opened_is_held(library: Slow) -> None:
    entered = threading.Event()
    session = session_over(
        library, on_event=lambda event: entered.set() if event.kind == "enter" else None
    )
    after(session, arm(OPENED, HOLD))

    def open_it() -> None:
        library.handlers[OPENED]("client")
        library.returned.set()

    thread = threading.Thread(target=open_it)
    thread.start()
    assert entered.wait(20)
    session.apply(Environ("environment", "client", "crash"))
    thread.join(20)
    session.close()


def test_a_handler_of_a_dead_end_stays_held_until_the_library_knows() -> None:
    library = Slow()
    crashed_while_opened_is_held(library)

    assert not library.was_returned
    assert library.returned.is_set()


def test_a_library_that_waits_for_the_handlers_of_a_dead_end_gets_them() -> None:
    library = Slow()
    library.patience = 20.0
    crashed_while_opened_is_held(library)

    assert library.was_returned


def test_the_world_acts_through_the_library(library: Exact, session: ThreadedSession) -> None:
    spurious, crash = (Environ("environment", "client", a) for a in ("spurious", "crash"))

    assert after(session, spurious, crash, crash, invoke("VmbChannelEnable")) == [
        Environment("environment", "client", "spurious"),
        Environment("environment", "client", "crash"),
    ]
    assert library.acted == [("client", "spurious"), ("client", "crash")]


def test_an_end_that_has_crashed_shows_nothing_any_more(
    library: Exact, session: ThreadedSession
) -> None:
    session.apply(arm(STARTED, HOLD, Act("VmbChannelEnable")))
    after(session, invoke("VmbChannelStart"))
    after(session, Environ("environment", "client", "crash"), SETTLE)
    library.handlers[OPENED]("client")

    assert after(session, SETTLE) == [Quiescence("quiescence", True)]


@pytest.mark.parametrize("function", ["WaitIdle", "Act"])
def test_an_exception_in_an_extra_is_a_crash_too(function: str) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("by hand")

    library = Exact()
    setattr(library, function, fail)
    session = session_over(library)
    events = after(session, Environ("environment", "client", "spurious"), SETTLE)

    assert events[1:] == [Lost("lost", "crash", f"{function}: ZeroDivisionError: by hand")]
    session.close()


def test_an_exception_is_a_crash_and_everything_later_is_ignored(
    library: Exact, session: ThreadedSession
) -> None:
    def fail(channel: object) -> int:
        raise ZeroDivisionError("by hand")

    library.VmbChannelEnable = fail  # type: ignore[method-assign]
    assert after(session, invoke("VmbChannelEnable"), SETTLE, invoke("VmbChannelStart")) == [
        call("VmbChannelEnable"),
        Lost("lost", "crash", "VmbChannelEnable: ZeroDivisionError: by hand"),
    ]
    assert library.handlers[OPENED]("client") == 0
    assert session.take() == []


def test_arguments_no_handler_can_have_are_a_crash(
    library: Exact, session: ThreadedSession
) -> None:
    assert library.process is not None
    library.process("client", 10, "text", 0)

    (lost,) = session.take()
    assert isinstance(lost, Lost)
    assert lost.detail.startswith("EvtVmbChannelProcessPacket was called with unfit arguments")


def test_closing_lets_held_handlers_go(library: Exact) -> None:
    session = session_over(library)
    after(session, arm(STARTED, HOLD, Act("VmbChannelEnable")), invoke("VmbChannelStart"))
    (thread,) = session._threads.values()
    session.close()
    session.close()
    thread.join()

    assert [e.kind for e in session.take()] == []


class Misfit(Exact):
    Capabilities = ""
    Act = None  # type: ignore[assignment]


def test_the_adapter_describes_what_the_factory_makes() -> None:
    adapter = ThreadedAdapter(Library, "python:toy")
    description = adapter.describe()

    assert description.name == "toy"
    assert description.version == "7"
    assert description.capabilities == {"client", "crash", "spurious", "hold"}
    assert (description.exact_quiescence, description.idle_seconds) == (False, 0.02)
    assert ThreadedAdapter(Misfit, "python:misfit").describe().capabilities == {
        "client",
        "server",
        "hold",
    }
    adapter.close()


def test_each_session_gets_an_implementation_of_its_own() -> None:
    adapter = ThreadedAdapter(Exact, "python:exact")
    sessions = [adapter.open(), adapter.open()]
    for session in sessions:
        assert len(after(session, invoke("VmbChannelAllocate", False))) == 2
        session.close()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("json", "write python:pkg.module:factory"),
        ("no.such.module:factory", "cannot import no.such.module"),
        ("json:no_such_factory", "json has no function no_such_factory"),
        ("json:__name__", "json has no function __name__"),
    ],
)
def test_a_factory_that_cannot_be_had(argument: str, message: str) -> None:
    with pytest.raises(AdapterError, match=message):
        create(argument)


def test_a_factory_that_fails() -> None:
    with pytest.raises(AdapterError, match="the factory failed: TypeError"):
        create("json:loads").open()


def test_a_factory_whose_result_is_no_library() -> None:
    with pytest.raises(AdapterError, match="gives a Counter, which has none of"):
        create("collections:Counter").describe()


def test_no_time_is_idle_while_the_implementations_threads_have_something_to_do() -> None:
    """Ours have something to do when asked for the first three times; then a handler runs."""
    library = Library()
    answers = [False, False, False]

    def at_rest() -> bool:
        if answers:
            answers.pop()
            return False
        if not shown:
            shown.append(1)
            library.handlers[STARTED]("client")
        return True

    shown: list[int] = []
    library.AtRest = at_rest  # type: ignore[attr-defined]
    session = session_over(library, idle_seconds=0.001)
    after(session, invoke("VmbChannelAllocate", False))
    events = after(session, SETTLE)

    assert answers == []
    assert [event.kind for event in events] == ["enter", "exit", "quiescence"]
    assert events[-1] == Quiescence("quiescence", False)
    session.close()


def test_threads_that_cannot_be_asked_are_a_crash() -> None:
    library = Library()
    library.AtRest = lambda: [].pop()  # type: ignore[attr-defined]
    session = session_over(library, idle_seconds=0.001)

    (lost,) = after(session, SETTLE)
    assert lost == Lost("lost", "crash", "AtRest: IndexError: pop from empty list")
    session.close()
