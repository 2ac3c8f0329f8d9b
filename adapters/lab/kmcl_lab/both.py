"""``host:``: both ends of a channel between a real guest and our own VMBus host.

The server's end runs beside the host and is the reference on its wire; the client's end is the
endpoint over ``/dev/uioN`` in the guest; a test drives both. Their events are merged by the clock
that they share; see ``kmcl_adapters.host.end``, also for how rest is known.
"""

from __future__ import annotations

import contextlib
import json
import queue
import sys
import tempfile
import threading
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from kmcl_adapters import AdapterError, Description, Session
from kmcl_adapters.host.channel import TEST_CLASS
from kmcl_adapters.signals import HELD, MASKED
from kmcl_adapters.uio.library import VERSION
from kmcl_adapters.uio.pair import CAPABILITIES, ROLES, Acted, Gone, PairSession
from kmcl_adapters.uio.stamps import Answer
from kmcl_model.case import stimulus_to_json
from kmcl_model.events import Event
from kmcl_model.stimuli import Environ, Settle, Stimulus
from kmcl_model.trace import TraceError, event_from_json

from .adapter import LabSession
from .channel import Job
from .frames import Kind
from .hosting.commands import REFERENCE, UIO
from .images import build, default_cache
from .lab import Lab
from .machine import HostKind
from .problem import GuestLost, LabProblem

__all__ = [
    "MONITORED",
    "BothAdapter",
    "BothSession",
    "ClientEnd",
    "ServerEnd",
    "answer_of",
    "create",
    "is_rest",
    "ordered",
]

_LIMIT: Final = 60.0
"""Seconds for one request; everything is emulated twice."""
_SETTLING: Final = 25.0
_SLICE: Final = 2.0
"""Seconds for which the host is asked to look for a rest at a time: the guest may be lost."""
_LOOKS: Final = 3
"""The host looks so often until it believes in a rest."""
_DOUBT_SECONDS: Final = 0.12
"""It waits so long before where that was not believed: longer than a client goes without a look at
its ring. No look of the host could be that long: the client's threads wake for theirs."""
_IDLE_SECONDS: Final = 0.006
"""That the looks take at least."""
_CLOCK_CHECKS: Final = 5
MONITOR: Final = 37
"""The bit of a monitored channel: in the second group, where a wrong offset would show."""
MONITORED: Final = "monitored"
OWN_SERVER: Final = "uio-server"
_OF_SIGNALS: Final = HELD | {MASKED, "spurious"}


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
    """The end in the guest, in a process of its own. Raises LabProblem where it cannot serve."""

    def __init__(self, lab: Lab, instance: str) -> None:
        self._job: Job = lab.guest.start(["python3", "-m", "kmcl_adapters.host.client", instance])
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


def ordered(times: list[int]) -> bool:
    """Whether readings that were taken one after the other tell so."""
    return all(earlier < later for earlier, later in pairwise(times))


def is_rest(client: tuple[int, ...], server: tuple[int, ...]) -> bool:
    """Whether nothing is on its way between the ends, by their traffic; see ``host.client`` and
    ``hosting.commands``. The guest sees the channel that is offered and has drawn the consequences,
    and nobody runs, but for a client whose open the server does not answer yet."""
    _, is_idle, seen, is_aware, client_runs, client_opens = client
    _, server_is_idle, offered, is_asked, _, waiting, server_runs = server
    if not is_idle or not server_is_idle or waiting or server_runs:
        return False
    if seen != offered or not is_aware:
        return False
    return not client_runs or bool(client_runs == client_opens and is_asked)


class BothSession(PairSession):
    """A session over both ends. Rest is seen by the host, but for what a timer does later."""

    settling = _SETTLING
    exact = False

    def __init__(self, adapter: BothAdapter, server: ServerEnd, client: ClientEnd) -> None:
        super().__init__(adapter, {"client": client, "server": server})
        self._server = server
        self._moving = True
        """Something was done or seen since the last rest."""
        self._held = False
        """Signals may wait since the last rest."""

    def apply(self, stimulus: Stimulus) -> None:
        """See ``PairSession``."""
        self._moving |= not isinstance(stimulus, Settle)
        self._held |= isinstance(stimulus, Environ) and stimulus.action in HELD
        super().apply(stimulus)

    def player_of(self, stimulus: Acted) -> str:
        """Signals to the client come from the host, and so does what becomes of them."""
        is_signal = isinstance(stimulus, Environ) and stimulus.action in _OF_SIGNALS
        return "server" if is_signal else stimulus.endpoint

    def take(self) -> list[Event]:
        """See ``PairSession``. Ends at rest that have got nothing since are not asked."""
        if self._moving:
            return super().take()
        events, self._ready = self._ready, []
        return events

    def _settle(self) -> None:
        if self._held:
            self._held = False
            self._take_from("server", "resume")
        super()._settle()

    def _ask_for_rest(self) -> bool:
        """Whether both were at rest at the same time: the host says when the server's end and the
        guest did nothing, and the client, asked afterwards, has seen nothing since."""
        server, rests = self._server.rest(0.0 if self._moving else _DOUBT_SECONDS)
        self._keep("server", server)
        client = self._take_from("client", "apply")
        late = any(stamp > server.until for stamp, _ in client.events)
        at_rest = rests and not late and is_rest(client.traffic, server.traffic)
        self._moving |= bool(server.events or client.events)
        self._moving &= not at_rest
        return at_rest


