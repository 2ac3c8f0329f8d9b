"""The outgoing packet: one packet object and the transaction it carries.

A packet object is idle, or it is in flight: a send was accepted and its completion routine has
not run. Whether a packet in flight is still queued or already in the ring is hidden;
``placed`` guesses it, and what is seen later keeps the guesses that were right.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model.api import COMPLETION_ROUTINE, PROCESS_PACKET
from kmcl_model.events import Call, Enter, Event, Return
from kmcl_model.payload import matches_bytes
from kmcl_model.status import STATUS_INVALID_PARAMETER_3, is_success

from .observer import Due, Hidden, Move, Quiet, Rule, Rules, Shadow, Silence, need

__all__ = ["PACKET", "WAIT_FOR_COMPLETION", "PacketState", "initial"]

WAIT_FOR_COMPLETION = 0x1
NONE, IDLE, SENDING, FLYING = "none", "idle", "sending", "flying"


class PacketState(NamedTuple):
    """One explanation of what was seen of a packet object.

    ``finished`` are senders whose call has not returned although the packet has completed (A95);
    ``offered``: the host goes on offering while it closes (F011);
    ``can_place``: the sender may be open; ``leaving``: the session may be ending; ``cancel``: it
    may have ended since the send, so the transaction may fail; ``answer`` is what the
    peer gave to PacketComplete.
    """

    endpoint: str
    status: str = NONE
    initialized: bool = False
    routine: bool = False
    pointer: int | None = -1
    by: str = ""
    finished: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    wait: bool = False
    placed: bool = False
    delivered: bool = False
    answered: bool = False
    failed: bool = False
    answer: bytes = b""
    length: int = 0
    maximum: int = 0
    connection: str = "none"
    offered: bool = False
    run: str = "paused"
    can_place: bool = False
    enabled: bool = False
    leaving: bool = False
    cancel: bool = False
    over: bool = False
    assumed: tuple[str, ...] = ()


State = PacketState


def initial(endpoint: str) -> PacketState:
    """No packet object yet."""
    return PacketState(endpoint)


def _assume(s: State, reading: str) -> State:
    return s._replace(assumed=tuple(sorted({*s.assumed, reading})))


def _begin(s: State, e: Event) -> State:
    assert isinstance(e, Call)
    return s._replace(calls=tuple(sorted((*s.calls, (e.by, e.function)))))


def _end(s: State, e: Event) -> State:
    assert isinstance(e, Return)
    return s._replace(calls=tuple(c for c in s.calls if c[0] != e.by))


def _fresh(s: State) -> State:
    """The object is gone; what the channel is like stays."""
    return s._replace(
        status=NONE,
        initialized=False,
        routine=False,
        pointer=-1,
        by="",
        wait=False,
        placed=False,
        delivered=False,
        answered=False,
        failed=False,
        answer=b"",
        length=0,
        assumed=(),
    )


def _landed(s: State) -> State:
    """The transaction is over; the object is idle again."""
    finished = (*s.finished, s.by) if s.status == SENDING else s.finished
    return s._replace(
        status=IDLE,
        by="",
        finished=finished,
        wait=False,
        placed=False,
        delivered=False,
        answered=False,
        failed=False,
        answer=b"",
        length=0,
    )


def _region(s: State) -> str:
    if s.status == NONE:
        return "freed"
    if s.status == IDLE:
        return "initialized" if s.initialized else "allocated"
    if s.delivered:
        return "awaiting completion"
    return "in ring" if s.placed else "queued"


# The object -------------------------------------------------------------------------------


def _after_allocate(s: State, e: Event) -> State:
    assert isinstance(e, Return)
    s = _end(s, e)
    if not e.outputs[0]:
        return _assume(s, "A121/before-enable:R2")
    s = _fresh(s)._replace(status=IDLE)
    return _assume(s, "A121/before-enable:R1") if s.connection == "disabled" else s


def _bad_count(e: Call) -> bool:
    return e.arguments[1] != "sizeof"


_OBJECT = (
    Rule(
        "PK-allocate", ("call", "VmbPacketAllocate"), (), _begin, when=lambda s, e: s.status == NONE
    ),
    Rule(
        "PK-allocated",
        ("return", "VmbPacketAllocate"),
        (
            need(
                "a packet can be allocated",
                "F368 F369",
                lambda s, e: e.outputs[0] is True or s.connection == "disabled" or s.leaving,
            ),
        ),
        _after_allocate,
        moves=(Move("packet", "freed", "allocated"),),
    ),
    Rule(
        "PK-initialize",
        ("call", "VmbPacketInitialize"),
        (),
        lambda s, e: _begin(s, e)._replace(initialized=not _bad_count(e)),
        when=lambda s, e: s.status == NONE,
    ),
    Rule(
        "PK-initialized",
        ("return", "VmbPacketInitialize"),
        (
            need(
                "memory of SizeofPacket bytes is enough",
                "F344 F377 F378 F380 F381",
                lambda s, e: e.status == 0,
            ),
        ),
        lambda s, e: _fresh(_end(s, e))._replace(status=IDLE, initialized=True),
        when=lambda s, e: s.initialized,
        moves=(Move("packet", "freed", "initialized"),),
    ),
    Rule(
        "PK-initialize-refused",
        ("return", "VmbPacketInitialize"),
        (
            need(
                "memory for a maximal packet and a pointer alone is refused",
                "F379",
                lambda s, e: e.status == STATUS_INVALID_PARAMETER_3,
            ),
        ),
        _end,
        when=lambda s, e: not s.initialized,
    ),
    Rule(
        "PK-free",
        ("call", "VmbPacketFree"),
        (),
        _begin,
        when=lambda s, e: s.status == IDLE and not s.initialized,
    ),
    Rule(
        "PK-freed",
        ("return", "VmbPacketFree"),
        (),
        lambda s, e: _fresh(_end(s, e)),
        shows=("F371", "F372", ""),
        moves=(Move("packet", "allocated", "freed"),),
    ),
    Rule(
        "PK-set-routine",
        ("call", "VmbPacketSetCompletionRoutine"),
        (),
        lambda s, e: _begin(s, e)._replace(routine=True),
        when=lambda s, e: s.status == IDLE,
    ),
    Rule("PK-routine-set", ("return", "VmbPacketSetCompletionRoutine"), (), _end),
    Rule(
        "PK-set-pointer",
        ("call", "VmbPacketSetPointer"),
        (),
        lambda s, e: _begin(s, e)._replace(pointer=e.arguments[1]),
    ),
    Rule("PK-pointer-set", ("return", "VmbPacketSetPointer"), (), _end),
    Rule("PK-get-pointer", ("call", "VmbPacketGetPointer"), (), _begin),
    Rule(
        "PK-got-pointer",
        ("return", "VmbPacketGetPointer"),
        (
            need(
                "the packet keeps the pointer it was given",
                "F376",
                lambda s, e: s.pointer == -1 or e.outputs[0] == s.pointer,
            ),
        ),
        _end,
    ),
    Rule("PK-get-channel", ("call", "VmbPacketGetChannel"), (), _begin),
    Rule(
        "PK-got-channel",
        ("return", "VmbPacketGetChannel"),
        (
            need(
                "the packet belongs to its channel",
                "F374 F375 F368",
                lambda s, e: e.outputs[0] == s.endpoint,
            ),
        ),
        _end,
    ),
)


# The transaction --------------------------------------------------------------------------


def _after_send_call(s: State, e: Event) -> State:
    assert isinstance(e, Call)
    buffer, flags = e.arguments[1], e.arguments[2]
    assert isinstance(buffer, bytes)
    assert isinstance(flags, int)
    return s._replace(
        status=SENDING,
        by=e.by,
        wait=bool(flags & WAIT_FOR_COMPLETION),
        length=len(buffer),
        cancel=s.leaving,
        assumed=(),
    )


def _accepted(s: State, e: Event) -> State:
    s = s._replace(status=FLYING, by="")
    if s.connection == "disabled":
        s = _assume(s, "A90:R1")
    if s.length > s.maximum:
        s = _assume(s, "A98/above:R2")
    if not s.routine:
        return _fresh(s)  # the default routine frees the object, and nobody sees when
    return s


def _refused(s: State, e: Event) -> State:
    after = _landed(s._replace(status=FLYING))._replace(assumed=())
    if s.length > s.maximum:
        return _assume(after, "A98/above:R1")
    if s.connection == "disabled":
        return _assume(after, "A90:R2")
    if s.length == 0:
        return _assume(after, "A97:R2")
    if s.connection != "open" or s.cancel:
        return after
    return _assume(after, "A89:R2" if s.run in ("starting", "started") else "A66:R3")


def _may_refuse(s: State, e: Event) -> bool:
    if s.offered and s.connection == "closing":
        return s.length > s.maximum or s.length == 0
    return s.length > s.maximum or not s.enabled or s.length == 0 or s.cancel or s.can_place


def _cut(s: State, seen: Any) -> bool:
    """Whether the answer came as given, up to padding to eight (A105)."""
    return matches_bytes(s.answer, seen)


def _completed(s: State, e: Event) -> State:
    assert isinstance(e, Enter)
    seen = e.arguments[2]
    after = _landed(s)
    if s.status == SENDING:
        after = _assume(after, "A95:R1")
    if s.connection == "open" and s.run in ("paused", "suspended"):
        after = _assume(after, "A65:R1")
    if isinstance(seen, bytes) and len(s.answer) % 8:
        after = _assume(after, "A105/length:R1" if len(seen) == len(s.answer) else "A105/length:R2")
    return after


def _cancelled(s: State, e: Event) -> State:
    after = _assume(_landed(s), "A92:R1" if s.connection == "open" else "A92:R2")
    return after if s.placed or s.delivered else _assume(after, "A91:R1")


def _success(s: State, e: Event) -> bool:
    assert isinstance(e, Enter)
    status = e.arguments[1]
    assert isinstance(status, int)
    return is_success(status)


_ONCE = need(
    "the completion routine runs once for a packet in flight",
    "F132 F395 F133 F137",
    lambda s, e: s.status in (SENDING, FLYING) and s.routine,
)

_TRANSACTION = (
    Rule(
        "PK-send",
        ("call", "VmbPacketSend"),
        (),
        _after_send_call,
        when=lambda s, e: s.status == IDLE,
        moves=(Move("packet", "allocated", "queued"), Move("packet", "initialized", "queued")),
    ),
    Rule(
        "PK-sent",
        ("return", "VmbPacketSend"),
        (),
        _accepted,
        when=lambda s, e: s.by == e.by and is_success(e.status),
        shows=("F022", "F011", "F386", "F395", "F133"),
        moves=(Move("packet", "queued", "freed"),),
    ),
    Rule(
        "PK-send-refused",
        ("return", "VmbPacketSend"),
        (
            need(
                "a send within the limits on an enabled channel is accepted",
                "F022 F011 F100 F395 F215",
                _may_refuse,
            ),
            need(
                "a maximal packet is within the limits",
                "F215",
                lambda s, e: s.length != s.maximum or not s.enabled or s.cancel or s.can_place,
            ),
        ),
        _refused,
        when=lambda s, e: s.by == e.by and not is_success(e.status),
        moves=(Move("packet", "queued", "allocated"), Move("packet", "queued", "initialized")),
    ),
    Rule(
        "PK-sent-and-over",
        ("return", "VmbPacketSend"),
        (
            need(
                "a send whose completion routine has run has succeeded",
                "F395",
                lambda s, e: is_success(e.status),
            ),
        ),
        lambda s, e: s._replace(finished=tuple(b for b in s.finished if b != e.by)),
        when=lambda s, e: e.by in s.finished and s.by != e.by,
    ),
    Rule(
        "PK-delivered",
        ("enter", PROCESS_PACKET),
        (),
        lambda s, e: s._replace(delivered=True, placed=True),
        when=lambda s, e: s.status in (SENDING, FLYING),
        moves=(Move("packet", "in ring", "awaiting completion"),),
    ),
    Rule(
        "PK-delivered-idle",
        ("enter", PROCESS_PACKET),
        (),
        lambda s, e: s,
        when=lambda s, e: s.status in (NONE, IDLE),
    ),
    Rule(
        "PK-answered",
        ("call", "VmbChannelPacketComplete"),
        (),
        lambda s, e: (
            s._replace(answered=True, answer=(e.arguments[1] or b"") if s.wait else b"")
            if s.status in (SENDING, FLYING)
            else s
        ),
    ),
    Rule("PK-failed", ("call", "VmbChannelPacketFail"), (), lambda s, e: s._replace(failed=True)),
    Rule(
        "PK-completed",
        ("enter", COMPLETION_ROUTINE),
        (
            _ONCE,
            need(
                "no answer is dispatched while Started runs",
                "F103",
                lambda s, e: not (s.wait and s.run == "starting"),
            ),
            need(
                "success with WAIT_FOR_COMPLETION means that the peer has completed the packet",
                "F138 F134",
                lambda s, e: not s.wait or s.answered,
            ),
            need(
                "success without the flag means that the packet is in the ring of an open channel",
                "F139 F134 F023",
                lambda s, e: s.wait or s.placed,
            ),
            need(
                "the routine gets the answer of the peer",
                "F135 F136 F251",
                lambda s, e: _cut(s, e.arguments[2]),
            ),
        ),
        _completed,
        when=_success,
        moves=(
            Move("packet", "in ring", "allocated"),
            Move("packet", "in ring", "initialized"),
            Move("packet", "awaiting completion", "allocated"),
            Move("packet", "awaiting completion", "initialized"),
        ),
    ),
    Rule(
        "PK-cancelled",
        ("enter", COMPLETION_ROUTINE),
        (
            _ONCE,
            need(
                "a transaction fails only with its session or its peer",
                "F134 F132",
                lambda s, e: s.cancel or s.failed,
            ),
        ),
        _cancelled,
        when=lambda s, e: not _success(s, e),
        shows=("F134",),
        moves=(
            Move("packet", "queued", "allocated"),
            Move("packet", "queued", "initialized"),
            Move("packet", "in ring", "allocated"),
            Move("packet", "in ring", "initialized"),
            Move("packet", "awaiting completion", "allocated"),
            Move("packet", "awaiting completion", "initialized"),
        ),
    ),
    Rule("PK-routine-exit", ("exit", COMPLETION_ROUTINE), (), lambda s, e: s),
)


# The channel ------------------------------------------------------------------------------


def _hear(s: State, e: Shadow) -> State:
    phases: Any = e.states
    opened = any(p.connection == "open" for p in phases)
    leaving = any(
        p.leaving or p.connection in ("disabled", "closing", "rejected", "crashed", "none")
        for p in phases
    )
    ended = leaving or (s.connection == "open" and not opened)
    return s._replace(
        connection=phases[0].connection if len(phases) == 1 else "open" if opened else "enabled",
        offered=all(p.stance in ("ready", "closing") for p in phases),
        run=phases[0].run if len(phases) == 1 else "unknown",
        can_place=opened,
        enabled=all(
            p.connection not in ("disabled", "none", "crashed", "rejected") for p in phases
        ),
        leaving=leaving,
        cancel=ended or s.cancel,
        over=all(p.over for p in phases),
    )


_CHANNEL = (
    Rule(
        "PK-phase",
        ("phase", ""),
        (
            need(
                "every packet that was sent has ended when Disable returns",
                "F132 F181 A92",
                lambda s, e: (
                    not (
                        s.status == FLYING
                        and s.placed
                        and not s.over
                        and all(p.over for p in e.states)
                    )
                ),
            ),
        ),
        _hear,
    ),
    Rule("PK-limits", ("limits", ""), (), lambda s, e: s._replace(maximum=e.states[0].maximum)),
)


def _place(s: State) -> list[State]:
    if s.status in (SENDING, FLYING) and not s.placed and s.can_place:
        return [s._replace(placed=True)]
    return []


# Silence ----------------------------------------------------------------------------------


def _answer_due(s: State, q: Quiet) -> bool:
    return (
        s.status == FLYING
        and s.wait
        and s.answered
        and s.connection == "open"
        and not s.cancel
        and "standing" not in q.facts
        and "peer paused" not in q.facts
    )


def _placement_due(s: State, q: Quiet) -> bool:
    """A packet that must be in the ring by now is neither there nor completed."""
    return (
        s.status == FLYING
        and (not s.placed or not s.wait)
        and s.connection == "open"
        and not s.cancel
        and "standing" not in q.facts
        and "full" not in q.facts
    )


def _cancel_due(s: State, q: Quiet) -> bool:
    return (
        s.status == FLYING
        and s.placed
        and s.connection in ("enabled", "disabled", "rejected")
        and "busy" not in q.facts
    )


_DUES = (
    Due(
        "PK-due-answer",
        "the completion routine, since the peer has completed the packet",
        ("F132", "F250", "F252", "F256", "F255", "F036"),
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
        ("F132", "F129", "F134"),
        _cancel_due,
        None,
    ),
    Due(
        "PK-due-return",
        "the return of a call on a packet",
        ("F395", ""),
        lambda s, q: bool(s.calls or s.finished or s.status == SENDING),
        None,
    ),
)

_SILENCES = (
    Silence(
        "PK-quiet-unanswered",
        ("F138", "F138", "", ""),
        lambda s, q: s.status == FLYING and s.wait and s.delivered and not s.answered,
    ),
    Silence(
        "PK-quiet-unsent", ("F023", "F012"), lambda s, q: s.status == FLYING and not s.can_place
    ),
)


def _settle(s: State, q: Quiet) -> State:
    if s.status == FLYING and not s.placed and s.connection in ("enabled", "disabled") and s.cancel:
        return _assume(s, "A91:R2")
    if s.status == FLYING and s.answered and s.wait and s.connection == "open":
        if s.run == "paused" and "peer paused" not in q.facts:
            s = _assume(s, "A65:R2")
        elif s.run == "started" and "standing" not in q.facts and not s.cancel:
            s = _assume(s, "A83/while-paused:R2")
    if s.connection == "open" and not s.leaving:
        s = s._replace(cancel=False)
    return s


PACKET = Rules(
    name="packet",
    rules=(*_OBJECT, *_TRANSACTION, *_CHANNEL),
    hidden=(Hidden("PK-place", _place, (Move("packet", "queued", "in ring"),)),),
    dues=_DUES,
    silences=_SILENCES,
    settle=_settle,
    regions=(("packet", _region),),
    summary=lambda s: s.status in (SENDING, FLYING) and s.wait,
)
"""The rules of an outgoing packet."""
