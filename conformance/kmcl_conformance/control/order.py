"""In which order the guest has asked, to see that the host answers late or in another one."""

from __future__ import annotations

from typing import Any, Final, Self, TypeAlias

from kmcl_model.control import GUEST, MESSAGES

__all__ = ["Order", "Request"]

Request: TypeAlias = tuple[str, int]
"""The answer that is waited for, and the channel it is about, 0 where it is about none."""

_ANSWERS: Final = {m.answers: m.name for m in MESSAGES.values() if m.answers}


class Order:
    """The requests that have no answer, the oldest first. A channel that is taken back has none."""

    def __init__(self) -> None:
        self._waiting: list[Request] = []
        self._silences: list[int] = []
        """How often the guest fell silent while each of them waited."""
        self._owner: dict[int, int] = {}

    def copy(self) -> Self:
        """One that goes its own way."""
        other = type(self)()
        other._waiting, other._silences = list(self._waiting), list(self._silences)
        other._owner = dict(self._owner)
        return other

    def note(self, event: Any) -> None:
        """A message was sent."""
        if event.endpoint == GUEST:
            answer = _ANSWERS.get(event.message)
            if answer is not None:
                self._waiting.append((answer, self._relid(event)))
                self._silences.append(0)
            if event.message == "GPADL_HEADER":
                self._owner[event.fields[1]] = event.fields[0]
        elif not event.flaw and event.message == "RESCIND_CHANNELOFFER":
            for place in reversed(range(len(self._waiting))):
                if self._waiting[place][1] == event.fields[0]:
                    self._drop(place)
        elif not event.flaw and (request := (event.message, self._relid(event))) in self._waiting:
            self._drop(self._waiting.index(request))

    def _drop(self, place: int) -> None:
        del self._waiting[place], self._silences[place]

    def _relid(self, event: Any) -> int:
        kind = MESSAGES[event.message]
        if event.message == "GPADL_TORNDOWN":
            return self._owner.get(event.fields[0], 0)
        return int(event.fields[0]) if kind.fields[:1] == ("child_relid",) else 0

    def is_first(self, answer: Request) -> bool:
        """Whether no request is older than the one that this would answer."""
        return answer not in self._waiting or self._waiting.index(answer) == 0

    def of(self, event: Any) -> Request:
        """The request that a message of the host would answer."""
        return event.message, self._relid(event)

    def fall_silent(self) -> int:
        """The guest falls silent: for how many answers it waits the second time, each told once."""
        self._silences = [times + 1 for times in self._silences]
        return self._silences.count(2)
