"""Traces as JSON Lines: one header line, then one object an event.

    {"schema":"kmcl-trace/1"}
    {"event":"call","endpoint":"client","by":"t0","function":"VmbChannelEnable","arguments":{}}
    {"event":"return","endpoint":"client","by":"t0","function":"VmbChannelEnable","status":0}

The header may also tell what was recorded, and between which surroundings:

    {"schema":"kmcl-trace/1","implementation":"Linux hv_vmbus","version":"6.12.9","surroundings":[]}

The published schema is ``model/schemas/trace.schema.json``, made from the models below; a
field that may be absent has its default there. Writing is on the hot path of every harness
that runs in a process of its own, and written by hand; reading validates everything and
answers with one line that says where and what (about 1 and 4 microseconds an event).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from .api import CALLBACKS
from .boundary import (
    CallbackName,
    Flawed,
    FunctionName,
    JsonArguments,
    Line,
    MessageName,
    Status,
    arguments_from_json,
    explain,
)
from .control import CALLABLE, MESSAGES
from .events import (
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
from .plain import event_record

__all__ = [
    "TRACE_SCHEMA",
    "EventLine",
    "HeaderLine",
    "Origin",
    "TraceError",
    "dump_trace",
    "event_from_json",
    "event_to_json",
    "load_origin",
    "load_trace",
]

TRACE_SCHEMA: Final = "kmcl-trace/1"
"""Name and version of the format, in the header line."""

_CALL_PARAMETERS: Final = {name: f.parameters for name, f in CALLABLE.items()}
_OUTPUTS: Final = {name: f.outputs for name, f in CALLABLE.items()}
_CALLBACK_PARAMETERS: Final = {name: c.parameters for name, c in CALLBACKS.items()}


class TraceError(Exception):
    """A trace cannot be read or written: one line that says where and what."""


class Origin(NamedTuple):
    """Whose trace it is: the implementation, and the kernel, the host and whatever else was around
    it, each in words with its version."""

    implementation: str
    version: str
    surroundings: tuple[str, ...] = ()


class HeaderLine(Line):
    """The first line of a trace; what is not known of its origin is empty."""

    schema_: Literal["kmcl-trace/1"] = Field(alias="schema")
    implementation: str = ""
    version: str = ""
    surroundings: tuple[str, ...] = Field(default=(), strict=False)


class CallLine(Line):
    """A function is about to be called."""

    event: Literal["call"]
    endpoint: str
    by: str
    function: FunctionName
    arguments: JsonArguments

    def to_event(self) -> Event:
        names = _CALL_PARAMETERS[self.function]
        values = arguments_from_json(self.function, names, self.arguments)
        return Call("call", self.endpoint, self.by, self.function, values)


class ReturnLine(Line):
    """The call in progress has returned."""

    event: Literal["return"]
    endpoint: str
    by: str
    function: FunctionName
    status: Status = None
    outputs: JsonArguments

    def to_event(self) -> Event:
        values = arguments_from_json(self.function, _OUTPUTS[self.function], self.outputs)
        return Return("return", self.endpoint, self.by, self.function, self.status, values)


class EnterLine(Line):
    """The implementation has entered a handler."""

    event: Literal["enter"]
    endpoint: str
    activation: str
    callback: CallbackName
    arguments: JsonArguments
    irql: int | None = None

    def to_event(self) -> Event:
        names = _CALLBACK_PARAMETERS[self.callback]
        values = arguments_from_json(self.callback, names, self.arguments)
        return Enter("enter", self.endpoint, self.activation, self.callback, values, self.irql)


class ExitLine(Line):
    """The handler is about to return."""

    event: Literal["exit"]
    endpoint: str
    activation: str
    callback: CallbackName
    status: Status = None

    def to_event(self) -> Event:
        return Exit("exit", self.endpoint, self.activation, self.callback, self.status)


class EnvironmentLine(Line):
    """The world around the implementation has acted."""

    event: Literal["environment"]
    endpoint: str
    action: str

    def to_event(self) -> Event:
        return Environment("environment", self.endpoint, self.action)


class MessageLine(Line):
    """An end of the bus has sent a control message."""

    event: Literal["message"]
    endpoint: str
    message: MessageName
    fields: JsonArguments
    flaw: Flawed = ""

    def to_event(self) -> Event:
        kind = MESSAGES[self.message]
        values = arguments_from_json(self.message, kind.fields, self.fields, kind.later)
        return Message("message", self.endpoint, self.message, values, self.flaw)


class SignalLine(Line):
    """An end of the bus has signalled a channel."""

    event: Literal["signal"]
    endpoint: str
    child_relid: int

    def to_event(self) -> Event:
        return Signal("signal", self.endpoint, self.child_relid)


class QuiescenceLine(Line):
    """Nothing more will happen without a new stimulus."""

    event: Literal["quiescence"]
    exact: bool

    def to_event(self) -> Event:
        return Quiescence("quiescence", self.exact)


class LostLine(Line):
    """The implementation is gone."""

    event: Literal["lost"]
    reason: Literal["crash", "hang", "flood", "garbage"]
    detail: str

    def to_event(self) -> Event:
        return Lost("lost", self.reason, self.detail)


EventLine: TypeAlias = Annotated[
    CallLine
    | ReturnLine
    | EnterLine
    | ExitLine
    | EnvironmentLine
    | MessageLine
    | SignalLine
    | QuiescenceLine
    | LostLine,
    Field(discriminator="event"),
]
_EVENT: Final[TypeAdapter[EventLine]] = TypeAdapter(EventLine)
_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode


def event_to_json(event: Event) -> dict[str, Any]:
    """The event as a JSON object; not validated beyond its names, being on the hot path.

    Raises TraceError for a function or callback the interface does not have, and for a number
    of arguments that is not its own.
    """
    try:
        return event_record(event)
    except (KeyError, ValueError) as error:
        raise TraceError(f"{event!r} cannot be written: {error}") from None


def event_from_json(record: Mapping[str, Any]) -> Event:
    """The event that a JSON object describes, validated. Raises TraceError with one line."""
    try:
        return _EVENT.validate_python(record).to_event()
    except ValidationError as error:
        raise TraceError(explain(error)) from None
    except ValueError as error:
        raise TraceError(str(error)) from None


def dump_trace(events: Iterable[Event], origin: Origin | None = None) -> str:
    """The trace as text: the header line, then one line an event."""
    told = {} if origin is None else origin._asdict()
    lines = [{"schema": TRACE_SCHEMA, **told}, *map(event_to_json, events)]
    return "".join(_ENCODE(line) + "\n" for line in lines)


def load_trace(text: str) -> list[Event]:
    """The events of a trace, validated. Raises TraceError with the number of the line."""
    header, *lines = text.split("\n")
    _check_header(header)
    return [_load_line(number, line) for number, line in enumerate(lines, start=2) if line.strip()]


def load_origin(text: str) -> Origin | None:
    """What a trace tells of its origin; None where it tells nothing. Raises TraceError."""
    header = _check_header(text.partition("\n")[0])
    told = Origin(header.implementation, header.version, header.surroundings)
    return told if any(told) else None


def _check_header(line: str) -> HeaderLine:
    try:
        return HeaderLine.model_validate(json.loads(line))
    except (ValueError, RecursionError):
        expected = _ENCODE({"schema": TRACE_SCHEMA})
        raise TraceError(f"line 1: a trace begins with the line {expected}") from None


def _load_line(number: int, line: str) -> Event:
    try:
        return event_from_json(json.loads(line))
    except json.JSONDecodeError as error:
        raise TraceError(f"line {number}: not JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise TraceError(f"line {number}: cannot be read: {error}") from None
    except TraceError as error:
        raise TraceError(f"line {number}: {error}") from None
