"""A client for QEMU's monitor protocol (QMP): one request, its answer, events on the way."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from .problem import LabProblem

__all__ = ["Monitor", "MonitorError"]

_LONGEST_LINE: Final = 1 << 20


class MonitorError(LabProblem):
    """The monitor refused or is gone: one line. ``silent``: it did not answer in time."""

    def __init__(self, message: str, *, silent: bool = False) -> None:
        super().__init__(message)
        self.silent = silent


class Monitor:
    """The monitor at the other end of a connected socket; may be used by several threads."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self._socket = connection
        self._name = name
        self._data = b""
        self._number = 0
        self._ready = False
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._events: list[dict[str, Any]] = []

    def execute(
        self, command: str, arguments: Mapping[str, Any] | None = None, *, limit: float = 10.0
    ) -> Any:
        """What the command returns. ``limit``: seconds until an answer is given up, those included
        in which others ask.

        The first command waits for the greeting. Raises MonitorError.
        """
        deadline = time.monotonic() + limit
        if not self._lock.acquire(timeout=limit):
            raise MonitorError(f"{self._name}: busy with another request", silent=True)
        try:
            if not self._ready:
                while "QMP" not in self._message(deadline):
                    pass
                self._ask("qmp_capabilities", {}, deadline)
                self._ready = True
            return self._ask(command, dict(arguments or {}), deadline)
        finally:
            self._lock.release()

    def nudge(self) -> None:
        """Send an empty line, which nobody answers: it wakes a machine that has lost an interrupt.
        Never raises."""
        with contextlib.suppress(OSError), self._sending:
            self._socket.sendall(b"\n")

    def events(self) -> list[dict[str, Any]]:
        """The events that have come with the answers since the last call."""
        with self._lock:
            events, self._events = self._events, []
        return events

    def _ask(self, command: str, arguments: dict[str, Any], deadline: float) -> Any:
        self._number += 1
        request: dict[str, Any] = {"execute": command, "id": self._number}
        if arguments:
            request["arguments"] = arguments
        try:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            with self._sending:
                self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise self._gone(str(error)) from None
        while True:
            answer = self._message(deadline)
            if answer.get("id") != self._number:
                continue  # of a request that was given up
            if "error" in answer:
                raise MonitorError(f"{self._name}: {command}: {answer['error'].get('desc')}")
            return answer.get("return")

    def _message(self, deadline: float) -> dict[str, Any]:
        """The next message that is not an event."""
        while True:
            while b"\n" not in self._data:
                self._receive(deadline)
            line, _, self._data = self._data.partition(b"\n")
            try:
                message = json.loads(line)
            except ValueError:
                raise self._gone(f"not JSON: {line[:60]!r}") from None
            if not isinstance(message, dict):
                raise self._gone(f"not a message: {line[:60]!r}")
            if "event" not in message:
                return message
            self._events.append(message)

    def _receive(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        try:
            self._socket.settimeout(max(left, 0.001))
            data = self._socket.recv(1 << 16)
        except TimeoutError:
            raise MonitorError(f"{self._name}: no answer in time", silent=True) from None
        except OSError as error:
            raise self._gone(str(error)) from None
        if not data:
            raise self._gone("it has closed its end")
        self._data += data
        if len(self._data) > _LONGEST_LINE:
            raise self._gone(f"a line of more than {_LONGEST_LINE} bytes")

    def _gone(self, why: str) -> MonitorError:
        return MonitorError(f"{self._name}: {why}")
