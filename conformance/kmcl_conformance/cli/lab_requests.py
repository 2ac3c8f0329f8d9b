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
from kmcl_conformance.failure import Failure
from kmcl_conformance.generate.setup import SETTLE
from kmcl_conformance.generate.tours.hosted import introduced
from kmcl_conformance.generate.tours.steps import call, control
from kmcl_conformance.hosts import HOSTS
from kmcl_conformance.profiles import PROFILES
from kmcl_conformance.sequence import Outcome, SequenceRun
from kmcl_lab.adapter import LabAdapter
from kmcl_lab.lab import Lab
from kmcl_lab.problem import LabProblem
from kmcl_model.api import PROCESS_PACKET
from kmcl_model.events import Enter
from kmcl_model.stimuli import Stimulus

from .lab_sessions import INTERRUPTED, Played, failed, loss_of, seen_again, unjudged

__all__ = [
    "FIRST_SECONDS",
    "MINUTES",
    "PROFILE",
    "SECONDS",
    "requests_in",
    "requests_of",
    "words_of_requests",
]

PROFILE: Final = PROFILES["client-uio-dynmem"]
MINUTES: Final = 3.0
"""A certification that is given less than this has no time for the session."""
FIRST_SECONDS: Final = 90.0
"""The longest wait for the first request: 50 s of silence, under emulation."""
SECONDS: Final = 30.0
"""For each further one."""
_TITLE: Final = "the host's own requests"
_AGAIN: Final = f"--minutes {MINUTES:g}"
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
    """One session; ``failure`` is what went wrong first."""

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
        self.failure: Failure | None = None
        self.came: list[str] = []
        """At which point each request came."""

    def close(self) -> None:
        self._session.close()

    def do(self, *stimuli: Stimulus) -> None:
        """As long as nothing is wrong."""
        for stimulus in stimuli:
            if self.failure is not None:
                return
            self.failure = self.run.step(stimulus)

    def blame(self, words: str) -> None:
        """Something is wrong that the model does not know of."""
        if self.failure is None:
            self.failure = failed(self.run.events, "-", [words])

    def ask(self) -> None:
        """The monitor tells the host to want its guest at another size."""
        if self.failure is None:
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
        while self.failure is None and len(self.requests()) == before:
            if self._now() > deadline:
                self.blame(f"the host's request {point} did not come in {seconds:g} s")
                return
            self._pause()
            self.do(SETTLE)
        if self.failure is None:
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
) -> Played:
    """Play the session; what came of it. ``balloon`` tells the host the size in MiB that its guest
    is to have; ``pause`` lets time pass, ``now`` tells it in seconds.

    Requests come to an open channel, to one whose last packet was one, to one that is paused, which
    must hold it back until it is started. One more is asked for right before the channel is closed:
    whether it still comes is a race, so it is not awaited, and only the model's rules hold for it.
    """
    told: dict[str, Any] = {"requests": [], "steps": 0, "failure": [], "inconclusive": ""}
    played = Played(_TITLE, _AGAIN, PROFILE, told, Outcome((), (), None, 0))
    session: _Session | None = None
    why = ""
    try:
        session = _Session(adapter, balloon, pause, now)
        _converse(session)
    except (AdapterError, LabProblem) as problem:
        why = str(problem)
    except KeyboardInterrupt:
        why = INTERRUPTED
    finally:
        if session is not None:
            session.close()
    if session is None:
        return unjudged(played, why)
    run, failure = session.run, session.failure
    words = [broken.words for broken in failure.broken] if failure is not None else []
    told |= {"requests": session.came, "steps": len(run.stimuli), "failure": words}
    played = played._replace(outcome=run.outcome(failure))
    return unjudged(played, why, run.stimuli, run.events) if why else played


def _converse(session: _Session) -> None:
    host = HOSTS[PROFILE.host]()
    session.do(*introduced(_ME, host, _AGREED))
    session.ask()
    session.await_request("to the open channel", FIRST_SECONDS)
    session.ask()
    session.await_request("after its last", SECONDS)
    session.do(control(_ME, "Pause"), SETTLE)
    session.ask()
    for _ in session.look():
        if len(session.requests()) > len(session.came):
            session.blame("a request was indicated while the channel was paused")
    session.do(control(_ME, "Start"), SETTLE)
    session.await_request("held back by the pause", SECONDS)
    session.ask()
    session.do(control(_ME, "Disable"), SETTLE)
    session.do(control(_ME, "Enable"), SETTLE)
    session.do(call(_ME, "VmbPacketSend", "p0", host.question(1), 0), SETTLE)
    session.do(control(_ME, "Disable"), SETTLE)


def requests_in(
    running: Lab, argv: tuple[str, ...], profile: str, minutes: float | None
) -> list[Played]:
    """The session on a real guest, where its host makes requests and there is time. What goes wrong
    is played once more, on machines that were never asked for anything."""
    if profile != PROFILE.name or (minutes is not None and minutes < MINUTES):
        return []
    first = _on_a_guest(running, argv)
    if first.is_lost or first.outcome.failure is None:
        return [first]
    try:
        running.restart(f"{_TITLE}: {'; '.join(first.told['failure'])}: does it come back?")
        return [seen_again(first, _on_a_guest(running, argv))]
    except (LabProblem, KeyboardInterrupt):
        return [first]


def _on_a_guest(running: Lab, argv: tuple[str, ...]) -> Played:
    end = LabAdapter(running, argv, is_guest=True)
    try:
        played = requests_of(
            end, running.balloon, pause=lambda: time.sleep(LOOK_SECONDS), now=time.monotonic
        )
    finally:
        end.close()
    lost = loss_of(running)
    if lost is not None:
        played = unjudged(played, str(lost), played.outcome.stimuli, played.outcome.events)
    return played._replace(log=running.last_words())


def words_of_requests(told: dict[str, Any]) -> str:
    """One line for people."""
    if told["inconclusive"]:
        return f"the host's own requests: inconclusive: {told['inconclusive']}"
    if told["failure"]:
        words = "; ".join(told["failure"])
        once = "" if told.get("came_back") else "; that did not come back"
        return f"the host's own requests: not as it must: {words}{once}"
    return f"the host's own requests: {len(told['requests'])} came, as they must"
