"""How much to run: a name or a number of sequences, and how long each is."""

from __future__ import annotations

from typing import Final

from kmcl_adapters import Description
from kmcl_conformance.campaign import BUDGETS, ELSEWHERE
from kmcl_conformance.plan import LENGTH
from kmcl_conformance.profiles import PROFILES
from kmcl_conformance.subjects import VMBUS

from .output import Problem

__all__ = ["check_budget", "length_of", "sequences_of"]

_OF_A_REAL_GUEST: Final = 32
"""Steps of a walk: every one begins with a fresh guest, which costs nothing, and each device that
it binds costs a second."""


def length_of(profile: str, description: Description) -> int:
    """Steps of a walk."""
    real = PROFILES[profile].subject is VMBUS and not description.exact_quiescence
    return _OF_A_REAL_GUEST if real else LENGTH


def sequences_of(budget: str, description: Description) -> int:
    """The number of sequences. Raises Problem for a budget that makes no sense."""
    if budget in BUDGETS:
        whole = BUDGETS[budget]
        return whole if "schedulable" in description.capabilities else whole // ELSEWHERE
    return _number(budget)


def check_budget(budget: str) -> None:
    """Raise Problem for a budget that makes no sense, where nobody knows yet what is to be run."""
    if budget not in BUDGETS:
        _number(budget)


def _number(budget: str) -> int:
    number = budget.replace(",", "").replace("_", "")
    if number.isascii() and number.isdigit() and int(number) > 0:
        return int(number)
    raise Problem(
        f"--budget {budget}: choose {', '.join(BUDGETS)}, or a number of sequences from 1"
    )
