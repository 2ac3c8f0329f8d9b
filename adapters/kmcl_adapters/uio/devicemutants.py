"""Defects of the endpoint that only a device or a hostile host brings to light.

Two ends of ours, which wish each other well, do not show them; conversations with a device do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from .bus import Link
from .descriptor import Packet as Frame
from .parts import SOUND, Parts
from .receiving import Receiver
from .sending import Sender

__all__ = ["DEVICE_MUTANTS", "Mutant"]


class Mutant(NamedTuple):
    """``parts`` with one bug; ``stands_for``: what goes wrong in real life."""

    parts: Parts
    stands_for: str


class WritesAfterEio(Sender):
    def show(self, link: Link) -> bool:
        super().show(link)
        return True


class NeverGivesWay(Receiver):
    def give_way(self) -> None:
        pass


class EmptiesTheRingFirst(Receiver):
    def ends_batch(self) -> bool:
        return False


class DropsExternalData(Receiver):
    def understands(self, frame: Frame) -> bool:
        return True


DEVICE_MUTANTS: Final[Mapping[str, Mutant]] = {
    "writes-after-eio": Mutant(
        SOUND._replace(sender=WritesAfterEio),
        "the rings are written when the kernel may have given their pages away",
    ),
    "never-gives-way": Mutant(
        SOUND._replace(receiver=NeverGivesWay),
        "a host that goes on sending keeps the driver out of every call",
    ),
    "empties-the-ring-first": Mutant(
        SOUND._replace(receiver=EmptiesTheRingFirst),
        "a host that goes on sending completions keeps the driver from pausing and leaving",
    ),
    "drops-external-data": Mutant(
        SOUND._replace(receiver=DropsExternalData),
        "a packet that tells where its data lies is given to the driver without it",
    ),
}
