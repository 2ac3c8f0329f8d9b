"""What a mutant of the guest is: one part of the reference with one defect."""

from __future__ import annotations

from typing import NamedTuple

from kmcl_adapters.guest.kernel import SOUND, Parts

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
    for field, sound in zip(Parts._fields, SOUND, strict=True):
        if issubclass(change, sound):
            return SOUND._replace(**{field: change})  # type: ignore[arg-type]
    raise TypeError(f"{change.__name__} is not a part of the guest")
