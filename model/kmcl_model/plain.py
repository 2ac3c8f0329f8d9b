"""Stimuli read and events written as JSON objects without any dependency.

For whoever serves the line protocol inside a minimal guest. What is read is checked here by
hand, with the same outcome as by the models of ``kmcl_model.case``; what is written is what
``kmcl_model.trace`` writes, which uses the writers of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .api import CALLBACKS
from .arguments import (
    arguments_from_json,
    arguments_to_json,
    callback_name,
    function_name,
    given_flaw,
    given_status,
    message_name,
    shown,
)
from .control import CALLABLE, MESSAGES
from .events import Call, Enter, Event, Exit, Message, Return
from .stimuli import (
    HOLD,
    Act,
    Arm,
    Environ,
    Invoke,
    Post,
    Reaction,
    Release,
    Run,
    Settle,
    Step,
    Stimulus,
)

__all__ = ["event_record", "stimulus_of"]


def event_record(event: Event) -> dict[str, Any]:
    """The event as a JSON object; not validated beyond its names, being on the hot path.

    Raises KeyError or ValueError for what the interface does not have.
    """
    return _WRITERS[event.kind](event)


def _call(event: Call) -> dict[str, Any]:
    return {
        "event": "call",
        "endpoint": event.endpoint,
        "by": event.by,
        "function": event.function,
        "arguments": arguments_to_json(CALLABLE[event.function].parameters, event.arguments),
    }


def _return(event: Return) -> dict[str, Any]:
    record: dict[str, Any] = {
        "event": "return",
        "endpoint": event.endpoint,
        "by": event.by,
        "function": event.function,
        "status": event.status,
    }
    if outputs := arguments_to_json(CALLABLE[event.function].outputs, event.outputs):
        record["outputs"] = outputs
    return record


def _enter(event: Enter) -> dict[str, Any]:
    record: dict[str, Any] = {
        "event": "enter",
        "endpoint": event.endpoint,
        "activation": event.activation,
        "callback": event.callback,
        "arguments": arguments_to_json(CALLBACKS[event.callback].parameters, event.arguments),
    }
    if event.irql is not None:
        record["irql"] = event.irql
    return record


def _exit(event: Exit) -> dict[str, Any]:
    return {
        "event": "exit",
        "endpoint": event.endpoint,
        "activation": event.activation,
        "callback": event.callback,
        "status": event.status,
    }


def _message(event: Message) -> dict[str, Any]:
    record: dict[str, Any] = {
        "event": "message",
        "endpoint": event.endpoint,
        "message": event.message,
        "fields": arguments_to_json(MESSAGES[event.message].fields, event.fields),
    }
    if event.flaw:
        record["flaw"] = event.flaw
    return record


_WRITERS: Final[dict[str, Callable[[Any], dict[str, Any]]]] = {
    "call": _call,
    "return": _return,
    "enter": _enter,
    "exit": _exit,
    "environment": lambda e: {"event": e.kind, "endpoint": e.endpoint, "action": e.action},
    "message": _message,
    "signal": lambda e: {
        "event": e.kind,
        "endpoint": e.endpoint,
        "child_relid": e.child_relid,
    },
    "quiescence": lambda e: {"event": e.kind, "exact": e.exact},
    "lost": lambda e: {"event": e.kind, "reason": e.reason, "detail": e.detail},
}


def stimulus_of(record: object) -> Stimulus:
    """The stimulus that a JSON object describes. Raises ValueError with one line."""
    fields = _fields(record, "a stimulus")
    kind = fields.pop("stimulus", None)
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise ValueError(f"stimulus: {shown(kind)} is none of {', '.join(_READERS)}")
    try:
        stimulus = reader(fields)
    except KeyError as error:
        raise ValueError(f"{error.args[0]}: is missing") from None
    _end(fields)
    return stimulus


def _fields(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{what} must be a JSON object")
    return dict(value)


def _end(fields: Mapping[str, Any]) -> None:
    for name in fields:
        raise ValueError(f"{shown(name)}: is not known here")


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.pop(name)
    if not isinstance(value, str):
        raise ValueError(f"{name}: must be a string")
    return value


def _invoke(fields: dict[str, Any]) -> Stimulus:
    endpoint, by = _text(fields, "endpoint"), _text(fields, "by")
    act = _act(fields, "function")
    return Invoke("invoke", endpoint, by, act.function, act.arguments)


def _act(fields: dict[str, Any], name: str) -> Act:
    function = function_name(fields.pop(name))
    given = _fields(fields.pop("arguments", {}), "arguments")
    return Act(function, arguments_from_json(function, CALLABLE[function].parameters, given))


def _step(value: object) -> Step:
    fields = _fields(value, "a step")
    if "hold" in fields:
        if fields.pop("hold") is not True:
            raise ValueError("hold: must be true")
        _end(fields)
        return HOLD
    act = _act(fields, "act")
    _end(fields)
    return act


def _arm(fields: dict[str, Any]) -> Stimulus:
    endpoint, callback = _text(fields, "endpoint"), callback_name(fields.pop("callback"))
    reaction = _fields(fields.pop("reaction"), "reaction")
    steps, sticky = reaction.pop("steps", []), reaction.pop("sticky", False)
    status = given_status(reaction.pop("status", 0))
    if not isinstance(steps, list) or not isinstance(sticky, bool):
        raise ValueError("reaction: steps must be a list, and sticky true or false")
    _end(reaction)
    made = Reaction(tuple(_step(step) for step in steps), status, sticky)
    return Arm("arm", endpoint, callback, made)


def _post(fields: dict[str, Any]) -> Stimulus:
    name = message_name(fields.pop("message"))
    given = _fields(fields.pop("fields", {}), "fields")
    values = arguments_from_json(name, MESSAGES[name].given, given, MESSAGES[name].later)
    return Post("post", name, values, given_flaw(fields.pop("flaw", "")))


def _run(fields: dict[str, Any]) -> Stimulus:
    choice = fields.pop("choice")
    if type(choice) is not int or choice < 0:
        raise ValueError("choice: must be an integer from 0")
    return Run("run", choice)


_READERS: Final[dict[str, Callable[[dict[str, Any]], Stimulus]]] = {
    "invoke": _invoke,
    "arm": _arm,
    "release": lambda f: Release("release", _text(f, "endpoint"), _text(f, "activation")),
    "environment": lambda f: Environ("environment", _text(f, "endpoint"), _text(f, "action")),
    "post": _post,
    "run": _run,
    "settle": lambda _: Settle("settle"),
}
