"""The interrupt latency of a client: changed from Opened to Closed, and read back by the next call.

What a call gives back is the value that held before. What that was at the first call of a session,
nobody knows (A146).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kmcl_model.spec.observer import Due, Rule, need
from kmcl_model.status import is_success

from .state import ConfigurationState, begin, call_of, end

__all__ = ["DUES", "FUNCTION", "RULES"]

FUNCTION = "VmbChannelSetInterruptLatency"

_SCALES = (10, 100, 1000, 10_000)
"""Other units in which 100 ns may come back: 1 microsecond to 1 millisecond, or the inverse."""


_TAKEN = -1
"""A call has succeeded, so that a value asked for in vain may hold for a good reason."""


def _begin(s: ConfigurationState, e: Any) -> ConfigurationState:
    overlaps = any(call[1] == FUNCTION for call in s.calls)
    return begin(s, e)._replace(mixed=s.mixed or overlaps)


def _within(s: ConfigurationState, e: Any) -> bool:
    """The client was between Opened and Closed, both included, all the time of the call."""
    return s.endpoint == "client" and call_of(s, e)[4] == s.span == "within"


def _is_known(s: ConfigurationState, e: Any) -> bool:
    return e.status == 0 and s.latency is not None and not s.mixed


def _scaled(one: Any, other: Any) -> bool:
    return any(one * scale == other or other * scale == one for scale in _SCALES if one and other)


def _what(s: ConfigurationState, e: Any) -> str:
    """Which requirement the value that comes back breaks; empty if none."""
    seen = e.outputs[0]
    if e.status or s.mixed or seen == s.latency:
        return ""
    if s.refused is not None and seen == s.refused:
        return "F333"
    if s.latency is None:
        return ""
    if seen == s.before:
        return "F330"
    return "F331" if isinstance(seen, int) and _scaled(seen, s.latency) else "F332"


def _breaks_not(requirement: str) -> Callable[[ConfigurationState, Any], bool]:
    """The value that comes back does not break this requirement."""
    return lambda s, e: _what(s, e) != requirement


_VALUES = (
    ("a call that has failed has changed nothing", "F333"),
    ("a call that has succeeded has changed the latency", "F330"),
    ("the latency comes back in the unit in which it was given", "F331"),
    ("OriginalLatency is the value that held before", "F332"),
)


def _set(s: ConfigurationState, e: Any) -> ConfigurationState:
    """The returned call has set the latency, or has failed."""
    value = call_of(s, e)[2][0]
    known = _within(s, e) and not s.mixed
    after = end(s, e)
    after = after._replace(mixed=s.mixed and any(call[1] == FUNCTION for call in after.calls))
    if not is_success(e.status):
        return after if s.refused == _TAKEN else after._replace(refused=value)
    if not known:
        return after._replace(latency=None, before=None, refused=_TAKEN)
    return after._replace(latency=value, before=s.latency, refused=_TAKEN)


def _outside(s: ConfigurationState, e: Any) -> ConfigurationState:
    after = _set(s, e)
    succeeded = is_success(e.status)
    if s.endpoint == "server":
        return after._replace(assumed=(f"A146/endpoint:{'R2' if succeeded else 'R1'}",))
    if call_of(s, e)[4] == s.span == "outside":
        return after._replace(assumed=(f"A146/outside-the-span:{'R2' if succeeded else 'R1'}",))
    return after


RULES = (
    Rule("CF-latency", ("call", FUNCTION), (), _begin),
    Rule(
        "CF-latency-set",
        ("return", FUNCTION),
        (
            need(
                "the latency may be changed from Opened to Closed, both included",
                "F334",
                lambda s, e: is_success(e.status),
            ),
            need("success is STATUS_SUCCESS", "F333", lambda s, e: e.status == 0),
            *(
                need(
                    words,
                    id,
                    _breaks_not(id),
                    _is_known,
                )
                for words, id in _VALUES
            ),
        ),
        _set,
        when=_within,
    ),
    # On a server, and outside the span, it may be refused or remembered (A146).
    Rule(
        "CF-latency-elsewhere",
        ("return", FUNCTION),
        (),
        _outside,
        when=lambda s, e: not _within(s, e),
    ),
)

DUES = (
    Due(
        "CF-due-latency",
        "the return of VmbChannelSetInterruptLatency",
        ("F334",),
        lambda s, q: any(call[1] == FUNCTION and call[4] == "within" for call in s.calls),
        ("return", FUNCTION),
    ),
)
