"""Delivery: ProcessPacket takes messages off the queue, and the driver gives them back."""

from __future__ import annotations

from typing import Any

from kmcl_model.api import PROCESS_PACKET, PROCESSING_COMPLETE
from kmcl_model.events import Call, Enter, Event
from kmcl_model.payload import matches_bytes
from kmcl_model.spec.cases import Case, because
from kmcl_model.spec.observer import Rule, need, never, witness

from .state import LARGE, Entry, FlowState, assume

__all__ = ["RULES"]

_MANY = 4
"""So many packets outstanding without a quota tell that there is none of the library's own."""


def _index(s: FlowState, seen: Any) -> int:
    """The place of the entry that was delivered: the first that matches, or -1."""
    for i, entry in enumerate(s.entries):
        if matches_bytes(entry.buffer, seen) and (bool(seen) or not entry.buffer):
            return i
    return -1


def _is_known(s: FlowState, e: Any) -> bool:
    """Whether what was sent is known. An end that is not observed may send anything."""
    return not s.alone or _index(s, e.arguments[2]) >= 0


def _in_order(s: FlowState, e: Any) -> bool:
    i = _index(s, e.arguments[2])
    return i < 0 or all(entry.optional for entry in s.entries[:i])


def _may_block(s: FlowState, outstanding: int) -> bool:
    """Whether so many outstanding packets are all that some quota in force may allow."""
    quotas = (s.quota, *(value for _, value in s.quota_calls))
    return any(0 < quota <= outstanding for quota in quotas)


def _limit(s: FlowState) -> int:
    """The quota, or the largest of those being set; 0 while there may be none."""
    return max((s.quota, *(value for _, value in s.quota_calls))) if s.quota else 0


def _deliver(s: FlowState, e: Event) -> FlowState:
    assert isinstance(e, Enter)
    seen: Any = e.arguments[2]
    i = _index(s, seen)
    entry = s.entries[i] if i >= 0 else Entry(seen or b"", "")
    outstanding = s.outstanding + 1
    after = s._replace(
        entries=s.entries[i + 1 :],
        outstanding=outstanding,
        large=s.large + (len(entry.buffer) >= LARGE),
        batch=s.batch + 1,
        served=True,
        blocked=1 if _may_block(s, outstanding) else s.blocked,
        woken=False,
    )
    after = assume(after, f"A72/other-bits:{'R2' if _other_bits(e) else 'R1'}")
    if outstanding == _MANY and not (s.quota or s.quota_calls):
        after = assume(after, "A87/initial:R1")
    if s.stopped == 1 and not (s.broken and entry.early):
        after = assume(after, "A153:R2" if s.broken else "A81/restart:R2")
    if not entry.buffer:
        after = assume(after, "A97:R1")
    if len(entry.buffer) > s.maximum:
        after = assume(after, "A98/above:R2")
    if len(entry.buffer) % 8:
        after = assume(
            after, "A71/length:R1" if len(seen) == len(entry.buffer) else "A71/length:R2"
        )
    return after


def _other_bits(e: Enter) -> bool:
    """Whether a bit is set that says nothing of external data."""
    flags = e.arguments[3]
    return isinstance(flags, int) and bool(flags & ~1)


def _given_back(s: FlowState, e: Event) -> FlowState:
    """One packet fewer is outstanding; of a failed one the size is not seen."""
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
        woken=s.woken or (room and s.blocked == 2),
        stopped=2 if e.function == "VmbChannelPacketFail" else s.stopped,
        broken=2 if s.broken and e.function == "VmbChannelPacketFail" else s.broken,
    )


def _report(s: FlowState, _e: Event) -> FlowState:
    """A batch that ends while messages wait shows why the library stopped there (A73, A75)."""
    after = s._replace(batch=0)
    waiting = any(entry.sure and not entry.optional for entry in s.entries)
    if waiting and s.stopping and s.run == "started":
        return assume(after, "A75:R1")
    if waiting and 0 < s.quota <= s.outstanding and not (s.quota_calls or s.stopping):
        return assume(after, "A73:R2")
    return after


RULES = (
    Rule(
        "FL-process-packet",
        ("enter", PROCESS_PACKET),
        (
            need(
                "what is delivered was sent, byte for byte, and not delivered before",
                "F045 F046 F226 F042 F215 F216 F262",
                lambda s, e: s.alone or _index(s, e.arguments[2]) >= 0,
                never,
            ),
            witness("F042 F045 F046 F226", _is_known),
            witness("F215 F221", lambda s, e: len(e.arguments[2] or b"") == s.maximum),
            witness("F216", lambda s, e: len(e.arguments[2] or b"") > s.maximum),
            need(
                "packets are delivered in the order of their sends",
                "F226 A70 A104",
                _in_order,
                _is_known,
            ),
            *because(
                lambda s, e: (
                    _index(s, e.arguments[2]) < 0 or s.entries[_index(s, e.arguments[2])].launched
                ),
                Case(
                    "no packet is transmitted after Closed and before its sender is open again",
                    "F012",
                    lambda s: s.closed,
                ),
                Case("no packet is transmitted before its sender is open", "F021 F023"),
            ),
            need(
                "no more packets are outstanding than the quota allows",
                "F338 F339 F341 F340",
                lambda s, e: _limit(s) == 0 or s.outstanding < _limit(s),
                never,
            ),
            need(
                "a queue blocked by the quota waits for a completion",
                "F342 A86",
                lambda s, e: s.blocked < 2,
                never,
            ),
            need("a failed packet stops the queue", "F263 F262", lambda s, e: s.stopped < 2, never),
            need(
                "bit 0x1 is clear without external data",
                "F047",
                lambda s, e: not _is_known(s, e) or not e.arguments[3] & 1,
                _is_known,
            ),
        ),
        _deliver,
        shows=("F049",),
    ),
    Rule("FL-complete", ("call", "VmbChannelPacketComplete"), (), _given_back),
    Rule("FL-fail", ("call", "VmbChannelPacketFail"), (), _given_back),
    Rule("FL-overtaken", ("overtaken", ""), (), lambda s, e: assume(s, "A84:R1")),
    # The order in which the sender hears of several packets that its peer has completed.
    Rule(
        "FL-answered",
        ("answered", ""),
        (),
        lambda s, e: assume(s, f"A84/routines:{e.states[0]}"),
    ),
    Rule(
        "FL-malformed",
        ("environment", "malformed"),
        (),
        lambda s, e: s._replace(
            stopped=max(s.stopped, 1),
            broken=2 if s.broken or s.stopped else 1,
            entries=tuple(x._replace(early=True) for x in s.entries),
        ),
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
        _report,
    ),
)
