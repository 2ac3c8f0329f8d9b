"""What a campaign is to run, and how much of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from .plan import LENGTH, Plan
from .profiles import FULL, PROFILES

__all__ = ["BUDGETS", "ELSEWHERE", "Options"]

BUDGETS: Final = {"small": 300, "default": 3500, "large": 30_000}
"""Sequences, by the name of the budget, for an implementation inside this process."""

ELSEWHERE: Final = 10
"""An implementation in another process gets the budget divided by this."""


class Options(NamedTuple):
    """What to run: ``sequences`` of ``length`` steps; ``out`` takes what is found, as it is found.

    ``resume``: go on with what ``out`` holds. ``faults``: what walks may do wrong, None for all.
    ``expected``: callbacks also make calls that are only expected to work in them (A147).
    """

    adapter: str = "reference"
    profile: str = FULL
    seed: int = 1
    sequences: int = BUDGETS["default"]
    length: int = LENGTH
    out: Path | None = None
    resume: bool = False
    faults: tuple[str, ...] | None = None
    expected: bool = False

    def plan(self) -> Plan:
        """The sequences these options ask for."""
        profile = PROFILES[self.profile]
        what = (profile.ends, profile.subject, profile.host)
        return Plan(self.seed, self.length, self.chosen_faults, self.expected, *what)

    @property
    def chosen_faults(self) -> tuple[str, ...]:
        """What walks may do wrong."""
        return PROFILES[self.profile].subject.faults if self.faults is None else self.faults
