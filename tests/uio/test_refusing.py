"""What the header has and uio cannot express: every such call is answered, and changes nothing."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from os import EFD_NONBLOCK, eventfd
from typing import Any

import pytest

from kmcl_adapters.driver import ThreadedSession
from kmcl_adapters.interface import Refusing
from kmcl_adapters.lines import serve
from kmcl_adapters.uio.library import Library
from kmcl_adapters.uio.pair import create
from kmcl_adapters.uio.pairbus import PairBus
from kmcl_adapters.uio.refusing import REFUSED, UioLibrary, refusal
from kmcl_conformance.campaign import Options, certify
from kmcl_model.api import FUNCTIONS
from kmcl_model.catalogue import requirements
from kmcl_model.events import Call, Event, Lost, Return
from kmcl_model.status import STATUS_NOT_SUPPORTED, is_success
from kmcl_model.stimuli import Invoke
from kmcl_reports.results import Verdict
from played import Host, Talk, adapter_of

ARGUMENTS: dict[str, Any] = {
    "VmbChannelSetInterruptLatency": {"Latency": 100},
    "VmbServerChannelInitSetMmioMegabytes": {"MmioMegabytes": 1, "MmioMegabytesOptional": 0},
    "VmbServerChannelInitSetSaveRestorePacketCallbacks": {
        "SavePacket": True,
        "RestorePacket": True,
    },
    "VmbServerChannelInitSetTargetVtl": {"TargetVtl": 0},
}
"""Of those that a call of a test can name."""


@pytest.fixture
def library() -> Iterator[UioLibrary]:
    """A client's end on memory shared with a server that never comes."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    bells = eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK)
    library = UioLibrary(PairBus(False, ours, bells))
    yield library
    library.Reset()
    theirs.close()


def status_of(answer: Any) -> int:
    return int(answer[0] if isinstance(answer, tuple) else answer)


def test_every_function_of_the_header_is_there_or_refused() -> None:
    header = {one.api for one in requirements().values() if one.api.startswith("Vmb")}
    callable_here = {name for name in vars(Library) if name.startswith("Vmb")}

    assert set(REFUSED) == header - callable_here
    assert set(ARGUMENTS) == set(REFUSED) & set(FUNCTIONS)


@pytest.mark.parametrize("function", REFUSED)
def test_a_direct_call_is_refused_before_and_after_the_channel_is_there(
    library: UioLibrary, function: str
) -> None:
    assert status_of(getattr(library, function)(None, 1, 2)) == STATUS_NOT_SUPPORTED

    status, channel = library.VmbChannelAllocate(False)
    assert is_success(status)
    assert channel is not None
    assert is_success(library.VmbChannelEnable(channel))
    assert status_of(getattr(library, function)(channel)) == STATUS_NOT_SUPPORTED
    library.VmbChannelDisable(channel)
    library.VmbChannelCleanup(channel)
    assert library.channel is None


def test_what_the_header_does_not_have_is_missing(library: UioLibrary) -> None:
    with pytest.raises(AttributeError, match="UioLibrary has no VmbChannelDance"):
        _ = library.VmbChannelDance
    assert refusal("VmbChannelDance") is None
    assert refusal("VmbPacketSend") is None


@pytest.mark.parametrize("function", REFUSED)
def test_a_session_shows_the_refusal_and_goes_on(talk: Talk, function: str) -> None:
    talk.open()
    arguments = tuple(ARGUMENTS.get(function, {}).values())
    talk.session.apply(Invoke("invoke", "client", "t0", function, arguments))
    events = talk.session.take()

    if function in FUNCTIONS and function not in UioLibrary.Unasked:
        call, returned = events
        assert isinstance(call, Call)
        assert isinstance(returned, Return)
        assert returned.status == STATUS_NOT_SUPPORTED
    else:  # passed over, as any call that makes no sense
        assert events == []
    talk.send("p0", b"12345678")
    assert talk.handlers() == ["CompletionRoutine"]


