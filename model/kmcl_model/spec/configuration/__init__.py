"""The configuration of a channel: which call is accepted when, and with what status.

Every setter goes by one row of ``SETTERS``: which arguments are refused with which status, what an
enabled channel answers (A06, A08), and which role may call it (A09). Where several refusals apply,
any of them will do (A10).
"""

from __future__ import annotations

from kmcl_model.spec.observer import Due, Rules

from . import channel
from .answers import rules_of
from .channel import stance_of
from .setters import SETTERS, Refusal, Setter
from .state import ConfigurationState, Limits, initial, tightness

__all__ = [
    "CONFIGURATION",
    "SETTERS",
    "ConfigurationState",
    "Limits",
    "Refusal",
    "Setter",
    "initial",
    "stance_of",
]

CONFIGURATION = Rules(
    name="configuration",
    rules=(*(rule for setter in SETTERS for rule in rules_of(setter)), *channel.RULES),
    dues=(
        Due(
            "CF-due-return",
            "the return of a configuration call",
            ("F147",),
            lambda s, q: bool(s.calls),
        ),
    ),
    idle=lambda s: not s.calls,
    summary=lambda s: Limits(s.maximum, s.reports, tightness(s.maximum, s.pages), s.hears),
)
"""The rules of configuration calls, channel pointer and packet size."""
