"""What a mutant of the guest is: one part of the reference with one defect."""

from __future__ import annotations

from typing import NamedTuple

from kmcl_adapters.guest.kernel import SOUND, Parts
from kmcl_adapters.mutants.mutant import with_part

__all__ = ["GuestMutant", "parts_of"]


class GuestMutant(NamedTuple):
    """A defect: the bug of real life it stands for, the requirement that is meant to find it, and
    the changed part, a subclass of the one whose place it takes."""

    name: str
    stands_for: str
    meant: str
    change: type[object]


def parts_of(change: type[object]) -> Parts:
    """The guest with ``change`` in the place of its base class."""
    return with_part(SOUND, change)
