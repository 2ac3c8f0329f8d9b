"""A trace as the rows of a sequence chart: who, what, and how deep inside callbacks.

The rows are plain text already: nothing an implementation sent survives unescaped. They are
stored in the certificate, so that a chart can be drawn again without the trace.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from errno import errorcode
from itertools import groupby
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from kmcl_model.api import CALLBACKS
from kmcl_model.control import CALLABLE, GUEST, HOST, MESSAGES
from kmcl_model.events import (
    Argument,
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
from kmcl_model.payload import written
from kmcl_model.status import status_name

from .text import inline, shortened

__all__ = [
    "BUS",
    "LIBRARY",
    "ChartRow",
    "Lanes",
    "argument_text",
    "describe_event",
    "laned",
    "sequence_rows",
    "setup_length",
]

LABEL_LIMIT: Final = 240
"""Characters of a label; an implementation may send arguments of any length."""

_PLAIN_WORD: Final = re.compile(r"[A-Za-z0-9_.:?+-]+")
_SETUP: Final = re.compile(r"\bVmb(Client|Server)?Channel(Allocate|InitSet\w+)\b")
_DISPATCH_LEVEL: Final = 2


_Kind = Literal[
    "call", "return", "enter", "exit", "environment", "sent", "received", "quiescence", "lost"
]


class Lanes(NamedTuple):
    """The words above a chart: those of the two halves, and of the two lines of each."""

    left: str
    right: str
    left_lines: tuple[str, str]
    right_lines: tuple[str, str]


LIBRARY: Final = Lanes("client", "server", ("driver", "library"), ("library", "driver"))
BUS: Final = Lanes(GUEST, HOST, ("user", "kernel"), ("wire", "test"))


class ChartRow(BaseModel):
    """One line of a sequence chart.

    What goes over a bus is a row of the host: ``sent`` by it, or ``received``.

    ``number`` is the event's place in the trace. ``depth`` counts the callbacks it is nested
    in; an ``enter`` opens the level ``depth`` that its ``exit`` closes. ``endpoint`` is empty
    for what concerns both ends.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: NonNegativeInt
    endpoint: str
    kind: _Kind
    depth: NonNegativeInt = 0
    label: str


def argument_text(value: Argument) -> str:
    """An argument in ASCII: bytes as the payload they are, text in quotes unless a plain word."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case bytes():
            return shortened(written(value), 48)
        case str():
            return value if _PLAIN_WORD.fullmatch(value) else shortened(ascii(value), 48)
        case tuple():
            return "{" + ", ".join(argument_text(member) for member in value) + "}"


def _word(name: str) -> str:
    return name if _PLAIN_WORD.fullmatch(name) else shortened(ascii(name), 64)


def _arguments(names: tuple[str, ...], values: tuple[Argument, ...]) -> str:
    if len(values) == 1 or len(names) != len(values):
        return ", ".join(map(argument_text, values))
    return ", ".join(
        f"{name}={argument_text(value)}" for name, value in zip(names, values, strict=True)
    )


def _outcome(name: str, status: int | None, outputs: str = "") -> str:
    if status is None and not outputs:
        return f"{name} returned"
    parts = [] if status is None else [status_name(status)]
    return f"{name} = " + ", ".join([*parts, outputs] if outputs else parts)


def _entered(event: Enter) -> str:
    callback = CALLBACKS.get(event.callback)
    names, values = callback.parameters if callback else (), event.arguments
    # The channel is worth a word only where it is the wrong one.
    if names and len(names) == len(values) and values[0] == event.endpoint:
        names, values = names[1:], values[1:]
    label = f"{_word(event.callback)}({_arguments(names, values)})"
    if "." in event.activation:
        label += f" [{_word(event.activation)}]"
    return label + (" at DISPATCH_LEVEL" if event.irql == _DISPATCH_LEVEL else "")


def _errno(status: int | None) -> str:
    """An error of a system call by its name."""
    return errorcode.get(status or 0, str(status)) if status else "0"


def _message(event: Message) -> str:
    """A control message; versions as people write them, the connection it was posted to behind an
    at sign, and nothing of what is not told."""
    kind = MESSAGES.get(event.message)
    told: dict[str, Argument] = {
        name: f"{value >> 16}.{value & 0xFFFF}"
        if name == "vmbus_version_requested" and isinstance(value, int)
        else value
        for name, value in zip(kind.fields if kind else (), event.fields, strict=False)
        if value is not None
    }
    connection = told.pop("connection", None)
    place = "" if connection is None else f" @{argument_text(connection)}"
    flaw = f" [{event.flaw}]" if event.flaw else ""
    return f"{_word(event.message)}({_arguments(tuple(told), tuple(told.values()))}){place}{flaw}"


def _label(event: Event) -> str:
    match event:
        case Call():
            function = CALLABLE.get(event.function)
            names = function.parameters if function else ()
            return f"{_word(event.function)}({_arguments(names, event.arguments)})"
        case Return():
            function = CALLABLE.get(event.function)
            names = function.outputs if function else ()
            if event.endpoint == GUEST:
                return f"{_word(event.function)} = {_errno(event.status)}"
            outputs = ", ".join(map(argument_text, event.outputs))
            if len(names) == len(event.outputs):
                outputs = ", ".join(
                    f"{name}={argument_text(value)}"
                    for name, value in zip(names, event.outputs, strict=True)
                )
            return _outcome(_word(event.function), event.status, outputs)
        case Enter():
            return _entered(event)
        case Exit():
            return _outcome(_word(event.callback), event.status)
        case Environment():
            return _word(event.action)
        case Message():
            return _message(event)
        case Signal():
            return f"signal({event.child_relid})"
        case Quiescence():
            return "quiet" if event.exact else "idle"
        case Lost():
            detail = f": {inline(event.detail)}" if event.detail else ""
            return f"implementation lost ({_word(event.reason)}){detail}"


def describe_event(event: Event) -> str:
    """The event as one line of text: ``client t0: VmbChannelEnable()``."""
    label = shortened(_label(event), LABEL_LIMIT)
    match event:
        case Call() | Return():
            return f"{_word(event.endpoint)} {_word(event.by)}: {label}"
        case Enter():
            return f"{_word(event.endpoint)}: enter {label}"
        case Exit():
            return f"{_word(event.endpoint)}: exit {label}"
        case Environment():
            return f"{_word(event.endpoint)}: environment {label}"
        case Message() | Signal():
            return f"{_word(event.endpoint)}: {label}"
        case _:
            return label


def _kind(event: Event) -> _Kind:
    """How an event is drawn."""
    if isinstance(event, Message | Signal):
        return "sent" if event.endpoint == HOST else "received"
    return event.kind


def laned(rows: Iterable[ChartRow]) -> tuple[list[ChartRow], Lanes]:
    """The rows with their ends called client and server, and what they are really called."""
    found = list(rows)
    places = {GUEST: LIBRARY.left, HOST: LIBRARY.right}
    if not any(row.endpoint in places for row in found):
        return found, LIBRARY
    return [
        row.model_copy(update={"endpoint": places.get(row.endpoint, row.endpoint)}) for row in found
    ], BUS


class _Levels:
    """Which activation of an endpoint holds which nesting level: the lowest free one."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}

    def enter(self, activation: str) -> int:
        taken = set(self._held.values())
        level = next(n for n in range(len(taken) + 1) if n not in taken)
        return self._held.setdefault(activation, level)

    def exit(self, activation: str) -> int:
        return self._held.pop(activation, 0)

    def inside(self, caller: str) -> int:
        """The depth of a call made by an activation; 0 for a driver thread."""
        return self._held[caller] + 1 if caller in self._held else 0


