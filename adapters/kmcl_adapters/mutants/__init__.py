"""The zoo: the reference with one realistic defect at a time, so that a suite can prove itself.

``mutant:NAME`` names one. Each breaks something that no permitted reading allows; a suite that
lets one live cannot see that kind of bug.
"""

from __future__ import annotations

from typing import Final

from kmcl_adapters.interface import AdapterError, nearest
from kmcl_adapters.reference import ReferenceAdapter

from . import (
    batching,
    blocking,
    cancellation,
    completions,
    configuration,
    contention,
    faults,
    flow,
    handlers,
    latency,
    lifecycle,
    ownership,
    queueing,
    reentrancy,
    reopening,
    returns,
    settings,
    slots,
    starting,
    stopping,
    transactions,
)
from .mutant import AREAS, Mutant, parts_of

__all__ = ["AREAS", "MUTANTS", "Mutant", "create", "parts_of"]

MUTANTS: Final[dict[str, Mutant]] = {
    mutant.name: mutant
    for module in (
        lifecycle,
        starting,
        stopping,
        blocking,
        ownership,
        completions,
        flow,
        batching,
        queueing,
        cancellation,
        reentrancy,
        configuration,
        reopening,
        transactions,
        faults,
        contention,
        slots,
        returns,
        latency,
        settings,
        handlers,
    )
    for mutant in module.MUTANTS
}
"""Every mutant by name, module by module."""


def create(argument: str) -> ReferenceAdapter:
    """The reference with the named defect."""
    mutant = MUTANTS.get(argument)
    if mutant is None:
        raise AdapterError(f"no mutant {argument!r}; {nearest(argument, MUTANTS)}")
    return ReferenceAdapter(f"mutant:{argument}", parts_of(mutant.change))