def conversation(host: Host, *stimuli: dict[str, Any]) -> list[dict[str, Any]]:
    """What the line protocol says about each of them, in a session whose client is allocated."""
    adapter = adapter_of(host)
    assert isinstance(adapter, Refusing)
    invoke = {"stimulus": "invoke", "endpoint": "client", "by": "t0"}
    allocate = {**invoke, "function": "VmbChannelAllocate", "arguments": {"IsServer": False}}
    requests: list[dict[str, Any]] = [
        {"do": "open"},
        *({"do": "apply", "stimuli": [{**invoke, **one}]} for one in (allocate, *stimuli)),
        {"do": "close"},
    ]
    said: list[bytes] = []
    lines = [json.dumps({"request": n, **r}).encode() for n, r in enumerate(requests)]
    serve(adapter, lines, said.append)
    adapter.close()
    return [json.loads(line) for line in said]


@pytest.mark.parametrize("function", REFUSED)
def test_the_line_protocol_tells_the_status(host: Host, function: str) -> None:
    asked = {"function": function, "arguments": ARGUMENTS.get(function, {"GpadlHandle": 1})}
    said = conversation(host, asked, {"function": "VmbChannelEnable"})

    returned = {line["function"]: line["status"] for line in said if line.get("event") == "return"}
    errors = {line["reply"]: line["error"] for line in said if "error" in line}
    assert returned.pop("VmbChannelAllocate") == returned.pop("VmbChannelEnable") == 0
    refused = [line["refused"] for line in said if "refused" in line]
    why = f"{function}: STATUS_NOT_SUPPORTED: {REFUSED[function]}"
    if function in FUNCTIONS:
        made = {} if function in UioLibrary.Unasked else {function: STATUS_NOT_SUPPORTED}
        assert (returned, errors, refused) == (made, {}, [[why]])
    else:
        assert (returned, errors, refused) == ({}, {2: why}, [])


def test_a_call_inside_a_callback_is_refused_before_it_is_armed(host: Host) -> None:
    said: list[bytes] = []
    arm = {
        "stimulus": "arm",
        "endpoint": "client",
        "callback": "EvtVmbChannelOpened",
        "reaction": {"steps": [{"act": "VmbChannelUnmapGpadl"}]},
    }
    requests: list[dict[str, Any]] = [{"do": "open"}, {"do": "apply", "stimuli": [arm]}]
    lines = [json.dumps({"request": n, **r}).encode() for n, r in enumerate(requests)]
    serve(adapter_of(host), lines, said.append)

    assert json.loads(said[-1])["error"].startswith("VmbChannelUnmapGpadl: STATUS_NOT_SUPPORTED: ")


def test_a_function_that_nobody_knows_is_unknown(host: Host) -> None:
    said = conversation(host, {"function": "VmbChannelDance"})

    assert [line["error"] for line in said if "error" in line] == [
        "no function of the interface is called 'VmbChannelDance'"
    ]


def test_a_session_passes_over_a_function_that_no_call_can_name() -> None:
    """Also where the implementation has one of that name."""

    class Dancer:
        danced = False

        def VmbChannelAllocate(self, is_server: bool) -> tuple[int, object]:
            return 0, self

        def VmbChannelDance(self, channel: object) -> int:
            self.danced = True
            return 0

    dancer = Dancer()
    session = ThreadedSession(dancer)
    session.apply(Invoke("invoke", "client", "t0", "VmbChannelAllocate", (False,)))
    session.apply(Invoke("invoke", "client", "t0", "VmbChannelDance", ()))
    events: list[Event] = session.take()
    session.close()

    assert [e.function for e in events if isinstance(e, Call)] == ["VmbChannelAllocate"]
    assert not any(isinstance(e, Lost) for e in events)
    assert not dancer.danced


def test_nothing_of_it_is_declared_and_no_alarm_is_raised() -> None:
    """A short campaign of the endpoint over shared memory, with an imitated host."""
    adapter = create("dynmem")
    told = adapter.describe().capabilities
    assert not told & {f.capability for f in FUNCTIONS.values() if f.name in REFUSED}
    found = certify(adapter, Options("ring:dynmem", "client-uio-dynmem", sequences=2))
    adapter.close()

    assert found.verdict != Verdict.VIOLATIONS
