"""The two ends of ``host:``, as they are asked: one beside the host, one in the guest."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Mapping
from typing import Any, Final

from kmcl_adapters.host.client import LINGERING
from kmcl_adapters.uio.pair import Gone
from kmcl_adapters.uio.stamps import Answer
from kmcl_model.case import stimulus_to_json
from kmcl_model.events import Event
from kmcl_model.stimuli import Stimulus
from kmcl_model.trace import TraceError, event_from_json

from .channel import Job
from .frames import Kind
from .lab import Lab
from .problem import GuestLost, LabProblem

__all__ = ["ClientEnd", "ServerEnd", "answer_of"]

_LIMIT: Final = 60.0
"""Seconds for one request; everything is emulated twice."""
_SLICE: Final = 2.0
"""Seconds for which the host is asked to look for a rest at a time: the guest may be lost."""
_LOOKS: Final = 3
"""The host looks so often until it believes in a rest."""


def answer_of(told: Mapping[str, Any]) -> Answer:
    """What an end has said. Raises Gone where it makes no sense."""
    try:
        if "error" in told:
            raise Gone("garbage", str(told["error"]))
        events: list[tuple[int, Event]] = [
            (int(stamp), event_from_json(record)) for stamp, record in told["events"]
        ]
        return Answer(events, int(told["until"]), tuple(told["traffic"]))
    except (TraceError, KeyError, TypeError, ValueError) as error:
        raise Gone("garbage", f"{type(error).__name__}: {error}") from None


def _request(kind: str, stimulus: Stimulus | None) -> dict[str, Any]:
    request: dict[str, Any] = {"do": kind}
    return request if stimulus is None else request | {"stimulus": stimulus_to_json(stimulus)}


class ServerEnd:
    """The end beside the host."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def ask(self, kind: str, stimulus: Stimulus | None = None) -> dict[str, Any]:
        """A request. Raises Gone."""
        return self._ask("end", **_request(kind, stimulus))

    def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        try:
            told: dict[str, Any] = self._lab.ask_host(command, limit=_LIMIT, **arguments)
            return told
        except GuestLost as lost:
            raise Gone("hang" if lost.is_hang else "crash", str(lost)) from None
        except LabProblem as problem:
            raise Gone("crash", f"the server's end: {problem}") from None

    def request(self, kind: str, stimulus: Stimulus | None = None) -> Answer:
        """See ``PairEnd``."""
        return answer_of(self.ask(kind, stimulus))

    def rest(self, after: float) -> tuple[Answer, bool]:
        """Its answer when so many seconds are over and it and the guest have rested for some looks,
        or after a while; whether they have. Raises Gone."""
        told = self._ask("rest", looks=_LOOKS, seconds=_SLICE, after=after)
        return answer_of(told), bool(told.get("rests"))


class ClientEnd:
    """The end in the guest, in a process of its own; ``lingers``: one that dies leaves its channel
    open. Raises LabProblem where it cannot serve."""

    def __init__(self, lab: Lab, instance: str, *, lingers: bool = False) -> None:
        words = [instance, *[LINGERING] * lingers]
        self._job: Job = lab.guest.start(["python3", "-m", "kmcl_adapters.host.client", *words])
        self._lines: queue.SimpleQueue[bytes | GuestLost | None] = queue.SimpleQueue()
        self._errors = b""
        threading.Thread(target=self._read, name="client's end", daemon=True).start()
        try:
            hello = self._answer()
        except Gone as gone:
            raise LabProblem(str(gone)) from None
        if "error" in hello:
            raise LabProblem(f"the client's end: {hello['error']}")
        self.ring_bytes = int(hello["size"])

    def _read(self) -> None:
        text = b""
        try:
            for kind, body in self._job.parts():
                if kind == Kind.ERRORS:
                    self._errors = (self._errors + body)[-1000:]
                    continue
                *lines, text = (text + body).split(b"\n")
                for line in lines:
                    self._lines.put(line)
            self._lines.put(None)
        except GuestLost as lost:
            self._lines.put(lost)

    def _answer(self) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=_LIMIT)
        except queue.Empty:
            raise Gone("hang", f"the client's end did not answer within {_LIMIT:g} s") from None
        if isinstance(line, GuestLost):
            raise Gone("hang" if line.is_hang else "crash", str(line))
        if line is None:
            words = self._errors.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise Gone("crash", f"the client's end has ended: {' '.join(words)}")
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError:
            raise Gone("garbage", f"the client's end: {line[:80]!r}") from None
        return told

    def ask(self, kind: str, stimulus: Stimulus | None = None) -> dict[str, Any]:
        """A request and its answer. Raises Gone."""
        try:
            self._job.write(json.dumps(_request(kind, stimulus)).encode() + b"\n")
        except GuestLost as lost:
            raise Gone("crash", str(lost)) from None
        return self._answer()

    def request(self, kind: str, stimulus: Stimulus | None = None) -> Answer:
        """See ``PairEnd``."""
        return answer_of(self.ask(kind, stimulus))

    def kill(self) -> None:
        """End it; never raises."""
        with contextlib.suppress(GuestLost):
            self._job.kill()
