"""What is known of an endpoint, what that tells, and the small changes many rules make."""

from __future__ import annotations

from typing import NamedTuple

from kmcl_model.events import Call, Enter, Event, Return
from kmcl_model.spec.changes import quickly_replaced

__all__ = [
    "ACTIVE",
    "CLOSING",
    "CRASHED",
    "DISABLED",
    "ENABLED",
    "NONE",
    "NO_OFFER",
    "OPEN",
    "OPENING",
    "PAUSED",
    "PERHAPS_NO_OFFER",
    "REJECTED",
    "STARTED",
    "STARTING",
    "STEADY",
    "SUSPENDED",
    "SUSPENDING",
    "UNOBSERVED",
    "UNSEEN",
    "EndpointState",
    "PendingCall",
    "Phase",
    "activity_region",
    "assume",
    "begin",
    "busy",
    "connection_region",
    "disabling",
    "drained",
    "end",
    "end_of",
    "has_call",
    "initial",
    "may_close",
    "memory",
    "own_handle",
    "pausing",
    "pending",
    "phase",
    "registered",
    "took_effect",
]

NONE, DISABLED, ENABLED, OPENING, OPEN, CLOSING, REJECTED, CRASHED = (
    "none",
    "disabled",
    "enabled",
    "opening",
    "open",
    "closing",
    "rejected",
    "crashed",
)
PAUSED, STARTING, STARTED, SUSPENDING, SUSPENDED = (
    "paused",
    "starting",
    "started",
    "suspending",
    "suspended",
)
ACTIVE = "active"
STEADY = "steady"
"""The stance of an end that is not observed and does nothing to the channel by itself."""
UNOBSERVED = "unseen"
"""The stance of an end that is not observed, of which nothing is known."""
UNSEEN = ""
"""The activation of a handler that is not registered."""
NO_OFFER = ("away", "leaving")
"""Stances of a peer that offers nothing."""
PERHAPS_NO_OFFER = (*NO_OFFER, "rejected")
"""Those of one that may offer nothing: a server that has rejected may be disabled (A44)."""


class PendingCall(NamedTuple):
    """A control call in progress; ``done``: it has taken effect on the pause part, or it is an
    Enable that found the channel not disabled. Who calls does not matter: which of two equal calls
    has returned makes no difference."""

    function: str
    done: bool = False


class Phase(NamedTuple):
    """What the rest of the specification is told of an endpoint.

    ``stance`` is its connection as the peer may know it, ``connection`` and ``run`` are its own;
    ``stopping``: it is being paused or closed; ``leaving``: its session is ending or may be;
    ``over``: Disable has returned; ``told``: PnpFailure has said that there will be no session.
    """

    stance: str
    connection: str
    run: str
    stopping: bool
    leaving: bool
    over: bool
    told: bool


@quickly_replaced
class EndpointState(NamedTuple):
    """One explanation of what was seen of an endpoint.

    ``connection`` and ``run`` are its two regions. Beyond them:

    * ``want`` is the pause part that Start and Pause move (A34 to A39); a pending call takes
      effect at some hidden moment between its call and its return. ``wish`` is what a disabled
      channel was last asked for, or its pause part when it ceased to be enabled.
    * ``invited`` counts the occasions for Opened that the peer has given and that were not yet
      used; ``cause`` tells whether there is reason to close (1: it may close, 2: it must).
    * ``peer`` is the stance of the other end. ``accepted``: it was open in this session;
      ``failed``: it has rejected the open, and nothing more comes of this Enable (A46, A52);
      ``told``: PnpFailure said so.
    * ``ran``: Started was called in this session; ``post_due``: PostStarted is to follow;
      ``early_started``: the Started of A53 R1 is running (1) or has returned (2);
      ``extra_suspended``: the extra Suspend of A59 came; ``close_suspended``: a Suspend came
      because the session ends; ``cut_short``: a Start has let a Pause return early (A148), and the
      Suspend that it asked for may still come; ``lingers``: that pause was carried out, and may go
      on until outgoing work is done, too (A64).
    * What tells situations apart that look alike: ``again``: a session has ended before;
      ``waited``: the client was enabled before there was an offer, and has not opened since;
      ``offered``: the peer was enabled at some time; ``torn_down``: Closed has returned since
      Disable was called.
    * ``retired``: a packet was given back after Suspend had returned, and the session has shown
      nothing since.
    * ``indicated`` counts running ProcessPacket handlers, ``post_running`` PostStarted handlers,
      ``reporting`` ProcessingComplete handlers, ``others`` all outside the regions but
      ProcessPacket and PostStarted. ``outstanding`` counts the packets handed to the driver
      and not yet given back.
    * ``alone``: the other end is not observed, so it may do at any time whatever its role allows.
    * ``tight``: the ring asked for may be too small for a maximal packet (1), or is (2), so that
      Enable may fail (A21). ``hears``: a PnpFailure handler is registered for sure;
      ``complete``: nothing is missing without which Enable is undefined; ``half``: an Enable has
      failed, and neither another one nor a Disable has come to its end since (A33).
    * ``over``: Disable has returned; ``lately``: the client was closed by its peer, and the
      library may not have noticed yet that Closed has returned; ``handlers`` are the
      registered state change callbacks.
    """

    endpoint: str
    alone: bool = False
    connection: str = NONE
    run: str = PAUSED
    want: str = PAUSED
    wish: str = "unset"
    post_due: bool = False
    post_running: int = 0
    indicated: int = 0
    outstanding: int = 0
    others: int = 0
    calls: tuple[PendingCall, ...] = ()
    peer: str = "away"
    accepted: bool = False
    failed: bool = False
    told: bool = False
    invited: int = 0
    cause: int = 0
    over: bool = False
    lately: bool = False
    ran: bool = False
    extra_suspended: bool = False
    close_suspended: bool = False
    cut_short: bool = False
    lingers: bool = False
    again: bool = False
    waited: bool = False
    offered: bool = False
    torn_down: bool = False
    reporting: int = 0
    retired: bool = False
    early_started: int = 0
    tight: int = 0
    hears: bool = False
    complete: bool = False
    half: bool = False
    handlers: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()


