"""The arguments of calls, callbacks and answers as JSON: read and written without any dependency.

What runs inside a small guest needs no more than this and ``kmcl_model.plain``; the models of
``kmcl_model.boundary`` add validation of whole lines and the published schemas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from . import status
from .api import CALLBACKS
from .control import CALLABLE, FLAWS, MESSAGES, Flaw
from .events import Argument
from .payload import Payload, payload_bytes, written

__all__ = [
    "BUFFERS",
    "BUFFER_TEXT",
    "MAXIMUM_BUFFER",
    "STATUSES",
    "STATUS_BY_NAME",
    "UnknownFunction",
    "arguments_from_json",
    "arguments_to_json",
    "callback_name",
    "function_name",
    "given_flaw",
    "given_status",
    "message_name",
    "optional_status",
    "read_buffer",
    "shown",
]

BUFFERS: Final = frozenset({"Buffer", "Seen"})
"""The parameters that carry bytes."""

STATUSES: Final = frozenset({"Status", "FailureStatus"})
"""The parameters that carry an NTSTATUS."""

MAXIMUM_BUFFER: Final = 1 << 24
"""The longest buffer that ``pattern:`` may ask for, in bytes: one short line of a hostile
implementation must not fill the memory."""

BUFFER_TEXT: Final = r"^(pattern:([0-9]|1[0-5]):[0-9]{1,8}|hex:([0-9a-f]{2})*)$"
"""What a buffer looks like as text."""

_BUFFER: Final = re.compile(BUFFER_TEXT)
STATUS_BY_NAME: Final[dict[str, int]] = {
    name: value for name, value in vars(status).items() if name.startswith("STATUS_")
}
"""The statuses that may be written as names."""


class UnknownFunction(ValueError):
    """No call can name this; ``name`` is what was given, if it was text."""

    def __init__(self, given: object) -> None:
        super().__init__(f"no function of the interface is called {shown(given)}")
        self.name = given if isinstance(given, str) else ""


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
    owner: str, names: Sequence[str], given: Mapping[str, object], later: Sequence[str] = ()
) -> tuple[Argument, ...]:
    """The arguments of the function or callback ``owner`` in the order of ``names``; of those that
    may be missing, ``later``, None stands for one that is.

    Raises ValueError with one line for a missing or unknown name or an unfit value.
    """
    takes = f"it takes {', '.join(names) or 'nothing'}"
    if unknown := [name for name in given if name not in names]:
        raise ValueError(f"{owner} has no {shown(unknown[0])}; {takes}")
    if missing := [name for name in names if name not in given and name not in later]:
        raise ValueError(f"{missing[0]} of {owner} is missing; {takes}")
    return tuple(_value(owner, name, given.get(name)) for name in names)


def _value(owner: str, name: str, value: object) -> Argument:
    try:
        if name in BUFFERS:
            # Anything but text is as wrong as the wrong text.
            return None if value is None else read_buffer(value if isinstance(value, str) else "")
        if name in STATUSES:
            return optional_status(value)
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


def optional_status(value: object) -> int | None:
    """An NTSTATUS, or None where a function returns nothing; ValueError for anything else."""
    return None if value is None else given_status(value)


def given_status(value: object) -> int:
    """An NTSTATUS written as a number or a name; ValueError for anything else."""
    if isinstance(value, str) and value in STATUS_BY_NAME:
        return STATUS_BY_NAME[value]
    if type(value) is int and 0 <= value <= 0xFFFFFFFF:
        return value
    raise ValueError("a status is a number from 0 to 0xFFFFFFFF or a name STATUS_… we know")


def shown(value: object) -> str:
    """Foreign data inside a message: escaped, and not the whole of it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def function_name(value: object) -> str:
    """The name of a function of the interface; UnknownFunction for anything else."""
    if isinstance(value, str) and value in CALLABLE:
        return value
    raise UnknownFunction(value)


def callback_name(value: object) -> str:
    """The name of a callback of the interface; ValueError for anything else."""
    if isinstance(value, str) and value in CALLBACKS:
        return value
    raise ValueError(f"no callback of the interface is called {shown(value)}")


def message_name(value: object) -> str:
    """The name of a control message; ValueError for anything else."""
    if isinstance(value, str) and value in MESSAGES:
        return value
    raise ValueError(f"no control message is called {shown(value)}")


def given_flaw(value: object) -> Flaw:
    """What is wrong with a message; ValueError for what we have no word for."""
    for flaw in FLAWS:
        if value == flaw:
            return flaw
    raise ValueError(f"{shown(value)} is none of {', '.join(repr(f) for f in FLAWS)}")
