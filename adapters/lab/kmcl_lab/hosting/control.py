"""The control connection: one JSON object a line, as QEMU's monitor has it (QMP).

    {"QMP":{…}}                                       our greeting
    {"execute":"offer","arguments":{…},"id":1}        a request
    {"return":{…},"id":1}                             its answer, or:
    {"error":{"class":"GenericError","desc":"…"},"id":1}

Requests are answered one after the other.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

__all__ = ["CommandError", "Commands", "serve"]

Commands = Mapping[str, Callable[..., Any]]
_CHUNK: Final = 1 << 16
_GREETING: Final = {"QMP": {"version": {"package": "kmcl"}, "capabilities": []}}


class CommandError(Exception):
    """A command cannot be carried out: one line."""


def serve(descriptor: int, commands: Commands) -> None:
    """Answer until the other end is closed."""
    _write(descriptor, _GREETING)
    for line in _lines(descriptor):
        number: object = None
        try:
            request = json.loads(line)
            number = request.get("id")
            answer = {"return": _carry_out(commands, request)}
        except (CommandError, TimeoutError) as error:
            answer = _error(str(error))
        except Exception as error:  # one command must not take machine and host down
            traceback.print_exc()
            answer = _error(str(error) or type(error).__name__)
        _write(descriptor, answer | {"id": number})


def _error(words: str) -> dict[str, Any]:
    return {"error": {"class": "GenericError", "desc": words}}


def _carry_out(commands: Commands, request: Mapping[str, Any]) -> Any:
    name = request["execute"]
    if name == "qmp_capabilities":
        return {}
    if name not in commands:
        raise CommandError(f"no such command; there are: {', '.join(commands)}")
    try:
        result = commands[name](**request.get("arguments", {}))
    except TypeError as error:
        raise CommandError(str(error)) from error
    return {} if result is None else result


def _lines(descriptor: int) -> Iterator[bytes]:
    partial = b""
    while data := os.read(descriptor, _CHUNK):
        *lines, partial = (partial + data).split(b"\n")
        yield from (line for line in lines if line.strip())


def _write(descriptor: int, message: object) -> None:
    data = memoryview(json.dumps(message, separators=(",", ":")).encode() + b"\n")
    while data:
        data = data[os.write(descriptor, data) :]
