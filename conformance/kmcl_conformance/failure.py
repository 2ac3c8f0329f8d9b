"""What a failure is, and states in words."""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model.events import Event
from kmcl_model.payload import written
from kmcl_model.spec import Broken

__all__ = ["AFTER_FAULT", "Failure", "describe_state"]

AFTER_FAULT = "CN-quiet-after-"
"""In front of a fault's name: the rule by which nothing comes of it."""


class Failure(NamedTuple):
    """The first event that no explanation allows.

    ``number`` is its place in the trace, ``observer`` the one that refused it, ``broken`` why,
    ``state`` what was known of that observer's thing just before. ``perhaps`` is broken as well if
    the event came of what the test did wrong just before, and not if it comes without that.
    """

    number: int
    event: Event
    observer: str
    broken: tuple[Broken, ...]
    state: tuple[str, ...]
    perhaps: tuple[Broken, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """The ids of what was broken, in order and once each."""
        return tuple(sorted({r for b in (*self.broken, *self.perhaps) for r in b.requirements}))

    @property
    def words(self) -> tuple[str, ...]:
        """Why, in words, once each."""
        return tuple(dict.fromkeys(b.words for b in (*self.broken, *self.perhaps)))

    @property
    def doubtful(self) -> frozenset[str]:
        """Those that are broken only if a fault had a consequence."""
        return frozenset(self.requirements).difference(*(b.requirements for b in self.broken))

    @property
    def fault(self) -> str:
        """The name of that fault; empty where there was none."""
        return self.perhaps[0].rule.removeprefix(AFTER_FAULT) if self.perhaps else ""


def describe_state(state: Any) -> str:
    """A state in words: what differs from nothing."""
    defaults = type(state)._field_defaults
    shown = []
    for field, value in zip(state._fields, state, strict=True):
        if field in _UNTOLD or defaults.get(field) == value:
            continue
        name = field.replace("_", " ")
        if field == "calls":
            shown.append("in progress: " + ", ".join(sorted({_call_name(call) for call in value})))
        elif field == "entries":
            shown.append("on their way: " + ", ".join(_entry_name(entry) for entry in value))
        else:
            shown.append(name if value is True else f"{name} {value}")
    return ", ".join(shown) or "as new"


_UNTOLD = frozenset(
    {
        "assumed",
        "endpoint",
        "sender",
        "receiver",
        "handlers",
        "wish",
        "done",
        "peer",
        "offered",
        "alone",
    }
)


def _call_name(call: Any) -> str:
    """The function: that of the library, or the last thing said of a call of the guest's user."""
    return str(next((part for part in call if str(part).startswith("Vmb")), call[-1]))


def _entry_name(entry: Any) -> str:
    marks = [m for m in ("calling", "launched", "sure", "optional", "over") if getattr(entry, m)]
    return f"{written(entry.buffer)} ({', '.join(marks)})"
