"""One channel of the guest: its offer, its link, and what its user asks for."""

from __future__ import annotations

from functools import partial
from typing import Any

from kmcl_model.events import Call, Return
from kmcl_model.spec.observer import Due, Quiet, Rule, Rules, Shadow, Silence, need, never

from . import messages
from .odd import ODD_OFFERS
from .state import ChannelState, link_of, owes

__all__ = ["CHANNEL"]

EAGAIN, ENODEV, EDQUOT = 11, 19, 122


def _begin(s: ChannelState, e: Call) -> ChannelState:
    refused = s.refused if s.calls else frozenset[str]()
    return s._replace(calls=(*s.calls, (e.by, e.function)), refused=refused, signalled=False)


def _end(s: ChannelState, e: Return) -> ChannelState:
    return s._replace(calls=tuple(c for c in s.calls if c[0] != e.by))


def _wanted(s: ChannelState, e: Call) -> ChannelState:
    processor = e.arguments[0]
    assert isinstance(processor, int)
    return _begin(s, e)._replace(wanted=processor)


def _may_move(s: ChannelState) -> bool:
    """Whether nothing keeps a move from succeeding."""
    return "move" not in s.refused and not _gone(s) and s.link == "open" and s.bus.modify


def _gone(s: ChannelState) -> bool:
    return s.life != "offered"


def _errno(s: ChannelState, e: Return) -> tuple[str, ...]:
    """Which error an open has failed with, as far as there is one reason alone."""
    causes = {*s.refused, *(("rescind",) if _gone(s) else ())}
    expected = {"gpadl": EDQUOT, "open": EAGAIN, "rescind": ENODEV}
    if len(causes) != 1 or not causes <= expected.keys():
        return ()
    cause = causes.pop()
    return (f"W09/{cause}:{'R1' if e.status == expected[cause] else 'R2'}",)


def _opened(s: ChannelState, e: Return) -> ChannelState:
    after = _end(s, e)
    if e.status:
        return after._replace(assumed=_errno(s, e))
    return after._replace(descriptors=s.descriptors + 1)


def _bound(s: ChannelState, e: Return) -> ChannelState:
    after = _end(s, e)
    if e.status or _gone(s):
        return after
    return after._replace(bound=True, assumed=("W07:R1" if s.gpadls else "W07:R2",))


def _notified(s: ChannelState, e: Return) -> ChannelState:
    after = _end(s, e)
    if e.status or _gone(s):
        return after
    return after._replace(assumed=("W10:R1" if s.signalled else "W10:R2",))


_REASON = need(
    "what the host did not refuse, and whose channel it did not rescind, succeeds",
    "V032",
    lambda s, e: not e.status or bool(s.refused) or _gone(s),
)
_THERE = need(
    "a call succeeds on a channel that the guest has",
    "V032",
    lambda s, e: bool(e.status) or s.life != "ignored",
    never,
)

_CALLS = (
    *(
        Rule(f"CH-{name}-call", ("call", name), (), _begin)
        for name in ("bind", "unbind", "open", "close", "notify")
    ),
    Rule("CH-move-call", ("call", "move"), (), _wanted),
    Rule(
        "CH-bind",
        ("return", "bind"),
        (
            need(
                "bind has the answers to all it asked for",
                "V060",
                lambda s, e: (
                    bool(e.status) or _gone(s) or not any(phase == "asked" for _, phase in s.gpadls)
                ),
            ),
            _REASON,
            _THERE,
            need(
                "a failed bind gives back what it has established",
                "V034",
                lambda s, e: not e.status or _gone(s) or not s.gpadls,
                lambda s, e: bool(e.status),
            ),
        ),
        _bound,
        shows=("V033",),
    ),
    Rule(
        "CH-unbind",
        ("return", "unbind"),
        (
            need(
                "unbind gives back every GPADL",
                "V034",
                lambda s, _e: _gone(s) or not s.gpadls,
            ),
        ),
        lambda s, e: _end(s, e)._replace(bound=False),
    ),
    Rule(
        "CH-opened",
        ("return", "open"),
        (
            need(
                "open succeeds when the host has opened the channel, in an answer with its ids",
                "V031 V047 V049",
                lambda s, e: bool(e.status) or s.link == "open" or s.life == "released",
            ),
            _REASON,
            need(
                "the ring of a refused open is given back",
                "V030",
                lambda s, e: _gone(s) or s.link != "refused",
                lambda s, _e: "open" in s.refused,
            ),
        ),
        _opened,
        shows=("V033",),
    ),
    Rule(
        "CH-closed",
        ("return", "close"),
        (
            need(
                "the last close closes the channel",
                "V028",
                lambda s, _e: _gone(s) or s.descriptors > 1 or s.link != "open",
            ),
            need(
                "the last close gives back the ring",
                "V028",
                lambda s, _e: _gone(s) or s.descriptors > 1 or s.link != "ending",
            ),
            need(
                "the last close waits for GPADL_TORNDOWN with the id of the ring",
                "V035 V048",
                lambda s, _e: (
                    _gone(s)
                    or s.descriptors > 1
                    or not any(phase == "leaving" for _, phase in s.gpadls)
                ),
            ),
        ),
        lambda s, e: _end(s, e)._replace(descriptors=max(0, s.descriptors - 1)),
        shows=("V033",),
    ),
    Rule(
        "CH-moved",
        ("return", "move"),
        (
            need(
                "the move waits for its answer where there is one",
                "V056",
                lambda s, e: bool(e.status) or not s.moving or _gone(s),
                lambda s, e: s.bus.answered,
            ),
            need(
                "a move that succeeds has moved the channel",
                "V074",
                lambda s, e: bool(e.status) or _gone(s) or s.target in (-1, s.wanted),
                lambda s, e: not e.status and s.target != -1,
            ),
            need(
                "a move fails where the host has refused it, or nothing could be moved",
                "V074",
                lambda s, e: not e.status or not _may_move(s),
                lambda s, e: bool(e.status),
            ),
        ),
        _end,
    ),
    Rule("CH-notify", ("return", "notify"), (), _notified),
)

