"""The session of an endpoint: Opened and Closed, and what gives occasion to them."""

from __future__ import annotations

from kmcl_model import api
from kmcl_model.events import Event, Exit
from kmcl_model.spec.cases import Case, because
from kmcl_model.spec.observer import Move, Rule, need, witness
from kmcl_model.status import is_success

from .places import GONE, needs_place, post_start_due, starting_due, stopping_due, well_called
from .state import (
    ACTIVE,
    CLOSING,
    DISABLED,
    ENABLED,
    NO_OFFER,
    OPEN,
    OPENING,
    PAUSED,
    PERHAPS_NO_OFFER,
    REJECTED,
    STARTED,
    SUSPENDED,
    EndpointState,
    PendingCall,
    assume,
    disabling,
    may_close,
    memory,
    own_handle,
    registered,
)

__all__ = ["RULES"]


def _tried_again(s: EndpointState) -> bool:
    """The client's library may try again after a rejection (A52 R3)."""
    return s.connection == REJECTED and s.peer in ("ready", "failed")


def _after_opened_enter(s: EndpointState, _e: Event) -> EndpointState:
    left = s.peer in PERHAPS_NO_OFFER
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
        lingers=False,
        early_started=0,
        again=True,
        torn_down=disabling(s),
    )
    if s.endpoint == "client":
        closed = s._replace(connection=DISABLED, wish=memory(s), invited=0)
        return [closed._replace(lately=True)]
    kept = s._replace(connection=ENABLED)
    if disabling(s):
        return [kept._replace(invited=0)]
    other = kept._replace(want=ACTIVE if kept.want == PAUSED else PAUSED)
    return [kept, assume(other, "A39/reopen:R2")]


RULES = (
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
                    lambda s: s.endpoint == "client" and s.offered and s.peer in NO_OFFER,
                ),
                Case("Opened comes when an offer and an opener have met", "F014 F038"),
            ),
            witness("F014 F038", lambda s, e: True),
            *well_called("an Opened", "F015", "F025", "F017 F229"),
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
            *well_called("a Closed", "F005", "F013", "F006 F229"),
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
