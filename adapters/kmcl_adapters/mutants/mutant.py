"""What a mutant is: one part of the reference with one defect."""

from __future__ import annotations

from typing import Final, NamedTuple

from kmcl_adapters.reference import SOUND, Parts

__all__ = ["AREAS", "Mutant", "parts_of"]

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


def parts_of(change: type[object]) -> Parts:
    """The reference with ``change`` in the place of its base class."""
    for field, sound in zip(Parts._fields, SOUND, strict=True):
        if issubclass(change, sound):
            return SOUND._replace(**{field: change})  # type: ignore[arg-type]
    raise TypeError(f"{change.__name__} is not a part of the reference")
