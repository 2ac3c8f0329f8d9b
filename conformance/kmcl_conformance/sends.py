"""The order of an end's sends, where the other end is not observed.

Nobody sees then which packets have come into the ring. But whoever is sent after another one's send
has returned does not overtake it: where the later one has come through, the earlier one is not
queued any more.
"""

from __future__ import annotations

__all__ = ["Sends"]


class Sends:
    """Packets by their names, while one session is open and their transactions last."""

    def __init__(self) -> None:
        self._clock = 0
        self._called: dict[str, int] = {}
        self._returned: dict[str, int] = {}

    def called(self, name: str) -> None:
        """A send of the packet begins."""
        self.ended(name)
        self._called[name] = self._tick()

    def accepted(self, name: str) -> None:
        """That send has returned with success."""
        if name in self._called:
            self._returned[name] = self._tick()

    def passed_by(self, name: str) -> list[str]:
        """Those whose sends had returned before this one's was called."""
        called = self._called.get(name, 0)
        return [other for other, returned in self._returned.items() if returned < called]

    def ended(self, name: str) -> None:
        """Its transaction is over."""
        self._called.pop(name, None)
        self._returned.pop(name, None)

    def clear(self) -> None:
        """The session may be over: what is queued may stay so."""
        self._called.clear()
        self._returned.clear()

    def copy(self) -> Sends:
        """An independent one that has seen the same."""
        other = Sends()
        other._clock = self._clock
        other._called.update(self._called)
        other._returned.update(self._returned)
        return other

    def _tick(self) -> int:
        self._clock += 1
        return self._clock
