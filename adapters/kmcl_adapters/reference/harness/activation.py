"""One run of a handler that does something: its steps, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmcl_model.stimuli import Act, Step

if TYPE_CHECKING:
    from kmcl_adapters.reference.library.packet import Then

    from .driver import Driver

__all__ = ["Activation"]


class Activation:
    """A handler between its entry and its exit.

    ``this`` is the name that ``this`` stands for in its acts: the context just indicated, or
    the packet just completed.
    """

    __slots__ = ("callback", "driver", "held", "name", "place", "status", "steps", "then", "this")

    def __init__(
        self,
        driver: Driver,
        name: str,
        callback: str,
        steps: tuple[Step, ...],
        status: int | None,
        then: Then,
        this: str | None,
    ) -> None:
        self.driver = driver
        self.name = name
        self.callback = callback
        self.steps = steps
        self.status = status
        self.then = then
        self.this = this
        self.place = 0
        self.held = False

    def resume(self) -> None:
        """Go on to the end, or to a hold or a call that blocks."""
        driver, steps = self.driver, self.steps
        self.held = False
        while self.place < len(steps):
            step = steps[self.place]
            self.place += 1
            if not isinstance(step, Act):
                self.held = True
                return
            if not driver.call(self.name, step.function, step.arguments, self):
                return
        driver.leave(self)
