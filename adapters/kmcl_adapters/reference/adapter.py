"""The adapter of the reference, of its variants and of its mutants."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.interface import Description
from kmcl_adapters.signals import HELD

from .harness.session import Session
from .library.parts import SOUND, Parts
from .readings import Readings

__all__ = ["CAPABILITIES", "VERSION", "ReferenceAdapter"]

VERSION: Final = "0.1.0"

CAPABILITIES: Final = (
    frozenset({"server", "client", "schedulable", "hold", "irql"})
    | {"crash", "malformed", "spurious"}
    | HELD
)


class ReferenceAdapter:
    """An in-process adapter; sessions share nothing but immutable settings."""

    def __init__(
        self, adapter: str, parts: Parts = SOUND, readings: Readings | None = None
    ) -> None:
        self.parts = parts
        self.readings = Readings() if readings is None else readings
        self.description = Description("kmcl reference", VERSION, adapter, CAPABILITIES, True)

    def describe(self) -> Description:
        """Who it is and what it can do."""
        return self.description

    def open(self) -> Session:
        """A fresh pair of ends, neither allocated."""
        return Session(self.parts, self.readings)

    def close(self) -> None:
        """Nothing is shared."""
