"""What a test makes of control messages: held, dropped, delayed, repeated, answered with an error.

A rule names a message of either side, and is of one of two kinds: what an answer tells (``fail``),
or what becomes of a message (all others). Of each kind the first rule that fits and is not used up
decides, so an answer that fails can be held, too. Held messages wait for ``release``, in any order:
so messages are reordered.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from .messages import LAYOUTS, encode

__all__ = ["ACTIONS", "Rule", "RuleError", "Rules", "Ruling"]

ACTIONS: Final[Mapping[str, str]] = {
    "hold": "the message waits for its release",
    "drop": "it is lost",
    "delay": "it comes later, by so many seconds",
    "repeat": "it comes so many times more",
    "fail": "an answer of the host tells this status instead of its own",
    "refuse": "the post of the guest fails with this status of the hypercall",
}
"""The actions; the value of a rule is what is said of a number here."""
_ANY: Final[Mapping[str, Any]] = MappingProxyType({})
_NUMBERED: Final = frozenset({"delay", "repeat", "fail", "refuse"})
_LARGEST_STATUS: Final = 0xFFFF
"""Of a hypercall."""
_MOST_REPEATS: Final = 1000
"""They are made at once, and until then nobody else can speak to the host."""


class RuleError(ValueError):
    """No such rule is possible: one line that says why."""


class Rule(NamedTuple):
    """``times``: how many messages it is for, 0 for all; ``fields``: what they have to be."""

    name: str
    action: str
    value: float = 0
    times: int = 1
    fields: Mapping[str, Any] = _ANY

    def check(self) -> Rule:
        """The rule itself. Raises RuleError."""
        layout = LAYOUTS.get(self.name)
        if layout is None:
            raise RuleError(f"{self.name}: no such message")
        if self.action not in ACTIONS:
            raise RuleError(f"{self.action}: no such action; there are: {', '.join(ACTIONS)}")
        if self.action == "refuse" and layout.sender != "guest":
            raise RuleError(f"{self.name} is no post of the guest that could be refused")
        if self.action == "fail" and not layout.status:
            raise RuleError(f"{self.name} tells no status")
        if self.action in _NUMBERED and not self.value > 0:
            raise RuleError(f"{self.action} needs a value: {ACTIONS[self.action]}")
        if self.action in _NUMBERED:
            self._check_width()
        if self.times < 0:
            raise RuleError(f"{self.times} messages are none")
        return self

    def _check_width(self) -> None:
        """A number that cannot be told would fail at the message, in the guest's processor."""
        if self.action == "delay":
            if self.value > threading.TIMEOUT_MAX:
                raise RuleError(f"delay: {self.value:g} seconds are too many")
            return
        if self.value % 1:  # nor is infinity a whole number
            raise RuleError(f"{self.action}: {self.value:g} is no whole number")
        number = int(self.value)
        if self.action == "repeat" and number > _MOST_REPEATS:
            raise RuleError(f"repeat: {number} times are too many; {_MOST_REPEATS} at most")
        if self.action == "refuse" and number > _LARGEST_STATUS:
            raise RuleError(f"refuse: {number:#x} does not fit the status of a hypercall")
        if self.action == "fail":
            layout = LAYOUTS[self.name]
            try:
                encode(self.name, dict.fromkeys(layout.fields, 0) | {layout.status: number})
            except ValueError:
                raise RuleError(
                    f"fail: {number:#x} does not fit {layout.status} of {self.name}"
                ) from None

    def fits(self, name: str, fields: Mapping[str, Any]) -> bool:
        """Whether the rule is for this message."""
        return name == self.name and self.fields.items() <= fields.items()


class Ruling(NamedTuple):
    """For one message: what becomes of it, and how it fails; None for the ordinary."""

    passage: Rule | None
    failure: Rule | None


class Rules:
    """The rules in force, oldest first."""

    def __init__(self) -> None:
        self._rules: list[tuple[Rule, int]] = []

    def add(self, rule: Rule) -> None:
        """One more. Raises RuleError."""
        self._rules.append((rule.check(), rule.times))

    def clear(self) -> None:
        """None any more."""
        self._rules.clear()

    def take(self, name: str, fields: Mapping[str, Any]) -> Ruling:
        """The rules for this message; one that is used up goes."""
        return Ruling(self._first(name, fields, False), self._first(name, fields, True))

    def _first(self, name: str, fields: Mapping[str, Any], fails: bool) -> Rule | None:
        for place, (rule, left) in enumerate(self._rules):
            if (rule.action == "fail") == fails and rule.fits(name, fields):
                if left == 1:
                    del self._rules[place]
                elif left:
                    self._rules[place] = (rule, left - 1)
                return rule
        return None
