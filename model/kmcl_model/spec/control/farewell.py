"""How a guest leaves its bus: for good, or to another kernel."""

from __future__ import annotations

from typing import Final

from kmcl_model.events import Message, Return
from kmcl_model.spec.observer import Due, Quiet, Rule, need, witness

from .bus import KNOWS_UNLOAD, ConnectionState, begin, calling, end, excused, leaves, moves

__all__ = ["DUES", "RULES"]


def _said_unload(s: ConnectionState, e: Message) -> ConnectionState:
    """``e.fields`` tells whether a channel is open."""
    left = calling(s, "kexec") and e.fields[0]
    return s._replace(phase="unloading", assumed=("W11:R1",) if left else ())


def _succeeded(s: ConnectionState, e: Return) -> ConnectionState:
    return end(s, e) if e.status else ConnectionState(succeeded=True)


def _was_refused(s: ConnectionState, e: Return) -> bool:
    """Nothing was unloaded: a program has a device open, maybe one that is gone."""
    return bool(e.status) and s.phase not in ("unloading", "gone")


def _unloaded(s: ConnectionState, e: Return) -> ConnectionState:
    """``e.outputs`` tells whether channels are left that were not released."""
    if _was_refused(s, e):
        return end(s, e)
    after = end(s, e)._replace(phase="gone")
    return after._replace(assumed=("W06:R1",)) if e.outputs[0] else after


RULES: Final = (
    Rule("CN-unload-call", ("call", "unload"), (), begin),
    Rule(
        "CN-unload",
        ("message", "UNLOAD"),
        (
            need(
                "a guest that is not connected, or has said so before, does not send UNLOAD",
                "V012",
                lambda s, _e: s.phase in ("accepted", "requested"),
            ),
            need(
                "a guest unloads when it is told to",
                "V012",
                lambda s, _e: leaves(s),
            ),
        ),
        _said_unload,
        moves=moves("requested>unloading"),
    ),
    Rule(
        "CN-unloaded",
        ("return", "unload"),
        (
            need(
                "the host has been told",
                "V011",
                lambda s, e: (
                    s.phase in ("unloading", "gone")
                    or s.version < KNOWS_UNLOAD
                    or _was_refused(s, e)
                ),
                lambda _s, e: not e.status,
            ),
            need(
                "the host has answered UNLOAD",
                "V013",
                lambda s, e: s.phase == "gone" or s.version < KNOWS_UNLOAD or _was_refused(s, e),
                lambda _s, e: not e.status,
            ),
        ),
        _unloaded,
        # Below 3.0 there is no UNLOAD.
        moves=moves("requested>gone"),
    ),
    Rule("CN-kexec", ("call", "kexec"), (), begin),
    Rule(
        "CN-succeeded",
        ("return", "kexec"),
        (
            need(
                "the host has been told of the handover",
                "V061",
                lambda s, e: bool(e.status) or s.phase != "requested" or s.version < KNOWS_UNLOAD,
                lambda s, e: not e.status and s.phase in ("unloading", "gone"),
            ),
            need(
                "the host has answered UNLOAD before the handover",
                "V062",
                lambda s, e: bool(e.status) or s.phase != "unloading",
                lambda s, e: not e.status and s.phase == "gone",
            ),
            witness("V063", lambda _s, e: not e.status),
        ),
        _succeeded,
        # Below 3.0 there is no UNLOAD.
        moves=moves("gone>down", "requested>down"),
    ),
)
"""What the guest says and does; the host's answer is among the rules of the connection."""


def _hands_over(s: ConnectionState, q: Quiet) -> bool:
    """Whether nothing keeps the guest from starting the other kernel."""
    parted = s.phase in ("down", "gone") or (s.phase == "requested" and s.version < KNOWS_UNLOAD)
    return parted and calling(s, "kexec") and not excused(q)


DUES: Final = (
    Due(
        "CN-due-unload",
        "UNLOAD",
        ("V011",),
        lambda s, q: (
            s.phase == "requested"
            and calling(s, "unload")
            and not excused(q)
            and s.version >= KNOWS_UNLOAD
        ),
    ),
    Due(
        "CN-due-parting",
        "UNLOAD",
        ("V061",),
        lambda s, q: (
            s.phase == "requested"
            and calling(s, "kexec")
            and not excused(q)
            and s.version >= KNOWS_UNLOAD
        ),
    ),
    Due(
        "CN-due-successor",
        "the other kernel",
        ("V063",),
        _hands_over,
        ("return", "kexec"),
    ),
    Due(
        "CN-due-unloaded",
        "the return of the unload",
        ("V015",),
        lambda s, q: s.phase == "gone" and calling(s, "unload"),
        ("return", "unload"),
    ),
)
"""What is to come when the guest was told to leave."""
