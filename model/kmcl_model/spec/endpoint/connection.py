"""The connection of an endpoint: allocate, enable, open, close, disable, clean up."""

from __future__ import annotations

from kmcl_model import api
from kmcl_model.events import Call, Event, Exit, Return
from kmcl_model.spec.cases import Case, because
from kmcl_model.spec.observer import Move, Rule, need, never, witness
from kmcl_model.status import is_success

from .places import GONE, needs_place, post_start_due, starting_due, stopping_due
from .state import (
    ACTIVE,
    CLOSING,
    CRASHED,
    DISABLED,
    ENABLED,
    NONE,
    OPEN,
    OPENING,
    PAUSED,
    REJECTED,
    STARTED,
    STEADY,
    SUSPENDED,
    UNOBSERVED,
    EndpointState,
    PendingCall,
    assume,
    begin,
    disabling,
    end,
    end_of,
    has_call,
    initial,
    may_close,
    own_handle,
    registered,
    took_effect,
)

__all__ = ["RULES"]


_NO_OFFER = ("away", "leaving")
"""Stances of a peer that offers nothing."""

_PERHAPS_NONE = (*_NO_OFFER, "rejected")
"""Those of one that may offer nothing: a server that has rejected may be disabled (A44)."""

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
        ("A52/no-device:R2", s.waited or (s.endpoint == "client" and s.peer in _PERHAPS_NONE)),
        ("A33:R2", s.half),
        ("", not s.complete),
        ("", s.endpoint == "client" and s.peer == UNOBSERVED),  # it may offer nothing
    )
    return [reading for reading, holds in causes if holds]


def _after_failed_enable(s: EndpointState, e: Event) -> EndpointState:
    """A failed Enable has done nothing, but for what only a Disable ends, perhaps (A33)."""
    after = end_of(s, PendingCall("VmbChannelEnable", False))
    after = after._replace(connection=DISABLED, wish=_memory(s), invited=0, half=True, assumed=())
    reading, *more = _reasons(s)
    return after if more or not reading else assume(after, reading)


def _after_disable(s: EndpointState, e: Event) -> EndpointState:
    return end(s, e)._replace(
        connection=DISABLED,
        wish=_memory(s),
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
        torn_down=False,
        waited=False,
        half=False,
        assumed=(),
    )


def _memory(s: EndpointState) -> str:
    """What the pause part was when the channel ceased to be enabled (A39)."""
    if s.connection == DISABLED:
        return s.wish
    if s.wish == "paused" and s.want == PAUSED:
        return "was wished"
    return "was paused" if s.want == PAUSED else "was active"


def _accepts_table(s: EndpointState, e: Event) -> bool:
    """Whether a registration of state change callbacks succeeds (the configuration judges it)."""
    assert isinstance(e, Call)
    return s.connection == DISABLED and e.arguments[:2] == (1, "size")


def _found_disabled(s: EndpointState, e: Event) -> bool:
    """The returning Enable may be one that began on a disabled channel."""
    return has_call(s, e, done=False)


def _rejected_client(s: EndpointState) -> bool:
    """A client whose Opened has failed is disabled by A44 R1; it may also want a Disable first."""
    return s.connection == REJECTED and s.endpoint == "client"