def initial(endpoint: str, alone: bool = False, steady: bool = False) -> EndpointState:
    """Nothing allocated yet. ``alone``: the other end is not observed; ``steady``: but it is known
    to be there, to accept, and to stay."""
    peer = STEADY if steady else UNOBSERVED if alone else "away"
    return EndpointState(endpoint, alone, peer=peer)


def pending(s: EndpointState, function: str) -> bool:
    """A call of ``function`` has not returned."""
    calls = s.calls
    return bool(calls) and ((function, False) in calls or (function, True) in calls)


def disabling(s: EndpointState) -> bool:
    return pending(s, "VmbChannelDisable")


def pausing(s: EndpointState) -> bool:
    """A Pause in progress has taken effect."""
    return ("VmbChannelPause", True) in s.calls


def busy(s: EndpointState) -> bool:
    """A handler of this end is running, and the library may be waiting for it."""
    return bool(
        s.indicated
        or s.others
        or s.post_running
        or s.early_started == 1
        or s.connection in (OPENING, CLOSING)
        or s.run in (STARTING, SUSPENDING)
    )


def may_close(s: EndpointState) -> bool:
    """The session may end: the peer has given a cause, or Disable was called."""
    return s.cause > 0 or disabling(s)


def _stance(s: EndpointState) -> str:
    """The connection as the peer may know it."""
    if s.connection in (NONE, DISABLED, CRASHED):
        return "away"
    if s.connection == REJECTED:
        return "rejected" if s.endpoint == "server" else "away"
    if disabling(s):
        return "leaving"
    if s.connection == CLOSING:
        return "closing" if s.endpoint == "server" else "leaving"
    if s.connection == ENABLED:
        return "failed" if s.failed else "ready"
    if s.cause == 2:
        return "closing" if s.endpoint == "server" else "leaving"
    return s.connection


def phase(s: EndpointState) -> Phase:
    """The part of the state that other observers see."""
    run = s.run if s.connection == OPEN else PAUSED
    stopping = pausing(s) or may_close(s) or s.cut_short
    told = s.told and s.connection == ENABLED  # A52 R2: disabled of itself
    leaving = may_close(s) or s.lately or told or s.half
    return Phase(_stance(s), s.connection, run, stopping, leaving, s.over, told)


def connection_region(s: EndpointState) -> str:
    """The connection as the chart shows it."""
    if s.connection in (NONE, CRASHED):
        return "disabled"
    if s.connection == REJECTED:
        return "enabled" if s.endpoint == "server" else "disabled"
    return s.connection


def activity_region(s: EndpointState) -> str:
    """The activity as the chart shows it."""
    return SUSPENDED if s.run == SUSPENDING else s.run


def has_call(s: EndpointState, e: Event, done: bool) -> bool:
    """Whether the call that returns may be one that has taken effect, or one that has not."""
    assert isinstance(e, Return)
    return PendingCall(e.function, done) in s.calls


def took_effect(s: EndpointState, e: Event) -> bool:
    """The returning Pause or Start may be one that has moved the pause part."""
    return has_call(s, e, done=True)


def assume(s: EndpointState, reading: str) -> EndpointState:
    """The state, explained by a reading of an interpretation, such as ``A31:R1``."""
    if reading in s.assumed:
        return s
    return s._replace(assumed=tuple(sorted((*s.assumed, reading))))


def begin(s: EndpointState, e: Event, done: bool = False) -> EndpointState:
    """A call is under way."""
    assert isinstance(e, Call)
    return s._replace(calls=tuple(sorted((*s.calls, PendingCall(e.function, done)))))


def end(s: EndpointState, e: Event) -> EndpointState:
    """A call has returned: one that has taken effect, if there is one."""
    assert isinstance(e, Return)
    return end_of(s, PendingCall(e.function, PendingCall(e.function, True) in s.calls))


def end_of(s: EndpointState, call: PendingCall) -> EndpointState:
    """This call has returned."""
    calls = list(s.calls)
    if call in calls:
        calls.remove(call)
    return s._replace(calls=tuple(calls))


def memory(s: EndpointState) -> str:
    """What the pause part was when the channel ceased to be enabled (A39)."""
    if s.connection == DISABLED:
        return s.wish
    if s.wish == "paused" and s.want == PAUSED:
        return "was wished"
    return "was paused" if s.want == PAUSED else "was active"


def own_handle(s: EndpointState, e: Event) -> bool:
    """The handler was given the handle of its channel."""
    assert isinstance(e, Enter)
    return e.arguments[0] == s.endpoint


def registered(s: EndpointState, e: Event) -> bool:
    """The handler that runs was registered, or nobody sees it run."""
    assert isinstance(e, Enter)
    return e.activation == UNSEEN or e.callback in s.handlers


def drained(s: EndpointState) -> EndpointState:
    """Suspended ends when the handler has returned and no packet is outstanding."""
    if s.run == SUSPENDED and s.outstanding == 0:
        return s._replace(run=PAUSED)
    return s
