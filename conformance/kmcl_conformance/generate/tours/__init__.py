"""Directed sequences: short conversations for what random walks meet rarely.

Each is written as the two drivers would act it. What an implementation answers is not foreseen
here, the judge follows it; what a driver may not do in the state that came about is left out.
"""

from __future__ import annotations

from typing import NamedTuple

from kmcl_model.spec.specification import ENDPOINTS
from kmcl_model.stimuli import Stimulus

from . import faults, flow, lifecycle, packets, readings, transactions

__all__ = ["TOURS", "Tour"]


class Tour(NamedTuple):
    """A directed sequence and what it is for."""

    name: str
    purpose: str
    stimuli: tuple[Stimulus, ...]


TOURS: tuple[Tour, ...] = tuple(
    Tour(f"{name}, from the {me}", " ".join((tour.__doc__ or name).split()), tuple(tour(me)))
    for subject in (flow, packets, lifecycle, transactions, faults, readings)
    for name, tour in subject.CONVERSATIONS
    for me in ENDPOINTS
)
"""Every conversation, once from each end."""
