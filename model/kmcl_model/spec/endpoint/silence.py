"""What nobody sees: the hidden steps of an endpoint, and what must not be due in its silence."""

from __future__ import annotations

from functools import cache
from typing import Any

from kmcl_model import api
from kmcl_model.api import STATE_CHANGE_CALLBACKS
from kmcl_model.events import Enter, Exit
from kmcl_model.spec.observer import Due, Hidden, Quiet, Rule, Silence

from .places import must_close, stuck
from .state import (
    ACTIVE,
    DISABLED,
    ENABLED,
    OPEN,
    OPENING,
    PAUSED,
    REJECTED,
    STARTED,
    STARTING,
    STEADY,
    SUSPENDED,
    SUSPENDING,
    UNOBSERVED,
    UNSEEN,
    EndpointState,
    PendingCall,
    assume,
    busy,
    disabling,
    end_of,
    may_close,
    pausing,
    pending,
)

__all__ = ["DUES", "SILENCES", "take_effect", "unregistered"]


_ENDS_PAUSE, _COMES_FIRST = (f"A148/start-during-pause:R{n}" for n in (1, 2))


def take_effect(s: EndpointState) -> list[EndpointState]:
    """A pending Pause or Start moves the pause part at some moment nobody sees."""
    after: list[EndpointState] = []
    if not s.calls:
        return after
    for function in ("VmbChannelPause", "VmbChannelStart"):
        call = PendingCall(function)
        if call not in s.calls:
            continue
        pause = function == "VmbChannelPause"
        rest = end_of(s, call).calls
        changed = s._replace(calls=tuple(sorted((*rest, PendingCall(function, True)))))
        if s.connection == DISABLED:
            after.append(changed._replace(wish="paused" if pause else "started"))
        elif pause:
            after.append(changed._replace(want=PAUSED))
        else:
            active = changed._replace(want=ACTIVE, wish="unset")
            if not pausing(s):
                after.append(active)
            else:
                # As if Start had come first, it had nothing to end yet.
                after.append(active if s.run == PAUSED else assume(active, _ENDS_PAUSE))
                after.append(assume(changed, _COMES_FIRST))
    return after


@cache
def _unseen(endpoint: str, name: str) -> tuple[Enter, Exit]:
    enter = Enter("enter", endpoint, UNSEEN, name, (endpoint,), 0)
    return enter, Exit("exit", endpoint, UNSEEN, name, 0)


def unregistered(rules: tuple[Rule, ...]) -> Hidden:
    """The hidden step of a handler that is not registered: it counts as run and succeeded (A13).

    ``rules`` must hold those of the entry and the exit of every state change callback.
    """
    entering = {
        name: [(rule, rule.conditions()) for rule in rules if rule.on == ("enter", name)]
        for name in STATE_CHANGE_CALLBACKS
    }
    leaving = {n: next(r for r in rules if r.on == ("exit", n)) for n in STATE_CHANGE_CALLBACKS}

    def then(s: EndpointState) -> list[EndpointState]:
        after: list[EndpointState] = []
        if len(s.handlers) == len(STATE_CHANGE_CALLBACKS):
            return after
        for name in STATE_CHANGE_CALLBACKS:
            if name in s.handlers:
                continue
            enter, leave = _unseen(s.endpoint, name)
            for rule, conditions in entering[name]:
                if all(holds(s, enter) for holds in conditions):
                    exited: Any = leaving[name].then(rule.then(s, enter), leave)
                    # Nobody saw it run, so it shows no reading.
                    after += [
                        x._replace(assumed=s.assumed)
                        for x in (exited if isinstance(exited, list) else [exited])
                    ]
        return after

    return Hidden("EP-no-handler", then)


def _due(
    id: str, what: str, requirements: str, when: Any, on: tuple[str, str] | None = None
) -> Due:
    return Due(id, what, tuple(requirements.split()), when, on)


def _both_ready(s: EndpointState, _q: Quiet) -> bool:
    return (
        s.connection == ENABLED
        and not disabling(s)
        and s.invited > 0
        and not s.failed
        and (s.peer in ("ready", "open") or (s.peer == STEADY and not s.told))
    )


