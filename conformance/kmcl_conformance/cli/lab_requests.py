"""What a host does by itself when its monitor tells it to: a session of every ``lab certify`` whose
time allows it.

QEMU's Dynamic Memory device asks for pages, unasked. It keeps still for 50 s after the guest has
said what it is able to do, in every session anew. A walk of a few seconds cannot wait for that, so
its requests are no stimuli of walks: one session has them all, at the points where a packet can
come in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from kmcl_adapters import Adapter, AdapterError
from kmcl_adapters.uio.peers import DynamicMemory
from kmcl_conformance.generate.setup import SETTLE
from kmcl_conformance.generate.tours.hosted import introduced
from kmcl_conformance.generate.tours.steps import call, control
from kmcl_conformance.hosts import HOSTS
from kmcl_conformance.profiles import PROFILES
from kmcl_conformance.sequence import SequenceRun
from kmcl_lab.adapter import LabAdapter
from kmcl_lab.lab import Lab
from kmcl_lab.problem import LabProblem
from kmcl_model.api import PROCESS_PACKET
from kmcl_model.events import Enter
from kmcl_model.stimuli import Stimulus

__all__ = [
    "FIRST_SECONDS",
    "MINUTES",
    "PROFILE",
    "SECONDS",
    "requests_in",
    "requests_of",
    "unheard_requests",
    "words_of_requests",
]

PROFILE: Final = PROFILES["client-uio-dynmem"]
MINUTES: Final = 3.0
"""A certification that is given less than this has no time for the session."""
FIRST_SECONDS: Final = 90.0
"""The longest wait for the first request: 50 s of silence, under emulation."""
SECONDS: Final = 30.0
"""For each further one."""
_ME: Final = "client"
_REQUEST: Final = "balloon request"
_AGREED: Final = 3
"""Versions and capabilities: a status report is not needed, and would make the next packet look
like an answer to it."""
_TARGETS: Final = (400, 380, 360, 340)
"""MiB, of a guest that has more."""
LOOK_SECONDS: Final = 0.25
"""Between two looks for a request on a real guest."""
_LOOKS: Final = 20
"""Looks while a request must not be indicated."""


class _Session:
    """One session; ``failures`` are what went wrong, in words."""

    def __init__(
        self,
        adapter: Adapter,
        balloon: Callable[[int], object],
        pause: Callable[[], object],
        now: Callable[[], float],
    ) -> None:
        judge = PROFILE.subject.judge(PROFILE.specification(), None)
        self._session = adapter.open()
        self.run = SequenceRun(self._session, judge, PROFILE.subject.course(judge))
        self._balloon, self._pause, self._now = balloon, pause, now
        self._peer = DynamicMemory()
        self._targets = iter(_TARGETS)
        self.failures: list[str] = []
        self.came: list[str] = []
        """At which point each request came."""

    def close(self) -> None:
        self._session.close()

    def do(self, *stimuli: Stimulus) -> None:
        """As long as nothing is wrong."""
        for stimulus in stimuli:
            if self.failures:
                return
            failure = self.run.step(stimulus)
            if failure is not None:
                self.failures += [broken.words for broken in failure.broken]

    def ask(self) -> None:
        """The monitor tells the host to want its guest at another size."""
        if not self.failures:
            self._balloon(next(self._targets))

    def requests(self) -> list[bytes]:
        """Those that were indicated so far."""
        found = (
            e.arguments[2]
            for e in self.run.events
            if isinstance(e, Enter) and e.callback == PROCESS_PACKET
        )
        return [p for p in found if isinstance(p, bytes) and self._peer.recognise(p) == _REQUEST]

    def await_request(self, point: str, seconds: float) -> None:
        """The next request is indicated, and the guest gives no pages."""
        before, deadline = len(self.came), self._now() + seconds
        while not self.failures and len(self.requests()) == before:
            if self._now() > deadline:
                self.failures.append(f"the host's request {point} did not come in {seconds:g} s")
                return
            self._pause()
            self.do(SETTLE)
        if not self.failures:
            self.came.append(point)
            reply = self._peer.reply(self.requests()[before])
            self.do(call(_ME, "VmbPacketSend", "p0", reply, 0), SETTLE)

    def look(self) -> Iterator[None]:
        """Time passes, and the end may say what it has to say."""
        for _ in range(_LOOKS):
            self._pause()
            self.do(SETTLE)
            yield


def requests_of(
    adapter: Adapter,
    balloon: Callable[[int], object],
    *,
    pause: Callable[[], object],
    now: Callable[[], float],
) -> dict[str, Any]:
    """Play the session; what came of it. ``balloon`` tells the host the size in MiB that its guest
    is to have; ``pause`` lets time pass, ``now`` tells it in seconds.

    Requests come to an open channel, to one whose last packet was one, to one that is paused, which
    must hold it back until it is started, and to one that is being closed.
    """
    host = HOSTS[PROFILE.host]()
    session = _Session(adapter, balloon, pause, now)
    try:
        session.do(*introduced(_ME, host, _AGREED))
        session.ask()
        session.await_request("to the open channel", FIRST_SECONDS)
        session.ask()
        session.await_request("after its last", SECONDS)
        session.do(control(_ME, "Pause"), SETTLE)
        session.ask()
        for _ in session.look():
            if len(session.requests()) > len(session.came):
                session.failures.append("a request was indicated while the channel was paused")
        session.do(control(_ME, "Start"), SETTLE)
        session.await_request("held back by the pause", SECONDS)
        session.ask()
        session.do(control(_ME, "Disable"), SETTLE)
        session.do(control(_ME, "Enable"), SETTLE)
        session.do(call(_ME, "VmbPacketSend", "p0", host.question(1), 0), SETTLE)
        session.do(control(_ME, "Disable"), SETTLE)
    finally:
        session.close()
    return {
        "requests": session.came,
        "steps": len(session.run.stimuli),
        "failure": session.failures,
        "inconclusive": "",
    }


def unheard_requests(why: str) -> dict[str, Any]:
    """What came of the session where the guest was lost: nothing can be said of the endpoint."""
    return {"requests": [], "steps": 0, "failure": [], "inconclusive": why}


def requests_in(
    running: Lab, argv: tuple[str, ...], profile: str, minutes: float | None
) -> list[dict[str, Any]]:
    """The session on a real guest, where its host makes requests and there is time."""
    if profile != PROFILE.name or (minutes is not None and minutes < MINUTES):
        return []
    end = LabAdapter(running, argv, is_guest=True)
    try:
        told = requests_of(
            end, running.balloon, pause=lambda: time.sleep(LOOK_SECONDS), now=time.monotonic
        )
    except (AdapterError, LabProblem) as problem:
        return [unheard_requests(str(running.lost or problem))]
    else:
        return [unheard_requests(str(running.lost))] if running.lost else [told]
    finally:
        end.close()


def words_of_requests(told: dict[str, Any]) -> str:
    """One line for people."""
    if told["inconclusive"]:
        return f"the host's own requests: inconclusive: {told['inconclusive']}"
    if told["failure"]:
        return f"the host's own requests: not as it must: {'; '.join(told['failure'])}"
    return f"the host's own requests: {len(told['requests'])} came, as they must"
