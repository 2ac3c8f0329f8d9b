"""What nobody sees: a packet that reaches the ring, and what silence means."""

from __future__ import annotations

from collections.abc import Callable

from kmcl_model.api import COMPLETION_ROUTINE
from kmcl_model.spec.observer import Due, Quiet, Silence

from .state import FLYING, SENDING, PacketState, assume

__all__ = ["DUES", "SILENCES", "place", "receive_unseen", "settle"]


def place(s: PacketState) -> list[PacketState]:
    """A packet in flight leaves the queue and enters the ring."""
    if s.status in (SENDING, FLYING) and not s.placed and s.can_place:
        return [s._replace(placed=True)]
    return []


def receive_unseen(s: PacketState) -> list[PacketState]:
    """A peer that is not observed takes the packet off the ring, and answers it or fails it."""
    if not (s.alone and s.status in (SENDING, FLYING) and s.placed) or s.failed:
        return []
    delivered = s._replace(delivered=True)
    return [delivered, delivered._replace(answered=True), delivered._replace(failed=True)]


def _answer_due(s: PacketState, q: Quiet) -> bool:
    return (
        s.status == FLYING
        and s.wait
        and s.answered
        and s.connection == "open"
        and not s.cancel
        and "standing" not in q.facts
        and "peer paused" not in q.facts
    )


def _placement_due(s: PacketState, q: Quiet) -> bool:
    """A packet that must be in the ring by now is not there, or is and should have completed."""
    return (
        s.status == FLYING
        and (not s.placed or not s.wait)
        and s.connection == "open"
        and not s.cancel
        and "standing" not in q.facts
        and "full" not in q.facts
    )


def _cancel_due(s: PacketState, q: Quiet) -> bool:
    return (
        s.status == FLYING
        and s.placed
        and s.connection in ("enabled", "disabled", "rejected")
        and "busy" not in q.facts
    )


def _calls(s: PacketState, function: str) -> bool:
    """A call of the function is in progress."""
    return any(name == function for _, name in s.calls)


def _calling(function: str) -> Callable[[PacketState, Quiet], bool]:
    """A call of the function is in progress."""
    return lambda s, _quiet: _calls(s, function)


DUES = (
    Due(
        "PK-due-answer",
        "the completion routine, since the peer has completed the packet",
        ("F132", "F250", "F252"),
        _answer_due,
        ("enter", COMPLETION_ROUTINE),
    ),
    Due(
        "PK-due-placement",
        "the packet in the ring, and its completion routine where none was to be waited for",
        ("F132", "F139", "F386"),
        _placement_due,
        None,
    ),
    Due(
        "PK-due-delivery",
        "ProcessPacket at the peer, since nothing keeps the packet from it",
        ("F132", "F226", "A91"),
        lambda s, q: (
            s.status == FLYING
            and not s.delivered
            and s.connection == "open"
            and not s.cancel
            and "drained" in q.facts
        ),
        None,
    ),
    Due(
        "PK-due-cancel",
        "the completion routine with a failure, since the session is over",
        ("F132", "F134"),
        _cancel_due,
        None,
    ),
    Due(
        "PK-due-answer-posting",
        "the completion routine while PostStarted waits for it",
        ("F036",),
        lambda s, q: "posting" in q.facts and _answer_due(s, q),
        None,
    ),
    Due(
        "PK-due-return",
        "the return of VmbPacketSend",
        ("F395",),
        lambda s, q: bool(s.finished or s.status == SENDING),
        None,
    ),
    Due(
        "PK-due-freed",
        "the return of VmbPacketFree for a packet that was never sent",
        ("F371",),
        lambda s, q: not s.used and _calls(s, "VmbPacketFree"),
        ("return", "VmbPacketFree"),
    ),
    Due(
        "PK-due-freed-after-use",
        "the return of VmbPacketFree for a packet whose routine has run",
        ("F372",),
        lambda s, q: s.used and _calls(s, "VmbPacketFree"),
        ("return", "VmbPacketFree"),
    ),
    *(
        Due(
            f"PK-due-{function}",
            f"the return of {function}",
            (requirement,),
            _calling(function),
            ("return", function),
        )
        for function, requirement in (
            ("VmbPacketAllocate", "F369"),
            ("VmbPacketInitialize", "F377"),
            ("VmbPacketGetChannel", "F374"),
            ("VmbPacketSetPointer", "F376"),
            ("VmbPacketGetPointer", "F376"),
            ("VmbPacketSetCompletionRoutine", "F137"),
        )
    ),
)

SILENCES = (
    Silence(
        "PK-quiet-unanswered",
        ("F138",),
        lambda s, q: s.status == FLYING and s.wait and s.delivered and not s.answered,
    ),
)


def _held_by_pause(s: PacketState) -> bool:
    """A packet of a paused end that has not arrived (A66)."""
    paused = s.rested and s.connection == "open" and s.run == "paused"
    return paused and s.status == FLYING and not s.delivered and not s.cancel


def _is_queued(s: PacketState) -> bool:
    """It would be over if it were in the ring, as no answer is asked for."""
    return s.status == FLYING and not s.wait and s.connection == "open" and s.run == "started"


def settle(s: PacketState, q: Quiet) -> PacketState:
    """What is still in flight shows which readings hold; nothing past is left to be cancelled."""
    if s.status == FLYING and not s.placed and s.connection in ("enabled", "disabled") and s.cancel:
        return assume(s, f"A91/{s.ending}:R2") if s.ending and not s.late else s
    if _held_by_pause(s) and "peer free" in q.facts:
        s = assume(s, "A66:R2")
    if s.status == FLYING and s.answered and s.wait and s.connection == "open":
        if s.run == "paused" and "peer paused" not in q.facts:
            s = assume(assume(s, "A65:R2"), "A61/reach:R2")
        elif s.run == "started" and "standing" not in q.facts and not s.cancel:
            s = assume(s, "A83/while-paused:R2")
    if s.delivered and s.wait and not (s.answered or s.rested) and "paused" in q.facts:
        s = assume(s, "A64:R1")
    if _is_queued(s) and not s.cancel and "full" in q.facts and "standing" not in q.facts:
        s = assume(s, "A89:R1")
    if s.connection == "open" and not s.leaving:
        s = s._replace(cancel=False)
    return s