def _start_due(s: EndpointState, q: Quiet) -> bool:
    return (
        s.connection == OPEN
        and s.run == PAUSED
        and s.want == ACTIVE
        and not may_close(s)
        and not pending(s, "VmbChannelPause")
        and not (s.lingers and "waiting" in q.facts)
        and s.peer in ("open", UNOBSERVED, STEADY)
        and (s.endpoint == "server" or s.accepted)
        and not busy(s)
    )


def _suspend_due(s: EndpointState, _q: Quiet) -> bool:
    return (
        s.connection == OPEN
        and s.run == STARTED
        and (pausing(s) or disabling(s) or s.cause == 2)
        and not busy(s)
        and not (s.endpoint == "client" and not pausing(s))
    )


def _close_due(s: EndpointState, _q: Quiet) -> bool:
    return (
        s.connection == OPEN
        and (s.run == PAUSED or (s.run == STARTED and s.endpoint == "client"))
        and (disabling(s) or s.cause == 2)
        and not s.outstanding
        and not busy(s)
    )


def _pause_due(s: EndpointState, q: Quiet) -> bool:
    return (
        pending(s, "VmbChannelPause")
        and not stuck(s)
        and (s.run == PAUSED or s.want == ACTIVE)
        and ("waiting" not in q.facts or must_close(s) or s.connection != OPEN)
    )


def _unheard(s: EndpointState) -> bool:
    """A pause of this channel calls no handler."""
    return s.ran and api.SUSPEND not in s.handlers


_OPENED = "Opened at both ends, since an offer and an opener have met"
_STARTED = "Started on an open, active channel"
_SUSPEND = "Suspend on a running channel that is paused, disabled or closed"
_CLOSED = "Closed on an open channel that is disabled, closed or rescinded"


def _cases(
    id: str, what: str, callback: str, when: Any, cases: tuple[tuple[str, Any], ...]
) -> tuple[Due, ...]:
    """One obligation, split by the situations in which different requirements speak of it."""
    return tuple(
        _due(
            id if not number else f"{id}-{number + 1}",
            what,
            requirements,
            lambda s, q, holds=holds: when(s, q) and holds(s),
            ("enter", callback),
        )
        for number, (requirements, holds) in enumerate(cases)
    )


