"""What silence means for one direction."""

from __future__ import annotations

from kmcl_model.api import PROCESS_PACKET, PROCESSING_COMPLETE
from kmcl_model.spec.observer import Due, Quiet, Silence

from .state import FlowState, assume, has_room

__all__ = ["DUES", "SILENCES", "settle"]


def _running(s: FlowState, q: Quiet) -> bool:
    return s.run == "started" and s.connection == "open" and "busy" not in q.facts


def _delivery_due(s: FlowState, q: Quiet) -> bool:
    return _running(s, q) and not s.stopped and _could_deliver(s, q)


def _could_deliver(s: FlowState, q: Quiet) -> bool:
    """A packet waits that neither its sender nor the quota keeps from the receiver."""
    if s.blocked or not s.entries:
        return False
    first = s.entries[0]
    if first.optional or not first.launched:
        return False
    flowing = s.sending == "open" and "sender running" in q.facts and has_room(s)
    return (first.sure or flowing) and s.outstanding < max(1, s.quota)


def _report_due(s: FlowState, q: Quiet) -> bool:
    if s.alone and (s.blocked or (s.outstanding and s.outstanding >= s.quota)):
        return False  # the quota may keep more in the ring, and nobody knows
    return _running(s, q) and s.batch > 0 and s.reports and not s.entries and not s.stopped


DUES = (
    Due(
        "FL-due-delivery",
        "ProcessPacket for the packet that waits",
        ("F042", "F226", "F386"),
        _delivery_due,
        ("enter", PROCESS_PACKET),
    ),
    Due(
        "FL-due-delivery-first",
        "ProcessPacket, which is registered and was never called",
        ("F225",),
        lambda s, q: not s.served and _delivery_due(s, q),
        ("enter", PROCESS_PACKET),
    ),
    Due(
        "FL-due-delivery-held",
        "ProcessPacket for the packet that the quota held back",
        ("F343", "F249"),
        lambda s, q: s.woken and _delivery_due(s, q),
        ("enter", PROCESS_PACKET),
    ),
    Due(
        "FL-due-delivery-maximal",
        "ProcessPacket for a packet of maximal size",
        ("F215", "F221"),
        lambda s, q: _delivery_due(s, q) and len(s.entries[0].buffer) == s.maximum,
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


def _held_back(s: FlowState, q: Quiet) -> bool:
    """The quota keeps a packet from a receiver that is running."""
    return _running(s, q) and bool(s.entries) and 0 < s.quota <= s.outstanding


SILENCES = (
    Silence(
        "FL-quiet-before-open",
        ("F023",),
        lambda s, q: not s.closed and any(not x.launched for x in s.entries),
    ),
    Silence(
        "FL-quiet-after-closed",
        ("F012",),
        lambda s, q: s.closed and not s.send_open and any(not x.launched for x in s.entries),
    ),
    Silence("FL-quiet-quota", ("F338",), _held_back),
    Silence("FL-quiet-quota-of-one", ("F339",), lambda s, q: _held_back(s, q) and s.quota == 1),
    Silence(
        "FL-quiet-quota-lowered",
        ("F340", "F341"),
        lambda s, q: _held_back(s, q) and s.quota < s.outstanding,
    ),
    Silence(
        "FL-quiet-quota-raised",
        ("F342",),
        lambda s, q: (
            _running(s, q) and bool(s.entries) and s.blocked == 2 and s.outstanding < s.quota
        ),
    ),
    Silence("FL-quiet-stopped", ("F263", "F262"), lambda s, q: s.stopped == 2 and bool(s.entries)),
)


def settle(s: FlowState, q: Quiet) -> FlowState:
    """What fits is in the ring by now, and what may be lost and has not come is lost."""
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
        s = assume(s, "A87/initial:R2")
    return _note_waiting(s, q)


def _note_waiting(s: FlowState, q: Quiet) -> FlowState:
    """What a packet shows that waits in the ring: what keeps it there."""
    if not s.entries:
        return s
    first = s.entries[0]
    if s.stopped == s.broken == 1 and _running(s, q) and s.send_running and has_room(s):
        stops = first.launched and not (first.optional or first.early or s.blocked)
        return assume(s, "A153:R1") if stops and s.outstanding < max(1, s.quota) else s
    if not first.sure:
        return s
    full = 0 < s.quota <= s.outstanding
    if _running(s, q) and full and s.batch and s.reports and not (s.quota_calls or s.stopped):
        return assume(s, "A73:R1")
    if not _could_deliver(s, q) or s.doubtful:
        return s
    if _running(s, q) and s.stopped == 1 and not s.broken:
        return assume(s, "A81/restart:R1")
    if s.stopped or s.run != "started" or s.connection != "open":
        return s
    if "processing" in q.facts:
        return assume(s, "A70:R1")
    return assume(s, "A55:R1") if "posting" in q.facts else s
