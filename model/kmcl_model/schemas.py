"""The published JSON Schemas of what we write to files.

They are made from the models that validate, and committed under ``model/schemas/`` so that
a program in any language can check its traces and cases; a wheel carries them as
``kmcl_model/published``. To bring the committed files up to date after a change of a model or of
the interface's functions: ``python -m kmcl_model.schemas model/schemas``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from .api import CALLBACKS
from .boundary import BUFFER_SCHEMA, BUFFERS, STATUS_SCHEMA, STATUSES
from .case import Case
from .control import CALLABLE, MESSAGES
from .shipped import Schemas, shipped_folder, write_schemas
from .trace import EventLine, HeaderLine

__all__ = ["DIALECT", "PUBLISHED", "case_schema", "schema_folder", "trace_schema"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
"""The dialect of JSON Schema that all of them are written in."""

_Signatures = Mapping[str, tuple[str, ...]]

_CALLED: Final[_Signatures] = {name: f.parameters for name, f in CALLABLE.items()}
_RETURNED: Final[_Signatures] = {name: f.outputs for name, f in CALLABLE.items()}
_ENTERED: Final[_Signatures] = {name: c.parameters for name, c in CALLBACKS.items()}
_SENT: Final[_Signatures] = {name: m.fields for name, m in MESSAGES.items()}
_GIVEN: Final[_Signatures] = {name: m.given for name, m in MESSAGES.items()}
_LATER: Final = frozenset((name, field) for name, m in MESSAGES.items() for field in m.later)

_VALUES: Final[dict[str, Any]] = {
    "Buffer": {"description": "Bytes; null stands for a null pointer.", **BUFFER_SCHEMA},
    "Status": {"description": "An NTSTATUS, or null for void.", **STATUS_SCHEMA},
    "Value": {
        "description": "Any other argument or output.",
        "anyOf": [
            {"type": ["integer", "string", "boolean", "null"]},
            {"type": "array", "items": {"type": "string"}},
        ],
    },
}


def trace_schema() -> dict[str, Any]:
    """The schema of *one line* of a trace: the header or an event."""
    line: TypeAdapter[Any] = TypeAdapter(HeaderLine | EventLine)
    schema = line.json_schema()
    _say_which_arguments(schema, "CallLine", "function", "arguments", _CALLED)
    _say_which_arguments(schema, "ReturnLine", "function", "outputs", _RETURNED)
    _say_which_arguments(schema, "EnterLine", "callback", "arguments", _ENTERED)
    _say_which_arguments(schema, "MessageLine", "message", "fields", _SENT)
    return {
        "$schema": DIALECT,
        "$id": "urn:kmcl:trace:1",
        "title": "One line of a kmcl trace",
        **schema,
    }


def case_schema() -> dict[str, Any]:
    """The schema of a case file."""
    schema = Case.model_json_schema()
    _say_which_arguments(schema, "InvokeLine", "function", "arguments", _CALLED)
    _say_which_arguments(schema, "ActLine", "act", "arguments", _CALLED)
    _say_which_arguments(schema, "PostLine", "message", "fields", _GIVEN)
    schema["required"].insert(0, "schema")  # has a default in a program, not in a file
    return {"$schema": DIALECT, "$id": "urn:kmcl:case:1", **schema}


def _say_which_arguments(
    schema: dict[str, Any], line: str, owner: str, member: str, signatures: _Signatures
) -> None:
    """Add to a line of the schema: the function or callback decides what ``member`` holds."""
    schema["$defs"] |= _VALUES
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for name, parameters in sorted(signatures.items()):
        needed = tuple(p for p in parameters if (name, p) not in _LATER)
        alike.setdefault((parameters, needed), []).append(name)
    schema["$defs"][line]["allOf"] = [
        {
            "if": {"properties": {owner: {"enum": names}}, "required": [owner]},
            "then": {
                "properties": {
                    member: {
                        "properties": {p: {"$ref": f"#/$defs/{_kind(p)}"} for p in parameters},
                        "required": list(needed),
                        "additionalProperties": False,
                    }
                },
                "required": [member] if needed else [],
            },
        }
        for (parameters, needed), names in alike.items()
    ]


def _kind(parameter: str) -> str:
    if parameter in BUFFERS:
        return "Buffer"
    return "Status" if parameter in STATUSES else "Value"


PUBLISHED: Final[Schemas] = {
    "trace.schema.json": trace_schema,
    "case.schema.json": case_schema,
}
"""File name in ``model/schemas/`` and what makes its content."""


def schema_folder() -> Path:
    """Where the published files are."""
    return shipped_folder(Path(__file__).parent, "published", "schemas")


if __name__ == "__main__":
    write_schemas(PUBLISHED, Path(sys.argv[1]))
