"""A session of the control protocol: stimuli become messages and calls, what is seen events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kmcl_model.control import GUEST, HOST, MESSAGES
from kmcl_model.events import (
    Call,
    Environment,
    Event,
    Lost,
    Message,
    Quiescence,
    Return,
    Signal,
)
from kmcl_model.stimuli import Environ, Invoke, Post, Run, Settle, Stimulus

from .port import Field, Gone, HostPort, Returned, Seen, Sent, Signalled

__all__ = ["ControlSession"]

_IDS: Final = ("gpadl", "openid")
_ECHOED: Final = {"msg_conn_id": "connection"}
"""Fields of an answer that bear another name in the request: unless a test says otherwise, a host
goes on where contact was made."""
_ELSEWHERE: Final = 1000
"""How far a wrong id or relid is from the right one."""


class ControlSession:
    """Drives a port. ``exact``: the port can tell when nothing more will happen."""

    def __init__(self, port: HostPort, *, exact: bool) -> None:
        self._port = port
        self._exact = exact
        self._events: list[Event] = []
        self._requests: dict[str, list[Mapping[str, Field]]] = {}
        self._answered: dict[str, list[Mapping[str, Field]]] = {}
        self._lost = False

    def apply(self, stimulus: Stimulus) -> None:
        """Start the stimulus; one that is not of this protocol does nothing."""
        if not isinstance(stimulus, Settle):  # that tells what comes before it, too
            self._drain()
        if self._lost:
            return
        match stimulus:
            case Post(flaw="lost"):
                fields = self._fields(stimulus)
                values = tuple(fields[name] for name in MESSAGES[stimulus.message].fields)
                self._events.append(Message("message", HOST, stimulus.message, values, "lost"))
            case Post():
                self._port.post(stimulus.message, self._fields(stimulus), stimulus.flaw)
            case Invoke(endpoint=endpoint, by=by, function=function, arguments=arguments):
                self._events.append(Call("call", endpoint, by, function, arguments))
                given = tuple(a for a in arguments if isinstance(a, int | str))
                self._port.call(by, function, given)
            case Environ(endpoint=endpoint, action="reset"):
                self._port.act(endpoint, "reset")
                self._drain()  # what the guest said up to then comes before it
                if not self._lost:
                    self._events.append(Environment("environment", endpoint, "reset"))
                self._requests.clear()
                self._answered.clear()
            case Environ(endpoint=endpoint, action=action):
                self._events.append(Environment("environment", endpoint, action))
                self._port.act(endpoint, action)
            case Run(choice=choice):
                self._port.step(choice)
            case Settle():
                self._port.settle()
                self._drain()
                if not self._lost:
                    self._events.append(Quiescence("quiescence", self._exact))

    def runnable(self) -> int:
        """How many steps of the guest could come next."""
        return len(self._port.ready())

    def ready(self) -> tuple[int, ...]:
        """The threads of the guest that could take the next step."""
        return self._port.ready()

    def take(self) -> list[Event]:
        """The events recorded since the last call."""
        self._drain()
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Give the port back."""
        self._port.close()

    def _drain(self) -> None:
        for seen in self._port.take():
            if not self._lost:
                self._events.append(self._event(seen))

    def _event(self, seen: Seen) -> Event:
        match seen:
            case Sent(sender=sender, message=name, fields=fields, flaw=flaw):
                if sender == GUEST:
                    self._requests.setdefault(name, []).append(fields)
                kind = MESSAGES[name]
                values = tuple(
                    fields.get(field, None if field in kind.later else 0) for field in kind.fields
                )
                return Message("message", sender, name, values, flaw)
            case Signalled(sender=sender, child_relid=relid):
                return Signal("signal", sender, relid)
            case Returned(by=by, function=function, errno=errno):
                return Return("return", GUEST, by, function, errno, ())
            case Gone(reason=reason, detail=detail):
                self._lost = True
                return Lost("lost", reason, detail)

    def _fields(self, stimulus: Post) -> Mapping[str, Field]:
        """All fields of the message: those that are given, the others from the request."""
        kind = MESSAGES[stimulus.message]
        given: dict[str, Field] = {
            name: value
            for name, value in zip(kind.given, stimulus.fields, strict=True)
            if isinstance(value, int | str)
        }
        request: Mapping[str, Field] = {}
        if kind.answers:
            request = self._request(kind.answers, given.get("child_relid"), stimulus)
        fields = {
            name: given.get(name, request.get(_ECHOED.get(name, name), 0)) for name in kind.fields
        }
        if stimulus.flaw == "wrong id":
            return {n: _off(v) if n in _IDS else v for n, v in fields.items()}
        if stimulus.flaw == "wrong relid":
            return {n: _off(v) if n == "child_relid" else v for n, v in fields.items()}
        return fields

    def _request(self, name: str, relid: Field | None, stimulus: Post) -> Mapping[str, Field]:
        """The oldest request that waits, else the one that was answered last."""
        waiting = self._requests.get(name, [])
        for request in waiting:
            if relid is None or request.get("child_relid") == relid:
                if not stimulus.flaw:
                    waiting.remove(request)
                    self._answered.setdefault(name, []).append(request)
                return request
        for request in reversed(self._answered.get(name, [])):
            if relid is None or request.get("child_relid") == relid:
                return request
        return {}


def _off(value: Field) -> Field:
    return value + _ELSEWHERE if isinstance(value, int) else value
