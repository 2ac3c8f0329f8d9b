"""What can go wrong in the lab, each as one line for people."""

from __future__ import annotations

from typing import Final

__all__ = ["UNHEARD", "GuestLost", "LabProblem"]

UNHEARD: Final = "the guest's user is not heard"
"""Words about a program of ours in the guest: nobody else is to blame."""


class LabProblem(Exception):
    """The lab cannot be used: one line that says why and what to do."""


class GuestLost(LabProblem):
    """A guest has panicked, hung or gone. ``is_hang``: it only fell silent, which the emulator
    itself may be the cause of."""

    def __init__(self, message: str, *, is_hang: bool) -> None:
        super().__init__(message)
        self.is_hang = is_hang
