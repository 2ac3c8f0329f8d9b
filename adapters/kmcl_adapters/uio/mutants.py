"""Defects of the endpoint, one realistic bug each."""

from __future__ import annotations

from typing import Final, NamedTuple

from .parts import SOUND, Parts

__all__ = ["MUTANTS", "Mutant", "parts_of"]


class Mutant(NamedTuple):
    """``parts`` with one bug; ``stands_for``: what goes wrong in real life."""

    parts: Parts
    stands_for: str


MUTANTS: Final[dict[str, Mutant]] = {}


def parts_of(name: str) -> Parts:
    """The parts of a mutant; of the sound endpoint for no name."""
    return MUTANTS[name].parts if name else SOUND
