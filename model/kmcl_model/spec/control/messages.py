"""The messages about a channel: what the guest may send, and what the host's change.

A judge hands them on with fields of its own: the name of the GPADL within the channel (0 where it
is none of the channel's), then what the rule needs to know.
"""

from __future__ import annotations

from typing import Any

from kmcl_model.events import Message
from kmcl_model.spec.observer import Need, Rule, need, never

from .state import ChannelState, link_moves, offer_moves, phase_of

__all__ = ["RULES"]


def _with(s: ChannelState, gpadl: int, phase: str) -> ChannelState:
    others = tuple(pair for pair in s.gpadls if pair[0] != gpadl)
    return s._replace(gpadls=others if phase == "free" else (*others, (gpadl, phase)))


_CONNECTED: Need = need(
    "the guest is connected", "V001", lambda s, _e: s.bus.state != "down", never
)
_FRESH: Need = need(
    "a kernel that took over makes contact before it says anything else",
    "V064",
    lambda s, _e: s.bus.handover != "over",
    never,
)
_NOT_UNLOADED: Need = need(
    "nothing but releases is sent after UNLOAD",
    "V014",
    lambda s, _e: s.bus.state != "leaving",
    never,
)
_KNOWN: Need = need(
    "the channel was offered", "V016", lambda s, _e: s.life not in ("none", "ignored")
)
_KEPT: Need = need(
    "nothing is sent about a channel after its release",
    "V017",
    lambda s, _e: s.life != "released",
    never,
)
_ABOUT: tuple[Need, ...] = (_FRESH, _CONNECTED, _NOT_UNLOADED, _KNOWN, _KEPT)
"""What holds for every message about a channel but its release."""


def _open(s: ChannelState, e: Any) -> ChannelState:
    gpadl, same, _, processor, *_ = e.fields
    label = "W02:R1" if same else "W02:R2"
    return s._replace(link="opening", ring=gpadl, target=processor, assumed=(label,))


def _closed(s: ChannelState, _e: Any) -> ChannelState:
    after = s._replace(link="ending")
    if s.bus.handover and all(name != "close" for _, name in s.calls):
        return after._replace(assumed=("W11:R2",))
    return after._replace(assumed=("W04:R2",)) if s.sub and s.life == "rescinded" else after


def _torn(s: ChannelState, e: Any) -> ChannelState:
    after = _with(s, e.fields[0], "leaving")
    if e.fields[0] == s.ring and s.link in ("refused", "ending"):
        return after._replace(link="closed", ring=0)
    return after


def _released(s: ChannelState, _e: Any) -> ChannelState:
    after = s._replace(
        life="released", link="closed", ring=0, gpadls=(), moving=False, refused=frozenset()
    )
    if s.bus.state in ("leaving", "ending"):
        return after._replace(assumed=("W06:R2",))
    if s.link == "open":
        return after._replace(assumed=("W04:R1" if s.sub else "W03:R1",))
    if s.link == "ending" and not s.sub and all(name != "close" for _, name in s.calls):
        return after._replace(assumed=("W03:R2",))
    return after


def _is_moved(s: ChannelState) -> bool:
    return any(name == "move" for _, name in s.calls)


def _moving(s: ChannelState, e: Any) -> ChannelState:
    processor = e.fields[1]
    if s.bus.answered:
        return s._replace(moving=True, asked=processor)
    return s._replace(target=processor)


