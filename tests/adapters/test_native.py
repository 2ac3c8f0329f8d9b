"""The native adapter with the example library, built with the system's C compiler."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from kmcl_adapters.interface import AdapterError
from kmcl_adapters.native import create
from kmcl_adapters.native.binding import NotAKmclLibrary, Table, load
from kmcl_adapters.process import ProcessAdapter, ProcessSession
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
from kmcl_model.events import Argument, Call, Enter, Event, Exit, Lost, Quiescence, Return
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.status import (
    STATUS_CANCELLED,
    STATUS_INVALID_PARAMETER_1,
    STATUS_INVALID_PARAMETER_3,
    STATUS_UNSUCCESSFUL,
)
from kmcl_model.stimuli import (
    HOLD,
    Act,
    Arm,
    Environ,
    Invoke,
    Reaction,
    Release,
    Settle,
    Step,
    Stimulus,
)

NATIVE = Path(__file__).parents[2] / "adapters" / "native"
WAIT = 1  # VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION
SETTLE = Settle("settle")
SHORT = payload_bytes(Payload(3, 13))
ANSWER = payload_bytes(Payload(5, 5))
ENDS = ("server", "client")

pytestmark = pytest.mark.skipif(
    not (shutil.which("cc") and shutil.which("make")),
    reason="needs a C compiler called cc, and make",
)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a library: the example, or the example with a defect."""
    folder = tmp_path_factory.mktemp("native")

    def make(defect: int = 0) -> Path:
        path = folder / f"libkmcl_example{f'_defect_{defect}' if defect else ''}.so"
        command = ["make", "-s", "-C", str(NATIVE), f"BUILD={folder}", "CFLAGS=-O1", str(path)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        return path

    return make


@pytest.fixture(scope="module")
def example(build: Callable[..., Path]) -> Iterator[ProcessAdapter]:
    adapter = create(str(build()))
    yield adapter
    adapter.close()


@pytest.fixture
def session(example: ProcessAdapter) -> Iterator[ProcessSession]:
    session = example.open()
    yield session
    session.close()


def on(endpoint: str, function: str, *arguments: Argument, by: str = "t0") -> Invoke:
    return Invoke("invoke", endpoint, by, function, arguments)


def arm(endpoint: str, callback: str, *steps: Step, status: int = 0, sticky: bool = False) -> Arm:
    return Arm("arm", endpoint, callback, Reaction(steps, status, sticky))


def configure(endpoint: str) -> list[Stimulus]:
    return [
        on(endpoint, "VmbChannelAllocate", endpoint == "server"),
        on(endpoint, "VmbChannelInitSetMaximumPacketSize", 64),
        on(
            endpoint,
            "VmbChannelInitSetStateChangeCallbacks",
            1,
            "size",
            STATE_CHANGE_CALLBACKS,
        ),
        on(endpoint, "VmbChannelInitSetProcessPacketCallbacks", True, True),
    ]


OPEN: list[Stimulus] = [
    *configure("server"),
    *configure("client"),
    on("server", "VmbChannelEnable"),
    on("server", "VmbChannelStart"),
    on("client", "VmbChannelEnable"),
    SETTLE,
]
PACKET: list[Stimulus] = [
    on("client", "VmbPacketAllocate", "p0"),
    on("client", "VmbPacketSetCompletionRoutine", "p0"),
]
COMPLETE = Act("VmbChannelPacketComplete", ("this", ANSWER, None))


def send(flags: int = 0, *, by: str = "t0", packet: str = "p0") -> Invoke:
    return on("client", "VmbPacketSend", packet, SHORT, flags, by=by)


def seen(session: ProcessSession, *stimuli: Stimulus | list[Stimulus]) -> list[Event]:
    """What came of the stimuli, some of them given as lists, and of nothing before them."""
    session.take()
    for given in stimuli:
        for stimulus in given if isinstance(given, list) else [given]:
            session.apply(stimulus)
    return session.take()


def entered(events: Iterable[Event], endpoint: str) -> list[str]:
    """The handlers of one end in the order in which they were entered."""
    return [e.callback for e in events if isinstance(e, Enter) and e.endpoint == endpoint]


def statuses(events: Iterable[Event]) -> list[int | None]:
    return [e.status for e in events if isinstance(e, Return)]


def is_running(events: Iterable[Event], function: str) -> bool:
    """Whether the last call of the function has not returned."""
    kinds = [e.kind for e in events if isinstance(e, Call | Return) and e.function == function]
    return kinds[-1:] == ["call"]


# The table --------------------------------------------------------------------------------


def test_the_binding_has_the_layout_of_the_header(tmp_path: Path) -> None:
    names = [field[0] for field in Table._fields_]
    lines = "".join(f'    printf("%zu\\n", offsetof(KMCL_TABLE, {name}));\n' for name in names)
    source = tmp_path / "layout.c"
    source.write_text(
        '#include <stdio.h>\n#include "kmcl.h"\nint main(void)\n{\n'
        f'{lines}    printf("%zu\\n", sizeof(KMCL_TABLE));\n'
        '    printf("%zu\\n", sizeof(VMB_CHANNEL_STATE_CHANGE_CALLBACKS));\n    return 0;\n}\n'
    )
    program = tmp_path / "layout"
    subprocess.run(["cc", f"-I{NATIVE}", str(source), "-o", str(program)], check=True)
    found = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout

    expected = [*(getattr(Table, name).offset for name in names), 8 * (6 + 55) + 8, 48]
    assert [int(line) for line in found.split()] == expected


def compile_library(tmp_path: Path, source: str) -> Path:
    path = tmp_path / "library.so"
    (tmp_path / "library.c").write_text(source)
    command = ["cc", "-shared", "-fPIC", f"-I{NATIVE}", str(tmp_path / "library.c")]
    subprocess.run([*command, "-o", str(path)], check=True)
    return path


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("int unrelated;", "does not export KmclGetTable; see kmcl.h"),
        ("void *KmclGetTable(unsigned v) { return 0; }", "has no function table of version 1"),
        (
            "unsigned t[2] = {400, 7}; void *KmclGetTable(unsigned v) { return t; }",
            "its table has version 7; we speak version 1",
        ),
        (
            "unsigned t[2] = {8, 1}; void *KmclGetTable(unsigned v) { return t; }",
            "its table has 8 bytes, too few to be one",
        ),
    ],
)
def test_a_library_that_cannot_be_used(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(NotAKmclLibrary, match=message):
        load(str(compile_library(tmp_path, source)))


def test_a_library_that_crashes_when_it_is_loaded(tmp_path: Path) -> None:
    crashing = "void *KmclGetTable(unsigned v) { return *(void **)0; }"
    with pytest.raises(AdapterError, match=r"library\.so: crash: SIGSEGV$"):
        create(str(compile_library(tmp_path, crashing)))


def test_a_file_that_is_no_library(tmp_path: Path) -> None:
    path = tmp_path / "text.so"
    path.write_text("just text")

    with pytest.raises(AdapterError, match="cannot be loaded") as caught:
        create(str(path))
    assert str(caught.value).isprintable()
    with pytest.raises(AdapterError, match="no such file"):
        create(str(tmp_path / "absent.so"))


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        ('table.Capabilities = "server telepathy";', "unknown word 'telepathy'; see kmcl.h$"),
        ("table.VmbChannelEnable = 0;", "its table has no function; see kmcl.h$"),
        ("table.Name = 0;", "its table has no Name, which is required; see kmcl.h$"),
        ('table.Name = "";', "its table has no Name, which is required; see kmcl.h$"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_at_once(
    tmp_path: Path, fill: str, message: str
) -> None:
    source = f"""
        #include "kmcl.h"
        static KMCL_TABLE table;
        static NTSTATUS enable(VMBCHANNEL channel) {{ return 0; }}
        const KMCL_TABLE *KmclGetTable(UINT32 version)
        {{
            table.Size = sizeof table;
            table.Version = 1;
            table.Name = "named";
            table.VmbChannelEnable = enable;
            {fill}
            return &table;
        }}"""
    with pytest.raises(AdapterError, match=message):
        create(str(compile_library(tmp_path, source)))


def test_a_folder_is_no_library(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="a folder; name the shared library in it"):
        create(str(tmp_path))


def test_a_shorter_table_lacks_its_last_functions(tmp_path: Path) -> None:
    source = """
        #include "kmcl.h"
        static KMCL_TABLE table;
        static NTSTATUS enable(VMBCHANNEL channel) { return 0; }
        const KMCL_TABLE *KmclGetTable(UINT32 version)
        {
            table.Size = offsetof(KMCL_TABLE, VmbChannelStart);
            table.Version = 1;
            table.VmbChannelEnable = enable;
            table.VmbChannelStart = (void *)1;
            return &table;
        }"""
    table = load(str(compile_library(tmp_path, source)))

    assert table.VmbChannelEnable
    assert not table.VmbChannelStart
    with pytest.raises(NotAKmclLibrary, match="cannot be loaded"):
        load(str(tmp_path))


def test_the_example_says_who_it_is(example: ProcessAdapter) -> None:
    description = example.describe()

    assert (description.name, description.version) == ("kmcl example", "1.0")
    assert description.capabilities == {
        "client",
        "server",
        "hold",
        "crash",
        "malformed",
        "spurious",
    }
    assert description.exact_quiescence


# Conversations with the example -------------------------------------------------------------


def test_both_ends_open_and_start(session: ProcessSession) -> None:
    events = seen(session, OPEN)

    for end in ENDS:
        assert entered(events, end) == [OPENED, STARTED, POST_STARTED]
    assert set(statuses(events)) == {0, None}
    assert events[-1] == Quiescence("quiescence", True)


def test_the_server_waits_for_start(session: ProcessSession) -> None:
    without_start = [s for s in OPEN if not isinstance(s, Invoke) or "Start" not in s.function]

    assert entered(seen(session, without_start), "server") == [OPENED]
    assert entered(seen(session, on("server", "VmbChannelStart"), SETTLE), "server") == [
        STARTED,
        POST_STARTED,
    ]


def test_a_packet_arrives_and_its_answer_comes_back(session: ProcessSession) -> None:
    seen(session, OPEN, PACKET, arm("server", PROCESS_PACKET, COMPLETE))
    events = seen(session, send(WAIT), SETTLE)

    indicated = next(e for e in events if isinstance(e, Enter) and e.endpoint == "server")
    assert indicated.arguments == ("server", "c0", SHORT, 0)
    assert entered(events, "server") == [PROCESS_PACKET, PROCESSING_COMPLETE]
    (routine,) = [e for e in events if isinstance(e, Enter) and e.endpoint == "client"]
    assert routine.arguments == ("p0", 0, ANSWER)
    (complete,) = [e for e in events if isinstance(e, Call) and e.by == "ProcessPacket"]
    assert complete.arguments == ("c0", ANSWER, SHORT)


def test_without_the_flag_a_packet_is_over_when_it_is_in_the_ring(session: ProcessSession) -> None:
    seen(session, OPEN, PACKET, on("server", "VmbChannelPause"), SETTLE)
    events = seen(session, send(), SETTLE)

    assert entered(events, "server") == []
    assert entered(events, "client") == [COMPLETION_ROUTINE]
    events = seen(session, on("server", "VmbChannelStart"), SETTLE)
    assert entered(events, "server")[0] == STARTED
    assert entered(events, "server").count(PROCESS_PACKET) == 1


def test_pause_waits_for_the_packets_the_driver_holds(session: ProcessSession) -> None:
    seen(session, OPEN, PACKET, send(WAIT), SETTLE)
    events = seen(session, on("server", "VmbChannelPause"), SETTLE)

    assert entered(events, "server") == [SUSPEND]
    assert is_running(events, "VmbChannelPause")
    complete = on("server", "VmbChannelPacketComplete", "c0", None, None, by="t1")
    events = seen(session, complete, SETTLE)
    # Two threads return, in either order.
    assert sorted(e.function for e in events if isinstance(e, Return)) == [
        "VmbChannelPacketComplete",
        "VmbChannelPause",
    ]
    assert entered(events, "client") == [COMPLETION_ROUTINE]


def test_suspend_waits_for_a_handler_that_is_held(session: ProcessSession) -> None:
    seen(session, OPEN, PACKET, arm("server", PROCESS_PACKET, HOLD, COMPLETE), send(), SETTLE)
    assert entered(seen(session, on("server", "VmbChannelPause"), SETTLE), "server") == []
    events = seen(session, Release("release", "server", "ProcessPacket"), SETTLE)

    assert entered(events, "server") == [PROCESSING_COMPLETE, SUSPEND]
    assert [e.function for e in events if isinstance(e, Return)][-1] == "VmbChannelPause"


def test_a_close_by_the_client_cancels_what_it_waits_for(session: ProcessSession) -> None:
    seen(session, OPEN, PACKET, send(WAIT), SETTLE)
    events = seen(session, on("client", "VmbChannelDisable"), SETTLE)

    assert sorted(entered(events, "client")) == sorted([COMPLETION_ROUTINE, SUSPEND, CLOSED])
    assert entered(events, "server") == [SUSPEND]  # Closed waits for the packet it holds
    (routine,) = [e for e in events if isinstance(e, Enter) and e.callback == COMPLETION_ROUTINE]
    assert routine.arguments == ("p0", STATUS_CANCELLED, None)
    last = [e for e in events if e.kind != "quiescence" and e[1] == "client"][-1]
    assert last == Return("return", "client", "t0", "VmbChannelDisable", None, ())
    complete = on("server", "VmbChannelPacketComplete", "c0", ANSWER, None)
    events = seen(session, complete, SETTLE)
    assert (entered(events, "server"), entered(events, "client")) == ([CLOSED], [])


def test_the_client_may_open_again(session: ProcessSession) -> None:
    disable, enable = on("client", "VmbChannelDisable"), on("client", "VmbChannelEnable")
    seen(session, OPEN, disable, SETTLE)
    events = seen(session, enable, SETTLE)

    for end in ENDS:
        assert entered(events, end) == [OPENED, STARTED, POST_STARTED]


def test_a_rescind_leaves_the_client_disabled(session: ProcessSession) -> None:
    events = seen(session, OPEN, on("server", "VmbChannelDisable"), SETTLE)
    assert entered(events, "client")[-2:] == [SUSPEND, CLOSED]
    enable = [on(endpoint, "VmbChannelEnable") for endpoint in reversed(ENDS)]
    events = seen(session, *enable, SETTLE)

    assert statuses(events) == [0, 0]
    assert entered(events, "client") == [OPENED, STARTED, POST_STARTED]


def test_a_queued_packet_is_cancelled_by_disable(session: ProcessSession) -> None:
    events = seen(
        session,
        configure("client"),
        PACKET,
        on("client", "VmbChannelEnable"),
        send(WAIT),
        SETTLE,
        on("client", "VmbChannelDisable"),
        SETTLE,
    )

    assert entered(events, "client") == [COMPLETION_ROUTINE]
    (routine,) = [e for e in events if isinstance(e, Enter)]
    assert routine.arguments == ("p0", STATUS_CANCELLED, None)


def test_a_server_that_rejects_is_offered_to_nobody_again(session: ProcessSession) -> None:
    rejecting = arm("server", OPENED, status=STATUS_UNSUCCESSFUL)
    target = on("client", "VmbClientChannelInitSetTargetPnp", "type", None, True)
    offer = on("server", "VmbServerChannelInitSetTargetInterfaceId", "type", "instance")
    events = seen(session, OPEN[:8], target, offer, rejecting, OPEN[8:])

    assert entered(events, "server") == [OPENED]
    (failure,) = [e for e in events if isinstance(e, Enter) and e.endpoint == "client"]
    assert failure.arguments == ("client", STATUS_UNSUCCESSFUL)


def test_a_client_finds_no_offer_of_another_type(session: ProcessSession) -> None:
    target = on("client", "VmbClientChannelInitSetTargetPnp", "this type", None, False)
    offer = on("server", "VmbServerChannelInitSetTargetInterfaceId", "that type", "instance")
    events = seen(session, OPEN[:8], target, offer, OPEN[8:])

    assert entered(events, "server") == entered(events, "client") == []


def test_the_quota_holds_packets_back_until_one_is_completed(session: ProcessSession) -> None:
    quota = on("server", "VmbChannelSetTransactionQuota", 1)
    packets: list[Stimulus] = [on("client", "VmbPacketAllocate", f"p{i}") for i in (1, 2)]
    seen(session, OPEN, packets, quota)
    events = seen(session, send(packet="p1"), send(packet="p2"), SETTLE)
    assert entered(events, "server").count(PROCESS_PACKET) == 1
    raise_quota = on("server", "VmbChannelSetTransactionQuota", 5)
    assert entered(seen(session, raise_quota, SETTLE), "server") == []
    complete = on("server", "VmbChannelPacketComplete", "c0", None, None)
    assert entered(seen(session, complete, SETTLE), "server").count(PROCESS_PACKET) == 1


def test_a_full_ring_queues_and_loses_nothing(session: ProcessSession) -> None:
    pages = on("client", "VmbClientChannelInitSetRingBufferPageCount", 1, 1)
    seen(session, OPEN[:8], pages, OPEN[8:], on("server", "VmbChannelPause"), SETTLE)
    large = payload_bytes(Payload(9, 64))
    names = [f"p{i}" for i in range(80)]  # 80 * (16 + 64) bytes are more than a page
    events = seen(
        session,
        [on("client", "VmbPacketAllocate", name) for name in names],
        [on("client", "VmbPacketSetCompletionRoutine", name) for name in names],
        [on("client", "VmbPacketSend", name, large, 0) for name in names],
        SETTLE,
    )
    placed = entered(events, "client").count(COMPLETION_ROUTINE)
    assert 0 < placed < len(names)
    complete = arm("server", PROCESS_PACKET, COMPLETE, sticky=True)
    events = seen(session, complete, on("server", "VmbChannelStart"), SETTLE)

    assert entered(events, "server").count(PROCESS_PACKET) == len(names)
    assert entered(events, "client").count(COMPLETION_ROUTINE) == len(names) - placed


def test_a_failed_packet_stops_the_queue(session: ProcessSession) -> None:
    failing = arm("server", PROCESS_PACKET, Act("VmbChannelPacketFail", ("this",)))
    seen(session, OPEN, PACKET, failing, send(), SETTLE)

    assert entered(seen(session, send(), SETTLE), "server") == []
    events = seen(session, on("server", "VmbChannelPause"), SETTLE)
    assert not is_running(events, "VmbChannelPause")


def test_memory_of_the_driver_works_as_a_packet(session: ProcessSession) -> None:
    events = seen(
        session,
        OPEN,
        on("client", "VmbChannelSizeofPacket"),
        on("client", "VmbPacketInitialize", "p0", "maximum+pointer"),
        on("client", "VmbPacketInitialize", "p0", "sizeof"),
        on("client", "VmbPacketSetCompletionRoutine", "p0"),
        on("client", "VmbPacketSetPointer", "p0", 4711),
        send(),
        SETTLE,
        on("client", "VmbPacketGetPointer", "p0"),
        on("client", "VmbPacketGetChannel", "p0"),
        on("client", "VmbChannelGetPointer"),
        on("client", "VmbChannelInitSetFriendlyName", "Network"),
    )
    returns = [(e.status, e.outputs) for e in events if isinstance(e, Return)]

    assert (STATUS_INVALID_PARAMETER_3, ()) in returns
    assert returns[-4:-1] == [(None, (4711,)), (None, ("client",)), (None, (None,))]
    assert returns[-1] == (STATUS_INVALID_PARAMETER_1, ())
    assert entered(events, "server")[-2:] == [PROCESS_PACKET, PROCESSING_COMPLETE]


def test_the_latency_that_was_set_comes_back(session: ProcessSession) -> None:
    events = seen(
        session,
        on("client", "VmbChannelAllocate", False),
        on("client", "VmbChannelSetInterruptLatency", 2503),
        on("client", "VmbChannelSetInterruptLatency", 71),
    )

    returns = [(e.status, e.outputs) for e in events if isinstance(e, Return)]
    assert returns[-2:] == [(0, (0,)), (0, (2503,))]


def test_a_signal_that_announces_nothing_does_nothing(session: ProcessSession) -> None:
    seen(session, OPEN)
    events = seen(session, Environ("environment", "server", "spurious"), SETTLE)

    assert [e.kind for e in events] == ["environment", "quiescence"]


def test_a_server_sees_the_crash_of_its_client_as_a_close(session: ProcessSession) -> None:
    seen(session, OPEN, PACKET, send(WAIT), SETTLE)
    events = seen(session, Environ("environment", "client", "crash"), SETTLE)
    assert (entered(events, "server"), entered(events, "client")) == ([SUSPEND], [])
    complete = on("server", "VmbChannelPacketComplete", "c0", ANSWER, None)
    events = seen(session, complete, SETTLE)
    assert (entered(events, "server"), entered(events, "client")) == ([CLOSED], [])


def test_a_broken_packet_stops_the_queue(session: ProcessSession) -> None:
    seen(session, OPEN, PACKET)
    events = seen(session, Environ("environment", "client", "malformed"), send(), SETTLE)

    assert entered(events, "server") == []
    disable = on("client", "VmbChannelDisable")
    assert entered(seen(session, disable, SETTLE), "server") == [SUSPEND, CLOSED]


def test_a_session_may_end_in_the_middle_of_everything(example: ProcessAdapter) -> None:
    for _ in range(3):
        session = example.open()
        held = arm("server", PROCESS_PACKET, HOLD, COMPLETE)
        seen(session, OPEN, PACKET, held, send(WAIT), on("server", "VmbChannelPause"))
        session.apply(on("client", "VmbChannelDisable"))
        session.close()
    session = example.open()
    assert entered(seen(session, OPEN), "client") == [OPENED, STARTED, POST_STARTED]
    session.close()


# Defects ------------------------------------------------------------------------------------


def losing(build: Callable[..., Path], defect: int, *stimuli: Stimulus, limit: float) -> Lost:
    """How the defective library is lost; a new session must work up to the defect."""
    adapter = create(str(build(defect)), limit=limit, flood=100)
    session = adapter.open()
    lost = seen(session, OPEN, PACKET, *stimuli)[-1]
    assert isinstance(lost, Lost)
    assert seen(session, SETTLE) == []
    session.close()
    session = adapter.open()
    assert [type(e) for e in seen(session, configure("client"))] == [Call, Return] * 4
    session.close()
    adapter.close()
    return lost


def test_a_crash_is_seen(build: Callable[..., Path]) -> None:
    complete = on("server", "VmbChannelPacketComplete", "c0", None, None)

    lost = losing(build, 2, send(WAIT), SETTLE, complete, SETTLE, limit=10)
    assert (lost.reason, lost.detail) == ("crash", "SIGSEGV")


def test_a_hang_is_seen(build: Callable[..., Path]) -> None:
    lost = losing(build, 3, on("server", "VmbChannelPause"), SETTLE, limit=1)

    assert (lost.reason, lost.detail) == ("hang", "no answer within 1 s")


def test_a_flood_is_seen(build: Callable[..., Path]) -> None:
    lost = losing(build, 5, SETTLE, limit=10)

    assert lost.reason == "flood"


def test_a_wrong_count_is_there_to_be_judged(build: Callable[..., Path]) -> None:
    adapter = create(str(build(1)))
    session = adapter.open()
    events = seen(session, OPEN, PACKET, send(), SETTLE)
    (batch,) = [e for e in events if isinstance(e, Enter) and e.callback == PROCESSING_COMPLETE]

    assert batch.arguments == ("server", 2)
    assert [e for e in events if isinstance(e, Exit)] != []
    session.close()
    adapter.close()


def test_a_library_without_reset_gets_a_new_process_for_each_session(
    build: Callable[..., Path], tmp_path: Path
) -> None:
    source = f"""
        #include <dlfcn.h>
        #include "kmcl.h"
        const KMCL_TABLE *KmclGetTable(UINT32 version)
        {{
            static KMCL_TABLE table;
            void *library = dlopen("{build()}", RTLD_NOW);
            const KMCL_TABLE *(*get)(UINT32) = dlsym(library, "KmclGetTable");
            table = *get(version);
            table.Reset = 0;
            return &table;
        }}"""
    adapter = create(str(compile_library(tmp_path, source)))
    for _ in range(2):
        session = adapter.open()
        assert entered(seen(session, OPEN), "client") == [OPENED, STARTED, POST_STARTED]
        session.close()
    adapter.close()
