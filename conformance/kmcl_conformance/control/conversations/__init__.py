"""Directed sequences of the control protocol: what random walks meet rarely.

What a guest does is not foreseen here; an answer that nobody waits for when its turn comes is left
out by whoever runs the sequence.
"""

from __future__ import annotations

from typing import Final

from kmcl_conformance.generate.tours import Tour

from . import handovers, ordinary, rescinds, wrongs
from .steps import connected

__all__ = ["CONVERSATIONS", "connected"]

CONVERSATIONS: Final = tuple(
    Tour(make.__name__.replace("_", " "), " ".join((make.__doc__ or "").split()), tuple(make()))
    for module in (ordinary, rescinds, wrongs, handovers)
    for make in module.CONVERSATIONS
)
"""Every directed sequence."""
