"""How much to run: a name or a number of sequences."""

from __future__ import annotations

from kmcl_adapters import Description
from kmcl_conformance.campaign import BUDGETS, ELSEWHERE

from .output import Problem

__all__ = ["sequences_of"]


def sequences_of(budget: str, description: Description) -> int:
    """The number of sequences. Raises Problem for a budget that makes no sense."""
    if budget in BUDGETS:
        whole = BUDGETS[budget]
        return whole if "schedulable" in description.capabilities else whole // ELSEWHERE
    number = budget.replace(",", "").replace("_", "")
    if number.isascii() and number.isdigit() and int(number) > 0:
        return int(number)
    raise Problem(
        f"--budget {budget}: choose {', '.join(BUDGETS)}, or a number of sequences from 1"
    )
