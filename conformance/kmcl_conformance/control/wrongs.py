"""How each fault of the vocabulary is committed in the midst of a walk.

Each of these gives the stimulus, or None where there is no occasion for it now.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Final, Protocol, TypeAlias

from kmcl_model.control import MOST_RELIDS
from kmcl_model.stimuli import Post, Stimulus

from .faults import SHORT
from .setup import (
    DEVICES,
    ENUMERABLE,
    FAILURE,
    HEARTBEAT,
    NAMED_PIPE,
    RELIDS,
    SETTLE,
    happens,
    offer,
    post,
    signal,
)
from .situation import Situation, Waiting

__all__ = ["BUILDERS", "answer", "rescind_where"]

_BEYOND: Final = (0, MOST_RELIDS, 5000, 65_535)
"""Relids without an event flag."""

_FIRST_OTHER: Final = 5
"""The first connection on which no contact is made."""

_MONITORS: Final = 128
"""As many bits a monitor page has."""


class Chooser(Protocol):
    """Who commits faults: it looks at a situation and draws."""

    @property
    def situation(self) -> Situation: ...

    @property
    def rng(self) -> Random: ...


Builder: TypeAlias = Callable[[Chooser], Stimulus | None]


def answer(waiting: Waiting, status: int = 0) -> Post:
    """The answer that is waited for: success, or that status."""
    match waiting.message:
        case "VERSION_RESPONSE":
            return post("VERSION_RESPONSE", not status)
        case "ALLOFFERS_DELIVERED" | "UNLOAD_RESPONSE":
            return post(waiting.message)
        case "GPADL_TORNDOWN":
            return post(waiting.message, waiting.relid)
    return post(waiting.message, waiting.relid, status)


def rescind_where(c: Chooser, fits: Callable[[Any], bool]) -> Stimulus | None:
    """Some channel in a situation that fits is rescinded."""
    found = [r for r in c.situation.relids() if fits(c.situation.state(r))]
    return post("RESCIND_CHANNELOFFER", c.rng.choice(found)) if found else None


def _rescind_offered(fits: Callable[[Any], bool], c: Chooser) -> Stimulus | None:
    return rescind_where(c, lambda s: s.life == "offered" and fits(s))


def _refuse(message: str, c: Chooser) -> Stimulus | None:
    """A request of this kind fails."""
    found = [w for w in c.situation.waiting() if w.message == message]
    return answer(c.rng.choice(found), FAILURE) if found else None


def _another_connection(c: Chooser) -> Stimulus | None:
    waits = any(w.message == "VERSION_RESPONSE" for w in c.situation.waiting())
    named = c.rng.randrange(_FIRST_OTHER, 1 << 24)
    return post("VERSION_RESPONSE", True, named) if waits else None


def _signal(c: Chooser) -> Stimulus | None:
    """A signal of any channel there is or was, or of a relid that is none."""
    known = [relid for relid in c.situation.relids() if relid < MOST_RELIDS]
    others = [r for r in range(1, MOST_RELIDS) if r not in known]
    return signal(c.rng.choice((*known, c.rng.choice(others))))


def _answer_again(c: Chooser) -> Stimulus | None:
    """A message that nobody waits for, about a channel there is or was."""
    about = ("GPADL_CREATED", "GPADL_TORNDOWN", "OPENCHANNEL_RESULT", "MODIFYCHANNEL_RESPONSE")
    relids = c.situation.relids()
    name = c.rng.choice((*about, "VERSION_RESPONSE", "UNLOAD_RESPONSE"))
    if name == "VERSION_RESPONSE":
        return post(name, c.rng.random() < 0.5)
    if name == "UNLOAD_RESPONSE":
        return post(name)
    return answer(Waiting(name, c.rng.choice(relids))) if relids else None


def _all_offers_again(c: Chooser) -> Stimulus | None:
    return post("ALLOFFERS_DELIVERED") if c.situation.connection.offered else None


def _unknown(c: Chooser) -> int:
    """A relid that was never offered, of any size."""
    highest = c.rng.choice((16, 256, MOST_RELIDS, 1 << 16))
    return c.rng.choice([r for r in range(len(RELIDS) + 1, highest) if not _is_known(c, r)])


def _is_known(c: Chooser, relid: int) -> bool:
    return relid in c.situation.judge.channels


def _answer_unasked(c: Chooser) -> Stimulus | None:
    name = c.rng.choice(("OPENCHANNEL_RESULT", "GPADL_CREATED", "MODIFYCHANNEL_RESPONSE"))
    return post(name, _unknown(c), 0)


def _answer_wrongly(flaw: str, c: Chooser) -> Stimulus | None:
    """The answer to a request bears an id or a relid that is not the request's."""
    names = ["GPADL_CREATED", "OPENCHANNEL_RESULT"]
    names.append("GPADL_TORNDOWN" if flaw == "wrong id" else "MODIFYCHANNEL_RESPONSE")
    found = [w for w in c.situation.waiting() if w.message in names]
    return answer(c.rng.choice(found))._replace(flaw=flaw) if found else None


def _lost(c: Chooser) -> Stimulus | None:
    """An answer does not arrive; the host may give it once more."""
    found = c.situation.waiting()
    return answer(c.rng.choice(found))._replace(flaw="lost") if found else None


def _reordered(c: Chooser) -> Stimulus | None:
    """Not the oldest request is answered."""
    order = c.situation.judge.order
    found = [w for w in c.situation.waiting() if not order.is_first((w.message, w.relid))]
    return answer(c.rng.choice(found)) if found else None


