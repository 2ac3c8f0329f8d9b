"""``host:``: both ends of a channel between a real guest and our own VMBus host.

The server's end runs beside the host and is the reference on its wire; the client's end is the
endpoint over ``/dev/uioN`` in the guest; a test drives both. Their events are merged by the clock
that they share; see ``kmcl_adapters.host.end``, also for how rest is known.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from kmcl_adapters import AdapterError, Description, Session
from kmcl_adapters.host.channel import TEST_CLASS
from kmcl_adapters.signals import HELD, MASKED
from kmcl_adapters.uio.library import VERSION
from kmcl_adapters.uio.pair import CAPABILITIES, ROLES, Acted, Gone, PairEnd, PairSession
from kmcl_model.events import Environment, Event
from kmcl_model.stimuli import Environ, Settle, Stimulus

from .adapter import RESETS, Hang, LabSession
from .ends import ClientEnd, ServerEnd
from .hosting.commands import REFERENCE, UIO
from .images import build, default_cache
from .lab import Lab
from .machine import HostKind
from .passing import PassingLab
from .problem import LabProblem

__all__ = [
    "BY_RESET",
    "MONITORED",
    "BothAdapter",
    "BothSession",
    "create",
    "is_rest",
    "name_of",
    "ordered",
    "rests_alone",
]

_SETTLING: Final = 25.0
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
BY_RESET: Final = "resets"
_OF_SIGNALS: Final = HELD | {MASKED, "spurious"}
_DEATH: Final = Environment("environment", "client", "crash")


def ordered(times: list[int]) -> bool:
    """Whether readings that were taken one after the other tell so."""
    return all(earlier < later for earlier, later in pairwise(times))


def rests_alone(server: tuple[int, ...]) -> bool:
    """Whether nothing is on its way where the guest has no end any more."""
    _, is_idle, _, _, _, waiting, runs = server
    return bool(is_idle and not waiting and not runs)


def is_rest(client: tuple[int, ...], server: tuple[int, ...]) -> bool:
    """Whether nothing is on its way between the ends, by their traffic; see ``host.client`` and
    ``hosting.commands``. The guest sees the channel that is offered and has drawn the consequences,
    and nobody runs, but for a client whose open the server does not answer yet."""
    _, is_idle, seen, is_aware, client_runs, client_opens = client
    _, _, offered, is_asked, _, _, _ = server
    if not is_idle or not rests_alone(server):
        return False
    if seen != offered or not is_aware:
        return False
    return not client_runs or bool(client_runs == client_opens and is_asked)


class BothSession(PairSession):
    """A session over both ends. Rest is seen by the host, but for what a timer does later. A client
    that dies may do so with its machine: from then on the server's end alone is asked."""

    settling = _SETTLING
    exact = False

    def __init__(self, adapter: BothAdapter, server: ServerEnd, client: ClientEnd) -> None:
        self._both: dict[str, PairEnd] = {"client": client, "server": server}
        super().__init__(adapter, self._both)
        self._machines = adapter
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
        if self._machines.resets and "client" in self._both and self._has_died():
            self._lose_the_machine()

    def _has_died(self) -> bool:
        return any(event == _DEATH for _, event in self._waiting)

    def _lose_the_machine(self) -> None:
        """The client has died, and shows nothing any more; what it has open it leaves to the reset.
        Raises Hang where the guest does not come back."""
        del self._both["client"], self._until["client"]
        self._latest = ""
        try:
            self._machines.reset()
        except LabProblem as problem:
            raise Hang(f"host: {problem}") from None

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
        if "client" not in self._both:
            self._moving = not (rests and rests_alone(server.traffic))
            return not self._moving
        client = self._take_from("client", "apply")
        late = any(stamp > server.until for stamp, _ in client.events)
        at_rest = rests and not late and is_rest(client.traffic, server.traffic)
        self._moving |= bool(server.events or client.events)
        self._moving &= not at_rest
        return at_rest


class BothAdapter:
    """Of a lab that is running with the programmable host; both end with ``close``, the ends alone
    if somebody else has the lab (``is_guest``). A guest that was lost is replaced before the next
    session. ``monitored``: the client signals by a bit of the monitor page. ``resets``: a client
    that is to die without a word does so by a reset of the guest, which costs a boot.
    ``own_server``: both ends are the endpoint, and none is the reference."""

    def __init__(
        self,
        lab: Lab,
        *,
        is_guest: bool = False,
        monitored: bool = False,
        resets: bool = False,
        own_server: bool = False,
    ) -> None:
        self.lab = lab
        self.resets = resets
        self._reset_count = 0
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
        client = ClientEnd(self.lab, self._instance, lingers=self.resets)
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

    def reset(self) -> None:
        """The host resets the guest; the next session has another client. Raises LabProblem."""
        self._client = None
        self._reset_count += 1
        self.lab.reset()

    def tally(self) -> Mapping[str, int]:
        """Our resets, if there may be any."""
        return {RESETS: self._reset_count} if self.resets else {}

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
    """``host:``, and behind it ``monitored``, ``resets``, ``uio-server``, or several with commas.
    Raises AdapterError."""
    words = argument.split(",") if argument else []
    if not {MONITORED, BY_RESET, OWN_SERVER}.issuperset(words):
        known = f"{MONITORED!r}, {BY_RESET!r} and {OWN_SERVER!r}"
        raise AdapterError(f"host:{argument}: only {known} can stand behind the colon")
    try:
        images = build(default_cache(), tell=lambda text: print(f"lab: {text}", file=sys.stderr))
        lab = PassingLab(images, host=HostKind.PROGRAMMABLE)
        lab.start()
    except LabProblem as problem:
        raise AdapterError(f"host: {problem}") from None
    return BothAdapter(
        lab,
        monitored=MONITORED in words,
        resets=BY_RESET in words,
        own_server=OWN_SERVER in words,
    )


def name_of(*, monitored: bool, resets: bool) -> str:
    """What ``create`` would be asked for, as a name of the adapter."""
    return "host:" + ",".join([MONITORED] * monitored + [BY_RESET] * resets)
