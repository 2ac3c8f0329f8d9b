"""Directed sequences: short conversations for what walks meet rarely."""

from __future__ import annotations

from typing import NamedTuple

from kmcl_model.stimuli import Stimulus

__all__ = ["TOURS", "Tour"]


class Tour(NamedTuple):
    """A directed sequence and what it is for."""

    name: str
    purpose: str
    stimuli: tuple[Stimulus, ...]


TOURS: tuple[Tour, ...] = ()