def _late(c: Chooser) -> Stimulus | None:
    """An answer about a channel that was rescinded meanwhile."""
    s = c.situation
    found = [w for w in s.waiting() if w.relid and s.state(w.relid).life != "offered"]
    return answer(c.rng.choice(found)) if found else None


def _some(message: str, c: Chooser) -> Post | None:
    """Some message of this kind: an answer where one is waited for."""
    if message == "OFFERCHANNEL":
        return offer(_unknown(c))
    relids = c.situation.relids()
    if message == "RESCIND_CHANNELOFFER":
        return post(message, c.rng.choice(relids)) if relids else None
    found = [w for w in c.situation.waiting() if w.message == message]
    return answer(c.rng.choice(found)) if found else None


def _short(message: str, c: Chooser) -> Stimulus | None:
    made = _some(message, c)
    return None if made is None else made._replace(flaw="short")


def _of_unknown_type(c: Chooser) -> Stimulus | None:
    made = _some(c.rng.choice([*SHORT]), c)
    return None if made is None else made._replace(flaw="unknown type")


# Offers ---------------------------------------------------------------------------------


def _free(c: Chooser) -> int | None:
    found = c.situation.free_relids()
    return c.rng.choice(found[:3]) if found else None


def _offer_again(c: Chooser) -> Stimulus | None:
    """An offer that the guest has already."""
    s = c.situation
    found = [r for r in s.relids() if s.state(r).life == "offered" and r in s.offers]
    return Post("post", "OFFERCHANNEL", s.offers[c.rng.choice(found)]) if found else None


def _offer_monitored(c: Chooser) -> Stimulus | None:
    relid, device = _free(c), c.rng.choice((*DEVICES, HEARTBEAT))
    monitor = c.rng.randrange(_MONITORS)
    return None if relid is None else offer(relid, device, monitor=monitor)


def _offer_flagged(c: Chooser) -> Stimulus | None:
    relid, device, flags = _free(c), c.rng.choice(DEVICES), c.rng.choice(_FLAGS)
    return None if relid is None else offer(relid, device, flags=flags)


_FLAGS: Final = (NAMED_PIPE, ENUMERABLE, NAMED_PIPE | ENUMERABLE)


def _offer_beyond(c: Chooser) -> Stimulus | None:
    return offer(c.rng.choice(_BEYOND), c.rng.choice(DEVICES))


def _offer_taken(c: Chooser) -> Stimulus | None:
    s, relid = c.situation, _free(c)
    taken = [d for d in DEVICES if (p := s.channel_of(d)) is not None and p.life == "offered"]
    return offer(relid, c.rng.choice(taken)) if relid is not None and taken else None


def _offer_orphan(c: Chooser) -> Stimulus | None:
    s, relid = c.situation, _free(c)
    gone = [d for d in DEVICES if (p := s.channel_of(d)) is None or p.life != "offered"]
    return offer(relid, c.rng.choice(gone), 1) if relid is not None and gone else None


def _phases(s: Any) -> set[str]:
    return {phase for _, phase in s.gpadls}


_RESCINDS: Final[dict[str, Callable[[Any], bool]]] = {
    "rescind-idle": lambda s: s.link == "closed" and not s.gpadls,
    "rescind-bound": lambda s: s.bound and s.link == "closed",
    "rescind-creating": lambda s: "asked" in _phases(s),
    "rescind-opening": lambda s: s.link == "opening",
    "rescind-open": lambda s: s.link == "open" and not s.sub,
    "rescind-tearing-down": lambda s: "leaving" in _phases(s),
    "rescind-moving": lambda s: s.moving,
    "rescind-subchannel": lambda s: s.sub,
}

BUILDERS: Final[dict[str, Builder]] = {
    "refuse-version": partial(_refuse, "VERSION_RESPONSE"),
    "another-connection": _another_connection,
    "refuse-gpadl": partial(_refuse, "GPADL_CREATED"),
    "refuse-open": partial(_refuse, "OPENCHANNEL_RESULT"),
    "refuse-move": partial(_refuse, "MODIFYCHANNEL_RESPONSE"),
    **{name: partial(_rescind_offered, fits) for name, fits in _RESCINDS.items()},
    "rescind-again": lambda c: rescind_where(c, lambda s: s.life not in ("offered", "ignored")),
    "rescind-unknown": lambda c: post("RESCIND_CHANNELOFFER", _unknown(c)),
    "offer-again": _offer_again,
    "offer-monitored": _offer_monitored,
    "offer-flagged": _offer_flagged,
    "offer-relid-out-of-range": _offer_beyond,
    "offer-instance-taken": _offer_taken,
    "offer-subchannel-without-primary": _offer_orphan,
    "answer-again": _answer_again,
    "all-offers-again": _all_offers_again,
    "answer-unasked": _answer_unasked,
    "answer-late": _late,
    "answer-lost": _lost,
    "answer-delayed": lambda c: SETTLE if c.situation.waiting() else None,
    "answers-reordered": _reordered,
    "answer-wrong-relid": partial(_answer_wrongly, "wrong relid"),
    "answer-wrong-id": partial(_answer_wrongly, "wrong id"),
    **{fault: partial(_short, message) for message, fault in SHORT.items()},
    "unknown-message": _of_unknown_type,
    "busy": lambda _c: happens("busy"),
    "spurious": _signal,
    "reset": lambda _c: happens("reset"),
}
"""By the name of the fault."""
