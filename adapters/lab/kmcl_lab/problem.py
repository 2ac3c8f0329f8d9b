"""What can go wrong in the lab, each as one line for people."""

from __future__ import annotations

from typing import Final

__all__ = ["LOST_CODE", "OURS", "UNHEARD", "GuestLost", "LabProblem", "WrongUsage"]

LOST_CODE: Final = 125
"""Exit code of a command in the guest whose guest was lost, so that there is none of its own."""

OURS: Final = "no doing of the guest's kernel"
"""How words begin about what is ours, or the emulator's: nothing is to be said of the kernel."""
UNHEARD: Final = f"{OURS}: its user is not heard"
"""About a program of ours in the guest."""


class LabProblem(Exception):
    """The lab cannot be used: one line that says why and what to do."""


class WrongUsage(LabProblem):
    """What was asked for cannot be had: no kernel of that name, a folder that cannot be written.
    Nothing is the matter with the lab."""


class GuestLost(LabProblem):
    """A guest has panicked, hung or gone. ``is_hang``: it only fell silent, which the emulator
    itself may be the cause of. ``is_inner``: its host is there as before."""

    def __init__(self, message: str, *, is_hang: bool, is_inner: bool = True) -> None:
        super().__init__(message)
        self.is_hang = is_hang
        self.is_inner = is_inner
