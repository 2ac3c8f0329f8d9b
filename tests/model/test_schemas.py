"""The published JSON Schemas are up to date and accept exactly what the readers accept."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kmcl_model.api import CALLBACKS, FUNCTIONS
from kmcl_model.boundary import BUFFERS, STATUSES
from kmcl_model.case import Case, CaseError
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
from kmcl_model.schemas import PUBLISHED, case_schema, trace_schema
from kmcl_model.shipped import render_schema, write_schemas
from kmcl_model.stimuli import HOLD, Act, Arm, Environ, Invoke, Reaction, Release, Run, Settle
from kmcl_model.trace import TraceError, dump_trace, event_from_json, event_to_json

FOLDER = Path(__file__).parents[2] / "model" / "schemas"
TRACE = Draft202012Validator(trace_schema())
CASE = Draft202012Validator(case_schema())


def sample(names: tuple[str, ...]) -> tuple[Argument, ...]:
    return tuple(b"\x01" if n in BUFFERS else 0x103 if n in STATUSES else "x" for n in names)


CALLS = [(f.name, sample(f.parameters)) for f in FUNCTIONS.values()]
EVENTS: list[Event] = [
    *(Call("call", "client", "t0", *call) for call in CALLS),
    *(Return("return", "client", "t0", f.name, 0, sample(f.outputs)) for f in FUNCTIONS.values()),
    *(Enter("enter", "client", "x", c.name, sample(c.parameters), 2) for c in CALLBACKS.values()),
    *(Exit("exit", "client", "x", c.name, None) for c in CALLBACKS.values()),
    Environment("environment", "client", "crash"),
    Quiescence("quiescence", False),
    Lost("lost", "hang", ""),
]

EVERY_STIMULUS = Case(
    name="every stimulus",
    adapter="reference",
    profile="core",
    seed=0,
    tool="0.1.0",
    stimuli=(
        *(Invoke("invoke", "client", "t0", *call) for call in CALLS),
        *(
            Arm("arm", "client", name, Reaction((HOLD, *(Act(*call) for call in CALLS))))
            for name in CALLBACKS
        ),
        Release("release", "client", "Opened"),
        Environ("environment", "client", "crash"),
        Run("run", 3),
        Settle("settle"),
    ),
)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_the_committed_schema_is_the_one_the_models_make(name: str) -> None:
    assert (FOLDER / name).read_text() == render_schema(PUBLISHED[name]())


def test_the_command_writes_every_schema_into_a_new_folder(tmp_path: Path) -> None:
    write_schemas(PUBLISHED, tmp_path / "schemas")

    assert {path.name for path in (tmp_path / "schemas").iterdir()} == set(PUBLISHED)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_the_schema_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(PUBLISHED[name]())


def test_every_line_of_a_trace_is_accepted() -> None:
    findings = [
        error.message
        for line in dump_trace(EVENTS).splitlines()
        for error in TRACE.iter_errors(json.loads(line))
    ]

    assert findings == []


def test_a_case_of_every_stimulus_is_accepted() -> None:
    assert [error.message for error in CASE.iter_errors(json.loads(EVERY_STIMULUS.dumps()))] == []


SEND = event_to_json(
    Call("call", "client", "t0", "VmbPacketSend", ("p0", b"\x00\x01", 1)),
)


@pytest.mark.parametrize(
    "change",
    [
        {"event": "shout"},
        {"function": "VmbFly"},
        {"endpoint": None},
        {"colour": "red"},
        {"arguments": {}},
        {"arguments": {"Packet": "p0", "Buffer": None, "Flags": 1, "Colour": 1}},
        {"arguments": {"Packet": "p0", "Buffer": "hex:0", "Flags": 1}},
        {"arguments": {"Packet": "p0", "Buffer": "pattern:16:1", "Flags": 1}},
        {"arguments": {"Packet": "p0", "Buffer": None, "Flags": 1.5}},
        {"arguments": {"Packet": "p0", "Buffer": None, "Flags": [1]}},
    ],
)
def test_schema_and_reader_refuse_the_same_lines(change: dict[str, Any]) -> None:
    line = {**SEND, **change}

    assert TRACE.is_valid(SEND)
    assert not TRACE.is_valid(line)
    with pytest.raises(TraceError):
        event_from_json(line)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"schema": "kmcl-case/1",', ""),
        ('"seed": 0', '"seed": "0"'),
        ('"stimulus": "settle"', '"stimulus": "rest"'),
        ('"choice": 3', '"choice": -3'),
        ('"hold": true', '"hold": false'),
        ('"act": "VmbChannelPause"', '"act": "VmbFly"'),
        ('"status": 0', '"status": -1'),
    ],
)
def test_schema_and_reader_refuse_the_same_cases(old: str, new: str) -> None:
    text = EVERY_STIMULUS.dumps()
    broken = text.replace(old, new, 1)
    assert broken != text

    assert not CASE.is_valid(json.loads(broken))
    with pytest.raises(CaseError):
        Case.loads(broken)
