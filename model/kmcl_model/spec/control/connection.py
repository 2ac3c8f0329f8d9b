"""The connection of a guest to its bus: contact, version, the request for offers, the unload."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from kmcl_model.control import VERSIONS, version
from kmcl_model.events import Call, Message, Return
from kmcl_model.spec.observer import Due, Move, Need, Quiet, Rule, Rules, Silence, need, witness

__all__ = ["CONNECTION", "WITHOUT_CONSEQUENCE", "Bus", "ConnectionState", "initial"]

ANSWERS_MODIFY = version(5, 3)
KNOWS_MODIFY = version(4, 1)
KNOWS_UNLOAD = version(3, 0)
HIGHEST_OF_LINUX = version(5, 3)


class Bus(NamedTuple):
    """What channels hear of the connection.

    It is ``up``, ``parting`` (the guest is told to leave, and has not said so yet), ``ending`` (the
    same in a version that has no UNLOAD), ``leaving`` (UNLOAD was sent) or ``down``. Besides:
    whether MODIFYCHANNEL exists in its version, and whether it is answered.
    """

    state: str
    modify: bool = False
    answered: bool = False

    def __str__(self) -> str:
        return self.state


class ConnectionState(NamedTuple):
    """``phase``: down, contacting, refused, accepted, requested, unloading or gone.

    ``version``: the one asked for last. ``calls``: loads and unloads in progress, by caller.
    ``offered``: all offers were delivered. ``strange``: the host has sent what must be ignored, and
    the guest has not fallen silent since.
    """

    phase: str = "down"
    version: int = 0
    calls: tuple[tuple[str, str], ...] = ()
    offered: bool = False
    strange: frozenset[str] = frozenset()
    assumed: tuple[str, ...] = ()


def initial() -> ConnectionState:
    """The driver of the bus is not loaded."""
    return ConnectionState()


def _moves(*pairs: str) -> tuple[Move, ...]:
    return tuple(Move("connection", *pair.split(">")) for pair in pairs)


def _calling(s: ConnectionState, function: str) -> bool:
    return any(name == function for _, name in s.calls)


def _begin(s: ConnectionState, e: Call) -> ConnectionState:
    return s._replace(calls=(*s.calls, (e.by, e.function)))


def _end(s: ConnectionState, e: Return) -> ConnectionState:
    return s._replace(calls=tuple(c for c in s.calls if c[0] != e.by))


def _contacted(s: ConnectionState, e: Message) -> ConnectionState:
    wanted = e.fields[0]
    assert isinstance(wanted, int)
    after = s._replace(phase="contacting", version=wanted, offered=False)
    if s.phase != "down" and s.phase != "gone":
        return after
    return after._replace(assumed=("W01:R1" if wanted == HIGHEST_OF_LINUX else "W01:R2",))


def _loaded(s: ConnectionState, e: Return) -> ConnectionState:
    after = _end(s, e)
    if e.status != 0:
        return after._replace(phase="down")
    return after if s.offered else after._replace(assumed=("W05:R1",))


def _unloaded(s: ConnectionState, e: Return) -> ConnectionState:
    """``e.outputs`` tells whether channels are left that were not released."""
    after = _end(s, e)._replace(phase="gone")
    return after._replace(assumed=("W06:R1",)) if e.outputs[0] else after


def _host(message: str, on: str, then: Callable[[ConnectionState, Any], str]) -> tuple[Rule, ...]:
    """An answer counts while it is awaited, and only if it is whole."""
    moves = {
        "VERSION_RESPONSE": _moves("contacting>accepted", "contacting>refused"),
        "UNLOAD_RESPONSE": _moves("unloading>gone"),
    }
    return (
        Rule(
            f"CN-{message.lower().replace('_', '-')}",
            ("message", message),
            (),
            lambda s, e: s._replace(phase=then(s, e)),
            when=lambda s, e: s.phase == on and not e.flaw,
            moves=moves[message],
        ),
        Rule(
            f"CN-{message.lower().replace('_', '-')}-ignored",
            ("message", message),
            (),
            lambda s, _e: s,
            when=lambda s, e: s.phase != on or bool(e.flaw),
        ),
    )


_CONTACTED: Need = need("contact was made", "V001", lambda s, _e: s.phase != "down")
_CONNECTED: Need = need(
    "the host has accepted a version",
    "V007",
    lambda s, _e: s.phase not in ("contacting", "refused"),
)

_RULES = (
    Rule("CN-load", ("call", "load"), (), _begin),
    Rule("CN-unload-call", ("call", "unload"), (), _begin),
    Rule(
        "CN-contact",
        ("message", "INITIATE_CONTACT"),
        (
            need(
                "a connected guest does not contact the host again",
                "V005",
                lambda s, _e: s.phase not in ("accepted", "requested", "unloading"),
            ),
            need(
                "a version is proposed after the answer to the one before",
                "V002",
                lambda s, _e: s.phase != "contacting",
                lambda s, _e: s.phase == "refused",
            ),
            need(
                "the version is one of the protocol's",
                "V004",
                lambda _s, e: e.fields[0] in VERSIONS,
            ),
            need(
                "the next version is lower than those that were refused",
                "V003",
                lambda s, e: s.phase != "refused" or e.fields[0] < s.version,
                lambda s, _e: s.phase == "refused",
            ),
            witness("V006", lambda s, _e: s.phase == "refused"),
        ),
        _contacted,
        shows=("V001",),
        moves=_moves("down>contacting", "refused>contacting", "gone>contacting"),
    ),
    *_host(
        "VERSION_RESPONSE",
        "contacting",
        lambda _s, e: "accepted" if e.fields[0] else "refused",
    ),
    Rule(
        "CN-request",
        ("message", "REQUESTOFFERS"),
        (
            _CONTACTED,
            _CONNECTED,
            need("offers are requested once", "V008", lambda s, _e: s.phase == "accepted"),
        ),
        lambda s, _e: s._replace(phase="requested"),
        moves=_moves("accepted>requested"),
    ),
    Rule(
        "CN-all-offers",
        ("message", "ALLOFFERS_DELIVERED"),
        (),
        lambda s, e: s._replace(offered=s.offered or (s.phase == "requested" and not e.flaw)),
    ),
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
                lambda s, _e: _calling(s, "unload"),
            ),
        ),
        lambda s, _e: s._replace(phase="unloading"),
        moves=_moves("requested>unloading"),
    ),
    *_host("UNLOAD_RESPONSE", "unloading", lambda _s, _e: "gone"),
    Rule(
        "CN-loaded",
        ("return", "load"),
        (
            need(
                "loading succeeds in a connected guest",
                "V009",
                lambda s, e: e.status != 0 or s.phase in ("accepted", "requested"),
            ),
            need(
                "loading succeeds when the offers were requested",
                "V007",
                lambda s, e: e.status != 0 or s.phase == "requested",
            ),
            need(
                "loading fails when no version is left",
                "V009",
                lambda s, e: e.status == 0 or s.phase in ("refused", "gone"),
            ),
            witness("V010", lambda s, e: e.status == 0),
        ),
        _loaded,
        moves=_moves("refused>down"),
    ),
    Rule(
        "CN-unloaded",
        ("return", "unload"),
        (
            need(
                "the host has been told",
                "V011",
                lambda s, e: s.phase in ("unloading", "gone") or s.version < KNOWS_UNLOAD,
            ),
            need(
                "the host has answered UNLOAD",
                "V013",
                lambda s, e: s.phase == "gone" or s.version < KNOWS_UNLOAD,
            ),
        ),
        _unloaded,
        # Below 3.0 there is no UNLOAD.
        moves=_moves("requested>gone"),
    ),
    Rule("CN-strange", ("strange", ""), (), lambda s, e: s._replace(strange=s.strange | {e.about})),
    Rule(
        "CN-reset",
        ("environment", "reset"),
        (),
        lambda s, _e: initial(),
        moves=_moves("requested>down", "accepted>down", "contacting>down", "unloading>down"),
    ),
)


def _excused(q: Quiet) -> bool:
    return "owing" in q.facts


_DUES = (
    Due(
        "CN-due-contact",
        "the first contact",
        ("V001", "V033"),
        lambda s, q: s.phase in ("down", "gone") and _calling(s, "load"),
        ("message", "INITIATE_CONTACT"),
    ),
    Due(
        "CN-due-next",
        "a contact with a lower version, or the failure of the load,",
        ("V006",),
        lambda s, q: s.phase == "refused" and _calling(s, "load"),
    ),
    Due(
        "CN-due-request",
        "REQUESTOFFERS",
        ("V007",),
        lambda s, q: s.phase == "accepted" and not _calling(s, "unload"),
        ("message", "REQUESTOFFERS"),
    ),
    Due(
        "CN-due-loaded",
        "the return of the load",
        ("V010",),
        lambda s, q: s.phase == "requested" and s.offered and _calling(s, "load"),
        ("return", "load"),
    ),
    Due(
        "CN-due-unload",
        "UNLOAD",
        ("V011",),
        lambda s, q: (
            s.phase == "requested"
            and _calling(s, "unload")
            and not _excused(q)
            and s.version >= KNOWS_UNLOAD
        ),
    ),
    Due(
        "CN-due-unloaded",
        "the return of the unload",
        ("V015",),
        lambda s, q: s.phase == "gone" and _calling(s, "unload"),
        ("return", "unload"),
    ),
)


def _after(name: str, s: ConnectionState, _q: Quiet) -> bool:
    return name in s.strange


WITHOUT_CONSEQUENCE: Final = (
    ("short-message", "V051"),
    ("unknown-message", "V051"),
    ("rescind-unknown", "V052"),
    ("rescind-again", "V018"),
    ("offer-again", "V053"),
    ("answer-unasked", "V050"),
    ("answer-again", "V049"),
    ("answer-wrong-id", "V046 V047 V048"),
    ("answer-wrong-relid", "V046 V047"),
    ("spurious", "V059"),
    ("busy", "V054"),
)
"""What the host may do without the guest doing anything about it, by the names of faults."""


def _settle(s: ConnectionState, _q: Quiet) -> ConnectionState:
    waits = s.phase == "requested" and not s.offered and _calling(s, "load")
    return s._replace(strange=frozenset(), assumed=("W05:R2",) if waits else ())


def _bus(s: ConnectionState) -> Bus:
    state = "down"
    if s.phase in ("unloading", "gone"):
        state = "leaving"
    elif s.phase in ("requested", "accepted"):
        silent = s.version < KNOWS_UNLOAD
        state = ("ending" if silent else "parting") if _calling(s, "unload") else "up"
    return Bus(state, s.version >= KNOWS_MODIFY, s.version >= ANSWERS_MODIFY)


CONNECTION = Rules(
    name="connection",
    rules=_RULES,
    dues=_DUES,
    silences=tuple(
        Silence(f"CN-quiet-after-{name}", tuple(ids.split()), partial(_after, name))
        for name, ids in WITHOUT_CONSEQUENCE
    ),
    settle=_settle,
    regions=(("connection", lambda s: s.phase),),
    summary=_bus,
)
"""The rules of the connection."""
