"""How a handler is called, and where it has no business: after Cleanup, after Disable, at the event
of another one."""

from __future__ import annotations

from kmcl_model.spec.cases import Case, because
from kmcl_model.spec.observer import Condition, Need, need

from .state import (
    ACTIVE,
    ENABLED,
    NONE,
    OPEN,
    PAUSED,
    REJECTED,
    STARTED,
    EndpointState,
    busy,
    disabling,
    may_close,
    own_handle,
    pausing,
    pending,
    registered,
)

__all__ = [
    "GONE",
    "must_close",
    "needs_place",
    "opening_due",
    "post_start_due",
    "rejected",
    "starting_due",
    "stopping_due",
    "stuck",
    "well_called",
]


def rejected(s: EndpointState) -> bool:
    """Opened has failed at this end, or at the other one, and nothing came since."""
    return s.connection == REJECTED or s.failed or s.peer == "rejected"


GONE = Case(
    "no handler runs once Cleanup was called",
    "F150",
    lambda s: s.connection == NONE or pending(s, "VmbChannelCleanup"),
)
"""What any handler may break."""

_OVER = Case("no handler runs once Disable has returned", "F181", lambda s: s.over)


def needs_place(holds: Condition, *cases: Case) -> tuple[Need, ...]:
    """``because`` for the entry of a handler, which may also come after the end of the channel."""
    return because(holds, GONE, _OVER, *cases)


def opening_due(s: EndpointState) -> bool:
    """Opened may be called now."""
    return s.connection == ENABLED and s.invited > 0


def starting_due(s: EndpointState) -> bool:
    """Started may be called now."""
    return s.connection == OPEN and s.run == PAUSED and s.want == ACTIVE and not may_close(s)


def post_start_due(s: EndpointState) -> bool:
    """PostStarted may be called now."""
    return s.connection == OPEN and s.run == STARTED and s.post_due


def stopping_due(s: EndpointState) -> bool:
    """Suspend may be called now."""
    return s.connection == OPEN and s.run == STARTED and (pausing(s) or may_close(s))


def must_close(s: EndpointState) -> bool:
    """The session has to end, whatever the peer does."""
    return disabling(s) or s.cause == 2


def stuck(s: EndpointState) -> bool:
    """Only the driver can go on: a handler is running or packets are outstanding."""
    return busy(s) or s.outstanding > 0


def well_called(handler: str, handle: str, irql: str, registration: str) -> tuple[Need, ...]:
    """A handler, with its article, gets the handle of its channel, runs at PASSIVE_LEVEL, and was
    registered; with the requirements of each."""
    name = handler.split()[-1]
    return (
        need(f"{name} gets the handle of its channel", handle, own_handle),
        need(f"{name} runs at PASSIVE_LEVEL", irql, lambda s, e: not e.irql),
        need(f"{handler} handler was registered", registration, registered),
    )
