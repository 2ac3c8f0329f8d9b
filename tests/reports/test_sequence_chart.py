"""The sequence chart as text, whole; and how rows are nested."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from kmcl_model.events import (
    Call,
    Enter,
    Environment,
    Event,
    Exit,
    Lost,
    Message,
    Quiescence,
    Return,
    Signal,
)
from kmcl_reports.chart_svg import render_rows_svg
from kmcl_reports.chart_text import render_sequence
from kmcl_reports.sample import SAMPLE_EVENTS
from kmcl_reports.sequence import argument_text, describe_event, sequence_rows, setup_length

GOLDEN = """\
        client                                                                           server
        driver                             library   library                             driver
      0 │                                        │   │◀────────────── t0: VmbChannelEnable() ─┤
      1 │                                        │   ├╌╌╌╌╌╌╌╌╌╌╌╌╌╌ t0: VmbChannelEnable = ╌▶│
        │                                        │   │                       STATUS_SUCCESS   │
      2 ├─ t0: VmbChannelEnable() ──────────────▶│   │                                        │
      3 │◀─ EvtVmbChannelOpened() ───────────────┤   │                                        │
      4 │ ├─ VmbChannelStart() ─────────────────▶│   │                                        │
      5 │ │◀╌ VmbChannelStart returned ╌╌╌╌╌╌╌╌╌╌┤   │                                        │
      6 │ ╰╌ EvtVmbChannelOpened = ╌╌╌╌╌╌╌╌╌╌╌╌╌▶│   │                                        │
        │    STATUS_SUCCESS                      │   │                                        │
      7 │◀╌ t0: VmbChannelEnable = ╌╌╌╌╌╌╌╌╌╌╌╌╌╌┤   │                                        │
        │   STATUS_SUCCESS                       │   │                                        │
      8 │                                        │   ├─────────────── EvtVmbChannelOpened() ─▶│
      9 │                                        │   │◀╌╌╌╌╌╌╌╌╌╌╌╌╌ EvtVmbChannelOpened = ╌╯ │
        │                                        │   │                      STATUS_SUCCESS    │
     10 │                                        │   │◀──────── t0: VmbPacketSend(Packet=p0, ─┤
        │                                        │   │         Buffer=pattern:3:16, Flags=1)  │
     11 │                                        │   ├╌╌ t0: VmbPacketSend = STATUS_PENDING ╌▶│
✗    12 │◀─ EvtVmbChannelProcessPacket( ─────────┤   │                                        │
        │ │ Packet=c0, Buffer=pattern:3:16,      │   │                                        │
        │ │ Flags=0) at DISPATCH_LEVEL           │   │                                        │
        ✗ event 12: the model has no explanation for it
          allowed instead:
            · client: enter EvtVmbChannelStarted()
     13 │ ╰╌ EvtVmbChannelProcessPacket ╌╌╌╌╌╌╌╌▶│   │                                        │
        │    returned                            │   │                                        │
     14 ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ quiet ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄
