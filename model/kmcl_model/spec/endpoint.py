"""The endpoint: connection and activity of one end of a channel.

Two orthogonal regions (A04). *Connection*: disabled, enabled, opening, open, closing.
*Activity*: paused, starting, started, suspended. The states of the header are
configurations of both: started is open and started; suspended is open and suspended; paused
is open, drained and not active.

What the state holds beyond the two regions:

* ``want`` is the pause part that Start and Pause move (A34 to A39); a pending call takes effect
  at some hidden moment between its call and its return.
* ``invited`` counts the occasions for Opened that the peer has given and that were not yet used;
  ``cause`` tells whether the peer has given reason to close (1: it may close, 2: it must);
  ``failed``: the peer has rejected the open, and nothing more comes of this Enable (A46, A52);
  ``told``: PnpFailure said so.
* ``ran``: Started was called in this session; ``extra_suspended``: the extra Suspend of A59 came.
* ``indicated`` counts running ProcessPacket handlers, ``outstanding`` the packets handed to the
  driver and not yet given back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model.api import (
    CLOSED,
    COMPLETION_ROUTINE,
    OPENED,
    PNP_FAILURE,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STARTED,
    STATE_CHANGE_CALLBACKS,
    SUSPEND,
)
from kmcl_model.events import Call, Enter, Event, Exit, Return
from kmcl_model.status import is_success

from .observer import Due, Hidden, Move, Quiet, Rule, Rules, Shadow, Silence, need

__all__ = ["ENDPOINT", "EndpointState", "PendingCall", "Phase", "initial", "phase"]

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
PAUSED, STARTING, STARTED_, SUSPENDING, SUSPENDED = (
    "paused",
    "starting",
    "started",
    "suspending",
    "suspended",
)
ACTIVE = "active"


class PendingCall(NamedTuple):
    """A control call in progress; ``done``: it has taken effect on the pause part."""

    by: str
    function: str
    done: bool = False


class Phase(NamedTuple):
    """What the rest of the specification is told of an endpoint.

    ``stance`` is its connection as the peer may know it, ``connection`` and ``run`` are its own;
    ``stopping``: it is being paused or closed; ``leaving``: its session is ending or may be;
    ``over``: Disable has returned.
    """

    stance: str
    connection: str
    run: str
    stopping: bool
    leaving: bool
    over: bool


class EndpointState(NamedTuple):
    """One explanation of what was seen of an endpoint."""

    endpoint: str
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
    ran: bool = False
    extra_suspended: bool = False
    early_started: int = 0
    handlers: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()


State = EndpointState


def initial(endpoint: str) -> EndpointState:
    """Nothing allocated yet."""
    return EndpointState(endpoint)


# What a state tells -----------------------------------------------------------------------


def _pending(s: State, function: str) -> bool:
    return any(call.function == function for call in s.calls)


def _disabling(s: State) -> bool:
    return _pending(s, "VmbChannelDisable")


def _pausing(s: State) -> bool:
    """A Pause in progress has taken effect."""
    return any(call.function == "VmbChannelPause" and call.done for call in s.calls)


def _busy(s: State) -> bool:
    """A handler of this end is running, so the library may be waiting for it."""
    return bool(
        s.indicated
        or s.others
        or s.post_running
        or s.early_started == 1
        or s.connection in (OPENING, CLOSING)
        or s.run in (STARTING, SUSPENDING)
    )


def _may_close(s: State) -> bool:
    return s.cause > 0 or _disabling(s)


def _stance(s: State) -> str:
    if s.connection in (NONE, DISABLED, CRASHED):
        return "away"
    if s.connection == REJECTED:
        return "rejected" if s.endpoint == "server" else "away"
    if _disabling(s):
        return "leaving"
    if s.connection == CLOSING:
        return "closing" if s.endpoint == "server" else "leaving"
    if s.connection == ENABLED:
        return "failed" if s.failed else "ready"
    if s.cause == 2:
        return "closing" if s.endpoint == "server" else "leaving"
    return s.connection


def phase(s: State) -> Phase:
    """The part of the state that other observers see."""
    run = s.run if s.connection == OPEN else PAUSED
    stopping = _pausing(s) or _may_close(s)
    return Phase(_stance(s), s.connection, run, stopping, _may_close(s), s.over)


def _connection_region(s: State) -> str:
    if s.connection in (NONE, CRASHED):
        return "disabled"
    if s.connection == REJECTED:
        return "enabled" if s.endpoint == "server" else "disabled"
    return s.connection


def _activity_region(s: State) -> str:
    return SUSPENDED if s.run == SUSPENDING else s.run


# Small changes ----------------------------------------------------------------------------


def _assume(s: State, reading: str) -> State:
    if reading in s.assumed:
        return s
    return s._replace(assumed=tuple(sorted((*s.assumed, reading))))


def _begin(s: State, e: Event) -> State:
    assert isinstance(e, Call)
    return s._replace(calls=tuple(sorted((*s.calls, PendingCall(e.by, e.function)))))


def _end(s: State, e: Event) -> State:
    assert isinstance(e, Return)
    return s._replace(calls=tuple(c for c in s.calls if c.by != e.by))


def _call_of(s: State, e: Event) -> PendingCall | None:
    assert isinstance(e, Return)
    return next((c for c in s.calls if c.by == e.by and c.function == e.function), None)


def _drained(s: State) -> State:
    """Suspended ends when the handler has returned and no packet is outstanding."""
    if s.run == SUSPENDED and s.outstanding == 0:
        return s._replace(run=PAUSED)
    return s


# Enable and Disable -----------------------------------------------------------------------


def _after_enable(s: State, e: Event) -> list[State]:
    base = _begin(s, e)._replace(
        connection=ENABLED,
        run=PAUSED,
        post_due=False,
        cause=0,
        over=False,
        accepted=False,
        failed=False,
        told=False,
        ran=False,
        extra_suspended=False,
        invited=0 if s.peer == "away" else 1,
        wish="unset",
        assumed=(),
    )
    paused, active = base._replace(want=PAUSED), base._replace(want=ACTIVE)
    if s.wish == "paused":
        return [paused._replace(wish="paused")]
    if s.wish == "was wished":
        return [_assume(paused._replace(wish="paused"), "A35:R1"), _assume(active, "A35:R2")]
    if s.wish == "started":
        if s.endpoint == "server":
            return [paused, active]
        return [_assume(active, "A36:R1"), _assume(paused, "A36:R2")]
    if s.wish == "was paused":
        return [_assume(paused, "A39:R1"), _assume(active, "A39:R2")]
    if s.endpoint == "server":
        if s.wish == "was active":
            return [paused, active]
        return [_assume(paused, "A34:R2"), _assume(active, "A34:R1")]
    return [active]


def _enabled(s: State, e: Event) -> State:
    """On the client this shows that Enable does not wait for an offer (A31)."""
    if s.endpoint == "client" and s.connection == ENABLED and s.peer == "away":
        return _assume(_end(s, e), "A31:R1")
    return _end(s, e)


def _after_disable(s: State, e: Event) -> State:
    return _end(s, e)._replace(
        connection=DISABLED,
        wish=_memory(s),
        run=PAUSED,
        post_due=False,
        invited=0,
        cause=0,
        over=True,
        ran=False,
        extra_suspended=False,
        assumed=(),
    )


def _memory(s: State) -> str:
    """What the pause part was when the channel ceased to be enabled (A39)."""
    if s.connection == DISABLED:
        return s.wish
    if s.wish == "paused" and s.want == PAUSED:
        return "was wished"
    return "was paused" if s.want == PAUSED else "was active"


def _after_closed(s: State, _e: Event) -> list[State]:
    s = s._replace(cause=0, accepted=False, ran=False, extra_suspended=False, early_started=0)
    if s.endpoint == "client":
        return [s._replace(connection=DISABLED, wish=_memory(s), invited=0)]
    kept = s._replace(connection=ENABLED)
    if _disabling(s):
        return [kept._replace(invited=0)]
    other = kept._replace(want=ACTIVE if kept.want == PAUSED else PAUSED)
    return [kept, _assume(other, "A39:R3")]


def _accepts_table(s: State, e: Event) -> bool:
    """Whether a registration of state change callbacks succeeds (the configuration judges it)."""
    assert isinstance(e, Call)
    return s.connection == DISABLED and e.arguments[:2] == (1, "size")


def _first(s: State, e: Event) -> bool:
    """The returning call began on a disabled channel, or has not taken effect."""
    call = _call_of(s, e)
    return call is not None and not call.done


def _took_effect(s: State, e: Event) -> bool:
    """The returning call is a second Enable, or has moved the pause part."""
    call = _call_of(s, e)
    return call is not None and call.done


_LIFE = (
    Rule(
        "EP-allocate",
        ("call", "VmbChannelAllocate"),
        (),
        lambda s, e: _begin(s, e),
        when=lambda s, e: s.connection == NONE,
    ),
    Rule(
        "EP-allocated",
        ("return", "VmbChannelAllocate"),
        (need("VmbChannelAllocate succeeds", "F141 F143 F145 F146", lambda s, e: e.status == 0),),
        lambda s, e: _end(s, e)._replace(connection=DISABLED),
    ),
    Rule(
        "EP-cleanup",
        ("call", "VmbChannelCleanup"),
        (),
        lambda s, e: _begin(s, e),
        when=lambda s, e: s.connection == DISABLED,
    ),
    Rule(
        "EP-cleaned",
        ("return", "VmbChannelCleanup"),
        (need("a disabled channel is released", "F182", lambda s, e: s.connection == DISABLED),),
        lambda s, e: initial(s.endpoint)._replace(peer=s.peer),
        shows=("F150",),
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
        when=lambda s, e: s.connection == DISABLED,
        moves=(Move("connection", "disabled", "enabled"),),
    ),
    Rule(
        "EP-enabled",
        ("return", "VmbChannelEnable"),
        (
            need(
                "Enable of a disabled, configured channel succeeds",
                "F183 F187 F184",
                lambda s, e: is_success(e.status or 0),
            ),
        ),
        lambda s, e: _enabled(s, e),
        when=_first,
    ),
    # A second Enable: `done` marks a call that finds the channel not disabled (A32).
    Rule(
        "EP-enable-again",
        ("call", "VmbChannelEnable"),
        (),
        lambda s, e: s._replace(
            calls=tuple(sorted((*s.calls, PendingCall(e.by, e.function, True))))
        ),
        when=lambda s, e: s.connection not in (NONE, DISABLED),
    ),
    Rule(
        "EP-enabled-again",
        ("return", "VmbChannelEnable"),
        (),
        lambda s, e: _assume(_end(s, e), "A32:R2" if is_success(e.status or 0) else "A32:R1"),
        when=_took_effect,
    ),
    Rule(
        "EP-disable",
        ("call", "VmbChannelDisable"),
        (),
        lambda s, e: _begin(s, e),
        when=lambda s, e: s.connection != NONE,
    ),
    Rule(
        "EP-disabled",
        ("return", "VmbChannelDisable"),
        (
            need(
                "Disable returns when the channel is closed",
                "F127 F181 F004 F001",
                lambda s, e: s.connection in (ENABLED, REJECTED, DISABLED),
            ),
            need(
                "Disable returns when the channel is paused",
                "F126 F181",
                lambda s, e: s.run == PAUSED and not s.indicated,
            ),
            need(
                "Disable returns when no incoming packet is outstanding",
                "F120 F118",
                lambda s, e: s.outstanding == 0,
            ),
            need(
                "Disable returns when no handler of the channel is running",
                "F181",
                lambda s, e: not s.others and not s.post_running and s.early_started != 1,
            ),
        ),
        _after_disable,
        moves=(Move("connection", "enabled", "disabled"),),
    ),
    # A broken packet from the peer may make the library close the channel (A153).
    Rule(
        "EP-malformed",
        ("environment", "malformed"),
        (),
        lambda s, e: s._replace(
            cause=max(s.cause, int(e.endpoint != s.endpoint and s.connection in (OPENING, OPEN)))
        ),
    ),
    Rule(
        "EP-crash",
        ("environment", "crash"),
        (),
        lambda s, e: initial(s.endpoint)._replace(connection=CRASHED, peer=s.peer),
    ),
)


# Opened and Closed ------------------------------------------------------------------------


def _after_opened_enter(s: State, _e: Event) -> State:
    left = s.peer in ("away", "leaving", "rejected")
    if s.peer == "ready":
        s = _assume(s, "A43/order:R1" if s.endpoint == "server" else "A43/order:R2")
    return s._replace(
        connection=OPENING,
        invited=max(0, s.invited - 1),
        cause=2 if s.peer == "away" and s.invited <= 1 else 1 if left or s.invited > 1 else 0,
    )


def _after_opened_exit(s: State, e: Event) -> State:
    assert isinstance(e, Exit)
    if is_success(e.status or 0):
        return s._replace(connection=OPEN, run=PAUSED)
    return s._replace(connection=REJECTED, cause=0, post_due=False, run=PAUSED)


_OPENING = (
    Rule(
        "EP-opened",
        ("enter", OPENED),
        (
            need(
                "Opened comes to an enabled channel that is not open",
                "F014 F010 F008 F181",
                lambda s, e: (
                    s.connection == ENABLED or (s.connection == REJECTED and s.endpoint == "server")
                ),
            ),
            need(
                "Opened comes when an offer and an opener have met",
                "F014 F038 F180 F018 F019",
                lambda s, e: s.invited > 0,
            ),
            need(
                "Opened gets the handle of its channel",
                "F015",
                lambda s, e: e.arguments[0] == s.endpoint,
            ),
            need("Opened runs at PASSIVE_LEVEL", "F025", lambda s, e: not e.irql),
        ),
        _after_opened_enter,
        shows=("F017", "F229", "F464"),
        moves=(Move("connection", "enabled", "opening"),),
    ),
    Rule(
        "EP-opened-exit",
        ("exit", OPENED),
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
        ("enter", CLOSED),
        (
            need(
                "Closed comes to a channel that was opened, once",
                "F001 F016 F041",
                lambda s, e: s.connection == OPEN,
            ),
            need(
                "Closed comes for a Disable, a close or a rescind",
                "F001 F002 F003",
                lambda s, e: _may_close(s),
            ),
            need(
                "a running channel is suspended before it is closed",
                "F108 F110 F114 F115",
                lambda s, e: (
                    s.run in (PAUSED, SUSPENDED)
                    or (s.run == STARTED_ and s.endpoint == "client" and not s.indicated)
                ),
            ),
            need(
                "Closed gets the handle of its channel",
                "F005",
                lambda s, e: e.arguments[0] == s.endpoint,
            ),
            need("Closed runs at PASSIVE_LEVEL", "F013", lambda s, e: not e.irql),
        ),
        lambda s, e: _closing(s),
        when=lambda s, e: s.connection != REJECTED,
        shows=("F006", "F229", "F465"),
        moves=(Move("connection", "open", "closing"),),
    ),
    # After a rejected open a Closed is neither promised nor forbidden (A44).
    Rule(
        "EP-closed-after-rejection",
        ("enter", CLOSED),
        (),
        lambda s, e: s._replace(connection=CLOSING),
        when=lambda s, e: s.connection == REJECTED,
    ),
    Rule(
        "EP-closed-exit",
        ("exit", CLOSED),
        (),
        _after_closed,
        moves=(
            Move("connection", "closing", "enabled"),
            Move("connection", "closing", "disabled"),
        ),
    ),
)


def _closing(s: State) -> State:
    after = s._replace(connection=CLOSING, run=PAUSED, post_due=False)
    if s.run == PAUSED and s.want == PAUSED and not s.extra_suspended:
        return _assume(after, "A59:R1")
    if s.run == STARTED_:
        return _assume(after, "A57:R1")
    if s.run == SUSPENDED:
        return _assume(after, "A62:R2")
    return after


# Started, PostStarted, Suspend ------------------------------------------------------------


_RUNNING = (
    Rule(
        "EP-started",
        ("enter", STARTED),
        (
            need(
                "Started comes to an open channel, after Opened",
                "F021 F024 F035 F092 F098",
                lambda s, e: s.connection == OPEN,
            ),
            need(
                "Started comes once, until the channel is suspended",
                "F091 F113",
                lambda s, e: s.run == PAUSED,
            ),
            need("a paused channel is not started", "F283 F287", lambda s, e: s.want == ACTIVE),
            need(
                "the client is started only if the server has accepted",
                "F024",
                lambda s, e: s.endpoint == "server" or s.accepted,
            ),
            need(
                "Started gets the handle of its channel",
                "F096",
                lambda s, e: e.arguments[0] == s.endpoint,
            ),
            need("Started runs at PASSIVE_LEVEL", "F107", lambda s, e: not e.irql),
        ),
        lambda s, e: s._replace(run=STARTING, ran=True),
        when=lambda s, e: s.want == ACTIVE or not _literal_started(s),
        shows=("F097", "F229", "F467"),
        moves=(Move("activity", "paused", "starting"),),
    ),
    # The literal page: opening a paused channel calls Started although it stays paused (A53).
    Rule(
        "EP-started-while-paused",
        ("enter", STARTED),
        (),
        lambda s, e: _assume(s._replace(early_started=1), "A53:R1"),
        when=lambda s, e: s.want == PAUSED and _literal_started(s),
    ),
    Rule(
        "EP-started-exit",
        ("exit", STARTED),
        (),
        lambda s, e: (
            s._replace(early_started=2)
            if s.early_started == 1
            else s._replace(run=STARTED_, post_due=True)
        ),
        moves=(Move("activity", "starting", "started"),),
    ),
    Rule(
        "EP-post-started",
        ("enter", POST_STARTED),
        (
            need(
                "PostStarted follows Started, once",
                "F033 F035",
                lambda s, e: s.post_due and s.run == STARTED_,
            ),
            need(
                "PostStarted comes to an open channel",
                "F035 F181",
                lambda s, e: s.connection == OPEN,
            ),
            need(
                "PostStarted gets the handle of its channel",
                "F040",
                lambda s, e: e.arguments[0] == s.endpoint,
            ),
            need("PostStarted runs at PASSIVE_LEVEL", "F041", lambda s, e: not e.irql),
        ),
        lambda s, e: s._replace(post_due=False, post_running=s.post_running + 1),
        shows=("F034", "F039", "F229", "F468"),
    ),
    Rule(
        "EP-post-started-exit",
        ("exit", POST_STARTED),
        (),
        lambda s, e: s._replace(post_running=s.post_running - 1),
    ),
    Rule(
        "EP-suspend",
        ("enter", SUSPEND),
        (
            need(
                "only a started channel is suspended", "F113 F114", lambda s, e: s.run == STARTED_
            ),
            need(
                "Suspend comes to an open channel", "F113 F181", lambda s, e: s.connection == OPEN
            ),
            need(
                "Suspend comes for a Pause, a Disable, a close or a rescind",
                "F113 F114 F115 F109",
                lambda s, e: _pausing(s) or _may_close(s),
            ),
            need(
                "no ProcessPacket is running when Suspend is called",
                "F116",
                lambda s, e: s.indicated == 0,
            ),
            need(
                "Suspend gets the handle of its channel",
                "F111",
                lambda s, e: e.arguments[0] == s.endpoint,
            ),
            need("Suspend runs at PASSIVE_LEVEL", "F131", lambda s, e: not e.irql),
        ),
        lambda s, e: _note_overlap(s._replace(run=SUSPENDING, post_due=False)),
        when=lambda s, e: not _extra_suspend(s),
        shows=("F112", "F229", "F466"),
        moves=(Move("activity", "started", "suspended"),),
    ),
    # One more Suspend when a channel that is already paused is closed (A59).
    Rule(
        "EP-suspend-again",
        ("enter", SUSPEND),
        (),
        lambda s, e: _assume(s._replace(run=SUSPENDING, extra_suspended=True), "A59:R2"),
        when=lambda s, e: _extra_suspend(s),
    ),
    Rule(
        "EP-suspend-exit",
        ("exit", SUSPEND),
        (),
        lambda s, e: _drained(s._replace(run=SUSPENDED)),
        moves=(Move("activity", "suspended", "paused"),),
    ),
)


def _literal_started(s: State) -> bool:
    """Where A53 R1 would call Started: once, when a channel is opened that stays paused."""
    return s.connection == OPEN and s.run == PAUSED and s.want == PAUSED and s.early_started == 0


def _extra_suspend(s: State) -> bool:
    return s.connection == OPEN and s.run == PAUSED and not s.extra_suspended and _may_close(s)


def _note_overlap(s: State) -> State:
    if s.endpoint == "client" and not _pausing(s):
        s = _assume(s, "A57:R2")
    return _assume(s, "A56/close-meanwhile:R2") if s.post_running else s


# Pause and Start --------------------------------------------------------------------------


def _closes_unsuspended(s: State) -> bool:
    """A client that is being closed need not be suspended first, and Pause not wait (A57)."""
    return s.endpoint == "client" and s.run == STARTED_ and s.cause > 0 and not s.indicated


def _take_effect(s: State) -> list[State]:
    """A Pause or Start in progress moves the pause part at some moment nobody sees."""
    after = []
    for call in s.calls:
        if call.done or call.function not in ("VmbChannelPause", "VmbChannelStart"):
            continue
        pause = call.function == "VmbChannelPause"
        calls = tuple(sorted(c._replace(done=True) if c is call else c for c in s.calls))
        changed = s._replace(calls=calls)
        if s.connection == DISABLED:
            after.append(changed._replace(wish="paused" if pause else "started"))
        elif pause:
            after.append(changed._replace(want=PAUSED))
        else:
            after.append(changed._replace(want=ACTIVE, wish="unset"))
    return after


_PAUSING = (
    Rule(
        "EP-pause",
        ("call", "VmbChannelPause"),
        (),
        lambda s, e: _begin(s, e),
        when=lambda s, e: s.connection != NONE,
    ),
    Rule(
        "EP-paused",
        ("return", "VmbChannelPause"),
        (
            need(
                "Pause returns when Suspend has been called and has returned",
                "F124 F285 F113",
                lambda s, e: s.run == PAUSED or s.want == ACTIVE or _closes_unsuspended(s),
            ),
            need(
                "Pause returns when no incoming packet is outstanding",
                "F125 F120",
                lambda s, e: s.outstanding == 0 or s.want == ACTIVE or s.run == STARTED_,
            ),
        ),
        lambda s, e: _end(s, e),
        when=_took_effect,
    ),
    Rule(
        "EP-start",
        ("call", "VmbChannelStart"),
        (),
        lambda s, e: _begin(s, e),
        when=lambda s, e: s.connection != NONE,
    ),
    Rule(
        "EP-start-returned",
        ("return", "VmbChannelStart"),
        (),
        lambda s, e: _end(s, e),
        when=_took_effect,
        shows=("F345",),
    ),
)


# Packets, as far as the endpoint is concerned ---------------------------------------------


_PACKETS = (
    Rule(
        "EP-process-packet",
        ("enter", PROCESS_PACKET),
        (
            need(
                "packets come to an open channel",
                "F021 F024 F181",
                lambda s, e: s.connection == OPEN,
            ),
            need(
                "no packet comes before Started has returned",
                "F093 F103",
                lambda s, e: s.run != STARTING,
            ),
            need(
                "no packet comes from Suspend on",
                "F110 F117",
                lambda s, e: s.run not in (SUSPENDING, SUSPENDED),
            ),
            need(
                "no packet comes to a paused channel",
                "F283 F284 F287 F093",
                lambda s, e: s.run != PAUSED,
            ),
            need(
                "ProcessPacket gets the handle of its channel",
                "F043",
                lambda s, e: e.arguments[0] == s.endpoint,
            ),
            need(
                "ProcessPacket runs at DISPATCH_LEVEL at most",
                "F051",
                lambda s, e: (e.irql or 0) <= 2,
            ),
        ),
        lambda s, e: _indicate(s),
    ),
    Rule(
        "EP-process-packet-exit",
        ("exit", PROCESS_PACKET),
        (),
        lambda s, e: s._replace(indicated=s.indicated - 1),
    ),
    Rule(
        "EP-packet-complete",
        ("call", "VmbChannelPacketComplete"),
        (),
        lambda s, e: _drained(s._replace(outstanding=max(0, s.outstanding - 1))),
    ),
    Rule(
        "EP-packet-fail",
        ("call", "VmbChannelPacketFail"),
        (),
        lambda s, e: _drained(s._replace(outstanding=max(0, s.outstanding - 1))),
    ),
    Rule(
        "EP-processing-complete",
        ("enter", PROCESSING_COMPLETE),
        (
            need(
                "no end of batch is reported on a channel that is not open",
                "F181",
                lambda s, e: s.connection == OPEN,
            ),
            need(
                "the end of a batch is reported after the last ProcessPacket has returned",
                "F228",
                lambda s, e: s.indicated == 0,
            ),
            need(
                "no end of batch is reported once the channel is paused",
                "F284 F283",
                lambda s, e: s.run != PAUSED or _pausing(s) or _may_close(s),
            ),
            need(
                "ProcessingComplete gets the handle of its channel",
                "F056",
                lambda s, e: e.arguments[0] == s.endpoint,
            ),
            need(
                "ProcessingComplete runs at DISPATCH_LEVEL at most",
                "F059",
                lambda s, e: (e.irql or 0) <= 2,
            ),
        ),
        lambda s, e: _late_report(s)._replace(others=s.others + 1),
    ),
    Rule(
        "EP-processing-complete-exit",
        ("exit", PROCESSING_COMPLETE),
        (),
        lambda s, e: s._replace(others=s.others - 1),
    ),
    Rule(
        "EP-completion-routine",
        ("enter", COMPLETION_ROUTINE),
        (
            need(
                "no completion routine runs once Disable has returned",
                "F181",
                lambda s, e: not s.over,
            ),
            need(
                "the completion routine runs at DISPATCH_LEVEL at most",
                "F140",
                lambda s, e: (e.irql or 0) <= 2,
            ),
        ),
        lambda s, e: s._replace(others=s.others + 1),
    ),
    Rule(
        "EP-completion-routine-exit",
        ("exit", COMPLETION_ROUTINE),
        (),
        lambda s, e: s._replace(others=s.others - 1),
    ),
)


def _indicate(s: State) -> State:
    after = s._replace(indicated=s.indicated + 1, outstanding=s.outstanding + 1)
    return _assume(after, "A55:R2") if s.post_due or s.post_running else after


def _late_report(s: State) -> State:
    return _assume(s, "A75:R3") if s.run in (SUSPENDING, SUSPENDED, PAUSED) else s


# The peer ---------------------------------------------------------------------------------


def _hear(s: State, e: Shadow) -> list[State]:
    return [_hear_one(s, other.stance) for other in e.states]  # type: ignore[attr-defined]


def _hear_one(s: State, now: str) -> State:
    before, s = s.peer, s._replace(peer=now)
    in_session = s.connection in (OPENING, OPEN)
    if now == "open" and s.connection in (ENABLED, OPENING, OPEN):
        s = s._replace(accepted=True)
    if now == "rejected" and s.connection == ENABLED:
        return s._replace(failed=True)
    if now in ("away", "rejected") and in_session:
        return s._replace(cause=2)
    if now == "leaving" and in_session:
        return s._replace(cause=max(s.cause, 1))
    if s.endpoint == "server":
        if now == "ready" and before in ("away", "leaving"):
            return s._replace(invited=min(2, s.invited + 1))
    elif s.connection == ENABLED and now in ("ready", "opening", "open", "closing"):
        return s._replace(invited=1)
    return s


_FAILURE = (
    Rule(
        "EP-pnp-failure",
        ("enter", PNP_FAILURE),
        (
            need(
                "a connect failure concerns a client that waits for an offer it has found",
                "F027",
                lambda s, e: (
                    s.endpoint == "client"
                    and s.connection in (ENABLED, REJECTED)
                    and (s.invited > 0 or s.peer not in ("away", "leaving"))
                ),
            ),
            need(
                "a connect failure has a failure status",
                "F027 A52",
                lambda s, e: not is_success(e.arguments[1]),
            ),
        ),
        lambda s, e: _assume(
            s._replace(others=s.others + 1, failed=s.connection == ENABLED, told=True), "A46:R1"
        ),
    ),
    Rule(
        "EP-pnp-failure-exit",
        ("exit", PNP_FAILURE),
        (),
        lambda s, e: s._replace(others=s.others - 1),
    ),
)

_PEER = (Rule("EP-peer", ("phase", ""), (), _hear),)


# Hidden steps: handlers that are not registered, calls taking effect ----------------------


def _unregistered(name: str, rules: tuple[Rule, ...]) -> Hidden:
    """A handler that is not there counts as one that ran and succeeded (A13)."""
    entering = [r for r in rules if r.on == ("enter", name)]
    leaving = next(r for r in rules if r.on == ("exit", name))

    def then(s: State) -> list[State]:
        if name in s.handlers:
            return []
        enter = Enter("enter", s.endpoint, name, name, (s.endpoint,), 0)
        leave = Exit("exit", s.endpoint, name, name, 0)
        after: list[State] = []
        for rule in entering:
            if rule.when is not None and not rule.when(s, enter):
                continue
            if all(n.holds(s, enter) for n in rule.needs):
                exited: Any = leaving.then(rule.then(s, enter), leave)
                after.extend(exited if isinstance(exited, list) else [exited])
        return after

    return Hidden(f"EP-no-{name}", then)


# Silence ----------------------------------------------------------------------------------


def _due(
    id: str, what: str, requirements: str, when: Any, on: tuple[str, str] | None = None
) -> Due:
    return Due(id, what, tuple(requirements.split()), when, on)


def _both_ready(s: State) -> bool:
    return (
        s.connection == ENABLED
        and not _disabling(s)
        and s.invited > 0
        and not s.failed
        and s.peer in ("ready", "open")
    )


def _start_due(s: State) -> bool:
    return (
        s.connection == OPEN
        and s.run == PAUSED
        and s.want == ACTIVE
        and not _may_close(s)
        and not _pending(s, "VmbChannelPause")
        and s.peer == "open"
        and (s.endpoint == "server" or s.accepted)
        and not _busy(s)
    )


def _suspend_due(s: State) -> bool:
    return (
        s.connection == OPEN
        and s.run == STARTED_
        and (_pausing(s) or _disabling(s) or s.cause == 2)
        and not _busy(s)
        and not (s.endpoint == "client" and not _pausing(s))
    )


def _close_due(s: State) -> bool:
    return (
        s.connection == OPEN
        and (s.run == PAUSED or (s.run == STARTED_ and s.endpoint == "client"))
        and (_disabling(s) or s.cause == 2)
        and not s.outstanding
        and not _busy(s)
    )


def _stuck(s: State) -> bool:
    return _busy(s) or s.outstanding > 0


_DUES = (
    _due(
        "EP-due-opened",
        "Opened at both ends, since an offer and an opener have met",
        "F014 F018 F019 F020 F038 F184 F007 F009",
        lambda s, q: _both_ready(s),
        ("enter", OPENED),
    ),
    _due(
        "EP-due-started",
        "Started on an open, active channel",
        "F091 F094 F095 F099 F345",
        lambda s, q: _start_due(s),
        ("enter", STARTED),
    ),
    _due(
        "EP-due-post-started",
        "PostStarted after Started",
        "F032",
        lambda s, q: s.post_due and not _busy(s) and not _may_close(s) and not _pausing(s),
        ("enter", POST_STARTED),
    ),
    _due(
        "EP-due-suspend",
        "Suspend on a running channel that is paused, disabled or closed",
        "F108 F109 F113 F114 F115",
        lambda s, q: _suspend_due(s),
        ("enter", SUSPEND),
    ),
    _due(
        "EP-due-closed",
        "Closed on an open channel that is disabled, closed or rescinded",
        "F001 F002 F003 F004 F179",
        lambda s, q: _close_due(s),
        ("enter", CLOSED),
    ),
    _due(
        "EP-due-enable",
        "the return of Enable",
        "F183 F187",
        lambda s, q: (
            _pending(s, "VmbChannelEnable")
            and not _busy(s)
            and not (s.endpoint == "client" and s.connection == ENABLED)
        ),
        ("return", "VmbChannelEnable"),
    ),
    _due(
        "EP-due-disable",
        "the return of Disable, since the channel is paused and closed",
        "F181 F129",
        lambda s, q: _disabling(s) and s.connection != OPEN and not _stuck(s),
        ("return", "VmbChannelDisable"),
    ),
    _due(
        "EP-due-pause",
        "the return of Pause, since the channel is drained",
        "F285 F129 F112",
        lambda s, q: (
            _pending(s, "VmbChannelPause")
            and not _stuck(s)
            and (s.run == PAUSED or s.want == ACTIVE)
            and ("waiting" not in q.facts or _may_close(s) or s.connection != OPEN)
        ),
        ("return", "VmbChannelPause"),
    ),
    _due(
        "EP-due-start",
        "the return of Start",
        "F345",
        lambda s, q: _pending(s, "VmbChannelStart") and not _stuck(s),
        ("return", "VmbChannelStart"),
    ),
    _due(
        "EP-due-other",
        "the return of a call that never waits",
        "F141 F182",
        lambda s, q: _pending(s, "VmbChannelAllocate") or _pending(s, "VmbChannelCleanup"),
    ),
)

_SILENCES = (
    Silence(
        "EP-quiet-paused", ("F283", "F284"), lambda s, q: s.connection == OPEN and s.want == PAUSED
    ),
    Silence(
        "EP-quiet-auto-paused",
        ("F287",),
        lambda s, q: s.connection == OPEN and s.want == PAUSED and s.run == PAUSED and not s.ran,
    ),
    Silence("EP-quiet-rejected", ("F016", "F024"), lambda s, q: s.connection == REJECTED),
    Silence(
        "EP-quiet-guest-disabled",
        ("F010",),
        lambda s, q: s.endpoint == "client" and s.connection == DISABLED and s.peer == "ready",
    ),
    Silence(
        "EP-quiet-withdrawn",
        ("F180", "F008"),
        lambda s, q: s.endpoint == "client" and s.connection == ENABLED and s.peer == "away",
    ),
    Silence(
        "EP-quiet-bare",
        ("F142",),
        lambda s, q: s.connection == OPEN and not s.handlers,
    ),
    Silence("EP-quiet-over", ("F181",), lambda s, q: s.over),
    Silence("EP-quiet-opening", ("F021",), lambda s, q: s.connection == OPENING),
    Silence("EP-quiet-starting", ("F103",), lambda s, q: s.run == STARTING),
    Silence(
        "EP-quiet-draining",
        ("F120", "F125", "F119", "F118"),
        lambda s, q: s.run == SUSPENDED and s.outstanding > 0,
    ),
)


def _settle(s: State, q: Quiet) -> State:
    """Nothing is on its way any more, so an occasion that has passed is gone."""
    if s.peer == "away" and s.connection in (ENABLED, DISABLED, REJECTED):
        s = s._replace(invited=0)
    if (
        _pending(s, "VmbChannelPause")
        and "waiting" in q.facts
        and not _stuck(s)
        and s.run == PAUSED
    ):
        s = _assume(s, "A64:R2")
    if (
        s.post_running
        and s.run == STARTED_
        and not (s.indicated or s.others)
        and (_pausing(s) or _disabling(s) or s.cause == 2)
    ):
        s = _assume(s, "A56/close-meanwhile:R1")
    if s.failed and s.peer == "rejected" and s.connection == ENABLED and not s.others:
        s = _assume(s, "A46:R3") if not s.told else s
    if _literal_started(s) and not s.ran and STARTED in s.handlers:
        s = _assume(s, "A53:R2")
    return s


_ALL = (*_LIFE, *_OPENING, *_RUNNING, *_PAUSING, *_PACKETS, *_FAILURE, *_PEER)

ENDPOINT = Rules(
    name="endpoint",
    rules=_ALL,
    hidden=(
        Hidden("EP-effect", _take_effect),
        *(_unregistered(name, _ALL) for name in STATE_CHANGE_CALLBACKS),
    ),
    dues=_DUES,
    silences=_SILENCES,
    settle=_settle,
    regions=(("connection", _connection_region), ("activity", _activity_region)),
    summary=phase,
)
"""The rules of an endpoint, both roles."""
