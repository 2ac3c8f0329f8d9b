"""A GPADL on the wire: its fragments, its answer, its teardown; one automaton for each id."""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model.control import PAGE, PFNS_IN_BODY, PFNS_IN_HEADER, RANGE_HEADER
from kmcl_model.events import Message
from kmcl_model.spec.observer import Due, Move, Rule, Rules, need

__all__ = ["GPADL", "GpadlState", "initial"]

PFN = 8
"""Bytes of a page frame number."""


class GpadlState(NamedTuple):
    """``phase``: free, partial, asked, created or leaving. ``left``: pages still to be sent.

    ``bodies``: how many GPADL_BODY there were.
    """

    phase: str = "free"
    left: int = 0
    bodies: int = 0
    assumed: tuple[str, ...] = ()


def initial() -> GpadlState:
    """An id that is not in use."""
    return GpadlState()


def _moves(*pairs: str) -> tuple[Move, ...]:
    return tuple(Move("gpadl", *pair.split(">")) for pair in pairs)


def _pages(e: Message) -> int:
    """Pages that the range of GPADL_HEADER has in all, -1 where its size makes no sense."""
    size: Any = e.fields[2]
    pages, rest = divmod(size - RANGE_HEADER, PFN)
    return pages if not rest and pages > 0 else -1


def _describes(_s: GpadlState, e: Message) -> bool:
    fields: Any = e.fields
    _, _, _, ranges, size, offset, _ = fields
    return bool(ranges == 1 and size > 0 and -(-(offset + size) // PAGE) == _pages(e))


def _header(s: GpadlState, e: Message) -> GpadlState:
    carried: Any = e.fields[6]
    left = _pages(e) - carried
    return GpadlState("partial" if left else "asked", left)


def _body(s: GpadlState, e: Message) -> GpadlState:
    number, _, carried = e.fields
    assert isinstance(carried, int)
    left = s.left - carried
    after = s._replace(left=left, bodies=s.bodies + 1, phase="partial" if left else "asked")
    if s.bodies == 1:
        return after._replace(assumed=("W08:R1" if number == 0 else "W08:R2",))
    return after


def _created(s: GpadlState, e: Message) -> GpadlState:
    return s._replace(phase="free" if e.fields[2] else "created", bodies=0)


def _partial(s: GpadlState, _e: Any) -> bool:
    return s.phase == "partial"


GPADL = Rules(
    name="gpadl",
    rules=(
        Rule(
            "GP-header",
            ("message", "GPADL_HEADER"),
            (
                need(
                    "the id is not in use",
                    "V037",
                    lambda s, e: s.phase not in ("partial", "asked", "created"),
                ),
                need(
                    "an id is used again after GPADL_TORNDOWN alone",
                    "V038",
                    lambda s, e: s.phase != "leaving",
                ),
                need(
                    "there is one range, and its pages cover its bytes",
                    "V039",
                    _describes,
                ),
                need(
                    "the header carries as many pages as fit, and no more than there are",
                    "V040",
                    lambda s, e: 0 < e.fields[6] <= min(PFNS_IN_HEADER, _pages(e)),
                ),
            ),
            _header,
            moves=_moves("free>partial", "free>asked"),
        ),
        Rule(
            "GP-body",
            ("message", "GPADL_BODY"),
            (
                need("pages of this GPADL are missing", "V041", _partial),
                need(
                    "the body carries as many pages as fit, and no more than are missing",
                    "V040 V041",
                    lambda s, e: 0 < e.fields[2] <= min(PFNS_IN_BODY, s.left),
                ),
            ),
            _body,
            moves=_moves("partial>partial", "partial>asked"),
        ),
        Rule(
            "GP-created",
            ("message", "GPADL_CREATED"),
            (),
            _created,
            when=lambda s, e: s.phase == "asked" and not e.flaw,
            moves=_moves("asked>created", "asked>free"),
        ),
        Rule(
            "GP-created-ignored",
            ("message", "GPADL_CREATED"),
            (),
            lambda s, e: s,
            when=lambda s, e: s.phase != "asked" or bool(e.flaw),
        ),
        Rule(
            "GP-teardown",
            ("message", "GPADL_TEARDOWN"),
            (
                need(
                    "the host has created the GPADL",
                    "V043",
                    lambda s, e: s.phase in ("created", "leaving"),
                ),
                need("a GPADL is torn down once", "V045", lambda s, e: s.phase == "created"),
            ),
            lambda s, e: s._replace(phase="leaving"),
            moves=_moves("created>leaving"),
        ),
        Rule(
            "GP-torndown",
            ("message", "GPADL_TORNDOWN"),
            (),
            lambda s, e: initial(),
            when=lambda s, e: s.phase == "leaving" and not e.flaw,
            moves=_moves("leaving>free"),
        ),
        Rule(
            "GP-torndown-ignored",
            ("message", "GPADL_TORNDOWN"),
            (),
            lambda s, e: s,
            when=lambda s, e: s.phase != "leaving" or bool(e.flaw),
        ),
    ),
    dues=(
        Due(
            "GP-due-body",
            "the rest of the pages",
            ("V042",),
            lambda s, q: _partial(s, q) and "handover" not in q.facts,
            ("message", "GPADL_BODY"),
        ),
    ),
    idle=lambda s: s.phase != "partial",
    regions=(("gpadl", lambda s: s.phase),),
)
"""The rules of one GPADL."""
