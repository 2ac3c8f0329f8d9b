"""Sending: messages enter the queue, and some of them leave it unsent."""

from __future__ import annotations

from typing import Any

from kmcl_model.events import Call, Event, Return
from kmcl_model.spec.cases import Case, because
from kmcl_model.spec.observer import Rule, Shadow, need
from kmcl_model.status import is_success

from .state import SEND_FLAGS, Entry, FlowState, has_room

__all__ = ["RULES"]


def _send(s: FlowState, e: Event) -> list[FlowState]:
    """The new entry comes last, or before others whose calls have not returned either."""
    assert isinstance(e, Call)
    buffer, flags = e.arguments[1], e.arguments[2]
    assert isinstance(buffer, bytes)
    unusual = bool(isinstance(flags, int) and flags & ~SEND_FLAGS)
    return _queued(s, Entry(buffer, e.by, launched=s.send_open, unusual=unusual))


def _queued(s: FlowState, new: Entry) -> list[FlowState]:
    after = [s._replace(entries=(*s.entries, new))]
    for place in range(len(s.entries) - 1, -1, -1):
        if not s.entries[place].calling:
            break
        after.append(s._replace(entries=(*s.entries[:place], new, *s.entries[place:])))
    return after


def _mine(s: FlowState, e: Any) -> bool:
    """Whether the entry of the returning send is still in the queue."""
    return any(entry.calling and entry.by == e.by for entry in s.entries)


def _sent(s: FlowState, e: Event) -> FlowState:
    assert isinstance(e, Return)
    return s._replace(
        entries=tuple(
            entry._replace(calling=False, by="") if entry.calling and entry.by == e.by else entry
            for entry in s.entries
        )
    )


def _withdrawn(s: FlowState, e: Event) -> FlowState:
    assert isinstance(e, Return)
    return s._replace(entries=tuple(x for x in s.entries if not (x.calling and x.by == e.by)))


def _cancelled(s: FlowState, e: Shadow) -> FlowState:
    """The sender's routine was told of a failure: the message may have arrived or not."""
    buffer = e.states[0]
    entries = list(s.entries)
    for i, entry in enumerate(entries):
        if entry.buffer == buffer and not entry.over:
            if entry.launched and s.connection == "open":
                entries[i] = entry._replace(optional=True, over=True)
            else:
                del entries[i]
            break
    return s._replace(entries=tuple(entries))


def _silent(s: FlowState, e: Shadow) -> FlowState:
    """The packet has the default routine, which frees it whatever becomes of the message."""
    return s._replace(
        entries=tuple(
            x._replace(silent=True, optional=x.optional or s.ending)
            if x.buffer == e.states[0]
            else x
            for x in s.entries
        )
    )


def _asked(s: FlowState, e: Shadow) -> list[FlowState]:
    """A host that is not observed is being asked, and may answer before the question returns.
    Answers to questions that overlap come either way round."""
    buffer: Any = e.states[0]
    return _queued(s, Entry(buffer, "", launched=True, optional=True))


def _owed(s: FlowState, e: Shadow) -> FlowState:
    """It has been asked: its answer is in the ring or soon will be, if it has not come yet."""
    return _asked_before(s, e, optional=False)


def _doubted(s: FlowState, e: Shadow) -> FlowState:
    """Nobody knows whether it has been asked, or what it knew when it was."""
    return _asked_before(s, e, optional=True)


def _asked_before(s: FlowState, e: Shadow, *, optional: bool) -> FlowState:
    entries = list(s.entries)
    for i, entry in enumerate(entries):
        if entry.buffer == e.states[0] and not entry.sure:
            entries[i] = entry._replace(calling=False, sure=not optional, optional=optional)
            break
    return s._replace(entries=tuple(entries))


def _may_refuse(s: FlowState, e: Any) -> bool:
    """Whether the returning send may be refused: a limit, the sender or the ring may forbid it."""
    mine = next((x for x in s.entries if x.calling and x.by == e.by), None)
    return (
        mine is None
        or len(mine.buffer) > s.maximum
        or not mine.buffer
        or mine.unusual
        or s.sending != "open"
        or s.ending
        or not s.send_running
        or not has_room(s)
    )


RULES = (
    Rule("FL-send", ("call", "VmbPacketSend"), (), _send),
    Rule(
        "FL-sent",
        ("return", "VmbPacketSend"),
        (),
        _sent,
        when=lambda s, e: is_success(e.status) and _mine(s, e),
    ),
    Rule(
        "FL-sent-and-delivered",
        ("return", "VmbPacketSend"),
        (
            need(
                "a packet that was delivered was accepted",
                "F395",
                lambda s, e: is_success(e.status),
            ),
        ),
        lambda s, e: s,
        when=lambda s, e: not _mine(s, e),
    ),
    Rule(
        "FL-withdrawn",
        ("return", "VmbPacketSend"),
        (
            *because(
                _may_refuse,
                Case(
                    "a send from Started is accepted where the ring has room",
                    "F100 F395",
                    lambda s: s.send_starting,
                ),
                Case("a send for which the ring has room is accepted", "F395 F386 A89"),
            ),
        ),
        _withdrawn,
        when=lambda s, e: not is_success(e.status) and _mine(s, e),
    ),
    Rule("FL-cancelled", ("cancelled", ""), (), _cancelled),
    Rule("FL-silent", ("silent", ""), (), _silent),
    Rule("FL-asked", ("asked", ""), (), _asked),
    Rule("FL-owed", ("owed", ""), (), _owed),
    Rule("FL-doubted", ("doubted", ""), (), _doubted),
)
