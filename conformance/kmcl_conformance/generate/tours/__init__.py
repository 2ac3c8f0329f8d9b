"""Directed sequences: short conversations for what random walks meet rarely.

Each is written as the two drivers would act it. What an implementation answers is not foreseen
here, the judge follows it; what a driver may not do in the state that came about is left out.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from kmcl_model.spec.host import Host
from kmcl_model.spec.specification import ENDPOINTS
from kmcl_model.stimuli import Invoke, Stimulus

from . import (
    configuring,
    contention,
    faults,
    flow,
    hosted,
    inside,
    lifecycle,
    packets,
    readings,
    signals,
    transactions,
)
from .hosted import asked_instead
from .steps import Conversation

__all__ = ["CONTENTION_TOURS", "EXPECTED_TOURS", "TOURS", "Tour", "hosted_tours", "of_ends"]


class Tour(NamedTuple):
    """A directed sequence and what it is for."""

    name: str
    purpose: str
    stimuli: tuple[Stimulus, ...]


def _tours(*conversations: tuple[str, Conversation]) -> tuple[Tour, ...]:
    return tuple(
        Tour(f"{name}, from the {me}", " ".join((_words(tour) or name).split()), tuple(tour(me)))
        for name, tour in conversations
        for me in ENDPOINTS
    )


def hosted_tours(me: str, host: Host) -> tuple[Tour, ...]:
    """What the end ``me`` says to a known host, then the conversations of two ends, in which the
    host is asked where the other driver would send. Two of those in which ``me`` dies come first:
    a reset of its machine is played even where time is short."""
    own = [
        Tour(f"{name}, to a host", " ".join((_words(tour) or name).split()), tuple(tour(me, host)))
        for name, tour in hosted.CONVERSATIONS
    ]
    shared = [t._replace(stimuli=tuple(asked_instead(me, host, t.stimuli))) for t in TOURS]
    names = {f"{name}, from the {me}" for name in faults.OF_DEATH}
    return (*own, *sorted(shared, key=lambda tour: tour.name not in names))


def _words(tour: Any) -> str:
    return getattr(tour, "func", tour).__doc__ or ""


TOURS: tuple[Tour, ...] = _tours(
    *configuring.CONVERSATIONS,
    *flow.CONVERSATIONS,
    *configuring.LATER,
    *packets.CONVERSATIONS,
    *lifecycle.CONVERSATIONS,
    *transactions.CONVERSATIONS,
    *faults.CONVERSATIONS,
    *signals.CONVERSATIONS,
    *contention.CONVERSATIONS,
    *inside.CONVERSATIONS,
    *readings.CONVERSATIONS,
)
"""Every conversation, once from each end."""

CONTENTION_TOURS: tuple[Tour, ...] = _tours(*contention.CONVERSATIONS)
"""Those whose outcome depends on who goes first."""

EXPECTED_TOURS: tuple[Tour, ...] = _tours(*inside.EXPECTED)
"""Those with calls inside callbacks that are only expected to work, for who asks for them."""


@cache
def of_ends(tours: tuple[Tour, ...], ends: tuple[str, ...]) -> tuple[Tour, ...]:
    """What is left of conversations where one end cannot be told anything; each only once."""
    left: dict[tuple[Stimulus, ...], Tour] = {}
    for tour in tours:
        stimuli: list[Stimulus] = []
        for stimulus in tour.stimuli:
            if getattr(stimulus, "endpoint", ends[0]) not in ends:
                continue
            if stimulus[0] == "settle" and stimuli and stimuli[-1] == stimulus:
                continue
            stimuli.append(stimulus)
        enables = any(isinstance(s, Invoke) and s.function == "VmbChannelEnable" for s in stimuli)
        if enables:
            left.setdefault(tuple(stimuli), tour._replace(stimuli=tuple(stimuli)))
    return tuple(left.values())
