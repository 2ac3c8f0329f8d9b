"""What would have been right instead of an event that was refused, at a library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kmcl_model.api import (
    COMPLETION_ROUTINE,
    FUNCTIONS,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STATE_CHANGE_CALLBACKS,
)
from kmcl_model.events import Enter, Event, Exit, Quiescence, Return
from kmcl_model.status import STATUS_CANCELLED, STATUS_SUCCESS

from .oracle import Judge

__all__ = ["candidates"]


def candidates(judge: Judge) -> Iterator[Event]:
    """The events that might be allowed after what the judge has seen."""
    for (endpoint, by), call in judge.calls.items():
        function = FUNCTIONS[call.function]
        if function.outputs:
            continue
        status = STATUS_SUCCESS if function.returns == "status" else None
        yield Return("return", endpoint, by, call.function, status, ())
    for (endpoint, activation), enter in judge.handlers.items():
        yield Exit("exit", endpoint, activation, enter.callback, STATUS_SUCCESS)
    for endpoint in judge.ends:
        for callback in STATE_CHANGE_CALLBACKS:
            yield Enter("enter", endpoint, "next", callback, (endpoint,), 0)
        flows: Any = judge.flow[endpoint].node.states
        for state in flows:
            for entry in state.entries:
                arguments = (endpoint, "next", entry.buffer, 0)
                yield Enter("enter", endpoint, "next", PROCESS_PACKET, arguments, 0)
            if state.batch:
                arguments_ = (endpoint, state.batch)
                yield Enter("enter", endpoint, "next", PROCESSING_COMPLETE, arguments_, 0)
        for name, track in judge.packets[endpoint].items():
            states: Any = track.node.states
            for packet in states:
                for status in (STATUS_SUCCESS, STATUS_CANCELLED):
                    answer = (packet.answer or None) if status == STATUS_SUCCESS else None
                    done = (name, status, answer)
                    yield Enter("enter", endpoint, "next", COMPLETION_ROUTINE, done, 0)
    yield Quiescence("quiescence", True)
