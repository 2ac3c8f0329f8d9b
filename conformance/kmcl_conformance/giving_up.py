"""When a campaign is given up: the implementation is lost again and again.

A hang costs the watchdog's whole time limit, so that a budget of them takes hours and tells nothing
more. Directed sequences go to different places each, so that among them a campaign is given up only
where not one of the first has come to its end. Walks are all alike: where so many of them in a row
have hung, the others will. What hangs now and then is never given up for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .sequence import Outcome, lost_to

__all__ = ["ENOUGH", "Losses"]

ENOUGH: Final = 20
"""So many sequences without a break. More than the directed ones that have one thing in common: a
library that crashes in the first ten, where no packet has been completed yet, can be judged."""


class Losses:
    """How often a campaign has lost the implementation; ``played`` sequences in all."""

    def __init__(self) -> None:
        self.played = self.lost = self.hung = 0
        self._last = ""

    def note(self, outcome: Outcome, *, directed: bool) -> None:
        """A sequence has been played."""
        self._last = lost_to(outcome)
        self.played += 1
        self.lost += bool(self._last)
        if not directed:
            self.hung = self.hung + 1 if self._last == "hang" else 0

    @property
    def why(self) -> str | None:
        """Why there is no sense in going on, and what to do; None where there is."""
        if self.lost == self.played >= ENOUGH:
            what = (
                f"not one of the first {self.played} sequences came to its end, "
                f"the last one because of a {self._last}"
            )
        elif self.hung >= ENOUGH:
            what = f"each of the last {self.hung} walks hung"
        else:
            return None
        return (
            f"{what}, and the others would hardly differ; "
            "replay a failure, repair it, and certify again"
        )

    def dump(self) -> list[int | str]:
        """As JSON."""
        return [self.played, self.lost, self.hung, self._last]

    def load(self, kept: Sequence[int | str]) -> None:
        """What ``dump`` gave. Raises ValueError where it is something else."""
        played, lost, hung, last = kept
        self.played, self.lost, self.hung, self._last = int(played), int(lost), int(hung), str(last)
