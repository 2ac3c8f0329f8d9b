"""``ring``: both ends of a channel over shared memory, each in a process of its own.

What is certified here is the endpoint that ``uio`` runs inside a guest, with our own server at
the other end of the rings instead of a host. ``ring:NAME`` builds a defect into both ends.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from typing import Any, Final, Protocol, TypeAlias

from kmcl_adapters.interface import Adapter, AdapterError, Description
from kmcl_adapters.signals import HELD, MASKED
from kmcl_model.events import Event, Lost, Quiescence
from kmcl_model.stimuli import Arm, Environ, Invoke, Post, Release, Run, Settle, Stimulus

from .imitation import HostedAdapter
from .library import VERSION
from .mutants import MUTANTS, parts_of
from .peers import DynamicMemory
from .stamps import Answer

__all__ = [
    "CAPABILITIES",
    "ROLES",
    "Acted",
    "Gone",
    "Owner",
    "PairAdapter",
    "PairEnd",
    "PairSession",
    "create",
]

CAPABILITIES: Final = (
    frozenset({"server", "client", "hold", "crash", "malformed", "spurious", MASKED}) | HELD
)
Acted: TypeAlias = Invoke | Arm | Release | Environ
"""Stimuli that name an end."""

LIMIT: Final = 12.0
"""Seconds that a request may take; the end itself gives up a settling after five."""
SETTLING: Final = 6.0
ROLES: Final = ("client", "server")


class Gone(Exception):
    """An end does not answer any more: ``reason`` as in Lost."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason


class PairEnd(Protocol):
    """One end, as a session asks it."""

    def request(self, kind: str, stimulus: Stimulus | None = None) -> Any:
        """``apply``, ``settle`` or ``close``; the fields of an Answer. Raises Gone."""


class Owner(Protocol):
    """Whose ends they are."""

    def kill(self) -> None:
        """End them all; the next session gets new ones."""


class _Process:
    """The process of one end."""

    def __init__(self, role: str, mutant: str) -> None:
        ours, theirs = socket.socketpair()
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.role = role
        with theirs:
            self._process = subprocess.Popen(
                (
                    *(sys.executable, "-m", "kmcl_adapters.uio.pairhost"),
                    *(role, str(theirs.fileno()), mutant),
                ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment,
                start_new_session=True,
            )
        self._requests: Connection[Any, Any] = Connection(ours.detach())

    def request(self, kind: str, stimulus: Stimulus | None = None) -> Any:
        """One request; raises Gone."""
        try:
            self._requests.send((kind, stimulus))
            return self._reply()
        except (OSError, EOFError):
            raise Gone("crash", f"the {self.role}'s process is gone") from None

    def _reply(self) -> Any:
        if not self._requests.poll(LIMIT):
            raise Gone("hang", f"the {self.role} did not answer within {LIMIT:g} s")
        return self._requests.recv()

    def open(self, handles: tuple[int, int, int]) -> None:
        """A new session over a control socket and two doorbells; raises Gone."""
        try:
            self._requests.send(("open", None))
            for handle in handles:
                send_handle(self._requests, handle, None)
            self._reply()
        except (OSError, EOFError):
            raise Gone("crash", f"the {self.role}'s process is gone") from None

    def kill(self) -> None:
        """End it; never raises."""
        with contextlib.suppress(OSError):
            self._requests.close()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)


