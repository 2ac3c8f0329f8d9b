"""The one place through which messages reach a guest: its slot for SINT 2 in the message page.

A slot that is not empty must not be touched. The host then sets *message pending* in it, and the
guest, when it has emptied the slot, tells so (end of message). It may have emptied it a moment
before it could see the request: so the host looks once more after asking. Layouts: Hypervisor Top
Level Functional Specification, chapter 11.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from .machine import SINT, Machine

__all__ = ["MessageSlot"]

_SLOT_BYTES: Final = 256
_CHANNEL_MESSAGE: Final = 1
_LENGTH, _FLAGS, _ORIGIN, _PAYLOAD = 4, 5, 8, 16
_PENDING: Final = 1


class MessageSlot:
    """Messages wait here until the slot takes them. ``page``: the message page's address, None
    where the guest has none; ``vp``: the processor whose it is. ``busy`` counts how often the
    slot was found occupied."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._waiting: deque[tuple[bytes, Callable[[], object]]] = deque()
        self.page: int | None = None
        self.vp = 0
        self.busy = 0

    def put(self, payload: bytes, on_delivery: Callable[[], object]) -> None:
        """Deliver the message, now or when the slot is empty; ``on_delivery`` is called then,
        before the guest can see it."""
        self._waiting.append((payload, on_delivery))
        self.flush()

    def flush(self) -> None:
        """Deliver what waits, as far as the guest lets us."""
        while self._waiting and self.page is not None:
            slot = self.page + SINT * _SLOT_BYTES
            if not self._is_empty(slot):
                self.busy += 1
                return
            payload, on_delivery = self._waiting.popleft()
            on_delivery()
            self._write(slot, payload)

    def _is_empty(self, slot: int) -> bool:
        """Whether the slot may be written; if not, the guest was asked to tell when it is."""
        machine = self._machine
        if not machine.words[slot // 4]:
            return True
        machine.memory[slot + _FLAGS] = _PENDING
        machine.fence()
        return not machine.words[slot // 4]

    def _write(self, slot: int, payload: bytes) -> None:
        memory = self._machine.memory
        more = _PENDING if self._waiting else 0  # spares the guest's word a round
        memory[slot + _LENGTH : slot + _ORIGIN] = bytes((len(payload), more, 0, 0))
        memory[slot + _ORIGIN : slot + _PAYLOAD] = bytes(8)
        memory[slot + _PAYLOAD : slot + _PAYLOAD + len(payload)] = payload
        self._machine.words[slot // 4] = _CHANNEL_MESSAGE  # last: it makes the slot full
        self._machine.interrupt(self.vp)

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return len(self._waiting)

    @property
    def is_empty(self) -> bool:
        """Whether the guest has taken all that there was for it."""
        if self._waiting:
            return False
        return self.page is None or not self._machine.words[(self.page + SINT * _SLOT_BYTES) // 4]

    def clear(self) -> None:
        """What waits is never delivered."""
        self._waiting.clear()
