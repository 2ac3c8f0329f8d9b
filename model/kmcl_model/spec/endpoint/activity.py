"""The activity of an endpoint: Started, PostStarted and Suspend, Pause and Start."""

from __future__ import annotations

from kmcl_model import api
from kmcl_model.events import Event
from kmcl_model.spec.cases import Case, because
from kmcl_model.spec.observer import Move, Rule, need, never, witness

from .places import (
    needs_place,
    opening_due,
    post_start_due,
    rejected,
    starting_due,
    stopping_due,
    well_called,
)
from .state import (
    ACTIVE,
    NONE,
    OPEN,
    PAUSED,
    STARTED,
    STARTING,
    SUSPENDED,
    SUSPENDING,
    EndpointState,
    assume,
    begin,
    disabling,
    drained,
    end,
    may_close,
    own_handle,
    pausing,
    registered,
    took_effect,
)

__all__ = ["RULES", "literal_started"]


def literal_started(s: EndpointState) -> bool:
    """Where A53 R1 would call Started: once, when a channel is opened that stays paused."""
    return s.connection == OPEN and s.run == PAUSED and s.want == PAUSED and s.early_started == 0


def _extra_suspend(s: EndpointState) -> bool:
    """Where A59 R2 suspends once more: a paused channel that is about to be closed."""
    unused = not (s.extra_suspended or s.close_suspended)
    return s.connection == OPEN and s.run == PAUSED and unused and may_close(s)


def _note_overlap(s: EndpointState) -> EndpointState:
    """What a Suspend shows that comes to a closing client (A57) or during PostStarted (A56)."""
    if s.endpoint == "client" and s.close_suspended:
        s = assume(s, "A57:R2")
    return assume(s, "A56/close-meanwhile:R2") if s.post_running else s


def _suspending(s: EndpointState, _e: Event) -> EndpointState:
    asked = pausing(s) or s.cut_short
    after = s._replace(run=SUSPENDING, post_due=False, close_suspended=not asked, cut_short=False)
    return _note_overlap(after._replace(lingers=True) if s.cut_short else after)


_RUNNING = (
    Rule(
        "EP-started",
        ("enter", api.STARTED),
        (
            *needs_place(
                lambda s, e: s.connection == OPEN,
                Case("no channel is started that Opened has rejected", "F016 F024", rejected),
                Case(
                    "Started comes to an open channel, after Opened",
                    "F021 F092 F098",
                ),
            ),
            witness("F092 F098", lambda s, e: True),
            *because(
                lambda s, e: s.run == PAUSED,
                Case(
                    "Started is not called at the event of another handler",
                    "F467",
                    lambda s: post_start_due(s) or stopping_due(s),
                ),
                Case("Started comes once, until the channel is suspended", "F091 F113"),
            ),
            witness("F091", lambda s, e: True),
            need(
                "a paused channel is not started", "F283 F287", lambda s, e: s.want == ACTIVE, never
            ),
            *because(
                lambda s, e: s.endpoint == "server" or s.accepted,
                Case("no client is started that the server has rejected", "F016 F024", rejected),
                Case(
                    "no client is started before the server's Opened",
                    "F014",
                    lambda s: s.peer == "ready",
                ),
                Case("no client is started while the server's Opened runs", "F021"),
            ),
            *well_called("a Started", "F096", "F107", "F097 F229"),
        ),
        lambda s, e: s._replace(run=STARTING, ran=True, retired=False, lingers=False),
        when=lambda s, e: s.want == ACTIVE or not literal_started(s),
        shows=("F097", "F229", "F467"),
        moves=(Move("activity", "paused", "starting"),),
    ),
    # The literal page: opening a paused channel calls Started although it stays paused (A53).
    Rule(
        "EP-started-while-paused",
        ("enter", api.STARTED),
        (
            need("Started gets the handle of its channel", "F096", own_handle),
            need("Started runs at PASSIVE_LEVEL", "F107", lambda s, e: not e.irql),
            need("the handler was registered", "F097 F229", registered),
        ),
        lambda s, e: assume(s._replace(early_started=1), "A53:R1"),
        when=lambda s, e: s.want == PAUSED and literal_started(s),
    ),
    Rule(
        "EP-started-exit",
        ("exit", api.STARTED),
        (),
        lambda s, e: (
            s._replace(early_started=2)
            if s.early_started == 1
            else s._replace(run=STARTED, post_due=True)
        ),
        moves=(Move("activity", "starting", "started"),),
    ),
    Rule(
        "EP-post-started",
        ("enter", api.POST_STARTED),
        (
            *needs_place(
                lambda s, e: s.connection == OPEN,
                Case("no channel is started that Opened has rejected", "F016 F024", rejected),
                Case("PostStarted comes to an open channel, after Opened", "F035"),
            ),
            *because(
                lambda s, e: s.post_due and s.run == STARTED,
                Case(
                    "PostStarted is not called at the event of another handler",
                    "F033 F468",
                    lambda s: starting_due(s) or stopping_due(s),
                ),
                Case("PostStarted follows Started, once", "F033"),
            ),
            witness("F033 F035", lambda s, e: True),
            *well_called("a PostStarted", "F040", "F041", "F039 F229"),
        ),
        lambda s, e: s._replace(post_due=False, post_running=s.post_running + 1),
        shows=("F039", "F229", "F468"),
    ),
    Rule(
        "EP-post-started-exit",
        ("exit", api.POST_STARTED),
        (),
        lambda s, e: s._replace(post_running=s.post_running - 1),
    ),
    Rule(
        "EP-suspend",
        ("enter", api.SUSPEND),
        (
            *because(
                lambda s, e: s.run == STARTED,
                Case(
                    "Suspend is not called at the event of another handler",
                    "F466",
                    lambda s: opening_due(s) or starting_due(s),
                ),
                Case("only a started channel is suspended", "F113 F114"),
            ),
            witness("F113", lambda s, e: pausing(s)),
            witness("F114", lambda s, e: disabling(s)),
            witness("F115", lambda s, e: s.cause > 0),
            witness("F108 F109", lambda s, e: s.cause > 0 and s.endpoint == "server"),
            *needs_place(
                lambda s, e: s.connection == OPEN,
                Case("Suspend comes to an open channel", "F113 F466"),
            ),
            *because(
                lambda s, e: pausing(s) or may_close(s) or s.cut_short,
                Case("Suspend comes for a Pause, a Disable, a close or a rescind", "F466"),
            ),
            need(
                "no ProcessPacket is running when Suspend is called",
                "F116",
                lambda s, e: s.indicated == 0,
            ),
            *well_called("a Suspend", "F111", "F131", "F112 F229"),
        ),
        _suspending,
        when=lambda s, e: not _extra_suspend(s),
        shows=("F112", "F229", "F466"),
        moves=(Move("activity", "started", "suspended"),),
    ),
    # One more Suspend when a channel that is already paused is closed (A59).
    Rule(
        "EP-suspend-again",
        ("enter", api.SUSPEND),
        (
            need("Suspend gets the handle of its channel", "F111", own_handle),
            need("Suspend runs at PASSIVE_LEVEL", "F131", lambda s, e: not e.irql),
            need("the handler was registered", "F112 F229", registered),
        ),
        lambda s, e: assume(s._replace(run=SUSPENDING, extra_suspended=True), "A59:R2"),
        when=lambda s, e: _extra_suspend(s),
    ),
    Rule(
        "EP-suspend-exit",
        ("exit", api.SUSPEND),
        (),
        lambda s, e: drained(s._replace(run=SUSPENDED)),
        moves=(Move("activity", "suspended", "paused"),),
    ),
)


