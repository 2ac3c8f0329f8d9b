"""``guest``: a reference guest in memory, which plays the control protocol of the bus."""

from .adapter import CAPABILITIES, GuestAdapter, create
from .kernel import LINUX_6_12, SOUND, GuestPort, Habits, Kernel, Parts
from .mutants import GUEST_MUTANTS, GuestMutant
from .variants import GUEST_VARIANTS

__all__ = [
    "CAPABILITIES",
    "GUEST_MUTANTS",
    "GUEST_VARIANTS",
    "LINUX_6_12",
    "SOUND",
    "GuestAdapter",
    "GuestMutant",
    "GuestPort",
    "Habits",
    "Kernel",
    "Parts",
    "create",
]
