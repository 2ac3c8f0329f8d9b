"""The life of an endpoint: allocate, enable, disable, clean up; and a crash."""

from __future__ import annotations

from typing import Any

from kmcl_model.events import Event, Return
from kmcl_model.spec.observer import Move, Rule, need, never, witness
from kmcl_model.status import is_success

from .state import (
    ACTIVE,
    CRASHED,
    DISABLED,
    ENABLED,
    NONE,
    OPEN,
    OPENING,
    PAUSED,
    PERHAPS_NO_OFFER,
    REJECTED,
    STEADY,
    UNOBSERVED,
    EndpointState,
    PendingCall,
    assume,
    begin,
    end,
    end_of,
    has_call,
    initial,
    memory,
    took_effect,
)

__all__ = ["RULES"]

_DISABLED_AT_ONCE, _DISABLED_LATER = "A49/moment:R1", "A49/moment:R2"


def _after_enable(s: EndpointState, e: Event) -> list[EndpointState]:
    """A new session, or a refusal, if the library still has to notice that Closed is over (A49)."""
    enabled = _new_session(s, e)
    if not s.lately:
        return enabled
    refused = assume(begin(s, e, done=True), _DISABLED_LATER)
    return [*(assume(x, _DISABLED_AT_ONCE) for x in enabled), refused]


def _new_session(s: EndpointState, e: Event) -> list[EndpointState]:
    """Every pause part that the past allows (A34, A35, A36, A39)."""
    base = begin(s, e)._replace(
        connection=ENABLED,
        run=PAUSED,
        post_due=False,
        cause=0,
        over=False,
        lately=False,
        accepted=s.peer == STEADY,
        failed=False,
        told=False,
        ran=False,
        extra_suspended=False,
        close_suspended=False,
        cut_short=False,
        lingers=False,
        torn_down=False,
        waited=s.endpoint == "client" and s.peer == "away",
        invited=0 if s.peer == "away" else 1,
        wish="unset",
        assumed=(),
    )
    paused, active = base._replace(want=PAUSED), base._replace(want=ACTIVE)
    if s.wish == "paused":
        return [paused._replace(wish="paused")]
    if s.wish == "was wished":
        return [assume(paused._replace(wish="paused"), "A35:R1"), assume(active, "A35:R2")]
    if s.wish == "started":
        if s.endpoint == "server":
            return [paused, active]
        return [assume(active, "A36:R1"), assume(paused, "A36:R2")]
    if s.wish == "was paused":
        # A server may be paused at first (A34), so that a paused one tells nothing.
        again = paused if s.endpoint == "server" else assume(paused, "A39/enable:R1")
        return [again, assume(active, "A39/enable:R2")]
    if s.endpoint == "server":
        if s.wish == "was active":
            return [paused, active]
        return [assume(paused, "A34:R2"), assume(active, "A34:R1")]
    return [active]


def _too_early(s: EndpointState) -> bool:
    """The Enable in progress came before the library had noticed that Closed is over."""
    return _DISABLED_LATER in s.assumed


def _refused(s: EndpointState, e: Event) -> EndpointState:
    """An Enable of a channel that was not disabled has returned (A32)."""
    assert isinstance(e, Return)
    after = end(s, e)
    if _too_early(s):
        return after
    if is_success(e.status or 0):
        return assume(after, "A32:R2")
    if s.connection == REJECTED:
        return assume(after, "A44:R2")
    return assume(assume(after, "A52/state-afterwards:R1") if s.told else after, "A32:R1")


def _enabled(s: EndpointState, e: Event) -> EndpointState:
    """On the client this shows that Enable does not wait for an offer (A31)."""
    if s.endpoint == "client" and s.connection == ENABLED and s.peer == "away":
        s = assume(assume(s, "A31:R1"), "A52/no-device:R1")
    if s.tight == 2:
        s = assume(s, "A21/small-counts:R2")
    if s.half:
        s = assume(s._replace(half=False), "A33:R1")
    return end_of(s, PendingCall("VmbChannelEnable", False))


def _reasons(s: EndpointState) -> list[str]:
    """What may make Enable fail: the readings, empty where that is not sure, or undefined (A17,
    A18, A24, A28)."""
    causes = (
        ("A21/small-counts:R1", s.tight > 0),
        ("A52/no-device:R2", s.waited or (s.endpoint == "client" and s.peer in PERHAPS_NO_OFFER)),
        ("A33:R2", s.half),
        ("", not s.complete),
        ("", s.endpoint == "client" and s.peer == UNOBSERVED),  # it may offer nothing
    )
    return [reading for reading, holds in causes if holds]


def _after_failed_enable(s: EndpointState, e: Event) -> EndpointState:
    """A failed Enable has done nothing, but for what only a Disable ends, perhaps (A33)."""
    after = end_of(s, PendingCall("VmbChannelEnable", False))
    after = after._replace(connection=DISABLED, wish=memory(s), invited=0, half=True, assumed=())
    reading, *more = _reasons(s)
    return after if more or not reading else assume(after, reading)


def _after_disable(s: EndpointState, e: Event) -> EndpointState:
    return end(s, e)._replace(
        connection=DISABLED,
        wish=memory(s),
        run=PAUSED,
        post_due=False,
        invited=0,
        cause=0,
        over=True,
        lately=False,
        ran=False,
        extra_suspended=False,
        close_suspended=False,
        cut_short=False,
        lingers=False,
        torn_down=False,
        waited=False,
        half=False,
        assumed=(),
    )