def _closes_unsuspended(s: EndpointState) -> bool:
    """A client that is closed need not be suspended before, so Pause need not wait (A57)."""
    return s.endpoint == "client" and s.run == STARTED and may_close(s) and not s.indicated


def _after_pause(s: EndpointState, e: Event) -> list[EndpointState]:
    """A Pause that a Start has overtaken may leave the stop it began to be carried out (A148)."""
    after = end(s, e)._replace(retired=False)
    if s.want != ACTIVE or pausing(after):
        return [after]
    if s.run in (STARTING, STARTED):
        return [after, after._replace(cut_short=True)]
    return [after._replace(lingers=True)]


_PAUSING = (
    Rule(
        "EP-pause",
        ("call", "VmbChannelPause"),
        (),
        begin,
        when=lambda s, e: s.connection != NONE,
    ),
    Rule(
        "EP-paused",
        ("return", "VmbChannelPause"),
        (
            need(
                "Pause returns when Suspend has been called and has returned",
                "F124 F285 F113",
                lambda s, e: (
                    s.run in (PAUSED, SUSPENDED)
                    or s.want == ACTIVE
                    or s.extra_suspended
                    or _closes_unsuspended(s)
                ),
                lambda s, e: s.ran,
            ),
            need(
                "Pause returns when no incoming packet is outstanding",
                "F125 F120",
                lambda s, e: s.outstanding == 0 or s.want == ACTIVE or s.connection != OPEN,
                never,
            ),
            need(
                "Pause returns when no end of a batch is being reported",
                "F285 F283 A75",
                lambda s, e: not s.reporting or s.want == ACTIVE,
                never,
            ),
        ),
        _after_pause,
        when=took_effect,
    ),
    Rule(
        "EP-start",
        ("call", "VmbChannelStart"),
        (),
        begin,
        when=lambda s, e: s.connection != NONE,
    ),
    Rule(
        "EP-start-returned",
        ("return", "VmbChannelStart"),
        (),
        end,
        when=took_effect,
        shows=("F345",),
    ),
)

RULES = (*_RUNNING, *_PAUSING)
