"""The zoo of the bus: the reference guest with one realistic defect of its control plane at a time.

``guest-mutant:NAME`` names one. None of them is a permitted reading.
"""

from __future__ import annotations

from typing import Final

from kmcl_adapters.guest.adapter import GuestAdapter
from kmcl_adapters.interface import AdapterError, nearest

from . import answers, contact, memory, offers, opening, places, signals, using
from .mutant import GuestMutant, parts_of

__all__ = ["GUEST_MUTANTS", "GuestMutant", "create", "parts_of"]

GUEST_MUTANTS: Final[dict[str, GuestMutant]] = {
    mutant.name: mutant
    for module in (contact, offers, memory, answers, opening, places, using, signals)
    for mutant in module.MUTANTS
}
"""Every defective guest by name, module by module."""


def create(argument: str) -> GuestAdapter:
    """The guest with the named defect."""
    mutant = GUEST_MUTANTS.get(argument)
    if mutant is None:
        raise AdapterError(f"no guest mutant {argument!r}; {nearest(argument, GUEST_MUTANTS)}")
    return GuestAdapter(f"guest-mutant:{argument}", parts_of(mutant.change))
