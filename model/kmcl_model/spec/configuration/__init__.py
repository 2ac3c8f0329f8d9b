"""The configuration of a channel: which call is accepted when, and with what status.

Every setter goes by one row of ``SETTERS``: which arguments are refused with which status, what an
enabled channel answers (A06, A08), and which role may call it (A09). Where several refusals apply,
any of them will do (A10).
"""

from __future__ import annotations

from kmcl_model.spec.observer import Due, Rules

from . import channel, latency
from .answers import rules_of
from .channel import span_of, stance_of
from .setters import SETTERS, Refusal, Setter
from .state import ConfigurationState, Limits, initial, is_complete, tightness

__all__ = [
    "CONFIGURATION",
    "SETTERS",
    "ConfigurationState",
    "Limits",
    "Refusal",
    "Setter",
    "initial",
    "is_complete",
    "span_of",
    "stance_of",
]

CONFIGURATION = Rules(
    name="configuration",
    rules=(
        *(rule for setter in SETTERS for rule in rules_of(setter)),
        *channel.RULES,
        *latency.RULES,
    ),
    dues=(
        Due(
            "CF-due-return",
            "the return of a configuration call",
            ("F147",),
            lambda s, q: any(call[1] != latency.FUNCTION for call in s.calls),
        ),
        *latency.DUES,
    ),
    idle=lambda s: not s.calls,
    summary=lambda s: Limits(
        s.maximum, s.reports, tightness(s.maximum, s.pages), s.hears, is_complete(s)
    ),
)
"""The rules of configuration calls, channel pointer and packet size."""
