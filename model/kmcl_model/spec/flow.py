"""The flow of one direction: which packet may be delivered next, and when it must be.

The sender's calls put entries into a queue; ProcessPacket at the receiver takes them off, in order
(A70, A104). Whether an entry waits at the sender or lies in the ring is hidden; what matters is
told by marks on the entry:

* ``calling``: its send call has not returned; overlapping sends may go either way round.
* ``launched``: the sender has been open since it was sent, so it may be delivered.
* ``sure``: it is certainly in the ring.
* ``optional``: its session has ended or it was cancelled, so it may be delivered or not.
* ``over``: as optional, but not in a later session.
* ``silent``: its packet has the default routine, so nobody sees it cancelled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model.api import PROCESS_PACKET, PROCESSING_COMPLETE
from kmcl_model.events import Call, Enter, Event, Return
from kmcl_model.payload import matches_bytes
from kmcl_model.status import is_success

from .observer import Due, Quiet, Rule, Rules, Shadow, Silence, need

__all__ = ["FLOW", "LARGE", "Entry", "FlowState", "initial"]

LARGE = 65
"""From this length on, in bytes, a packet may have to wait until it has the ring for itself."""

SHARE = 96
"""Bytes of the ring that a packet below ``LARGE`` and its headers surely fit into."""


class Entry(NamedTuple):
    """A message that was sent and not yet delivered."""

    buffer: bytes
    by: str
    calling: bool = True
    launched: bool = False
    sure: bool = False
    optional: bool = False
    over: bool = False
    silent: bool = False


class FlowState(NamedTuple):
    """One explanation of what was seen of one direction.

    ``ending``: the sender's session may be ending; ``send_running``: the sender surely runs;
    ``stopping``: the receiver may be being paused or closed.
    ``outstanding`` and ``large`` count the packets that the receiver's driver holds, in all and
    from LARGE on. ``quota`` 0: never set. ``blocked`` and ``stopped``: 0 no, 1 maybe, 2 certainly;
    blocked by the quota, stopped by PacketFail or a ``broken`` packet. ``batch`` counts deliveries
    since the last ProcessingComplete.
    """

    sender: str
    receiver: str
    entries: tuple[Entry, ...] = ()
    sending: str = "none"
    send_open: bool = False
    ending: bool = False
    send_running: bool = False
    connection: str = "none"
    run: str = "paused"
    stopping: bool = False
    outstanding: int = 0
    large: int = 0
    quota: int = 0
    quota_calls: tuple[tuple[str, int], ...] = ()
    blocked: int = 0
    stopped: int = 0
    broken: bool = False
    batch: int = 0
    reports: bool = False
    maximum: int = 0
    assumed: tuple[str, ...] = ()


State = FlowState


def initial(sender: str, receiver: str) -> FlowState:
    """Nothing sent yet."""
    return FlowState(sender, receiver)


def _assume(s: State, reading: str) -> State:
    return s._replace(assumed=tuple(sorted({*s.assumed, reading})))


def has_room(s: State) -> bool:
    """Whether everything sent certainly fits the ring (a maximal packet fits an empty one, A21)."""
    if any(len(entry.buffer) >= LARGE for entry in s.entries) or s.large:
        return len(s.entries) + s.outstanding <= 1
    return (len(s.entries) + s.outstanding) * SHARE <= max(SHARE, s.maximum)


# Sending ----------------------------------------------------------------------------------


def _send(s: State, e: Event) -> list[State]:
    assert isinstance(e, Call)
    buffer = e.arguments[1]
    assert isinstance(buffer, bytes)
    new = Entry(buffer, e.by, launched=s.send_open)
    after = [s._replace(entries=(*s.entries, new))]
    for place in range(len(s.entries) - 1, -1, -1):
        if not s.entries[place].calling:
            break
        after.append(s._replace(entries=(*s.entries[:place], new, *s.entries[place:])))
    return after


def _mine(s: State, e: Any) -> bool:
    return any(entry.calling and entry.by == e.by for entry in s.entries)


def _sent(s: State, e: Event) -> State:
    assert isinstance(e, Return)
    return s._replace(
        entries=tuple(
            entry._replace(calling=False, by="") if entry.calling and entry.by == e.by else entry
            for entry in s.entries
        )
    )


def _withdrawn(s: State, e: Event) -> State:
    assert isinstance(e, Return)
    return s._replace(entries=tuple(x for x in s.entries if not (x.calling and x.by == e.by)))


def _cancelled(s: State, e: Shadow) -> State:
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


def _silent(s: State, e: Shadow) -> State:
    """The packet has the default routine, which frees it whatever becomes of the message."""
    return s._replace(
        entries=tuple(
            x._replace(silent=True, optional=x.optional or s.ending)
            if x.buffer == e.states[0]
            else x
            for x in s.entries
        )
    )


def _fits(s: State, e: Any) -> bool:
    mine = next((x for x in s.entries if x.calling and x.by == e.by), None)
    return (
        mine is None
        or len(mine.buffer) > s.maximum
        or not mine.buffer
        or s.sending != "open"
        or s.ending
        or not s.send_running
        or not has_room(s)
    )


_SENDING = (
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
        (need("a send for which the ring has room is accepted", "F395 F386 A89", _fits),),
        _withdrawn,
        when=lambda s, e: not is_success(e.status) and _mine(s, e),
    ),
    Rule("FL-cancelled", ("cancelled", ""), (), _cancelled),
    Rule("FL-silent", ("silent", ""), (), _silent),
)


# Delivery ---------------------------------------------------------------------------------


def _index(s: State, seen: Any) -> int:
    """Which entry was delivered: the first that matches, or -1."""
    for i, entry in enumerate(s.entries):
        if matches_bytes(entry.buffer, seen) and (bool(seen) or not entry.buffer):
            return i
    return -1


def _in_order(s: State, e: Any) -> bool:
    i = _index(s, e.arguments[2])
    return i < 0 or all(entry.optional for entry in s.entries[:i])


def _limit(s: State) -> int:
    return max((s.quota, *(value for _, value in s.quota_calls)))


def _deliver(s: State, e: Event) -> State:
    assert isinstance(e, Enter)
    seen: Any = e.arguments[2]
    i = _index(s, seen)
    entry = s.entries[i]
    outstanding = s.outstanding + 1
    after = s._replace(
        entries=s.entries[i + 1 :],
        outstanding=outstanding,
        large=s.large + (len(entry.buffer) >= LARGE),
        batch=s.batch + 1,
        blocked=1 if 0 < _limit(s) <= outstanding else s.blocked,
    )
    if s.stopped == 1:
        after = _assume(after, "A153:R2" if s.broken else "A81/restart:R2")
    if not entry.buffer:
        after = _assume(after, "A97:R1")
    if len(entry.buffer) > s.maximum:
        after = _assume(after, "A98/above:R2")
    if len(entry.buffer) % 8:
        after = _assume(
            after, "A71/length:R1" if len(seen) == len(entry.buffer) else "A71/length:R2"
        )
    return after


def _given_back(s: State, e: Event) -> State:
    assert isinstance(e, Call)
    seen = e.arguments[2] if e.function == "VmbChannelPacketComplete" else None
    large = isinstance(seen, bytes) and len(seen) >= LARGE
    outstanding = max(0, s.outstanding - 1)
    if e.function == "VmbChannelPacketFail":
        large = s.large > outstanding
    room = s.quota == 0 or outstanding < _limit(s)
    return s._replace(
        outstanding=outstanding,
        large=max(0, s.large - large),
        blocked=0 if room else s.blocked,
        stopped=2 if e.function == "VmbChannelPacketFail" else s.stopped,
    )


_DELIVERY = (
    Rule(
        "FL-process-packet",
        ("enter", PROCESS_PACKET),
        (
            need(
                "what is delivered was sent, byte for byte, and not delivered before",
                "F045 F046 F226 F042 F215 F216 F262",
                lambda s, e: _index(s, e.arguments[2]) >= 0,
            ),
            need("packets are delivered in the order of their sends", "F226 A70 A104", _in_order),
            need(
                "no packet is transmitted while its sender is not open",
                "F012 F021 F023",
                lambda s, e: (
                    _index(s, e.arguments[2]) < 0 or s.entries[_index(s, e.arguments[2])].launched
                ),
            ),
            need(
                "no more packets are outstanding than the quota allows",
                "F338 F339 F341 F340",
                lambda s, e: _limit(s) == 0 or s.outstanding < _limit(s),
            ),
            need(
                "a queue blocked by the quota waits for a completion",
                "F342 A86",
                lambda s, e: s.blocked < 2,
            ),
            need("a failed packet stops the queue", "F263 F262", lambda s, e: s.stopped < 2),
            need(
                "bit 0x1 is clear without external data",
                "F047",
                lambda s, e: not e.arguments[3] & 1,
            ),
        ),
        _deliver,
        shows=("F049", "F225"),
    ),
    Rule("FL-complete", ("call", "VmbChannelPacketComplete"), (), _given_back),
    Rule("FL-fail", ("call", "VmbChannelPacketFail"), (), _given_back),
    Rule("FL-overtaken", ("overtaken", ""), (), lambda s, e: _assume(s, "A84:R1")),
    Rule(
        "FL-malformed",
        ("environment", "malformed"),
        (),
        lambda s, e: s._replace(stopped=max(s.stopped, 1), broken=True),
    ),
    Rule(
        "FL-processing-complete",
        ("enter", PROCESSING_COMPLETE),
        (
            need(
                "the end of a batch follows at least one delivery",
                "F053 F054",
                lambda s, e: s.batch > 0,
            ),
            need(
                "PacketsProcessed counts the deliveries since the last report",
                "F057",
                lambda s, e: e.arguments[1] == s.batch,
            ),
            need("a handler is called that was registered", "F049", lambda s, e: s.reports),
        ),
        lambda s, e: _report(s),
    ),
)


def _report(s: State) -> State:
    after = s._replace(batch=0)
    waiting = any(entry.sure and not entry.optional for entry in s.entries)
    if waiting and s.stopping and s.run == "started":
        return _assume(after, "A75:R1")
    if waiting and 0 < s.quota <= s.outstanding and not (s.quota_calls or s.stopping):
        return _assume(after, "A73:R2")
    return after


# Quota ------------------------------------------------------------------------------------

_QUOTA = (
    Rule(
        "FL-quota",
        ("call", "VmbChannelSetTransactionQuota"),
        (),
        lambda s, e: s._replace(
            quota_calls=(*s.quota_calls, (e.by, e.arguments[0])),
            blocked=max(s.blocked, int(0 < e.arguments[0] <= s.outstanding)),
        ),
    ),
    Rule(
        "FL-quota-set",
        ("return", "VmbChannelSetTransactionQuota"),
        (),
        lambda s, e: s._replace(
            quota=next(value for by, value in s.quota_calls if by == e.by),
            quota_calls=tuple(c for c in s.quota_calls if c[0] != e.by),
        ),
    ),
)


# The two ends -----------------------------------------------------------------------------


def _hear(s: State, e: Shadow) -> list[State]:
    return _hear_sender(s, e) if e.about == s.sender else _hear_receiver(s, e)


def _hear_sender(s: State, e: Shadow) -> list[State]:
    phases: Any = e.states
    opened = any(p.connection == "open" for p in phases)
    sending = phases[0].connection if len(phases) == 1 else "open" if opened else "enabled"
    entries = s.entries
    ending = any(p.leaving or p.connection in ("disabled", "rejected", "closing") for p in phases)
    running = all(p.connection == "open" and p.run in ("starting", "started") for p in phases)
    if ending:
        entries = tuple(x._replace(optional=True) if x.silent else x for x in entries)
    if opened and not s.send_open:
        entries = tuple(x._replace(launched=True, sure=False) for x in entries if not x.over)
    elif s.send_open and not opened:
        entries = tuple(x._replace(optional=True) if x.launched else x for x in entries)
    return [
        s._replace(
            sending=sending, send_open=opened, ending=ending, send_running=running, entries=entries
        )
    ]


def _hear_receiver(s: State, e: Shadow) -> list[State]:
    phases: Any = e.states
    if len(phases) > 1:
        # A hidden step may lie between: stay with what is common, claim nothing.
        runs = {p.run for p in phases}
        connections = {p.connection for p in phases}
        run = runs.pop() if len(runs) == 1 else "unknown"
        connection = connections.pop() if len(connections) == 1 else "unknown"
    else:
        run, connection = phases[0].run, phases[0].connection
    stopping = any(p.stopping for p in phases)
    after = s._replace(run=run, connection=connection, stopping=stopping)
    if s.connection == "open" and connection not in ("open", "unknown"):
        after = after._replace(
            entries=tuple(
                x._replace(optional=True, launched=s.sending == "open", sure=False)
                if x.launched
                else x
                for x in s.entries
                if not x.over
            ),
            stopped=0,
            broken=False,
            blocked=0,
            batch=0,
        )
        if s.quota and not s.quota_calls:
            return [after, _assume(after._replace(quota=0), "A87/lifetime:R2")]
    if run == "started" and s.run != "started":
        after = after._replace(
            blocked=int(0 < s.quota <= s.outstanding), stopped=min(after.stopped, 1)
        )
        if s.batch and s.run != "unknown":
            return [after, _assume(after._replace(batch=0), "A75:R2")]
    return [after]


_ENDS = (
    Rule("FL-phase", ("phase", ""), (), _hear),
    Rule(
        "FL-limits",
        ("limits", ""),
        (),
        lambda s, e: (
            s._replace(maximum=e.states[0].maximum, reports=e.states[0].reports)
            if e.about == s.receiver
            else s
        ),
    ),
)


# Silence ----------------------------------------------------------------------------------


def _running(s: State, q: Quiet) -> bool:
    return s.run == "started" and s.connection == "open" and "busy" not in q.facts


def _delivery_due(s: State, q: Quiet) -> bool:
    if not _running(s, q) or s.blocked or s.stopped or not s.entries:
        return False
    first = s.entries[0]
    if first.optional or not first.launched:
        return False
    flowing = s.sending == "open" and "sender running" in q.facts and has_room(s)
    return (first.sure or flowing) and s.outstanding < max(1, s.quota)


def _report_due(s: State, q: Quiet) -> bool:
    return _running(s, q) and s.batch > 0 and s.reports and not s.entries and not s.stopped


_DUES = (
    Due(
        "FL-due-delivery",
        "ProcessPacket for the packet that waits",
        ("F042", "F226", "F215", "F386", "F221", "F345", "F343", "F249"),
        _delivery_due,
        ("enter", PROCESS_PACKET),
    ),
    Due(
        "FL-due-report",
        "ProcessingComplete, since the ring is empty after a batch",
        ("F053", "F227", "F049"),
        _report_due,
        ("enter", PROCESSING_COMPLETE),
    ),
    Due(
        "FL-due-send",
        "the return of VmbPacketSend",
        ("F395",),
        lambda s, q: any(x.calling for x in s.entries),
    ),
    Due(
        "FL-due-quota",
        "the return of VmbChannelSetTransactionQuota",
        ("F338",),
        lambda s, q: bool(s.quota_calls),
    ),
)

_SILENCES = (
    Silence(
        "FL-quiet-unsent",
        ("F012", "F023"),
        lambda s, q: any(not x.launched for x in s.entries),
    ),
    Silence(
        "FL-quiet-quota",
        ("F338", "F341", "F342", "F340"),
        lambda s, q: _running(s, q) and bool(s.entries) and 0 < s.quota <= s.outstanding,
    ),
    Silence("FL-quiet-stopped", ("F263", "F262"), lambda s, q: s.stopped == 2 and bool(s.entries)),
)


def _settle(s: State, q: Quiet) -> State:
    entries = s.entries
    if s.sending == "open" and "sender running" in q.facts and has_room(s):
        entries = tuple(x._replace(sure=x.launched and not x.optional) for x in entries)
    if _running(s, q) and not s.blocked and not s.stopped and "sender running" in q.facts:
        entries = tuple(x for x in entries if not x.optional)
    if s.connection not in ("open", "opening", "unknown") or s.sending in ("none", "crashed"):
        entries = tuple(x for x in entries if not x.over)
    blocked = s.blocked
    if _running(s, q) and any(x.sure for x in entries) and 0 < s.quota <= s.outstanding:
        blocked = 2
    s = s._replace(entries=entries, blocked=blocked)
    waiting = bool(entries) and entries[0].sure and not s.stopped and not s.quota
    if _running(s, q) and waiting and s.outstanding:
        s = _assume(s, "A87/initial:R2")
    return s


FLOW = Rules(
    name="flow",
    rules=(*_SENDING, *_DELIVERY, *_QUOTA, *_ENDS),
    dues=_DUES,
    silences=_SILENCES,
    settle=_settle,
    summary=lambda s: (
        has_room(s),
        bool(s.entries),
        bool(s.stopped),
        0 < max(1, s.quota) <= s.outstanding,
        bool(s.entries or s.outstanding),
    ),
)
"""The rules of one direction."""