_GUEST = (
    Rule(
        "CH-gpadl",
        ("message", "GPADL_HEADER"),
        (
            need(
                "no GPADL is made for a channel whose rescind has been handled",
                "V017 V023",
                lambda s, _e: s.life not in ("rescinded", "released"),
                never,
            ),
            *_ABOUT,
        ),
        lambda s, e: _with(s, e.fields[0], "asked" if e.fields[1] else "partial"),
    ),
    Rule(
        "CH-body",
        ("message", "GPADL_BODY"),
        _ABOUT,
        lambda s, e: _with(s, e.fields[0], "asked" if e.fields[1] else "partial"),
    ),
    Rule(
        "CH-open",
        ("message", "OPENCHANNEL"),
        (
            need(
                "a channel whose rescind has been handled is not opened",
                "V017 V022",
                lambda s, _e: s.life not in ("rescinded", "released"),
                never,
            ),
            *_ABOUT,
            need("the channel is closed", "V024", lambda s, _e: s.link == "closed"),
            need(
                "the host has created the ring's GPADL, in an answer with its ids",
                "V025 V046",
                lambda s, e: phase_of(s, e.fields[0]) == "created",
            ),
            need(
                "the second ring begins inside the GPADL",
                "V026",
                lambda _s, e: e.fields[5] != "none",
            ),
            need(
                "each ring has a header and data",
                "V072",
                lambda _s, e: e.fields[5] != "bare",
            ),
            need(
                "the rings are whole pages, each of them once",
                "V071",
                lambda _s, e: e.fields[6],
            ),
            need("the processor exists", "V070", lambda _s, e: e.fields[4]),
            need(
                "a subchannel is opened while its primary is open",
                "V057",
                lambda s, e: not s.sub or e.fields[2],
                lambda s, _e: s.sub,
            ),
        ),
        _open,
        moves=link_moves("closed>opening"),
    ),
    Rule(
        "CH-close",
        ("message", "CLOSECHANNEL"),
        (
            *_ABOUT,
            need("the channel is open", "V027", lambda s, _e: s.link == "open"),
            need(
                "its subchannels are closed before",
                "V058",
                lambda _s, e: not e.fields[1],
                lambda s, e: not s.sub and e.fields[2],
            ),
        ),
        _closed,
        moves=link_moves("open>ending"),
    ),
    Rule(
        "CH-teardown",
        ("message", "GPADL_TEARDOWN"),
        (
            *_ABOUT,
            need(
                "the GPADL is one of the channel's",
                "V044",
                lambda s, e: phase_of(s, e.fields[0]) != "free",
            ),
            need(
                "the ring of an open channel is kept",
                "V029",
                lambda s, e: e.fields[0] != s.ring or s.link not in ("opening", "open"),
                lambda s, e: e.fields[0] == s.ring,
            ),
        ),
        _torn,
        moves=link_moves("ending>closed", "refused>closed"),
    ),
    Rule(
        "CH-release",
        ("message", "RELID_RELEASED"),
        (
            _FRESH,
            _CONNECTED,
            _KNOWN,
            need(
                "a channel is released once",
                "V018",
                lambda s, _e: s.life != "released",
            ),
            need(
                "a channel is released when the host has rescinded it, or after UNLOAD",
                "V019",
                lambda s, _e: (
                    s.life in ("rescinding", "rescinded")
                    or s.bus.state in ("leaving", "ending", "parting")
                ),
            ),
            need(
                "a guest that leaves releases its channels after UNLOAD",
                "V011",
                lambda s, _e: s.life in ("rescinding", "rescinded") or s.bus.state != "parting",
                lambda s, _e: s.bus.state == "leaving",
            ),
        ),
        _released,
        moves=(
            *offer_moves("rescinding>released", "rescinded>released", "offered>released"),
            *link_moves("open>closed", "opening>closed"),
        ),
    ),
    Rule(
        "CH-modify",
        ("message", "MODIFYCHANNEL"),
        (
            *_ABOUT,
            need(
                "the channel is open, and the version has the message",
                "V055",
                lambda s, _e: s.link == "open" and s.bus.modify,
            ),
            need("the processor exists", "V070", lambda _s, e: e.fields[2]),
            need(
                "the channel is moved to the processor that was asked for",
                "V073",
                lambda s, e: e.fields[1] == s.wanted or not _is_moved(s),
                lambda s, _e: _is_moved(s),
            ),
        ),
        _moving,
    ),
    Rule(
        "CH-signal",
        ("signal", ""),
        (
            need("the channel is open", "V036", lambda s, _e: s.link == "open"),
            need(
                "a channel that is given back is not signalled",
                "V036",
                lambda s, _e: s.life in ("offered", "rescinding") or _is_kept(s),
            ),
        ),
        lambda s, _e: s._replace(signalled=True),
    ),
)


