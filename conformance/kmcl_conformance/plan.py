"""The sequences of a campaign, by their numbers: first the directed ones, then seeded walks.

Certification and the hunts in mutants and variants run the same ones, because both ask here.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Final, NamedTuple

from kmcl_adapters import Adapter, AdapterError
from kmcl_model.spec import Specification
from kmcl_model.spec.specification import ENDPOINTS
from kmcl_model.stimuli import Invoke, Stimulus

from .generate.tours import CONTENTION_TOURS, EXPECTED_TOURS, TOURS, Tour, hosted_tours
from .hosts import HOSTS
from .oracle import Pair
from .schedules import by_priorities
from .sequence import Outcome, replay, walk

__all__ = ["FAULTS", "LENGTH", "Plan"]

LENGTH: Final = 80
"""Steps of a walk."""

FAULTS: Final = ("crash", "malformed", "spurious")
"""Environment actions that walks may use, as far as the implementation offers them."""

PCT_EVERY: Final = 10
"""One walk in so many is scheduled by priorities, where the implementation can be scheduled."""

ORDERS_EVERY: Final = 10
"""One sequence in so many is a directed one in another order."""

SEEDS: Final = 1_000_003
"""Walks of a campaign have consecutive seeds, and no two campaigns share one in practice."""


class Plan(NamedTuple):
    """What the sequences are made of; ``faults`` are wished for, the adapter may lack them.
    ``expected``: callbacks make the calls, too, that are only expected to work in them (A147).
    ``ends`` are those that are driven, ``host`` is the known host at the other end."""

    seed: int
    length: int = LENGTH
    faults: tuple[str, ...] = FAULTS
    expected: bool = False
    ends: tuple[str, ...] = ENDPOINTS
    host: str = ""

    @property
    def directed(self) -> int:
        """How many sequences are directed: the first ones."""
        return len(self.tours)

    @property
    def tours(self) -> tuple[Tour, ...]:
        """The directed sequences."""
        every = TOURS + EXPECTED_TOURS if self.expected else TOURS
        return every if self.ends == ENDPOINTS else _of_ends(every, self.ends, self.host)

    def run(
        self,
        number: int,
        adapter: Adapter,
        specification: Specification,
        pairs: set[Pair] | None = None,
    ) -> tuple[Outcome, str]:
        """Run one sequence: its outcome and its name."""
        if number < self.directed:
            tour = self.tours[number]
            return replay(adapter, specification, tour.stimuli, pairs=pairs), tour.name
        offset = number - self.directed
        capabilities = adapter.describe().capabilities
        seed = self.seed * SEEDS + offset
        if offset % ORDERS_EVERY == ORDERS_EVERY // 2 and "schedulable" in capabilities:
            tour = CONTENTION_TOURS[offset // ORDERS_EVERY % len(CONTENTION_TOURS)]
            with suppress(AdapterError):  # it runs one step at a time, but does not tell whose
                outcome = by_priorities(adapter, specification, tour.stimuli, seed, pairs=pairs)
                return outcome, f"{tour.name}, order {offset}"
        faults = tuple(f for f in self.faults if f in capabilities)
        outcome = walk(
            adapter,
            specification,
            seed,
            self.length,
            # Faults hide much of what would come after them: most walks do without.
            faults=faults if offset % 4 == 0 else (),
            holds="hold" in capabilities,
            expected=self.expected,
            strategy="pct" if offset % PCT_EVERY == PCT_EVERY - 1 else "uniform",
            pairs=pairs,
        )
        return outcome, f"walk {offset}"


@cache
def _of_ends(tours: tuple[Tour, ...], ends: tuple[str, ...], host: str) -> tuple[Tour, ...]:
    """What is left of conversations where one end cannot be told anything; each only once."""
    if host:
        others = tours[len(TOURS) :]
        tours = hosted_tours(ends[0], HOSTS[host]()) + others
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
