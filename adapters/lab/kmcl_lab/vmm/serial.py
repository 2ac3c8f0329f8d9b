"""A 16550 serial port: what the guest's console writes to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, NamedTuple

__all__ = ["Serial", "SerialState"]

_DATA, _ENABLE, _IDENTIFY, _LINE_CONTROL, _MODEM_CONTROL, _LINE, _MODEM = 0, 1, 2, 3, 4, 5, 6
_DIVISOR_ACCESS: Final = 0x80
_LOOP: Final = 0x10
_OUT2: Final = 0x08
_NOTHING, _CAN_SEND, _RECEIVED = 1, 2, 4
_SENT_ALL: Final = 0x60
_CONNECTED: Final = 0xB0


class SerialState(NamedTuple):
    """All that the port remembers."""

    registers: bytes
    divisor: bytes
    received: bytes
    can_send: bool
    level: bool


class Serial:
    """``output`` gets what the guest writes; ``line`` sets the level of the interrupt."""

    def __init__(self, output: Callable[[bytes], object], line: Callable[[bool], object]) -> None:
        self._output = output
        self._line = line
        self._lock = threading.Lock()
        self.restore(SerialState(bytes(8), bytes(2), b"", False, False))

    def save(self) -> SerialState:
        """For ``restore``."""
        with self._lock:
            return SerialState(
                bytes(self._registers),
                bytes(self._divisor),
                bytes(self._received),
                self._can_send,
                self._level,
            )

    def restore(self, state: SerialState) -> None:
        """As it was; the level of the interrupt is the chip's business."""
        with self._lock:
            self._registers = bytearray(state.registers)
            self._divisor = bytearray(state.divisor)
            self._received = bytearray(state.received)
            self._can_send = state.can_send
            self._level = state.level

    def feed(self, data: bytes) -> None:
        """Bytes for the guest to read."""
        with self._lock:
            self._received += data
            self._update()

    def write(self, register: int, value: int) -> None:
        """The guest writes a register."""
        with self._lock:
            registers = self._registers
            if register < 2 and registers[_LINE_CONTROL] & _DIVISOR_ACCESS:
                self._divisor[register] = value
                return
            if register == _DATA:
                if not registers[_MODEM_CONTROL] & _LOOP:
                    self._output(bytes([value]))
                self._can_send = True
            elif register == _ENABLE and value & 2 and not registers[_ENABLE] & 2:
                self._can_send = True
            if register not in (_DATA, _LINE, _MODEM):
                registers[register] = value
            self._update()

    def read(self, register: int) -> int:
        """The guest reads a register."""
        with self._lock:
            registers = self._registers
            if register < 2 and registers[_LINE_CONTROL] & _DIVISOR_ACCESS:
                return self._divisor[register]
            value = registers[register]
            if register == _DATA:
                value = self._received.pop(0) if self._received else 0
            elif register == _IDENTIFY:
                pending = self._pending()
                value = pending | (0xC0 if registers[_IDENTIFY] & 1 else 0)
                if pending == _CAN_SEND:
                    self._can_send = False
            elif register == _LINE:
                value = _SENT_ALL | bool(self._received)
            elif register == _MODEM:
                value = self._modem()
            self._update()
            return value

    def _modem(self) -> int:
        """Somebody is connected; looped back, our outputs are our inputs."""
        out = self._registers[_MODEM_CONTROL]
        if not out & _LOOP:
            return _CONNECTED
        return (out & 1) << 5 | (out & 2) << 3 | (out & 12) << 4

    def _pending(self) -> int:
        enabled = self._registers[_ENABLE]
        if enabled & 1 and self._received:
            return _RECEIVED
        return _CAN_SEND if enabled & 2 and self._can_send else _NOTHING

    def _update(self) -> None:
        level = self._pending() != _NOTHING and bool(self._registers[_MODEM_CONTROL] & _OUT2)
        if level != self._level:
            self._level = level
            self._line(level)
