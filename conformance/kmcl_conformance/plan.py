"""The sequences of a campaign, by their numbers: first the directed ones, then seeded walks.

Certification and the hunts in mutants and variants run the same ones, because both ask here.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, NamedTuple

from kmcl_adapters import Adapter, AdapterError
from kmcl_model.spec import Automata
from kmcl_model.spec.specification import ENDPOINTS

from .generate.tours import Tour
from .schedules import by_priorities
from .sequence import Outcome, replay, walk
from .subjects import KMCL, Subject
from .track import Pair

__all__ = ["LENGTH", "Plan"]

LENGTH: Final = 80
"""Steps of a walk."""

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
    faults: tuple[str, ...] = KMCL.faults
    expected: bool = False
    ends: tuple[str, ...] = ENDPOINTS
    subject: Subject = KMCL
    host: str = ""

    @property
    def directed(self) -> int:
        """How many sequences are directed: the first ones."""
        return len(self.tours)

    @property
    def tours(self) -> tuple[Tour, ...]:
        """The directed sequences."""
        return self.subject.tours(self.ends, self.expected, self.host)

    def run(
        self,
        number: int,
        adapter: Adapter,
        specification: Automata,
        pairs: set[Pair] | None = None,
    ) -> tuple[Outcome, str]:
        """Run one sequence: its outcome and its name."""
        if number < self.directed:
            tour = self.tours[number]
            return replay(adapter, specification, tour.stimuli, pairs=pairs), tour.name
        offset = number - self.directed
        capabilities = adapter.describe().capabilities
        seed = self.seed * SEEDS + offset
        contending = self.subject.contending if "schedulable" in capabilities else ()
        if contending and offset % ORDERS_EVERY == ORDERS_EVERY // 2:
            tour = contending[offset // ORDERS_EVERY % len(contending)]
            with suppress(AdapterError):  # it runs one step at a time, but does not tell whose
                outcome = by_priorities(adapter, specification, tour.stimuli, seed, pairs=pairs)
                return outcome, f"{tour.name}, order {offset}"
        known = self.subject.book().faults
        needs = {name: fault.capability for name, fault in known.items()}
        faults = tuple(f for f in self.faults if needs.get(f, f) in capabilities)
        outcome = walk(
            adapter,
            specification,
            seed,
            self.length,
            faults=faults if offset % self.subject.fault_every == 0 else (),
            holds="hold" in capabilities,
            expected=self.expected,
            strategy="pct" if offset % PCT_EVERY == PCT_EVERY - 1 else "uniform",
            pairs=pairs,
        )
        return outcome, f"walk {offset}"
