"""Defects of waiting for answers."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.control import Field
from kmcl_adapters.guest.machine import Thread
from kmcl_adapters.guest.requests import MATCHED, Request, Requests, Wire
from kmcl_model.control import MESSAGES

from .mutant import GuestMutant

__all__ = ["MUTANTS"]


def _matching(request: Request, message: str, fields: dict[str, Field], *left_out: str) -> bool:
    names = [name for name in MATCHED[message] if name not in left_out]
    return all(request.fields[name] == fields[name] for name in names)


class AnyGpadlCreated(Requests):
    def matches(self, request: Request, message: str, fields: dict[str, Field]) -> bool:
        if message == "GPADL_CREATED" and request.message == "GPADL_HEADER":
            return _matching(request, message, fields, "gpadl")
        return super().matches(request, message, fields)


class AnyRelidCreated(Requests):
    def matches(self, request: Request, message: str, fields: dict[str, Field]) -> bool:
        if message == "GPADL_CREATED" and request.message == "GPADL_HEADER":
            return _matching(request, message, fields, "child_relid")
        return super().matches(request, message, fields)


class AnyOpenResult(Requests):
    def matches(self, request: Request, message: str, fields: dict[str, Field]) -> bool:
        if message == "OPENCHANNEL_RESULT" and request.message == "OPENCHANNEL":
            return _matching(request, message, fields, "openid")
        return super().matches(request, message, fields)


class AnyTorndown(Requests):
    def matches(self, request: Request, message: str, fields: dict[str, Field]) -> bool:
        if message == "GPADL_TORNDOWN" and request.message == "GPADL_TEARDOWN":
            return True
        return super().matches(request, message, fields)


class KeepsOldAnswers(Requests):
    """An answer without a request is kept for the next one of its kind."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.kept: dict[Field, dict[str, Field]] = {}

    def begin(self, message: str, channel: object = None, **fields: Field) -> Request:
        request = super().begin(message, channel, **fields)
        if message == "OPENCHANNEL":
            request.answer = self.kept.pop(fields["child_relid"], None)
        return request

    def answered(self, message: str, fields: dict[str, Field]) -> None:
        waits = any(self.matches(r, message, fields) for r in self.waiting)
        if message == "OPENCHANNEL_RESULT" and not waits:
            self.kept[fields["child_relid"]] = fields
        super().answered(message, fields)


class UnaskedAnswerCrashes(Requests):
    """The answer about a channel that never asked is taken off a queue that is empty."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.asked: set[Field] = set()

    def begin(self, message: str, channel: object = None, **fields: Field) -> Request:
        self.asked.add(fields.get("child_relid", 0))
        return super().begin(message, channel, **fields)

    def answered(self, message: str, fields: dict[str, Field]) -> None:
        empty = not any(r.message == "OPENCHANNEL" for r in self.waiting)
        if message == "OPENCHANNEL_RESULT" and empty and fields["child_relid"] not in self.asked:
            raise LookupError("no request for an answer")
        super().answered(message, fields)


class GivesUpWaiting(Requests):
    """A wait for the host has an end, and what it waited for is believed to have come."""

    def wait(self, request: Request) -> Thread:
        end = self.wire.machine.rests + 2
        if request.message in ("OPENCHANNEL", "GPADL_TEARDOWN"):
            yield lambda: request.over() or self.wire.machine.rests >= end
        if self.wire.machine.rests < end:
            yield from super().wait(request)
        else:
            self.waiting.remove(request)


class AnswersInOrder(Requests):
    """An answer belongs to the oldest request of its kind, whatever it bears."""

    def matches(self, request: Request, message: str, fields: dict[str, Field]) -> bool:
        oldest = next((r for r in self.waiting if r.message == request.message), None)
        return oldest is request and request.message == MESSAGES[message].answers


class PostLostWhenBusy(Wire):
    def post(self, message: str, **fields: Field) -> None:
        if self.machine.accepts():
            self.send(message, fields)


_M = GuestMutant
MUTANTS: Final = (
    _M("any-gpadl-created", "answers are matched by relid alone", "V046", AnyGpadlCreated),
    _M("any-relid-created", "answers are matched by id alone", "V046", AnyRelidCreated),
    _M("any-open-result", "the open id is not compared", "V047", AnyOpenResult),
    _M("any-torndown", "any teardown's answer will do", "V048", AnyTorndown),
    _M(
        "keeps-old-answers",
        "the answer to an earlier open is taken for that to the next",
        "V049",
        KeepsOldAnswers,
    ),
    _M(
        "unasked-answer-crashes",
        "an answer without a request is not foreseen",
        "V050",
        UnaskedAnswerCrashes,
    ),
    _M(
        "gives-up-waiting",
        "a wait has an end, and nobody looks whether the answer was there",
        "V035",
        GivesUpWaiting,
    ),
    _M(
        "answers-in-order",
        "a host is believed to answer one thing after the other",
        "V033",
        AnswersInOrder,
    ),
    _M("post-lost-when-busy", "a failed post is not repeated", "V054", PostLostWhenBusy),
)
