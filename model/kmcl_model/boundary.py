"""What traces and cases share at the JSON boundary: arguments, outputs, statuses, errors.

Arguments are objects keyed by the parameter names of ``kmcl_model.api``. A buffer is
text that ``kmcl_model.payload`` writes, ``pattern:TAG:LENGTH`` or ``hex:…``; which
parameters are buffers is told by their names, so that a friendly name may read ``hex:``.
A tuple is a list of strings. A status is written as an unsigned integer and may also be
read as a name (``STATUS_PENDING``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Final, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from pydantic.config import JsonDict

from . import status
from .api import CALLBACKS, FUNCTIONS
from .events import Argument
from .payload import Payload, payload_bytes, written

__all__ = [
    "BUFFERS",
    "BUFFER_SCHEMA",
    "MAXIMUM_BUFFER",
    "STATUSES",
    "STATUS_SCHEMA",
    "CallbackName",
    "FunctionName",
    "GivenStatus",
    "JsonArguments",
    "Line",
    "Status",
    "arguments_from_json",
    "arguments_to_json",
    "explain",
    "read_buffer",
]

BUFFERS: Final = frozenset({"Buffer", "Seen"})
"""The parameters that carry bytes."""

STATUSES: Final = frozenset({"Status", "FailureStatus"})
"""The parameters that carry an NTSTATUS."""

MAXIMUM_BUFFER: Final = 1 << 24
"""The longest buffer that ``pattern:`` may ask for, in bytes: one short line of a hostile
implementation must not fill the memory."""

_BUFFER_TEXT: Final = r"^(pattern:([0-9]|1[0-5]):[0-9]{1,8}|hex:([0-9a-f]{2})*)$"
_BUFFER: Final = re.compile(_BUFFER_TEXT)
_STATUS_BY_NAME: Final[dict[str, int]] = {
    name: value for name, value in vars(status).items() if name.startswith("STATUS_")
}

_TAGS: Final = frozenset(
    {"call", "return", "enter", "exit", "environment", "quiescence", "lost"}
    | {"invoke", "arm", "release", "run", "settle", "an act", "a hold"}
)
"""What tells the members of our unions apart; pydantic puts it into the place of an error."""

_GIVEN_STATUS: Final[list[JsonValue]] = [
    {"type": "integer", "minimum": 0, "maximum": 0xFFFFFFFF},
    {"enum": [*sorted(_STATUS_BY_NAME)]},
]
STATUS_SCHEMA: Final[JsonDict] = {"anyOf": [*_GIVEN_STATUS, {"type": "null"}]}
"""JSON Schema of an NTSTATUS; null for a function that returns nothing."""

BUFFER_SCHEMA: Final[JsonDict] = {
    "anyOf": [{"type": "string", "pattern": _BUFFER_TEXT}, {"type": "null"}]
}
"""JSON Schema of a buffer; null for a null pointer."""


def arguments_to_json(names: Sequence[str], values: Sequence[Argument]) -> dict[str, Any]:
    """Values keyed by parameter name. Raises ValueError where their numbers differ."""
    return {
        name: written(value)
        if isinstance(value, bytes)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in zip(names, values, strict=True)
    }


def arguments_from_json(
    owner: str, names: Sequence[str], given: Mapping[str, object]
) -> tuple[Argument, ...]:
    """The arguments of the function or callback ``owner`` in the order of ``names``.

    Raises ValueError with one line for a missing or unknown name or an unfit value.
    """
    takes = f"it takes {', '.join(names) or 'nothing'}"
    if unknown := [name for name in given if name not in names]:
        raise ValueError(f"{owner} has no {_shown(unknown[0])}; {takes}")
    if missing := [name for name in names if name not in given]:
        raise ValueError(f"{missing[0]} of {owner} is missing; {takes}")
    return tuple(_value(owner, name, given[name]) for name in names)


def _value(owner: str, name: str, value: object) -> Argument:
    try:
        if name in BUFFERS:
            # Anything but text is as wrong as the wrong text.
            return None if value is None else read_buffer(value if isinstance(value, str) else "")
        if name in STATUSES:
            return _status(value)
    except ValueError as error:
        raise ValueError(f"{name} of {owner}: {error}") from None
    if value is None or isinstance(value, int | str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError(
        f"{name} of {owner} must be an integer, a string, true, false, null or a list of strings"
    )


@lru_cache(maxsize=256)
def read_buffer(text: str) -> bytes:
    """The bytes that ``payload.written`` wrote as this text; ValueError for any other."""
    if _BUFFER.fullmatch(text) is None:
        raise ValueError("a buffer is null, pattern:TAG:LENGTH (tag 0 to 15) or hex:… (lower case)")
    form, _, rest = text.partition(":")
    if form == "hex":
        return bytes.fromhex(rest)
    tag, _, length = rest.partition(":")
    if int(length) > MAXIMUM_BUFFER:
        raise ValueError(f"a buffer has at most {MAXIMUM_BUFFER} bytes")
    return payload_bytes(Payload(int(tag), int(length)))


def _status(value: object) -> int | None:
    return None if value is None else _given_status(value)


def _given_status(value: object) -> int:
    if isinstance(value, str) and value in _STATUS_BY_NAME:
        return _STATUS_BY_NAME[value]
    if type(value) is int and 0 <= value <= 0xFFFFFFFF:
        return value
    raise ValueError("a status is a number from 0 to 0xFFFFFFFF or a name STATUS_… we know")


def _shown(value: object) -> str:
    """Foreign data inside a message: escaped, and not the whole of it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _function(value: object) -> str:
    if isinstance(value, str) and value in FUNCTIONS:
        return value
    raise ValueError(f"no function of the interface is called {_shown(value)}")


