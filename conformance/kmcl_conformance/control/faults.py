"""Which fault of the vocabulary a message of the host is, in the situation it is sent in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kmcl_model.control import GUEST, MESSAGES, MOST_RELIDS, version
from kmcl_model.spec.control import ODD_OFFERS as ODD
from kmcl_model.spec.control import WITHOUT_CONSEQUENCE

from .tracks import FREE

if TYPE_CHECKING:
    from .judge import ControlJudge

__all__ = ["ODD_OFFERS", "SHORT", "fault_of_message", "may_not_matter", "offer_fault"]

ODD_OFFERS: Final = ODD
"""Offers that no host should make: whether the guest takes them is left to it."""

SHORT: Final = {
    "OFFERCHANNEL": "short-offer",
    "RESCIND_CHANNELOFFER": "short-rescind",
    "ALLOFFERS_DELIVERED": "short-all-offers",
    "OPENCHANNEL_RESULT": "short-open-result",
    "GPADL_CREATED": "short-created",
    "GPADL_TORNDOWN": "short-torndown",
    "VERSION_RESPONSE": "short-version",
    "UNLOAD_RESPONSE": "short-unload",
    "MODIFYCHANNEL_RESPONSE": "short-move-result",
}
"""The fault of a message that is cut short."""

_NAMED: Final = version(5, 0)
_CONTACT: Final = 4
"""From that version on the host names a connection; contact is made on this one."""

_FLAWS: Final = {
    "unknown type": "unknown-message",
    "wrong relid": "answer-wrong-relid",
    "wrong id": "answer-wrong-id",
    "lost": "answer-lost",
}


def fault_of_message(judge: ControlJudge, event: Any) -> str:
    """The name of the fault, empty for what a host does every day."""
    if event.endpoint == GUEST:
        return ""
    if event.flaw:
        return SHORT[event.message] if event.flaw == "short" else _FLAWS[event.flaw]
    if event.message == "OFFERCHANNEL":
        return offer_fault(judge, event.fields)
    if event.message == "RESCIND_CHANNELOFFER":
        return _rescind(judge, event.fields[0])
    if MESSAGES[event.message].answers:
        return _answer(judge, event)
    return ""


def may_not_matter(fault: str) -> tuple[str, ...]:
    """The requirements by which a fault has no consequence."""
    return tuple(dict(WITHOUT_CONSEQUENCE).get(fault, "").split())


def offer_fault(judge: ControlJudge, fields: Any) -> str:
    """The fault that an offer with these fields is; empty for an ordinary one."""
    relid, _, instance, index, monitored, flags, _ = fields
    if judge.is_there(relid):
        return "offer-again"
    if not 0 < relid < MOST_RELIDS:
        return "offer-relid-out-of-range"
    primary = judge.devices.get(instance)
    has_primary = primary is not None and any(s.life not in FREE for s in primary.node.states)
    if has_primary != bool(index):
        return "offer-subchannel-without-primary" if index else "offer-instance-taken"
    return "offer-monitored" if monitored else "offer-flagged" if flags else ""


def _rescind(judge: ControlJudge, relid: int) -> str:
    if relid not in judge.channels:
        return "rescind-unknown"
    s = judge.state(relid)
    phases = {phase for _, phase in s.gpadls}
    if s.life != "offered":
        return "rescind-again"
    if s.sub:
        return "rescind-subchannel"
    if s.link == "opening":
        return "rescind-opening"
    if s.moving:
        return "rescind-moving"
    if "leaving" in phases:
        return "rescind-tearing-down"
    if phases & {"asked", "partial"}:
        return "rescind-creating"
    if s.link == "open":
        return "rescind-open"
    return "rescind-bound" if s.bound else "rescind-idle"


def _answer(judge: ControlJudge, event: Any) -> str:
    connection = judge.known()
    name, fields = event.message, event.fields
    if name == "VERSION_RESPONSE":
        awaited, known, refused = connection.phase == "contacting", True, not fields[0]
        kind = "version"
        usual = (None, 0, _CONTACT)
        if awaited and fields[0] and connection.version >= _NAMED and fields[1] not in usual:
            return "another-connection"
    elif name == "UNLOAD_RESPONSE":
        awaited = connection.phase == "unloading"
        known, refused, kind = connection.phase == "gone", False, ""
    elif name == "ALLOFFERS_DELIVERED":
        awaited = connection.phase == "requested" and not connection.offered
        if connection.offered:
            return "all-offers-again"
        known, refused, kind = True, False, ""
    elif name == "GPADL_CREATED":
        relid, number, status = fields
        known = judge.owner.get(number) == relid
        awaited = known and judge.phase(number) == "asked"
        refused, kind = bool(status), "gpadl"
    elif name == "GPADL_TORNDOWN":
        known = fields[0] in judge.owner
        awaited = known and judge.phase(fields[0]) == "leaving"
        refused, kind = False, ""
    else:
        relid = fields[0]
        known = relid in judge.channels
        link = judge.link(relid) if known else None
        state: Any = judge.state(relid) if known else None
        opening = name == "OPENCHANNEL_RESULT"
        awaited = link is not None and (link.link == "opening" if opening else state.moving)
        known = known and (not opening or judge.openid.get(relid) == fields[1])
        refused, kind = bool(fields[-1]), "open" if opening else "move"
    if not awaited:
        return "answer-again" if known else "answer-unasked"
    if _is_late(judge, event):
        return "answer-late"
    if refused:
        return f"refuse-{kind}"
    return "" if judge.order.is_first(judge.order.of(event)) else "answers-reordered"


def _is_late(judge: ControlJudge, event: Any) -> bool:
    """Whether the channel was rescinded before its answer came."""
    if event.message == "GPADL_TORNDOWN":
        relid = judge.owner.get(event.fields[0], 0)
    elif MESSAGES[event.message].fields[:1] == ("child_relid",):
        relid = event.fields[0]
    else:
        return False
    return relid in judge.channels and bool(judge.state(relid).life != "offered")