def _is_kept(s: ChannelState) -> bool:
    """A subchannel that was rescinded while it was open: a guest may go on with it until its
    primary is closed, and signals both when a program writes to the device."""
    return s.sub and s.life == "rescinded" and s.link == "open"


def _offered(s: ChannelState, e: Message) -> ChannelState | list[ChannelState]:
    _, index, odd = e.fields
    if not odd:
        return s._replace(sub=bool(index), life="offered")
    ignored, taken = s._replace(odd=str(odd), assumed=("W13:R1",)), s._replace(odd=str(odd))
    return [ignored._replace(life="ignored"), taken._replace(life="offered", assumed=("W13:R2",))]


def _whole(_s: ChannelState, e: Message) -> bool:
    return not e.flaw


def _host(message: str) -> tuple[str, str]:
    return ("message", message)


def _result(s: ChannelState, e: Any) -> ChannelState:
    if e.fields[1]:
        return s._replace(link="refused", refused=s.refused | {"open"})
    return s._replace(link="open")


def _created(s: ChannelState, e: Any) -> ChannelState:
    if e.fields[1]:
        return _with(s, e.fields[0], "free")._replace(refused=s.refused | {"gpadl"})
    return _with(s, e.fields[0], "created")


def _answered(s: ChannelState, e: Any) -> ChannelState:
    if e.fields[1]:
        return s._replace(moving=False, refused=s.refused | {"move"})
    return s._replace(moving=False, target=s.asked)


def _is_answer(s: ChannelState, e: Any) -> bool:
    """Whether the host's answer is one that the channel waits for."""
    match e.message:
        case "GPADL_CREATED":
            waits = phase_of(s, e.fields[0]) == "asked"
        case "GPADL_TORNDOWN":
            waits = phase_of(s, e.fields[0]) == "leaving"
        case "OPENCHANNEL_RESULT":
            waits = s.link == "opening"
        case _:
            waits = s.moving
    return waits and not e.flaw


_ANSWERS = (
    ("GPADL_CREATED", _created, ()),
    ("GPADL_TORNDOWN", lambda s, e: _with(s, e.fields[0], "free"), ()),
    ("OPENCHANNEL_RESULT", _result, link_moves("opening>open", "opening>refused")),
    ("MODIFYCHANNEL_RESPONSE", _answered, ()),
)

_HOST = (
    Rule(
        "CH-offered",
        _host("OFFERCHANNEL"),
        (),
        _offered,
        when=lambda s, e: _whole(s, e) and s.life == "none",
        moves=offer_moves("none>offered", "none>ignored"),
    ),
    Rule("CH-odd", ("odd", ""), (), lambda s, e: s._replace(odd=e.about)),
    Rule(
        "CH-offered-again",
        _host("OFFERCHANNEL"),
        (),
        lambda s, e: s,
        when=lambda s, e: not _whole(s, e) or s.life != "none",
    ),
    Rule(
        "CH-rescind",
        _host("RESCIND_CHANNELOFFER"),
        (),
        lambda s, e: s._replace(life="rescinding"),
        when=lambda s, e: _whole(s, e) and s.life == "offered",
        moves=offer_moves("offered>rescinding"),
    ),
    Rule(
        "CH-rescind-ignored",
        _host("RESCIND_CHANNELOFFER"),
        (),
        lambda s, e: s,
        when=lambda s, e: not _whole(s, e) or s.life != "offered",
    ),
    *(
        rule
        for name, then, moves in _ANSWERS
        for id in (f"CH-{name.lower().replace('_', '-')}",)
        for rule in (
            Rule(id, _host(name), (), then, when=_is_answer, moves=moves),
            Rule(
                f"{id}-ignored",
                _host(name),
                (),
                lambda s, e: s,
                when=lambda s, e: not _is_answer(s, e),
            ),
        )
    ),
)

RULES = (*_GUEST, *_HOST)
"""The rules of every message about a channel."""
