"""What processes have counted that play an implementation one after the other.

Each tells, again and again, how much it has counted so far; see ``kmcl_adapters.lines``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

__all__ = ["LONGEST_WORDS", "MOST_WORDS", "Tally", "is_words"]

MOST_WORDS: Final = 16
"""So many different things are counted at most."""
LONGEST_WORDS: Final = 300
"""Characters of the words for one of them."""
_HIGHEST: Final = 1 << 53
"""Every reader of JSON has smaller numbers exactly."""


def is_words(given: object) -> bool:
    """Whether it is a text that is short enough to be shown whole."""
    return isinstance(given, str) and len(given) <= LONGEST_WORDS


def _is_count(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and 0 <= given < _HIGHEST


class Tally:
    """Of all of them together. Whatever a process says, it stays small."""

    def __init__(self) -> None:
        self._present: Mapping[str, int] = {}
        self._earlier: Counter[str] = Counter()

    def hear(self, given: object) -> None:
        """What the present process has counted so far. Raises ValueError."""
        if (
            isinstance(given, dict)
            and len(given) <= MOST_WORDS
            and all(is_words(words) and _is_count(count) for words, count in given.items())
        ):
            self._present = given
        else:
            raise ValueError(f"no tally of up to {MOST_WORDS} counts")

    def part(self) -> None:
        """The present process is gone; the next one counts anew."""
        self._earlier = self.total()
        self._present = {}

    def total(self) -> Counter[str]:
        """What all have counted; of too many things the first ones."""
        total = Counter(self._earlier)
        for words, count in self._present.items():
            if words in total or len(total) < MOST_WORDS:
                total[words] = min(total[words] + count, _HIGHEST)
        return total