"""


def test_a_run_as_text() -> None:
    allowed = ("client: enter EvtVmbChannelStarted()",)

    assert render_sequence(SAMPLE_EVENTS, 12, allowed, width=96) == GOLDEN


def test_a_quiescence_that_fails_is_called_a_silence() -> None:
    chart = render_sequence(SAMPLE_EVENTS, 14)

    assert "✗ the silence of event 14: the model has no explanation" in chart


def test_silence_is_marked_after_the_last_event() -> None:
    chart = render_sequence(SAMPLE_EVENTS[:2], 2, ("client: enter EvtVmbChannelOpened()",))

    assert chart.splitlines()[-3:] == [
        "        ✗ silence after the last event: the model has no explanation for it",
        "          allowed instead:",
        "            · client: enter EvtVmbChannelOpened()",
    ]


@pytest.mark.parametrize("width", [60, 61, 80, 100, 173])
def test_no_line_is_wider_than_asked_for(width: int) -> None:
    chart = render_sequence(SAMPLE_EVENTS, 12, ("a long allowed event " * 20,), width=width)

    assert max(map(len, chart.splitlines())) <= width


def test_every_character_of_a_long_label_is_shown() -> None:
    handlers = ("EvtVmbChannelOpened", "EvtVmbChannelClosed", "EvtVmbChannelSuspend")
    call = Call(
        "call", "client", "t0", "VmbChannelInitSetStateChangeCallbacks", (1, "size", handlers)
    )
    halves = [line[8:40] for line in render_sequence([call], width=76).splitlines()[2:]]
    shown = "".join("".join(halves).replace("│", "").split())

    for handler in handlers:
        assert handler in shown.replace("├─", "").replace("─▶", "")


def test_overlapping_callbacks_keep_their_own_level() -> None:
    def enter(name: str) -> Event:
        return Enter("enter", "client", name, f"EvtVmbChannel{name}", ("client",))

    def leave(name: str) -> Event:
        return Exit("exit", "client", name, f"EvtVmbChannel{name}", None)

    rows = sequence_rows(
        [
            enter("PostStarted"),
            enter("ProcessPacket"),
            leave("PostStarted"),
            Call("call", "client", "ProcessPacket", "VmbChannelStart", ()),
            enter("Suspend"),
            leave("ProcessPacket"),
            Call("call", "client", "t0", "VmbChannelStart", ()),
            leave("Suspend"),
        ]
    )

    assert [row.depth for row in rows] == [0, 1, 0, 2, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Call("call", "client", "t0", "VmbChannelEnable", ()), "client t0: VmbChannelEnable()"),
        (
            Return("return", "client", "t0", "VmbPacketAllocate", None, (False,)),
            "client t0: VmbPacketAllocate = Allocated=false",
        ),
        (
            Return("return", "server", "t1", "VmbPacketSend", 0xC0000120, ()),
            "server t1: VmbPacketSend = STATUS_CANCELLED",
        ),
        (
            Enter("enter", "server", "Opened", "EvtVmbChannelOpened", ("client",)),
            "server: enter EvtVmbChannelOpened(client)",
        ),
        (
            Enter("enter", "server", "Closed.2", "EvtVmbChannelClosed", ("server",), 2),
            "server: enter EvtVmbChannelClosed() [Closed.2] at DISPATCH_LEVEL",
        ),
        (Exit("exit", "server", "Opened", "EvtVmbChannelOpened", 1), None),
        (Environment("environment", "client", "crash"), "client: environment crash"),
        (Quiescence("quiescence", True), "quiet"),
        (Quiescence("quiescence", False), "idle"),
        (Lost("lost", "crash", "signal 11"), "implementation lost (crash): signal 11"),
    ],
)
def test_an_event_in_one_line(event: Event, text: str | None) -> None:
    assert describe_event(event) == (text or "server: exit EvtVmbChannelOpened = 0x00000001")


def test_arguments_in_ascii() -> None:
    values = (None, True, 7, b"\x01", "p0", "ä b", ("x", "y"))

    assert [argument_text(value) for value in values] == [
        "null",
        "true",
        "7",
        "hex:01",
        "p0",
        "'\\xe4 b'",
        "{x, y}",
    ]


def test_the_drawing_marks_one_row_and_shows_every_label() -> None:
    rows = sequence_rows(SAMPLE_EVENTS)
    root = ET.fromstring(render_rows_svg(rows, 12))
    bad = [element for element in root.iter() if element.get("class") == "bad"]
    drawn = " ".join(" ".join(root.itertext()).split())

    assert len(bad) == 1
    assert "✗ 12" in drawn
    assert all(row.label.split("(")[0] in drawn for row in rows)


def test_configuration_can_be_folded_unless_the_failure_is_in_it() -> None:
    setup: list[Event] = [
        Call("call", "client", "t0", "VmbChannelAllocate", (False,)),
        Return("return", "client", "t0", "VmbChannelAllocate", 0, ()),
        Call("call", "client", "t0", "VmbClientChannelInitSetTargetPnp", ("a", "b", True)),
        Return("return", "client", "t0", "VmbClientChannelInitSetTargetPnp", 0, ()),
    ]
    rows = sequence_rows([*setup, *SAMPLE_EVENTS])

    refused = Return("return", "client", "t0", "VmbChannelAllocate", 0xC000000D, ())

    assert setup_length(rows) == 4
    assert setup_length(sequence_rows([setup[0], refused, *setup[2:], *SAMPLE_EVENTS])) == 1
    assert setup_length(rows, 4) == 4
    assert setup_length(rows, 3) == 0
    assert setup_length(rows[:4]) == 0
    assert setup_length(()) == 0


def test_a_message_that_is_repeated_stands_there_once_with_its_number() -> None:
    body = Message("message", "guest", "GPADL_BODY", (0, 9, 28))
    last = body._replace(fields=(0, 9, 4))
    signal = Signal("signal", "guest", 3)
    rest = Quiescence("quiescence", False)
    rows = sequence_rows([body, body, body, last, signal, signal, rest, rest, body, body])

    assert [(row.number, row.label) for row in rows] == [
        (0, "GPADL_BODY(msgnumber=0, gpadl=9, pfns=28) x 3"),
        (3, "GPADL_BODY(msgnumber=0, gpadl=9, pfns=4)"),
        (4, "signal(3) x 2"),
        (6, "idle"),
        (7, "idle"),
        (8, "GPADL_BODY(msgnumber=0, gpadl=9, pfns=28)"),
        (9, "GPADL_BODY(msgnumber=0, gpadl=9, pfns=28)"),
    ]
