"""Requests that wait for the host's answer, and posting messages at all."""

from __future__ import annotations

from typing import Any, Final

from kmcl_adapters.control import Field
from kmcl_model.control import MESSAGES, version

from .machine import Machine, Thread

__all__ = ["MATCHED", "Request", "Requests", "Wire"]

MATCHED: Final = {
    "GPADL_CREATED": ("child_relid", "gpadl"),
    "GPADL_TORNDOWN": ("gpadl",),
    "OPENCHANNEL_RESULT": ("child_relid", "openid"),
    "MODIFYCHANNEL_RESPONSE": ("child_relid",),
    "VERSION_RESPONSE": (),
    "UNLOAD_RESPONSE": (),
}
"""By which fields an answer finds its request."""


class Request:
    """A message that waits for its answer; a rescind of its channel ends the wait without one."""

    def __init__(self, message: str, fields: dict[str, Field], channel: Any = None) -> None:
        self.message = message
        self.fields = fields
        self.channel = channel
        self.answer: dict[str, Field] | None = None
        self.woken = False

    def over(self) -> bool:
        """Whether the thread that waits can go on."""
        return self.answer is not None or self.woken


class Wire:
    """Sends messages; one for which the host has no room is sent again."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.connection = 0
        """Where the host wants to hear of us."""

    def post(self, message: str, **fields: Field) -> None:
        """Send a message."""
        while not self.machine.accepts():
            pass
        self.send(message, fields)

    def send(self, message: str, fields: dict[str, Field]) -> None:
        """Put it on the wire, to the connection it belongs to."""
        if message == "INITIATE_CONTACT":
            self.connection = self.first_connection(int(fields["vmbus_version_requested"]))
        self.machine.send(message, {**fields, "connection": self.connection})

    def first_connection(self, proposed: int) -> int:
        """Where contact is made by this version."""
        return 4 if proposed >= version(5, 0) else 1


class Requests:
    """The requests that are not answered yet."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.waiting: list[Request] = []

    def begin(self, message: str, channel: Any = None, **fields: Field) -> Request:
        """Wait for the answer to a message that is sent now."""
        request = Request(message, fields, channel)
        self.waiting.append(request)
        self.wire.post(message, **fields)
        return request

    def wait(self, request: Request) -> Thread:
        """Go on when the answer is there, or the channel was rescinded."""
        yield request.over
        self.waiting.remove(request)

    def answered(self, message: str, fields: dict[str, Field]) -> None:
        """Give an answer of the host to the request it belongs to, if there is one."""
        for request in self.waiting:
            if request.answer is None and self.matches(request, message, fields):
                request.answer = fields
                return

    def matches(self, request: Request, message: str, fields: dict[str, Field]) -> bool:
        """Whether the answer is one to the request."""
        return request.message == MESSAGES[message].answers and all(
            request.fields[name] == fields[name] for name in MATCHED[message]
        )

    def wake(self, channel: Any) -> None:
        """End every wait of a channel."""
        for request in self.waiting:
            if request.channel is channel:
                request.woken = True