_LIFE = (
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
    Rule(
        "EP-handlers",
        ("call", "VmbChannelInitSetStateChangeCallbacks"),
        (),
        lambda s, e: s._replace(handlers=e.arguments[2]) if _accepts_table(s, e) else s,
    ),
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


def _tried_again(s: EndpointState) -> bool:
    """The client's library may try again after a rejection (A52 R3)."""
    return s.connection == REJECTED and s.peer in ("ready", "failed")


def _after_opened_enter(s: EndpointState, _e: Event) -> EndpointState:
    left = s.peer in ("away", "leaving", "rejected")
    if s.connection == REJECTED:
        s = assume(s, "A44:R1")
    if s.peer == "failed" or (s.failed and s.connection == ENABLED):
        s = assume(s, "A52/state-afterwards:R3")
    if s.peer == "opening":
        s = assume(s, "A43/order:R3")
    elif s.peer == "open":
        s = assume(s, "A43/order:R1" if s.endpoint == "client" else "A43/order:R2")
    if PendingCall("VmbChannelEnable", False) in s.calls:
        s = assume(s, "A31/callbacks:R2")
    elif s.endpoint == "client" and not s.waited:
        s = assume(s, "A31/callbacks:R1")
    return s._replace(
        connection=OPENING,
        invited=max(0, s.invited - 1),
        cause=2 if s.peer == "away" and s.invited <= 1 else 1 if left or s.invited > 1 else 0,
    )


def _after_opened_exit(s: EndpointState, e: Event) -> EndpointState:
    assert isinstance(e, Exit)
    if is_success(e.status or 0):
        return s._replace(connection=OPEN, run=PAUSED, waited=False)
    return s._replace(connection=REJECTED, cause=0, post_due=False, run=PAUSED)


def _closing(s: EndpointState, _e: Event) -> EndpointState:
    after = s._replace(connection=CLOSING, run=PAUSED, post_due=False, retired=False)
    if s.endpoint == "client" and s.peer == "rejected":
        after = assume(after, "A46:R2")
    if s.run == PAUSED and s.want == PAUSED and not s.extra_suspended:
        return assume(after, "A59:R1")
    if s.run == STARTED:
        return assume(after, "A57:R1")
    if s.run == SUSPENDED:
        return assume(after, "A62:R2")
    return after


def _after_closed(s: EndpointState, _e: Event) -> list[EndpointState]:
    s = s._replace(
        cause=0,
        accepted=False,
        ran=False,
        extra_suspended=False,
        close_suspended=False,
        cut_short=False,
        early_started=0,
        again=True,
        torn_down=disabling(s),
    )
    if s.endpoint == "client":
        closed = s._replace(connection=DISABLED, wish=_memory(s), invited=0)
        return [closed._replace(lately=True)]
    kept = s._replace(connection=ENABLED)
    if disabling(s):
        return [kept._replace(invited=0)]
    other = kept._replace(want=ACTIVE if kept.want == PAUSED else PAUSED)
    return [kept, assume(other, "A39/reopen:R2")]


_OPENING = (
    Rule(
        "EP-opened",
        ("enter", api.OPENED),
        (
            *because(
                lambda s, e: (
                    s.connection == ENABLED or (s.connection == REJECTED and s.endpoint == "server")
                ),
                GONE,
                Case(
                    "no offer is opened once Disable has returned",
                    "F008 F181 F182",
                    lambda s: s.over and s.endpoint == "server",
                ),
                Case("nothing is opened once Disable has returned", "F181 F182", lambda s: s.over),
                Case(
                    "a client that was closed is not opened before it is enabled anew",
                    "F010",
                    lambda s: s.connection == DISABLED and s.again,
                ),
                Case(
                    "Opened comes to a channel that was enabled",
                    "F038 F187",
                    lambda s: s.connection == DISABLED,
                ),
                Case(
                    "Opened is not called at the event of another handler",
                    "F014 F464",
                    lambda s: starting_due(s) or post_start_due(s) or stopping_due(s),
                ),
                Case("Opened comes once, to a channel that is not open", "F014"),
            ),
            *because(
                lambda s, e: s.invited > 0 or _tried_again(s),
                Case(
                    "no offer is opened that was withdrawn",
                    "F180",
                    lambda s: s.endpoint == "client" and s.offered and s.peer in _NO_OFFER,
                ),
                Case("Opened comes when an offer and an opener have met", "F014 F038"),
            ),
            witness("F014 F038", lambda s, e: True),
            need(
                "Opened gets the handle of its channel",
                "F015",
                lambda s, e: e.arguments[0] == s.endpoint,
            ),
            need("Opened runs at PASSIVE_LEVEL", "F025", lambda s, e: not e.irql),
            need("an Opened handler was registered", "F017 F229", registered),
        ),
        _after_opened_enter,
        shows=("F017", "F229", "F464"),
        moves=(Move("connection", "enabled", "opening"),),
    ),
    Rule(
        "EP-opened-exit",
        ("exit", api.OPENED),
        (),
        _after_opened_exit,
        moves=(
            Move("connection", "opening", "open"),
            Move("connection", "opening", "enabled"),
            Move("connection", "opening", "disabled"),
        ),
    ),
    Rule(
        "EP-closed",
        ("enter", api.CLOSED),
        (
            *needs_place(
                lambda s, e: s.connection == OPEN,
                Case(
                    "Closed comes after Opened has returned",
                    "F021 A05",
                    lambda s: s.connection == OPENING,
                ),
                Case("Closed comes once, to a channel that was open", "F465"),
            ),
            *because(
                lambda s, e: may_close(s),
                Case("Closed comes for a Disable, a close or a rescind", "F465"),
            ),
            need(
                "a running channel is suspended before it is closed",
                "F108 F110 F114 F115",
                lambda s, e: (
                    s.run in (PAUSED, SUSPENDED)
                    or (s.run == STARTED and s.endpoint == "client" and not s.indicated)
                ),
                lambda s, e: s.ran and s.endpoint == "server" and s.cause > 0,
            ),
            need(
                "no end of a batch is being reported when Closed is called",
                "A75",
                lambda s, e: not s.reporting,
            ),
            need(
                "Closed gets the handle of its channel",
                "F005",
                lambda s, e: e.arguments[0] == s.endpoint,
            ),
            need("Closed runs at PASSIVE_LEVEL", "F013", lambda s, e: not e.irql),
            need("a Closed handler was registered", "F006 F229", registered),
        ),
        _closing,
        when=lambda s, e: s.connection != REJECTED,
        shows=("F006", "F229", "F465"),
        moves=(Move("connection", "open", "closing"),),
    ),
    # After a rejected open a Closed is neither promised nor forbidden (A44).
    Rule(
        "EP-closed-after-rejection",
        ("enter", api.CLOSED),
        (
            need("Closed gets the handle of its channel", "F005", own_handle),
            need("Closed runs at PASSIVE_LEVEL", "F013", lambda s, e: not e.irql),
            need("the handler was registered", "F006 F229", registered),
        ),
        lambda s, e: assume(s._replace(connection=CLOSING), "A44:R2"),
        when=lambda s, e: s.connection == REJECTED,
    ),
    Rule(
        "EP-closed-exit",
        ("exit", api.CLOSED),
        (),
        _after_closed,
        moves=(
            Move("connection", "closing", "enabled"),
            Move("connection", "closing", "disabled"),
        ),
    ),
)

RULES = (*_LIFE, *_OPENING)