def _callback(value: object) -> str:
    if isinstance(value, str) and value in CALLBACKS:
        return value
    raise ValueError(f"no callback of the interface is called {_shown(value)}")


GivenStatus: TypeAlias = Annotated[
    int, PlainValidator(_given_status), WithJsonSchema({"anyOf": _GIVEN_STATUS})
]
"""An NTSTATUS."""

Status: TypeAlias = Annotated[int | None, PlainValidator(_status), WithJsonSchema(STATUS_SCHEMA)]
"""An NTSTATUS, or None for a function or callback that returns nothing."""

FunctionName: TypeAlias = Annotated[
    str, PlainValidator(_function), WithJsonSchema({"enum": sorted(FUNCTIONS)})
]
"""The name of a function of the interface."""

CallbackName: TypeAlias = Annotated[
    str, PlainValidator(_callback), WithJsonSchema({"enum": sorted(CALLBACKS)})
]
"""The name of a callback of the interface."""

JsonArguments: TypeAlias = Annotated[dict[str, Any], Field(default_factory=dict)]
"""Read by ``arguments_from_json`` when the name of the function is known."""


class Line(BaseModel):
    """What every validated line has in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def explain(error: ValidationError) -> str:
    """The first finding of a validation as one line: the place in the data, then what is wrong."""
    first = error.errors(include_url=False)[0]
    match first["type"]:
        case "union_tag_invalid":
            message = f"{_shown(first['ctx']['tag'])} is none of {first['ctx']['expected_tags']}"
        case "union_tag_not_found":
            message = f"{first['ctx']['discriminator']} is missing"
        case "model_attributes_type" | "model_type" | "dict_type":
            message = "must be a JSON object"
        case "missing":
            message = "is missing"
        case "extra_forbidden":
            message = "is not known here"
        case _:
            message = first["msg"].removeprefix("Value error, ")
    return ": ".join(filter(None, (_place(first["loc"]), message)))


def _place(location: tuple[int | str, ...]) -> str:
    place = ""
    for step in location:
        if isinstance(step, int):
            place += f"[{step}]"
        elif step not in _TAGS:
            # A key of the input may be anything, control characters included.
            name = step if step.isidentifier() and len(step) <= 40 else _shown(step)
            place += f".{name}" if place else name
    return place
