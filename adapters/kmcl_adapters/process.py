"""``process:CMD``: an implementation in a process of its own, by the line protocol.

The process may crash, hang, flood us or talk nonsense: the session then shows one ``Lost``
event, the process is killed, and the next session gets a new one. ``kmcl_adapters.lines`` has
the protocol.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from kmcl_model.case import stimulus_to_json
from kmcl_model.events import Event, Lost
from kmcl_model.stimuli import Settle, Stimulus
from kmcl_model.trace import TraceError, event_from_json

from .interface import AdapterError, Description
from .lines import PROTOCOL, ProtocolError, description_from_json, encode
from .tally import Tally

__all__ = ["ProcessAdapter", "ProcessSession", "create"]

BATCH: Final = 64
"""So many stimuli wait at most until they are sent together."""
ORDINARY: Final = 100
"""So many events a stimulus may cause without being called a flood."""
_STARTING_SECONDS = 30.0
_LONGEST_LINE = 1 << 22
_KEPT_COMPLAINTS = 4096
_CHUNK = 1 << 16


class _Gone(Exception):
    """The process is of no use any more."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = _printable(detail)
        super().__init__(self.detail)


class _Child:
    """The process, its three pipes, and what it says."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
            start_new_session=True,
        )
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._pipes = tuple(pipe for pipe in pipes if pipe is not None)
        self._in, self._out, self._errors = (pipe.fileno() for pipe in self._pipes)
        for descriptor in (self._in, self._out, self._errors):
            os.set_blocking(descriptor, False)
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._errors, select.POLLIN)
        self._partial = b""
        self._complaints = b""
        self._requests = 0
        self.many = True

    def request(
        self, message: dict[str, Any], limit: float, on_event: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        """Send a request and read up to its reply; events on the way go to ``on_event``.

        Raises _Gone.
        """
        self._requests += 1
        data = encode({"request": self._requests, **message})
        while True:
            for line in self._lines(data, limit):
                answer = _parse(line)
                if "event" in answer:
                    on_event(answer)
                elif answer.get("reply") == self._requests:
                    return answer
                else:
                    raise _Gone("garbage", f"neither an event nor our reply: {_shown(line)}")
            raise AssertionError("the lines end with the process only")

    def hello(self, limit: float) -> dict[str, Any]:
        """The first line; raises _Gone."""
        return _parse(next(iter(self._lines(b"", limit))))

    def _lines(self, data: bytes, limit: float) -> Iterator[bytes]:
        """Write ``data`` and yield lines, as long as the caller wants more and has time."""
        deadline = time.monotonic() + limit
        if data:
            self._poll.register(self._in, select.POLLOUT)
        try:
            while True:
                while (end := self._partial.find(b"\n")) >= 0:
                    line, self._partial = self._partial[:end], self._partial[end + 1 :]
                    yield line
                if len(self._partial) > _LONGEST_LINE:
                    raise _Gone("garbage", f"a line of more than {_LONGEST_LINE} bytes")
                data = self._exchange(data, deadline, limit)
        finally:
            if data:
                with contextlib.suppress(KeyError):
                    self._poll.unregister(self._in)

    def _exchange(self, data: bytes, deadline: float, limit: float) -> bytes:
        """Wait for the pipes and use what is ready; gives what is still to be written."""
        left = deadline - time.monotonic()
        ready = dict(self._poll.poll(left * 1000)) if left > 0 else {}
        if not ready:
            raise _Gone("hang", f"no answer within {limit:g} s{self._last_words()}")
        if self._errors in ready:
            self._complain()
        if self._in in ready:
            try:
                data = data[os.write(self._in, data[:_CHUNK]) :]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                data = b""  # reading will tell why
            if not data:
                self._poll.unregister(self._in)
        if self._out in ready:
            chunk = os.read(self._out, _CHUNK)
            if not chunk:
                raise _Gone("crash", self._end())
            self._partial += chunk
        return data

    def _complain(self) -> None:
        chunk = os.read(self._errors, _CHUNK)
        if not chunk:
            with contextlib.suppress(KeyError):
                self._poll.unregister(self._errors)
        self._complaints = (self._complaints + chunk)[-_KEPT_COMPLAINTS:]

    def _end(self) -> str:
        """How the process ended: it has closed its output, so it should be gone soon."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "the process closed its output"
        with contextlib.suppress(OSError):
            self._complain()
        if code >= 0:
            return f"exit code {code}{self._last_words()}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"{name}{self._last_words()}"

    def _last_words(self) -> str:
        lines = self._complaints.decode("utf-8", "replace").strip().splitlines()[-3:]
        return ": " + " / ".join(lines) if lines else ""

    def kill(self) -> None:
        """End the process and all it has started in its process group; never raises."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()


def _printable(text: str) -> str:
    """Text of an implementation as one harmless line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:500])


def _ignore(_event: dict[str, Any]) -> None:
    """Nobody wants to know of what happens before a session, or after it."""


