"""Which fault of the vocabulary a message of the host is, in the situation it is sent in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kmcl_model.control import GUEST, MESSAGES
from kmcl_model.spec.control import WITHOUT_CONSEQUENCE

if TYPE_CHECKING:
    from .judge import ControlJudge

__all__ = ["fault_of_message", "may_not_matter"]

_FLAWS: Final = {
    "short": "short-message",
    "unknown type": "unknown-message",
    "wrong relid": "answer-wrong-relid",
    "wrong id": "answer-wrong-id",
}


def fault_of_message(judge: ControlJudge, event: Any) -> str:
    """The name of the fault, empty for what a host does every day."""
    if event.endpoint == GUEST:
        return ""
    if event.flaw:
        return _FLAWS[event.flaw]
    if event.message == "OFFERCHANNEL":
        known = event.fields[0] in judge.channels and judge.link(event.fields[0]).alive
        return "offer-again" if known else ""
    if event.message == "RESCIND_CHANNELOFFER":
        return _rescind(judge, event.fields[0])
    if MESSAGES[event.message].answers:
        return _answer(judge, event)
    return ""


def may_not_matter(fault: str) -> tuple[str, ...]:
    """The requirements by which a fault has no consequence."""
    return tuple(dict(WITHOUT_CONSEQUENCE).get(fault, "").split())


def _rescind(judge: ControlJudge, relid: int) -> str:
    if relid not in judge.channels:
        return "rescind-unknown"
    states: Any = judge.channel(relid).node.states
    s = next(iter(states))
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
    connection: Any = next(iter(judge.connection.node.states))
    name, fields = event.message, event.fields
    if name == "VERSION_RESPONSE":
        awaited, known, refused = connection.phase == "contacting", True, not fields[0]
        kind = "version"
    elif name == "UNLOAD_RESPONSE":
        awaited = connection.phase == "unloading"
        known, refused, kind = connection.phase == "gone", False, ""
    elif name == "ALLOFFERS_DELIVERED":
        awaited = connection.phase == "requested" and not connection.offered
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
        state: Any = next(iter(judge.channel(relid).node.states)) if known else None
        opening = name == "OPENCHANNEL_RESULT"
        awaited = link is not None and (link.link == "opening" if opening else state.moving)
        known = known and (not opening or judge.openid.get(relid) == fields[1])
        refused, kind = bool(fields[-1]), "open" if opening else "move"
    if not awaited:
        return "answer-again" if known else "answer-unasked"
    if _is_late(judge, event):
        return "answer-late"
    return f"refuse-{kind}" if refused else ""


def _is_late(judge: ControlJudge, event: Any) -> bool:
    """Whether the channel was rescinded before its answer came."""
    if event.message == "GPADL_TORNDOWN":
        relid = judge.owner.get(event.fields[0], 0)
    elif MESSAGES[event.message].fields[:1] == ("child_relid",):
        relid = event.fields[0]
    else:
        return False
    states: Any = judge.channel(relid).node.states if relid in judge.channels else ()
    return any(s.life != "offered" for s in states)
