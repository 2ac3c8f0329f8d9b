"""The connection of a guest to its bus: contact, version, the request for offers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from kmcl_model.control import PAGE, VERSIONS
from kmcl_model.events import Message, Return
from kmcl_model.spec.observer import Due, Need, Quiet, Rule, Rules, Shadow, Silence, need, witness

from . import farewell
from .bus import (
    ANSWERS_MODIFY,
    HIGHEST_OF_LINUX,
    KNOWS_MODIFY,
    KNOWS_UNLOAD,
    NAMES_CONNECTION,
    Bus,
    ConnectionState,
    begin,
    calling,
    end,
    excused,
    initial,
    leaves,
    moves,
)
from .odd import ODD_OFFERS

__all__ = ["CONNECTION", "WITHOUT_CONSEQUENCE"]


def _contacted(s: ConnectionState, e: Message) -> ConnectionState:
    wanted = e.fields[0]
    assert isinstance(wanted, int)
    after = s._replace(phase="contacting", version=wanted, offered=False, succeeded=False)
    after = after._replace(connection=0)
    if s.phase != "down" and s.phase != "gone":
        return after
    return after._replace(assumed=("W01:R1" if wanted == HIGHEST_OF_LINUX else "W01:R2",))


def _loaded(s: ConnectionState, e: Return) -> ConnectionState:
    after = end(s, e)
    if e.status != 0:
        return after._replace(phase="down")
    return after if s.offered else after._replace(assumed=("W05:R1",))


_OLD, _NEW = 1, 4
"""The connections to which contact is made: before version 5.0, and since."""


def _agreed(s: ConnectionState, e: Message) -> ConnectionState:
    """Where a guest posts whose version the host has accepted."""
    if s.phase != "accepted":
        return s
    named = e.fields[1]
    if s.version >= NAMES_CONNECTION:
        return s._replace(connection=named if isinstance(named, int) else 0)
    return s._replace(connection=_OLD)


def _is_heard(s: ConnectionState, e: Shadow) -> bool:
    version, connection = e.states
    if e.about != "INITIATE_CONTACT":
        return s.connection in (0, connection)
    assert isinstance(version, int)
    return connection == (_NEW if version >= NAMES_CONNECTION else _OLD)


def _are_pages(e: Message) -> bool:
    """Whether the pages that the guest gives its host are pages of its own; none may be left out
    but both of the monitor."""
    version, _, interrupt, *monitor, _ = e.fields
    pages = [page for page in monitor if page is not None] if any(monitor) else []
    assert isinstance(version, int)
    if version < NAMES_CONNECTION and interrupt is not None:
        pages.append(interrupt)
    whole = all(isinstance(page, int) and page and not page % PAGE for page in pages)
    return whole and len({*pages}) == len(pages)


def _host(message: str, on: str, then: Callable[[ConnectionState, Any], str]) -> tuple[Rule, ...]:
    """An answer counts while it is awaited, and only if it is whole."""
    steps = {
        "VERSION_RESPONSE": moves("contacting>accepted", "contacting>refused"),
        "UNLOAD_RESPONSE": moves("unloading>gone"),
    }
    return (
        Rule(
            f"CN-{message.lower().replace('_', '-')}",
            ("message", message),
            (),
            lambda s, e: _agreed(s._replace(phase=then(s, e), assumed=()), e),
            when=lambda s, e: s.phase == on and not e.flaw,
            moves=steps[message],
        ),
        Rule(
            f"CN-{message.lower().replace('_', '-')}-ignored",
            ("message", message),
            (),
            lambda s, _e: s._replace(assumed=()),
            when=lambda s, e: s.phase != on or bool(e.flaw),
        ),
    )


def _perhaps(s: ConnectionState, e: Shadow) -> ConnectionState | list[ConnectionState]:
    """A message that is nothing but its type is cut short: it may be understood all the same."""
    ignored, taken = s._replace(assumed=("W12:R1",)), s._replace(assumed=("W12:R2",))
    if e.about == "UNLOAD_RESPONSE" and s.phase == "unloading":
        return [ignored, taken._replace(phase="gone")]
    if e.about == "ALLOFFERS_DELIVERED" and s.phase == "requested" and not s.offered:
        return [ignored, taken._replace(offered=True)]
    return s


_CONTACTED: Need = need("contact was made", "V001", lambda s, _e: s.phase != "down")
_CONNECTED: Need = need(
    "the host has accepted a version",
    "V007",
    lambda s, _e: s.phase not in ("contacting", "refused"),
)

_RULES = (
    Rule("CN-load", ("call", "load"), (), begin),
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
            need(
                "the processor exists",
                "V070",
                lambda _s, e: e.fields[5] is None or e.fields[1] < e.fields[5],
            ),
            need(
                "the host is given whole pages, different ones",
                "V069",
                lambda _s, e: _are_pages(e),
            ),
            witness("V006", lambda s, _e: s.phase == "refused"),
            witness("V064", lambda s, _e: s.succeeded),
        ),
        _contacted,
        shows=("V001",),
        moves=moves("down>contacting", "refused>contacting", "gone>contacting"),
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
        moves=moves("accepted>requested"),
    ),
    Rule(
        "CN-all-offers",
        ("message", "ALLOFFERS_DELIVERED"),
        (),
        lambda s, e: s._replace(
            offered=s.offered or (s.phase == "requested" and not e.flaw), assumed=()
        ),
    ),
    *_host("UNLOAD_RESPONSE", "unloading", lambda _s, _e: "gone"),
    Rule(
        "CN-posted",
        ("posted", ""),
        (need("the host is where the message was posted", "V068", _is_heard),),
        lambda s, _e: s,
    ),
    Rule("CN-perhaps", ("perhaps", ""), (), _perhaps),
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
        moves=moves("refused>down"),
    ),
    *farewell.RULES,
    Rule("CN-strange", ("strange", ""), (), lambda s, e: s._replace(strange=s.strange | {e.about})),
    Rule(
        "CN-reset",
        ("environment", "reset"),
        (),
        lambda s, _e: initial(),
        moves=moves("requested>down", "accepted>down", "contacting>down", "unloading>down"),
    ),
)


def _load_is_over(s: ConnectionState, q: Quiet) -> bool:
    """The load brings the drivers of devices as well, and may wait until they have theirs."""
    return s.phase == "requested" and s.offered and calling(s, "load") and not excused(q)


_DUES = (
    Due(
        "CN-due-contact",
        "the first contact",
        ("V001", "V033"),
        lambda s, q: s.phase in ("down", "gone") and calling(s, "load"),
        ("message", "INITIATE_CONTACT"),
    ),
    Due(
        "CN-due-next",
        "a contact with a lower version, or the failure of the load,",
        ("V006",),
        lambda s, q: s.phase == "refused" and calling(s, "load"),
    ),
    Due(
        "CN-due-request",
        "REQUESTOFFERS",
        ("V007",),
        lambda s, q: s.phase == "accepted" and not calling(s, "unload"),
        ("message", "REQUESTOFFERS"),
    ),
    Due(
        "CN-due-loaded",
        "the return of the load",
        ("V010",),
        _load_is_over,
        ("return", "load"),
    ),
    *farewell.DUES,
)


def _after(name: str, s: ConnectionState, _q: Quiet) -> bool:
    return name in s.strange


_SHORT: Final = (
    *("offer", "rescind", "all-offers", "open-result", "created", "torndown"),
    *("version", "unload", "move-result"),
)
WITHOUT_CONSEQUENCE: Final = (
    *((f"short-{name}", "V051") for name in _SHORT),
    *ODD_OFFERS.items(),
    ("all-offers-again", "V049"),
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
    waits = s.phase == "requested" and not s.offered and calling(s, "load")
    return s._replace(strange=frozenset(), assumed=(*s.assumed, *(("W05:R2",) if waits else ())))


def _bus(s: ConnectionState) -> Bus:
    state = "down"
    if s.phase in ("unloading", "gone"):
        state = "leaving"
    elif s.phase in ("requested", "accepted"):
        silent = s.version < KNOWS_UNLOAD
        state = ("ending" if silent else "parting") if leaves(s) else "up"
    handover = "begun" if calling(s, "kexec") else "over" * s.succeeded
    return Bus(state, s.version >= KNOWS_MODIFY, s.version >= ANSWERS_MODIFY, handover)


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
