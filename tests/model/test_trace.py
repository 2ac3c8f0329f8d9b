"""Traces go to text and back without loss, and bad text is refused with one useful line."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmcl_model.api import CALLBACKS, FUNCTIONS
from kmcl_model.boundary import BUFFERS, MAXIMUM_BUFFER, STATUSES
from kmcl_model.events import (
    Argument,
    Call,
    Enter,
    Environment,
    Event,
    Exit,
    Lost,
    Quiescence,
    Return,
)
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.trace import (
    Origin,
    TraceError,
    dump_trace,
    event_from_json,
    event_to_json,
    load_origin,
    load_trace,
)

HEADER = '{"schema":"kmcl-trace/1"}\n'

texts = st.text("p0:\n\x1b\u2028\ud800", max_size=5) | st.sampled_from(["hex:00", "pattern:1:2"])
statuses = st.none() | st.integers(0, 0xFFFFFFFF)
buffers = (
    st.none()
    | st.binary(max_size=20)
    | st.builds(Payload, st.integers(0, 15), st.integers(0, 300)).map(payload_bytes)
)
values = st.none() | st.booleans() | st.integers() | texts | st.lists(texts, max_size=3).map(tuple)


def arguments(names: tuple[str, ...]) -> st.SearchStrategy[tuple[Argument, ...]]:
    def of(name: str) -> st.SearchStrategy[Argument]:
        return buffers if name in BUFFERS else statuses if name in STATUSES else values

    return st.tuples(*map(of, names))


def named(names: Iterable[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(names))


called = named(FUNCTIONS).flatmap(
    lambda name: st.tuples(st.just(name), arguments(FUNCTIONS[name].parameters))
)
returned = named(FUNCTIONS).flatmap(
    lambda name: st.tuples(st.just(name), statuses, arguments(FUNCTIONS[name].outputs))
)
entered = named(CALLBACKS).flatmap(
    lambda name: st.tuples(
        st.just(name), arguments(CALLBACKS[name].parameters), st.sampled_from([None, 0, 2])
    )
)
reasons = st.sampled_from(["crash", "hang", "flood", "garbage"])
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(lambda e, by, rest: Call("call", e, by, *rest), texts, texts, called),
    st.builds(lambda e, by, rest: Return("return", e, by, *rest), texts, texts, returned),
    st.builds(lambda e, a, rest: Enter("enter", e, a, *rest), texts, texts, entered),
    st.builds(Exit, st.just("exit"), texts, texts, named(CALLBACKS), statuses),
    st.builds(Environment, st.just("environment"), texts, texts),
    st.builds(Quiescence, st.just("quiescence"), st.booleans()),
    st.builds(Lost, st.just("lost"), reasons, texts),
)


def exactly(trace: list[Event]) -> str:
    """What equality does not see: that True is not 1, and which tuple it is."""
    return repr(trace)


@given(st.lists(events, max_size=5))
def test_a_trace_survives_its_text(trace: list[Event]) -> None:
    assert exactly(load_trace(dump_trace(trace))) == exactly(trace)


def test_the_text_is_the_documented_one() -> None:
    send = ("p0", payload_bytes(Payload(3, 64)), 1)
    trace: list[Event] = [
        Call("call", "client", "t0", "VmbPacketSend", send),
        Return("return", "client", "t0", "VmbPacketSend", 0, ()),
        Return("return", "client", "t0", "VmbPacketAllocate", None, (True,)),
        Enter("enter", "server", "Opened", "EvtVmbChannelOpened", ("server",), 0),
        Exit("exit", "server", "Opened", "EvtVmbChannelOpened", 0x103),
        Quiescence("quiescence", True),
    ]

    assert dump_trace(trace) == (
        '{"schema":"kmcl-trace/1"}\n'
        '{"event":"call","endpoint":"client","by":"t0","function":"VmbPacketSend",'
        '"arguments":{"Packet":"p0","Buffer":"pattern:3:64","Flags":1}}\n'
        '{"event":"return","endpoint":"client","by":"t0","function":"VmbPacketSend","status":0}\n'
        '{"event":"return","endpoint":"client","by":"t0","function":"VmbPacketAllocate",'
        '"status":null,"outputs":{"Allocated":true}}\n'
        '{"event":"enter","endpoint":"server","activation":"Opened",'
        '"callback":"EvtVmbChannelOpened","arguments":{"Channel":"server"},"irql":0}\n'
        '{"event":"exit","endpoint":"server","activation":"Opened",'
        '"callback":"EvtVmbChannelOpened","status":259}\n'
        '{"event":"quiescence","exact":true}\n'
    )


def test_statuses_may_be_written_by_name() -> None:
    completion = {
        "event": "enter",
        "endpoint": "client",
        "activation": "PacketCompletionRoutine",
        "callback": "EvtVmbPacketCompletionRoutine",
        "arguments": {"Packet": "p0", "Status": "STATUS_CANCELLED", "Buffer": None},
    }
    returned = {
        "event": "return",
        "endpoint": "client",
        "by": "t0",
        "function": "VmbPacketSend",
        "status": "STATUS_PENDING",
    }

    assert [event_from_json(completion), event_from_json(returned)] == [
        Enter(
            "enter",
            "client",
            "PacketCompletionRoutine",
            "EvtVmbPacketCompletionRoutine",
            ("p0", 0xC0000120, None),
        ),
        Return("return", "client", "t0", "VmbPacketSend", 0x103, ()),
    ]


SEND = '{"event":"call","endpoint":"client","by":"t0","function":"VmbPacketSend","arguments":%s}'
TAKES = "it takes Packet, Buffer, Flags"
A_BUFFER = "a buffer is null, pattern:TAG:LENGTH (tag 0 to 15) or hex:… (lower case)"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes at column 2"),
        ("[]", "must be a JSON object"),
        ("{}", "'event' is missing"),
        ('{"event":"exit"}', "endpoint: is missing"),
        ('{"event":"quiescence","exact":1}', "exact: Input should be a valid boolean"),
        ('{"event":"quiescence","exact":true,"x":0}', "x: is not known here"),
        ('{"event":"quiescence","exact":true,"\\u001b[2J":0}', "'\\x1b[2J': is not known here"),
        (
            '{"event":"lost","reason":"bored","detail":""}',
            "reason: Input should be 'crash', 'hang', 'flood' or 'garbage'",
        ),
        (
            '{"event":"call","endpoint":"client","by":"t0","function":"VmbFly","arguments":{}}',
            "function: no function of the interface is called 'VmbFly'",
        ),
        (
            '{"event":"exit","endpoint":"client","activation":"x","callback":"EvtFly"}',
            "callback: no callback of the interface is called 'EvtFly'",
        ),
        (
            '{"event":"exit","endpoint":"c","activation":"x","callback":"EvtVmbChannelOpened",'
            '"status":-1}',
            "status: a status is a number from 0 to 0xFFFFFFFF or a name STATUS_… we know",
        ),
        (SEND % "[]", "arguments: must be a JSON object"),
        (SEND % '{"Packet":"p0","Buffer":null}', f"Flags of VmbPacketSend is missing; {TAKES}"),
        (SEND % '{"Colour":1}', f"VmbPacketSend has no 'Colour'; {TAKES}"),
        (
            SEND % '{"Packet":"p0","Buffer":"hex:0","Flags":1}',
            f"Buffer of VmbPacketSend: {A_BUFFER}",
        ),
        (
            SEND % '{"Packet":"p0","Buffer":["hex:00"],"Flags":1}',
            f"Buffer of VmbPacketSend: {A_BUFFER}",
        ),
        (
            SEND % '{"Packet":"p0","Buffer":"pattern:16:1","Flags":1}',
            f"Buffer of VmbPacketSend: {A_BUFFER}",
        ),
        (
            SEND % '{"Packet":"p0","Buffer":"pattern:1:99999999","Flags":1}',
            f"Buffer of VmbPacketSend: a buffer has at most {MAXIMUM_BUFFER} bytes",
        ),
        (
            SEND % '{"Packet":"p0","Buffer":null,"Flags":1.5}',
            "Flags of VmbPacketSend must be an integer, a string, true, false, null "
            "or a list of strings",
        ),
    ],
)
def test_a_bad_line_is_refused_in_one_line_with_its_number(line: str, complaint: str) -> None:
    with pytest.raises(TraceError) as caught:
        load_trace(HEADER + '{"event":"quiescence","exact":true}\n' + line + "\n")

    assert str(caught.value) == f"line 3: {complaint}"


@pytest.mark.parametrize(
    "line",
    [
        '{"event":"%s"}',
        '{"event":"quiescence","exact":true,"%s":0}',
        '{"event":"exit","endpoint":"c","activation":"x","callback":"%s"}',
        SEND % '{"%s":0}',
    ],
)
def test_a_flood_in_a_line_is_not_repeated_in_the_complaint(line: str) -> None:
    with pytest.raises(TraceError) as caught:
        load_trace(HEADER + line % ("A" * 10_000))

    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("line", ["[" * 100_000, "1" * 5_000])
def test_a_line_that_the_json_reader_gives_up_on_is_refused(line: str) -> None:
    with pytest.raises(TraceError, match=r"^line 2: cannot be read: [^\n]*$"):
        load_trace(HEADER + line)


@pytest.mark.parametrize("text", ["", "\n", '{"schema":"kmcl-trace/2"}\n', "[" * 100_000])
def test_a_text_without_the_header_is_no_trace(text: str) -> None:
    with pytest.raises(TraceError) as caught:
        load_trace(text)

    assert str(caught.value) == 'line 1: a trace begins with the line {"schema":"kmcl-trace/1"}'


@pytest.mark.parametrize(
    "event",
    [
        Call("call", "client", "t0", "VmbFly", ()),
        Call("call", "client", "t0", "VmbPacketSend", ("p0",)),
        Return("return", "client", "t0", "VmbPacketSend", 0, (1,)),
        Enter("enter", "client", "Opened", "EvtVmbChannelOpened", ()),
    ],
)
def test_an_event_the_interface_does_not_have_is_not_written(event: Event) -> None:
    with pytest.raises(TraceError, match="cannot be written"):
        event_to_json(event)


ORIGIN = Origin("Linux hv_vmbus", "6.12.9", ("Linux 6.12.9", "a host"))


def test_a_trace_tells_whose_it_is() -> None:
    events: list[Event] = [Quiescence("quiescence", True)]
    text = dump_trace(events, ORIGIN)

    assert text.startswith('{"schema":"kmcl-trace/1","implementation":"Linux hv_vmbus",')
    assert (load_origin(text), load_trace(text)) == (ORIGIN, events)


def test_a_trace_need_not_tell_whose_it_is() -> None:
    assert load_origin(HEADER) is None
    assert load_origin(dump_trace([])) is None


@pytest.mark.parametrize("more", [{"kernel": "6"}, {"version": 6}, {"surroundings": "Linux"}])
def test_a_header_that_tells_anything_else_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(TraceError, match="line 1"):
        load_origin(json.dumps({"schema": "kmcl-trace/1"} | more))