DUES = (
    *_cases(
        "EP-due-opened",
        _OPENED,
        api.OPENED,
        _both_ready,
        (
            ("F014 F038 F184", lambda s: True),
            ("F018", lambda s: s.endpoint == "server"),
            ("F019", lambda s: s.endpoint == "client" and not s.waited),
            ("F020", lambda s: s.endpoint == "client" and s.waited),
            ("F007", lambda s: s.endpoint == "server" and s.again),
            ("F009", lambda s: s.endpoint == "client" and s.again),
        ),
    ),
    *_cases(
        "EP-due-started",
        _STARTED,
        api.STARTED,
        _start_due,
        (
            ("F091", lambda s: True),
            ("F094", lambda s: not s.again and not s.ran),
            ("F095", lambda s: s.again and not s.ran),
            ("F099 F345", lambda s: s.ran),
        ),
    ),
    _due(
        "EP-due-post-started",
        "PostStarted after Started",
        "F032",
        lambda s, q: s.post_due and not busy(s) and not may_close(s) and not pausing(s),
        ("enter", api.POST_STARTED),
    ),
    *_cases(
        "EP-due-suspend",
        _SUSPEND,
        api.SUSPEND,
        _suspend_due,
        (
            ("F113", lambda s: pausing(s)),
            ("F114", lambda s: disabling(s)),
            ("F115 F108 F109", lambda s: s.cause == 2),
        ),
    ),
    *_cases(
        "EP-due-closed",
        _CLOSED,
        api.CLOSED,
        _close_due,
        (
            ("F001", lambda s: s.endpoint == "client" and disabling(s)),
            ("F004", lambda s: s.endpoint == "server" and disabling(s)),
            ("F002", lambda s: s.endpoint == "client" and s.cause == 2),
            ("F003", lambda s: s.cause == 2),
            ("F179", lambda s: s.endpoint == "server" and s.cause == 2),
            ("F119", lambda s: s.retired),
            ("F130", lambda s: s.retired and s.endpoint == "server"),
        ),
    ),
    _due(
        "EP-due-enable",
        "the return of Enable",
        "F183 F187",
        lambda s, q: (
            pending(s, "VmbChannelEnable")
            and not busy(s)
            and not (s.endpoint == "client" and s.connection == ENABLED)
        ),
        ("return", "VmbChannelEnable"),
    ),
    _due(
        "EP-due-disable",
        "the return of Disable, since the channel is paused and closed",
        "F181",
        lambda s, q: disabling(s) and s.connection != OPEN and not stuck(s),
        ("return", "VmbChannelDisable"),
    ),
    _due(
        "EP-due-disable-alone",
        "the return of Disable, although the peer is gone",
        "F129",
        lambda s, q: disabling(s) and s.connection != OPEN and not stuck(s) and s.peer == "away",
        ("return", "VmbChannelDisable"),
    ),
    _due(
        "EP-due-pause",
        "the return of Pause, since the channel is drained",
        "F285",
        lambda s, q: _pause_due(s, q) and not _unheard(s),
        ("return", "VmbChannelPause"),
    ),
    _due(
        "EP-due-pause-retired",
        "the return of Pause, since the last packet was given back after Suspend",
        "F119",
        lambda s, q: s.retired and _pause_due(s, q),
        ("return", "VmbChannelPause"),
    ),
    _due(
        "EP-due-pause-retired-by-server",
        "the return of Pause, since the server's driver has retired its transactions",
        "F130",
        lambda s, q: s.retired and s.endpoint == "server" and _pause_due(s, q),
        ("return", "VmbChannelPause"),
    ),
    _due(
        "EP-due-pause-unheard",
        "the return of Pause, although no Suspend handler is registered",
        "F112 F285",
        lambda s, q: _pause_due(s, q) and _unheard(s),
        ("return", "VmbChannelPause"),
    ),
    _due(
        "EP-due-start",
        "the return of Start",
        "F345",
        lambda s, q: pending(s, "VmbChannelStart") and not stuck(s),
        ("return", "VmbChannelStart"),
    ),
    *(
        _due(f"EP-due-{verb}", f"the return of {verb}", id, lambda s, q, f=f: pending(s, f))
        for verb, id in (("Allocate", "F141"), ("Cleanup", "F150"))
        for f in (f"VmbChannel{verb}",)
    ),
)


def _kept_waiting(s: EndpointState, q: Quiet) -> bool:
    """A packet is on its way to an open, paused channel."""
    return s.connection == OPEN and s.want == PAUSED and s.run == PAUSED and "incoming" in q.facts


def _quiet(id: str, requirements: str, when: Any) -> Silence:
    return Silence(id, tuple(requirements.split()), when)


SILENCES = (
    _quiet("EP-quiet-paused", "F283 F284", _kept_waiting),
    _quiet(
        "EP-quiet-auto-paused",
        "F287",
        lambda s, q: _kept_waiting(s, q) and s.wish == "paused" and not s.ran,
    ),
    _quiet("EP-quiet-rejected", "F016 F024", lambda s, q: s.connection == REJECTED),
    _quiet(
        "EP-quiet-guest-disabled",
        "F010",
        lambda s, q: (
            s.endpoint == "client" and s.connection == DISABLED and s.peer == "ready" and s.again
        ),
    ),
    _quiet(
        "EP-quiet-withdrawn",
        "F180 F008",
        lambda s, q: (
            s.endpoint == "client" and s.connection == ENABLED and s.peer == "away" and s.offered
        ),
    ),
    _quiet("EP-quiet-bare", "F142", lambda s, q: s.connection == OPEN and not s.handlers),
    _quiet("EP-quiet-over", "F181", lambda s, q: s.over and s.again),
    _quiet("EP-quiet-opening", "F021", lambda s, q: s.connection == OPENING),
    _quiet("EP-quiet-starting", "F103", lambda s, q: s.run == STARTING and "incoming" in q.facts),
    _quiet(
        "EP-quiet-suspended",
        "F110 F117",
        lambda s, q: s.run in (SUSPENDING, SUSPENDED) and "incoming" in q.facts,
    ),
    _quiet("EP-quiet-draining", "F120", lambda s, q: s.run == SUSPENDED and s.outstanding > 0),
    _quiet(
        "EP-quiet-pausing",
        "F125",
        lambda s, q: s.run == SUSPENDED and s.outstanding > 0 and pausing(s),
    ),
)