def sequence_rows(events: Iterable[Event]) -> tuple[ChartRow, ...]:
    """The rows of a trace's sequence chart, one an event; a message that comes several times in a
    row stands there once, with their number. The last event always has a row of its own."""
    levels: dict[str, _Levels] = {}
    rows = []
    for number, event in enumerate(events):
        label, endpoint, depth = _label(event), "", 0
        kind = _kind(event)
        match event:
            case Call() | Return():
                endpoint = event.endpoint
                depth = levels.setdefault(endpoint, _Levels()).inside(event.by)
                if not depth:
                    label = f"{_word(event.by)}: {label}"
            case Enter():
                endpoint = event.endpoint
                depth = levels.setdefault(endpoint, _Levels()).enter(event.activation)
            case Exit():
                endpoint = event.endpoint
                depth = levels.setdefault(endpoint, _Levels()).exit(event.activation)
            case Environment():
                endpoint = event.endpoint
            case Message() | Signal():
                endpoint = HOST
            case Quiescence() | Lost():
                pass
        rows.append(
            ChartRow(
                number=number,
                endpoint=_word(endpoint) if endpoint else "",
                kind=kind,
                depth=depth,
                label=shortened(label, LABEL_LIMIT),
            )
        )
    return tuple(_folded(rows[:-1])) + tuple(rows[-1:])


def _folded(rows: Iterable[ChartRow]) -> Iterator[ChartRow]:
    for (kind, label), group in groupby(rows, key=lambda row: (row.kind, row.label)):
        first, *others = group
        if others and kind in ("sent", "received"):
            yield first.model_copy(update={"label": f"{label} x {1 + len(others)}"})
        else:
            yield first
            yield from others


def _configures(row: ChartRow) -> bool:
    if row.kind not in ("call", "return") or not _SETUP.search(row.label):
        return False
    return row.kind == "call" or row.label.endswith((" = STATUS_SUCCESS", " returned"))


def setup_length(rows: Sequence[ChartRow], failure_index: int | None = None) -> int:
    """How many rows at the beginning only allocate and configure the channel, with success.

    They are the same in most runs, so a report may fold them. None are where the failure lies
    among them or nothing else would be left.
    """
    length = next((n for n, row in enumerate(rows) if not _configures(row)), 0)
    failing = any(row.number == failure_index for row in rows[:length])
    return 0 if failing else length
