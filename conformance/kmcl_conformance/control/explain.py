"""What would have been right instead of an event that was refused, on the bus."""

from __future__ import annotations

from collections.abc import Iterator

from kmcl_model.control import GUEST, MESSAGES, PAGE, PFNS_IN_BODY, RANGE_HEADER, VERSIONS
from kmcl_model.events import Event, Message, Quiescence, Return, Signal

from .judge import ControlJudge

__all__ = ["candidates"]

_NEW: int = 0xE1FFF
"""The id of a GPADL that no guest has used yet."""


def candidates(judge: ControlJudge) -> Iterator[Event]:
    """The events that might be allowed after what the judge has seen."""
    for wanted in VERSIONS:
        yield _sent("INITIATE_CONTACT", wanted, 0)
    yield _sent("REQUESTOFFERS")
    yield _sent("UNLOAD")
    for (_, by), call in judge.calls.items():
        yield Return("return", GUEST, by, call.function, 0, ())
        yield Return("return", GUEST, by, call.function, 19, ())
    for relid in list(judge.channels):
        yield _sent("RELID_RELEASED", relid)
        yield _sent("CLOSECHANNEL", relid)
        yield _sent("MODIFYCHANNEL", relid, 0)
        yield Signal("signal", GUEST, relid)
        yield _sent("GPADL_HEADER", relid, _NEW, RANGE_HEADER + 8, 1, PAGE, 0, 1)
        for number in judge.names.get(relid, {}):
            yield _sent("OPENCHANNEL", relid, relid, number, 0, 2)
            yield _sent("GPADL_TEARDOWN", relid, number)
            for pages in (PFNS_IN_BODY, 1):
                yield _sent("GPADL_BODY", 0, number, pages)
    yield Quiescence("quiescence", True)


def _sent(name: str, *fields: int) -> Message:
    untold = (None,) * (len(MESSAGES[name].fields) - len(fields))
    return Message("message", GUEST, name, (*fields, *untold))
