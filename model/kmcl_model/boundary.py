"""What traces and cases share at the JSON boundary: arguments, outputs, statuses, errors.

Arguments are objects keyed by the parameter names of ``kmcl_model.api``. A buffer is
text that ``kmcl_model.payload`` writes, ``pattern:TAG:LENGTH`` or ``hex:…``; which
parameters are buffers is told by their names, so that a friendly name may read ``hex:``.
A tuple is a list of strings. A status is written as an unsigned integer and may also be
read as a name (``STATUS_PENDING``).
"""

from __future__ import annotations

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

from .api import CALLBACKS
from .arguments import (
    BUFFER_TEXT,
    BUFFERS,
    MAXIMUM_BUFFER,
    STATUS_BY_NAME,
    STATUSES,
    arguments_from_json,
    arguments_to_json,
    callback_name,
    function_name,
    given_flaw,
    given_status,
    message_name,
    optional_status,
    read_buffer,
    shown,
)
from .control import CALLABLE, FLAWS, MESSAGES

__all__ = [
    "BUFFERS",
    "BUFFER_SCHEMA",
    "MAXIMUM_BUFFER",
    "STATUSES",
    "STATUS_SCHEMA",
    "CallbackName",
    "Flawed",
    "FunctionName",
    "GivenStatus",
    "JsonArguments",
    "Line",
    "MessageName",
    "Status",
    "arguments_from_json",
    "arguments_to_json",
    "explain",
    "read_buffer",
]

_TAGS: Final = frozenset(
    {"call", "return", "enter", "exit", "environment", "quiescence", "lost"}
    | {"message", "signal", "post"}
    | {"invoke", "arm", "release", "run", "settle", "an act", "a hold"}
)
"""What tells the members of our unions apart; pydantic puts it into the place of an error."""

_GIVEN_STATUS: Final[list[JsonValue]] = [
    {"type": "integer", "minimum": 0, "maximum": 0xFFFFFFFF},
    {"enum": [*sorted(STATUS_BY_NAME)]},
]
STATUS_SCHEMA: Final[JsonDict] = {"anyOf": [*_GIVEN_STATUS, {"type": "null"}]}
"""JSON Schema of an NTSTATUS; null for a function that returns nothing."""

BUFFER_SCHEMA: Final[JsonDict] = {
    "anyOf": [{"type": "string", "pattern": BUFFER_TEXT}, {"type": "null"}]
}
"""JSON Schema of a buffer; null for a null pointer."""


GivenStatus: TypeAlias = Annotated[
    int, PlainValidator(given_status), WithJsonSchema({"anyOf": _GIVEN_STATUS})
]
"""An NTSTATUS."""

Status: TypeAlias = Annotated[
    int | None, PlainValidator(optional_status), WithJsonSchema(STATUS_SCHEMA)
]
"""An NTSTATUS, or None for a function or callback that returns nothing."""

FunctionName: TypeAlias = Annotated[
    str, PlainValidator(function_name), WithJsonSchema({"enum": sorted(CALLABLE)})
]
"""The name of a function of the interface."""

CallbackName: TypeAlias = Annotated[
    str, PlainValidator(callback_name), WithJsonSchema({"enum": sorted(CALLBACKS)})
]
"""The name of a callback of the interface."""

MessageName: TypeAlias = Annotated[
    str, PlainValidator(message_name), WithJsonSchema({"enum": sorted(MESSAGES)})
]
"""The name of a control message."""

Flawed: TypeAlias = Annotated[str, PlainValidator(given_flaw), WithJsonSchema({"enum": [*FLAWS]})]
"""What is wrong with a message of the host; empty for nothing."""

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
            message = f"{shown(first['ctx']['tag'])} is none of {first['ctx']['expected_tags']}"
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
            name = step if step.isidentifier() and len(step) <= 40 else shown(step)
            place += f".{name}" if place else name
    return place
