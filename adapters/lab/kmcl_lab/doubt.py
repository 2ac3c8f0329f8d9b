"""The doubt about a lost guest: nested under emulation, the emulator may have lost it."""

from __future__ import annotations

__all__ = ["Doubt"]


class Doubt:
    """Nested under emulation, the first loss of a guest is doubted: QEMU's emulated SVM can spoil
    one. What is lost again when the session is played again is a result, until a session loses
    nothing. ``nested``: whether the machines are emulated at all."""

    def __init__(self, nested: bool) -> None:
        self._nested = nested
        self._is_spent = False
        self._is_lost = False

    def begin(self) -> None:
        """A session begins."""
        self._is_spent = self._is_spent and self._is_lost
        self._is_lost = False

    def covers(self, *, is_hang: bool = False) -> bool:
        """Whether the loss of the guest in this session is no verdict. ``is_hang``: the machines
        have fallen silent altogether; that never is one, and leaves the doubt as it is."""
        self._is_lost = True
        if is_hang:
            return True
        is_first, self._is_spent = not self._is_spent, True
        return self._nested and is_first
