"""Packets, as far as the endpoint is concerned: when they may come, and how many are out."""

from __future__ import annotations

from typing import Any

from kmcl_model import api
from kmcl_model.events import Event
from kmcl_model.spec.cases import Case
from kmcl_model.spec.observer import Move, Rule, need, never, witness

from .places import needs_place, rejected
from .state import (
    OPEN,
    PAUSED,
    STARTING,
    SUSPENDED,
    SUSPENDING,
    EndpointState,
    assume,
    drained,
    may_close,
    pausing,
)

__all__ = ["RULES"]


_LEVELS = {2: "R1", 0: "R2"}
"""The reading of A30 that an IRQL shows."""


def _indicate(s: EndpointState, e: Any) -> EndpointState:
    """Nobody sets the switch of A30, so the level is the library's choice."""
    after = s._replace(indicated=s.indicated + 1, outstanding=s.outstanding + 1)
    if e.irql in _LEVELS:
        after = assume(after, f"A30/level:{_LEVELS[e.irql]}")
    if s.indicated:
        after = assume(after, "A70:R2")
    return assume(after, "A55:R2") if s.post_due or s.post_running else after


def _give_back(s: EndpointState, _e: Event) -> EndpointState:
    """One packet fewer is out; ``retired``: Suspend had returned before."""
    after = s._replace(outstanding=max(0, s.outstanding - 1))
    return drained(after._replace(retired=s.retired or s.run == SUSPENDED))


def _late_report(s: EndpointState) -> EndpointState:
    """The end of a batch may be reported after Suspend (A75)."""
    return assume(s, "A75:R3") if s.run in (SUSPENDING, SUSPENDED, PAUSED) else s


RULES = (
    Rule(
        "EP-process-packet",
        ("enter", api.PROCESS_PACKET),
        (
            *needs_place(
                lambda s, e: s.connection == OPEN,
                Case("no packet comes to a rejected channel", "F016 F024", rejected),
                Case("packets come to an open channel", "F021"),
            ),
            need(
                "no packet comes before Started has returned",
                "F093 F103",
                lambda s, e: s.run != STARTING,
                never,
            ),
            witness("F093", lambda s, e: True),
            need(
                "no packet comes from Suspend on",
                "F110 F117",
                lambda s, e: s.run not in (SUSPENDING, SUSPENDED),
                never,
            ),
            need(
                "no packet comes to a paused channel",
                "F283 F284 F287 F093",
                lambda s, e: s.run != PAUSED,
                never,
            ),
            need(
                "ProcessPacket gets the handle of its channel",
                "F043",
                lambda s, e: e.arguments[0] == s.endpoint,
            ),
            need(
                "ProcessPacket runs at DISPATCH_LEVEL at most",
                "F051",
                lambda s, e: (e.irql or 0) <= 2,
            ),
        ),
        _indicate,
    ),
    Rule(
        "EP-process-packet-exit",
        ("exit", api.PROCESS_PACKET),
        (),
        lambda s, e: s._replace(indicated=s.indicated - 1),
    ),
    Rule(
        "EP-packet-complete",
        ("call", "VmbChannelPacketComplete"),
        (witness("F118", lambda s, e: s.run in (SUSPENDING, SUSPENDED)),),
        _give_back,
        moves=(Move("activity", "suspended", "paused"),),
    ),
    Rule(
        "EP-packet-fail",
        ("call", "VmbChannelPacketFail"),
        (),
        _give_back,
    ),
    Rule(
        "EP-processing-complete",
        ("enter", api.PROCESSING_COMPLETE),
        (
            need(
                "no end of batch is reported on a channel that is not open",
                "F181",
                lambda s, e: s.connection == OPEN,
                never,
            ),
            need(
                "no end of a batch is reported while Started runs",
                "F103 A75",
                lambda s, e: s.run != STARTING,
                never,
            ),
            need(
                "the end of a batch is reported after the last ProcessPacket has returned",
                "F228",
                lambda s, e: s.indicated == 0,
            ),
            need(
                "no end of batch is reported once the channel is paused",
                "F284 F283",
                lambda s, e: s.run != PAUSED or pausing(s) or may_close(s),
                never,
            ),
            need(
                "ProcessingComplete gets the handle of its channel",
                "F056",
                lambda s, e: e.arguments[0] == s.endpoint,
            ),
            need(
                "ProcessingComplete runs at DISPATCH_LEVEL at most",
                "F059",
                lambda s, e: (e.irql or 0) <= 2,
            ),
        ),
        lambda s, e: _late_report(s)._replace(others=s.others + 1, reporting=s.reporting + 1),
    ),
    Rule(
        "EP-processing-complete-exit",
        ("exit", api.PROCESSING_COMPLETE),
        (),
        lambda s, e: s._replace(others=s.others - 1, reporting=s.reporting - 1),
    ),
    Rule(
        "EP-completion-routine",
        ("enter", api.COMPLETION_ROUTINE),
        (
            need(
                "no completion routine runs once Disable has returned",
                "F181",
                lambda s, e: not s.over,
                never,
            ),
            witness("F033 F036", lambda s, e: s.post_running > 0),
            need(
                "the completion routine runs at DISPATCH_LEVEL at most",
                "F140",
                lambda s, e: (e.irql or 0) <= 2,
            ),
        ),
        lambda s, e: s._replace(others=s.others + 1),
    ),
    Rule(
        "EP-completion-routine-exit",
        ("exit", api.COMPLETION_ROUTINE),
        (),
        lambda s, e: s._replace(others=s.others - 1),
    ),
)
