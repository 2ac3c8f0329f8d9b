"""One condition of a rule, and which requirements it breaks in which situation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .observer import Condition, Need, need, never

__all__ = ["Case", "because"]


class Case(NamedTuple):
    """A way in which a condition fails: in words, the requirements it breaks, and when it is."""

    words: str
    requirements: str
    when: Callable[[Any], bool] = lambda _s: True


def because(holds: Condition, *cases: Case) -> tuple[Need, ...]:
    """One condition, as a need for each case in which it fails: the first that fits is named.

    The last case must fit always. An event that meets the condition is a witness of nothing.
    """

    def but_for(number: int) -> Condition:
        return lambda s, e: (
            holds(s, e) or next(i for i, case in enumerate(cases) if case.when(s)) != number
        )

    return tuple(
        need(case.words, case.requirements, but_for(number), never)._replace(shared=holds)
        for number, case in enumerate(cases)
    )
