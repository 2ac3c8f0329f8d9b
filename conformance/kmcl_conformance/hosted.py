"""What a known host, which is not observed, has been sent, and what it owes for that."""

from __future__ import annotations

from typing import NamedTuple

from kmcl_model.spec.host import Host

__all__ = ["Hosted", "Owed"]


class Owed(NamedTuple):
    """An answer, and whether the host surely owes it."""

    answer: bytes
    is_due: bool


class Hosted:
    """The conversation with ``host``, by the sends that are going on: by end and thread."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._is_open = False
        self._asked: dict[tuple[str, str], Owed] = {}

    def follow(self, is_open: bool) -> None:
        """The channel is open, for all that is known, or is not: is this a new session?"""
        if is_open and not self._is_open:
            self.host.opened()
        self._is_open = is_open

    def sending(self, endpoint: str, by: str, buffer: bytes, surely: bool) -> bytes | None:
        """A packet is being sent, which the host surely gets or not: what it may answer from now
        on, and owes when the call has returned. Questions that are being sent may come after a
        packet which is none, and find the host changed."""
        answer = self.host.hears(buffer) if surely else None
        if not surely:
            self.host.may_hear(buffer)
        if answer is not None:
            self._asked[endpoint, by] = Owed(answer, True)
            return answer
        for (end, thread), owed in self._asked.items():
            if end == endpoint:
                self._asked[end, thread] = owed._replace(is_due=False)
        return None

    def sent(self, endpoint: str, by: str) -> Owed | None:
        """That send has returned: what it asked for."""
        return self._asked.pop((endpoint, by), None)

    def copy(self) -> Hosted:
        """The same conversation, to be followed on its own."""
        other = Hosted(self.host.copy())
        other._is_open = self._is_open
        other._asked.update(self._asked)
        return other