class BothAdapter:
    """Of a lab that is running with the programmable host; both end with ``close``, the ends alone
    if somebody else has the lab (``is_guest``). A guest that was lost is replaced before the next
    session. ``monitored``: the client signals by a bit of the monitor page; ``own_server``: both
    ends are the endpoint, and none is the reference."""

    def __init__(
        self,
        lab: Lab,
        *,
        is_guest: bool = False,
        monitored: bool = False,
        own_server: bool = False,
    ) -> None:
        self.lab = lab
        self._more: dict[str, Any] = {"monitor": MONITOR} if monitored else {}
        self._own_server = own_server
        self._is_guest = is_guest
        self._instance = ""
        self._server = ServerEnd(lab)
        self._client: ClientEnd | None = None

    def describe(self) -> Description:
        """Both ends; the guest's kernel tells no rest."""
        server = "endpoint" if self._own_server else "reference"
        name = f"kmcl endpoint over uio_hv_generic, and kmcl {server} on a VMBus host"
        around = self.lab.surroundings()
        return Description(name, VERSION, "host", CAPABILITIES, False, _IDLE_SECONDS, around)

    def open(self) -> Session:
        """Fresh ends, neither allocated. Raises AdapterError."""
        try:
            if (lost := self.lab.lost) is not None:
                self.kill()
                self.lab.restart(str(lost))
                self._instance = ""
            if self._client is None:
                self._client = self._begin()
            for role, end in (("server", self._server), ("client", self._client)):
                end.request("open")
                assert role in ROLES
        except (LabProblem, Gone) as problem:
            self.kill()
            raise AdapterError(f"host: {problem}") from None
        both = BothSession(self, self._server, self._client)
        return LabSession(self.lab, both)

    def _begin(self) -> ClientEnd:
        """The first time the device is there without a server: the guest's driver binds it, and
        its rings are measured. Later it is offered for that alone."""
        if self._instance:
            told = self._offer()
        else:
            (told,) = self.lab.ask_host("channels")
            self._instance = told["instance"]
            if self._more:  # what was offered at the start is not
                self.lab.ask_host("rescind", relid=told["relid"])
                self.lab.ask_host("wait-for", name="RELID_RELEASED", child_relid=told["relid"])
                told = self._offer()
        self.lab.bind(self._instance)
        client = ClientEnd(self.lab, self._instance)
        self.lab.ask_host("rescind", relid=told["relid"])
        self.lab.ask_host(
            "serve",
            class_id=TEST_CLASS,
            instance=self._instance,
            ring_bytes=client.ring_bytes,
            by=UIO if self._own_server else REFERENCE,
            **self._more,
        )
        self._check_clocks(client)
        return client

    def _offer(self) -> dict[str, Any]:
        offer = {"class_id": TEST_CLASS, "instance": self._instance} | self._more
        told: dict[str, Any] = self.lab.ask_host("offer", **offer)
        return told

    def _check_clocks(self, client: ClientEnd) -> None:
        """Ask one end between two readings of the other."""
        self._server.request("open")
        times: list[int] = []
        for _ in range(_CLOCK_CHECKS):
            times += [self._server.ask("time")["until"], client.ask("time")["until"]]
        if not ordered(times):
            raise LabProblem(f"guest and host do not share a clock: {times}; no order is known")

    def kill(self) -> None:
        """End the client's process; the server's end goes back to nothing."""
        client, self._client = self._client, None
        if client is not None:
            client.kill()
        with contextlib.suppress(Gone):  # with the machines
            self._server.ask("close")

    def close(self) -> None:
        """End both and, if it is ours, the lab."""
        self.kill()
        if not self._is_guest:
            self.lab.close()


def create(argument: str) -> BothAdapter:
    """``host:`` with ``monitored``, ``uio-server``, or both behind a comma. Raises AdapterError."""
    words = set(filter(None, argument.split(",")))
    if not words <= {MONITORED, OWN_SERVER}:
        raise AdapterError(f"host:{argument}: only {MONITORED} and {OWN_SERVER} are known here")
    try:
        images = build(default_cache(), tell=lambda text: print(f"lab: {text}", file=sys.stderr))
        folder = Path(tempfile.mkdtemp(prefix="kmcl-lab-logs-"))
        lab = Lab(images, folder, host=HostKind.PROGRAMMABLE)
        lab.start()
    except LabProblem as problem:
        raise AdapterError(f"host: {problem}") from None
    return BothAdapter(lab, monitored=MONITORED in words, own_server=OWN_SERVER in words)
