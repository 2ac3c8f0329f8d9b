"""What a mutant is: one part of the reference with one defect."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

from kmcl_adapters.reference import SOUND, Parts

__all__ = ["AREAS", "Mutant", "parts_of", "with_part"]

AREAS: Final = (
    "lifecycle",
    "callback order",
    "blocking",
    "ownership",
    "completions",
    "flow control",
    "batching",
    "queueing",
    "cancellation",
    "re-entrancy",
    "configuration",
)


class Mutant(NamedTuple):
    """A defect: where it belongs, the bug of real life it stands for, and the changed part.

    ``change`` is a subclass of the part that it takes the place of.
    """

    name: str
    area: str
    stands_for: str
    change: type[object]


P = TypeVar("P", bound=NamedTuple)


def with_part(sound: P, change: type[object]) -> P:
    """The parts with ``change`` in the place of its base class."""
    for field, part in zip(sound._fields, sound, strict=True):
        if isinstance(part, type) and issubclass(change, part):
            return sound._replace(**{field: change})
    raise TypeError(f"{change.__name__} is not a part of what there is")


def parts_of(change: type[object]) -> Parts:
    """The reference with ``change`` in the place of its base class."""
    return with_part(SOUND, change)
