"""The adapter of the reference guest, of its variants and of its mutants."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.control import ControlSession
from kmcl_adapters.interface import AdapterError, Description

from .kernel import LINUX_6_12, SOUND, GuestPort, Habits, Parts

__all__ = ["CAPABILITIES", "GuestAdapter", "create"]

CAPABILITIES: Final = frozenset(
    {"guest", "schedulable", "kexec", "load", "modify", "reset", "busy", "spurious"}
)


class GuestAdapter:
    """An in-process adapter; sessions share nothing but immutable settings."""

    def __init__(self, adapter: str, parts: Parts = SOUND, habits: Habits = LINUX_6_12) -> None:
        self.parts = parts
        self.habits = habits
        self.description = Description("kmcl guest", "0.1.0", adapter, CAPABILITIES, True)

    def describe(self) -> Description:
        """Who it is and what it can do."""
        return self.description

    def open(self) -> ControlSession:
        """A fresh guest whose bus driver is not loaded."""
        return ControlSession(GuestPort(self.parts, self.habits), exact=True)

    def close(self) -> None:
        """Nothing is shared."""


def create(argument: str) -> GuestAdapter:
    """The reference guest. Raises AdapterError for an argument."""
    if argument:
        raise AdapterError("the reference guest takes no argument: use --adapter guest")
    return GuestAdapter("guest")