def _registered(s: EndpointState, e: Any) -> list[EndpointState]:
    """The last table that was accepted holds (A29); whoever enables the channel meanwhile does not
    know which."""
    after = s._replace(handlers=e.states)
    return [after] if s.connection == DISABLED else [s, after]


def _found_disabled(s: EndpointState, e: Event) -> bool:
    """The returning Enable may be one that began on a disabled channel."""
    return has_call(s, e, done=False)


def _rejected_client(s: EndpointState) -> bool:
    """A client whose Opened has failed is disabled by A44 R1; it may also want a Disable first."""
    return s.connection == REJECTED and s.endpoint == "client"


RULES = (
    Rule(
        "EP-allocate",
        ("call", "VmbChannelAllocate"),
        (),
        begin,
        when=lambda s, e: s.connection == NONE,
    ),
    Rule(
        "EP-allocated",
        ("return", "VmbChannelAllocate"),
        (need("VmbChannelAllocate succeeds", "F141 F143 F145 F146", lambda s, e: e.status == 0),),
        lambda s, e: end(s, e)._replace(connection=DISABLED),
    ),
    Rule(
        "EP-cleanup",
        ("call", "VmbChannelCleanup"),
        (),
        begin,
        when=lambda s, e: s.connection == DISABLED,
    ),
    Rule(
        "EP-cleaned",
        ("return", "VmbChannelCleanup"),
        (need("a disabled channel is released", "F150", lambda s, e: s.connection == DISABLED),),
        lambda s, e: initial(s.endpoint, s.alone)._replace(peer=s.peer),
    ),
    Rule("EP-handlers", ("registered", ""), (), _registered),
    Rule(
        "EP-enable",
        ("call", "VmbChannelEnable"),
        (),
        _after_enable,
        when=lambda s, e: s.connection == DISABLED or _rejected_client(s),
        moves=(Move("connection", "disabled", "enabled"),),
    ),
    Rule(
        "EP-enabled",
        ("return", "VmbChannelEnable"),
        (
            need(
                "a channel without state change callbacks is enabled",
                "F142",
                lambda s, e: is_success(e.status or 0) or bool(s.handlers),
                lambda s, e: not s.handlers,
            ),
            need(
                "Enable of a disabled, configured channel succeeds",
                "F183 F187 F184",
                lambda s, e: is_success(e.status or 0) or not s.handlers,
            ),
        ),
        _enabled,
        when=lambda s, e: _found_disabled(s, e) and (is_success(e.status or 0) or not _reasons(s)),
    ),
    # Enable may refuse a ring that is too small (A21) or a client without an offer (A52).
    Rule(
        "EP-enable-refused",
        ("return", "VmbChannelEnable"),
        (
            need(
                "a channel whose Enable fails stays disabled",
                "F183 F187",
                lambda s, e: s.connection == ENABLED,
                never,
            ),
        ),
        _after_failed_enable,
        when=lambda s, e: (
            _found_disabled(s, e) and not is_success(e.status or 0) and bool(_reasons(s))
        ),
    ),
    Rule(
        "EP-limits",
        ("limits", ""),
        (),
        lambda s, e: s._replace(
            tight=max(limits.tight for limits in e.states),
            hears=all(limits.hears for limits in e.states),
            complete=all(limits.complete for limits in e.states),
        ),
    ),
    # A second Enable: `done` marks a call that finds the channel not disabled (A32).
    Rule(
        "EP-enable-again",
        ("call", "VmbChannelEnable"),
        (),
        lambda s, e: begin(s, e, done=True),
        when=lambda s, e: s.connection not in (NONE, DISABLED),
    ),
    Rule(
        "EP-enabled-again",
        ("return", "VmbChannelEnable"),
        (
            need(
                "an Enable that succeeds right after Closed takes effect",
                "F183 F187",
                lambda s, e: not (_too_early(s) and is_success(e.status or 0)),
                never,
            ),
        ),
        _refused,
        when=took_effect,
    ),
    Rule(
        "EP-disable",
        ("call", "VmbChannelDisable"),
        (),
        begin,
        when=lambda s, e: s.connection != NONE,
    ),
    Rule(
        "EP-disabled",
        ("return", "VmbChannelDisable"),
        (
            need(
                "Disable returns when no incoming packet is outstanding",
                "F120 F118",
                lambda s, e: s.outstanding == 0,
                never,
            ),
            need(
                "Disable returns when the channel is paused",
                "F126 F181",
                lambda s, e: s.run == PAUSED and not s.indicated,
                lambda s, e: s.torn_down,
            ),
            need(
                "Disable returns when the channel is closed",
                "F127 F181 F004 F001",
                lambda s, e: s.connection in (ENABLED, REJECTED, DISABLED),
                never,
            ),
            witness("F127 F181", lambda s, e: s.torn_down),
            witness("F001", lambda s, e: s.torn_down and s.endpoint == "client"),
            witness("F004", lambda s, e: s.torn_down and s.endpoint == "server"),
            need(
                "Disable returns when no handler of the channel is running",
                "F181",
                lambda s, e: not s.others and not s.post_running and s.early_started != 1,
                never,
            ),
        ),
        _after_disable,
        moves=(Move("connection", "enabled", "disabled"),),
    ),
    # A broken packet may make the library close the channel, at both ends (A153).
    Rule(
        "EP-malformed",
        ("environment", "malformed"),
        (),
        lambda s, e: s._replace(cause=max(s.cause, int(s.connection in (OPENING, OPEN)))),
    ),
    Rule(
        "EP-crash",
        ("environment", "crash"),
        (),
        lambda s, e: initial(s.endpoint, s.alone)._replace(connection=CRASHED, peer=s.peer),
    ),
)