_HEARD = (
    Rule("CH-bus", ("bus", ""), (), lambda s, e: s._replace(bus=_bus(e))),
    Rule(
        "CH-reset",
        ("environment", "reset"),
        (),
        lambda s, _e: ChannelState(bus=s.bus),
    ),
)


def _bus(e: Shadow) -> Any:
    return e.states[0]


def _alive(s: ChannelState) -> bool:
    return s.life == "offered"


def _stuck(s: ChannelState, q: Quiet) -> bool:
    """A call may wait for the subchannels of its channel as well."""
    begun = any(phase == "partial" for _, phase in s.gpadls)
    excused = owes(s) or begun or "owing" in q.facts or _is_stopped(s)
    return (_alive(s) or s.life == "ignored") and bool(s.calls) and not excused


def _is_stopped(s: ChannelState) -> bool:
    """Another kernel is to take over: nobody goes on with anything."""
    return bool(s.bus.handover)


def _rescinded(s: ChannelState, q: Quiet) -> bool:
    connected = s.bus.state == "up" and "unloading" not in q.facts
    return s.life in ("rescinding", "rescinded") and connected


def _owes_release(fault: str, s: ChannelState, q: Quiet) -> bool:
    return s.odd == fault and _rescinded(s, q) and not (s.sub and s.link == "open")


_DUES = (
    Due("CH-due-step", "the next step of the call in progress", ("V033",), _stuck),
    *(
        Due(
            "-".join(filter(None, ("CH-due-release", fault))),
            "RELID_RELEASED",
            tuple(f"V020 {ids}".split()),
            partial(_owes_release, fault),
            ("message", "RELID_RELEASED"),
        )
        for fault, ids in (("", ""), *ODD_OFFERS.items())
    ),
    Due(
        "CH-due-return",
        "the return of a call whose channel was rescinded",
        ("V021",),
        lambda s, q: (
            (_rescinded(s, q) or s.life == "released") and bool(s.calls) and not _is_stopped(s)
        ),
    ),
    Due(
        "CH-due-ring",
        "the teardown of a ring that is not used any more",
        ("V028",),
        lambda s, q: (
            s.sub
            and _alive(s)
            and s.link in ("ending", "refused")
            and not owes(s)
            and not _is_stopped(s)
        ),
    ),
)


def _settle(s: ChannelState, _q: Quiet) -> ChannelState:
    if s.life != "rescinding":
        return s
    kept = s.sub and s.link == "open"
    return s._replace(life="rescinded", assumed=(*s.assumed, *(("W04:R2",) if kept else ())))


CHANNEL = Rules(
    name="channel",
    rules=(*messages.RULES, *_CALLS, *_HEARD),
    dues=_DUES,
    silences=(
        Silence(
            "CH-quiet-after-release",
            ("V017", "V020", "V021", "V022", "V023"),
            lambda s, q: s.life == "released",
        ),
        Silence("CH-quiet-after-unload", ("V014",), lambda s, q: s.bus.state == "leaving"),
    ),
    settle=_settle,
    regions=(("offer", lambda s: s.life), ("link", lambda s: s.link)),
    summary=link_of,
)
"""The rules of a channel."""