class PairSession:
    """A session of two ends, whose events are merged by the clock that both read.

    ``settling``: seconds that it may take both to come to rest; ``exact``: whether they can tell
    that they have.
    """

    settling = SETTLING
    exact = True

    def __init__(self, adapter: Owner, ends: Mapping[str, PairEnd]) -> None:
        self._adapter = adapter
        self._ends = ends
        self._waiting: list[tuple[int, Event]] = []
        self._ready: list[Event] = []
        self._until = dict.fromkeys(ends, 0)
        self._latest = ""
        self._over = False
        self._traffic: list[tuple[int, ...]] = []

    def apply(self, stimulus: Stimulus) -> None:
        """Let the end that the stimulus names act; see ``kmcl_adapters.interface``."""
        if self._over or isinstance(stimulus, Run):
            return
        try:
            if isinstance(stimulus, Settle):
                self._settle()
            elif not isinstance(stimulus, Post) and stimulus.endpoint in self._ends:
                self._take_from(self.player_of(stimulus), "apply", stimulus)
        except Gone as gone:
            self._lose(gone)

    def player_of(self, stimulus: Acted) -> str:
        """Which end makes what the stimulus asks for."""
        return stimulus.endpoint

    def runnable(self) -> int:
        """Not schedulable."""
        return 0

    def take(self) -> list[Event]:
        """The events up to a time at which both ends have told all of theirs."""
        if not self._over:
            try:
                # The one that has just acted comes first, so that all it has shown counts.
                for role in sorted(self._ends, key=lambda role: role != self._latest):
                    if role != self._latest:
                        self._take_from(role, "apply")
                self._merge(min(self._until.values()))
            except Gone as gone:
                self._lose(gone)
            self._latest = ""
        events, self._ready = self._ready, []
        return events

    def close(self) -> None:
        """Give the session back; an end that does not answer is killed with the other."""
        if not self._over:
            self._over = True
            try:
                for end in self._ends.values():
                    end.request("close")
            except Gone:
                self._adapter.kill()

    def _take_from(self, role: str, kind: str, stimulus: Stimulus | None = None) -> Answer:
        return self._keep(role, Answer(*self._ends[role].request(kind, stimulus)))

    def _keep(self, role: str, answer: Answer) -> Answer:
        """Remember what an end has told."""
        self._waiting += answer.events
        self._until[role] = answer.until
        self._latest = role
        return answer

    def _merge(self, until: int) -> None:
        self._waiting.sort(key=lambda stamped: stamped[0])
        ready = [event for stamp, event in self._waiting if stamp <= until]
        del self._waiting[: len(ready)]
        for event in ready:
            if not self._over:
                self._ready.append(event)
            if isinstance(event, Lost):  # nothing that comes after it counts
                self._over = True
                self._adapter.kill()

    def _settle(self) -> None:
        """Ask both ends, twice, whether they are at rest. If between two rounds neither has done
        anything, and what each has sent the other has received, nothing is on its way."""
        self._traffic = []
        deadline = time.monotonic() + self.settling
        while not self._over:
            at_rest = self._ask_for_rest()
            self._merge(min(self._until.values()))
            if at_rest:
                break
            if time.monotonic() > deadline:
                raise Gone("hang", f"no rest within {self.settling:g} s")
        self._merge(sys.maxsize)
        self._latest = ""
        if not self._over:
            self._ready.append(Quiescence("quiescence", self.exact))

    def _ask_for_rest(self) -> bool:
        """Whether both ends are at rest, each having come to rest by itself."""
        before = self._traffic
        self._traffic = now = [self._take_from(role, "settle").traffic for role in ROLES]
        (sent, received, _), (their_sent, their_received, _) = now
        return now == before and (sent, their_sent) == (their_received, received)

    def _lose(self, gone: Gone) -> None:
        self._merge(sys.maxsize)
        if not self._over:
            self._ready.append(Lost("lost", gone.reason, str(gone)))
        self._over = True
        self._adapter.kill()


class PairAdapter:
    """Two processes, started when needed and again after they were lost."""

    def __init__(self, mutant: str = "") -> None:
        self._mutant = mutant
        self._ends: dict[str, _Process] = {}

    def describe(self) -> Description:
        """Both ends; rest is known exactly, since both ends are ours."""
        name = "kmcl endpoint over shared memory" + (f", {self._mutant}" if self._mutant else "")
        adapter = f"ring:{self._mutant}" if self._mutant else "ring"
        return Description(name, VERSION, adapter, CAPABILITIES, exact_quiescence=True)

    def open(self) -> PairSession:
        """Fresh ends, neither allocated."""
        try:
            return self._open()
        except Gone:
            self.kill()
        try:
            return self._open()
        except Gone as gone:
            self.kill()
            raise AdapterError(f"ring: {gone}") from None

    def _open(self) -> PairSession:
        if not self._ends:
            self._ends = {role: _Process(role, self._mutant) for role in ROLES}
        sockets = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        doorbells = [os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in ROLES]
        try:
            for role, control, bells in zip(
                ROLES, sockets, (doorbells, doorbells[::-1]), strict=True
            ):
                self._ends[role].open((control.fileno(), bells[0], bells[1]))
        finally:
            for control in sockets:
                control.close()
            for bell in doorbells:
                os.close(bell)
        return PairSession(self, self._ends)

    def kill(self) -> None:
        """End both processes."""
        ends, self._ends = self._ends, {}
        for end in ends.values():
            end.kill()

    def close(self) -> None:
        """End both processes."""
        self.kill()


def create(argument: str) -> Adapter:
    """``ring`` or ``ring:MUTANT``; ``ring:dynmem`` and ``ring:dynmem:MUTANT`` for a client alone
    with an imitated host. Raises AdapterError for a mutant that there is not."""
    host, _, rest = argument.partition(":")
    mutant = rest if host == DynamicMemory.name else argument
    if mutant and mutant not in MUTANTS:
        raise AdapterError(f"ring:{argument}: no such defect; there are: {', '.join(MUTANTS)}")
    if host == DynamicMemory.name:
        return HostedAdapter(parts_of(mutant), mutant)
    return PairAdapter(argument)