def _parse(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise _Gone("garbage", f"not a JSON object: {_shown(line)}")
    return answer


def _shown(line: bytes) -> str:
    text = ascii(line[:80].decode("utf-8", "replace"))
    return text if len(line) <= 80 else f"{text} … {len(line)} bytes"


class ProcessSession:
    """One session with the process. Stimuli are sent in batches, at the latest when somebody
    wants to see what came of them."""

    def __init__(self, adapter: ProcessAdapter) -> None:
        self._adapter = adapter
        self._pending: list[dict[str, Any]] = []
        self._events: list[Event] = []
        self._fresh = False  # the events are as new as they can be
        self._runnable = 0
        self._over = False

    def apply(self, stimulus: Stimulus) -> None:
        """Start a stimulus; see ``kmcl_adapters.interface``."""
        if self._over:
            return
        self._fresh = False
        self._pending.append(stimulus_to_json(stimulus))
        if isinstance(stimulus, Settle) or len(self._pending) >= BATCH:
            self._send()

    def runnable(self) -> int:
        """As the last reply told."""
        if self._pending:
            self._send()
        return 0 if self._over else self._runnable

    def take(self) -> list[Event]:
        """The events since the last call."""
        if not self._over and not self._fresh:
            self._send()
        self._fresh = False
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Give the session back; a process that does not answer is killed."""
        if not self._over:
            self._over = True
            self._adapter.finish()

    def _send(self) -> None:
        stimuli, self._pending = self._pending, []
        limit = max(self._adapter.flood, ORDINARY * len(stimuli))
        seen = 0

        def keep(line: dict[str, Any]) -> None:
            nonlocal seen
            seen += 1
            if seen > limit:
                raise _Gone("flood", f"more than {limit} events for {len(stimuli)} stimuli")
            try:
                event = event_from_json(line)
            except TraceError as error:
                raise _Gone("garbage", str(error)) from None
            if isinstance(event, Lost):  # nothing that comes after it counts
                raise _Gone(event.reason, event.detail)
            self._events.append(event)

        self._fresh = True
        try:
            reply = self._adapter.request({"do": "apply", "stimuli": stimuli}, keep)
            if "error" in reply:
                raise _Gone("garbage", str(reply["error"]))
        except _Gone as gone:
            self._events.append(Lost("lost", gone.reason, gone.detail))
            self._over = True
            self._adapter.kill()
            return
        runnable = reply.get("runnable")
        self._runnable = runnable if isinstance(runnable, int) else 0


class ProcessAdapter:
    """``command`` is started when needed, and again after it was lost.

    ``limit``: the longest time a request may take, in seconds. ``flood``: the most events that
    a request may bring; a long one may bring ``ORDINARY`` for each of its stimuli.
    ``environment``: of the process; None: ours.
    """

    def __init__(
        self,
        command: Sequence[str],
        name: str,
        *,
        limit: float = 10.0,
        flood: int = 1_000,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.flood = flood
        self._command = command
        self._name = name
        self._limit = limit
        self._environment = environment
        self._child: _Child | None = None
        self._many = False
        self._description: Description | None = None
        self._tally = Tally()

    def describe(self) -> Description:
        """What the process said in its hello."""
        if self._description is None:
            self._start()
        assert self._description is not None
        return self._description

    def open(self) -> ProcessSession:
        """A session over a fresh implementation; a process that has died meanwhile is replaced."""
        try:
            reply = self.request({"do": "open"}, _ignore)
        except _Gone:
            self.kill()
            self._start()
            try:
                reply = self.request({"do": "open"}, _ignore)
            except _Gone as gone:
                self.kill()
                raise AdapterError(f"{self._name}: {gone.reason}: {gone.detail}") from None
        if "error" in reply:
            raise AdapterError(f"{self._name}: {_printable(str(reply['error']))}")
        return ProcessSession(self)

    def tally(self) -> Mapping[str, int]:
        """What the processes have counted, up to the last session that each was asked to close."""
        return self._tally.total()

    def close(self) -> None:
        """End the process."""
        self.kill()

    # For sessions -------------------------------------------------------------------------

    def request(
        self, message: dict[str, Any], on_event: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        """One request; raises _Gone."""
        if self._child is None:
            raise _Gone("crash", "the process is gone")
        return self._child.request(message, self._limit, on_event)

    def finish(self) -> None:
        """The session is over; keep the process if it can play another."""
        try:
            if self._many and "error" not in (reply := self.request({"do": "close"}, _ignore)):
                self._tally.hear(reply.get("tally", {}))
                return
        except (_Gone, ValueError):
            pass
        self.kill()

    def kill(self) -> None:
        """End the process, if there is one."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
        self._tally.part()

    def _start(self) -> None:
        try:
            self._child = _Child(self._command, self._environment)
        except OSError as error:
            raise AdapterError(f"{self._name}: cannot start it: {error.strerror}") from error
        try:
            hello = self._child.hello(max(self._limit, _STARTING_SECONDS))
            if (protocol := hello.get("protocol")) != PROTOCOL:
                raise ProtocolError(f"it speaks {protocol!r}, not {PROTOCOL!r}")
            if "error" in hello:
                raise ProtocolError(str(hello["error"]))
            self._many = hello.get("sessions") == "many"
            self._description = description_from_json(hello.get("description"), self._name)
        except (ProtocolError, _Gone) as problem:
            self.kill()
            words = f"{problem.reason}: {problem}" if isinstance(problem, _Gone) else str(problem)
            raise AdapterError(f"{self._name}: {_printable(words)}") from None


def create(argument: str) -> ProcessAdapter:
    """``CMD``, split as a shell would. Raises AdapterError for an empty one."""
    try:
        command = shlex.split(argument)
    except ValueError as error:
        raise AdapterError(f"process:{argument}: {error}") from None
    if not command:
        raise AdapterError("process: needs a command, as in process:./my-kmcl --serve")
    adapter = ProcessAdapter(command, f"process:{argument}")
    adapter.describe()
    return adapter
