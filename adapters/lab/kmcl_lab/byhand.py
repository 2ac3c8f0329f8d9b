"""The port of a control session over the lab: a real guest, and our host that is led by hand.

The host's trace holds all that there is to see, in exact order: the guest's messages and signals,
the host's messages at the moment they are put into the guest's slot, and what the program says that
makes the calls of the guest's user (``kmcl_lab.user``). The host also knows when the guest is at
rest: its processors are halted, and it has taken all that it was given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from kmcl_adapters.control import Field, Gone, Returned, Seen, relid_of
from kmcl_adapters.control import seen_of as wire_seen_of
from kmcl_model.control import GUEST, HOST

from .channel import Job
from .lab import Lab
from .problem import OURS, GuestLost, LabProblem

__all__ = ["LabPort", "seen_of"]

_MONITORS: Final = 128
"""As many bits a monitor page has."""
_LIMIT: Final = 20.0
"""Seconds for an answer; everything is emulated twice."""
_LOOKS: Final = 3
"""The host looks so often until it believes that the guest rests."""
_DOUBTS: Final = (0.01, 0.02, 0.04, 0.08, 0.15, 0.2, 0.2, 0.2, 0.2)
"""Seconds that it must rest besides where that was asked for again, with nothing done or seen in
between: it may be asleep for a while. Where something is missing the judge asks ten times, so the
guest has more than a second to wake up; a walk that has two rests in a row waits for little more
than the looks. Of 96 rests (nested, Linux 6.12.117) none was belied in the 0.8 s that followed."""
_SLICES: Final = 40
_SLICE: Final = 2.0
"""Seconds for which the host is asked to wait at a time: the guest may be lost meanwhile."""
_REFUSED: Final = "refused"


def seen_of(sender: str, name: str, fields: Mapping[str, Any], note: str) -> Seen | None:
    """What an entry of the host's trace tells a session; None for what is not for it."""
    if name == "SAID":
        if note:
            return Gone("garbage", note)
        if "do" not in fields:
            return None
        return Returned(str(fields["by"]), str(fields["do"]), int(fields["errno"]))
    if name == "ENDED":
        return Gone("crash", note)
    if sender == HOST and name == "SIGNAL":
        return None  # the test knows it as what the world did
    if sender == GUEST and note.startswith(_REFUSED):
        return None
    if sender == GUEST and note:
        return Gone("garbage", f"{name}: {note}")
    return wire_seen_of(sender, name, fields, note)


class LabPort:
    """A host with one guest whose bus driver is not loaded, from the moment ``again`` goes back to.

    The job that it gives makes the calls of the guest's user; ``anew`` starts such a one in a guest
    that has just booted. The lab's errors show as ``Gone``. ``resets``: where the guest is to be
    reset the machine is, and it boots; else the guest is taken back, which is far faster.
    ``monitored``: every offer says that the channel has a monitor page, whatever the test says.
    """

    def __init__(
        self,
        lab: Lab,
        again: Callable[[], Job],
        anew: Callable[[], Job],
        *,
        resets: bool = False,
        monitored: bool = False,
    ) -> None:
        self._monitored = monitored
        self._resets = resets
        self._lab = lab
        self._again = again
        self._anew = anew
        self._rests = 0
        """So often in a row it was at rest, with nothing done or seen in between."""
        self._gone = False
        self._kept: list[Seen] = []
        self._leaping = ""
        """The thread of the user that has told the guest to start another kernel."""
        self._beginnings = 0
        self._begin(again)

    def _begin(self, start: Callable[[], Job]) -> None:
        self._leaping = ""
        self._beginnings += 1
        job = start()
        self._since = int(self._lab.ask_host("hand-begin", job=job.number))

    def _boot(self) -> Job:
        self._lab.reset()
        return self._anew()

    def _successor(self) -> Job:
        self._lab.meet()
        return self._anew()

    # What a test does -----------------------------------------------------------------------

    def post(self, message: str, fields: Mapping[str, Field], flaw: str) -> None:
        """See ``HostPort``."""
        self._rests = 0
        if self._monitored and message == "OFFERCHANNEL" and not fields["monitor_allocated"]:
            number = int(fields["child_relid"]) % _MONITORS
            fields = {**fields, "monitor_allocated": True, "monitorid": number}
        self._ask("hand-post", name=message, fields=dict(fields), flaw=flaw)

    def call(self, by: str, function: str, arguments: tuple[Field, ...]) -> None:
        """See ``HostPort``."""
        self._rests = 0
        if function == "kexec":
            self._leaping = by
            self._attempt(self._lab.part)
        self._ask("hand-call", by=by, do=function, arguments=arguments)

    def act(self, endpoint: str, action: str) -> None:
        """See ``HostPort``."""
        self._rests = 0
        if action == "reset":
            self._kept += self._told()
            self._attempt(lambda: self._begin(self._boot if self._resets else self._again))
        elif action == "busy":
            self._ask("hand-busy")
        elif action.startswith("spurious"):
            self._ask("hand-signal", relid=relid_of(action))

    def ready(self) -> tuple[int, ...]:
        """Nobody can choose."""
        return ()

    def step(self, choice: int) -> None:
        """Nobody can choose."""

    # What is seen ---------------------------------------------------------------------------

    def settle(self) -> None:
        """Until the guest is at rest."""
        for _ in range(_SLICES):
            told = self._attempt(self._settled)
            if not told:
                return
            if told["entries"]:
                self._rests = 0
            beginnings = self._beginnings
            self._kept += self._taken(told)
            if self._gone or (told["rests"] and beginnings == self._beginnings):
                self._rests += 1
                return
            if self._lab.lost is not None:
                break
        lost = self._lab.lost
        self._lose(_gone(lost) if lost else Gone("hang", f"no rest within {_SLICES * _SLICE:g} s"))

    def _settled(self) -> dict[str, Any]:
        doubt = (0.0, *_DOUBTS)[self._rests] if self._rests <= len(_DOUBTS) else 0.0
        end = time.monotonic() + doubt
        while True:
            told: dict[str, Any] = self._lab.ask_host(
                "hand-settle", limit=_LIMIT, since=self._since, seconds=_SLICE, looks=_LOOKS
            )
            is_calm = told["rests"] and not told["entries"]
            if not is_calm or time.monotonic() >= end:
                return told

    def take(self) -> list[Seen]:
        """See ``HostPort``. A guest that was at rest and has got nothing since is not asked."""
        if not self._rests and not self._gone:
            self._kept += self._told()
        found, self._kept = self._kept, []
        return found

    def _told(self) -> list[Seen]:
        told = self._attempt(lambda: self._lab.ask_host("hand-seen", since=self._since))
        return self._taken(told) if told else []

    def _taken(self, told: Mapping[str, Any]) -> list[Seen]:
        found: list[Seen] = []
        while True:
            for number, sender, name, fields, note in told["entries"]:
                self._since = number + 1
                if name == "HELLO" and self._leaping:
                    return [*found, *self._succeeded()]
                seen = seen_of(sender, name, fields, note)
                if seen is not None:
                    found.append(seen)
                if isinstance(seen, Gone):
                    self._gone = True
                    return found
            if not told["more"]:
                return found
            further = self._attempt(lambda: self._lab.ask_host("hand-seen", since=self._since))
            if not further:
                return found
            told = further

    def _succeeded(self) -> list[Seen]:
        """Another kernel has booted: who makes the user's calls is started there as well."""
        by, self._rests = self._leaping, 0
        self._attempt(lambda: self._begin(self._successor))
        return [] if self._gone else [Returned(by, "kexec", 0)]

    def close(self) -> None:
        """The next session goes back to the beginning."""

    # Losses ---------------------------------------------------------------------------------

    def _ask(self, command: str, **arguments: Any) -> None:
        self._attempt(lambda: self._lab.ask_host(command, **arguments))

    def _attempt(self, action: Callable[[], Any]) -> Any:
        if self._gone:
            return None
        try:
            return action()
        except GuestLost as lost:
            self._lose(_gone(lost))
        except LabProblem as problem:
            lost_guest = self._lab.lost
            self._lose(_gone(lost_guest) if lost_guest else Gone("hang", f"{OURS}: {problem}"))
        return None

    def _lose(self, gone: Gone) -> None:
        if not self._gone:
            self._gone = True
            self._kept.append(gone)


def _gone(lost: GuestLost) -> Gone:
    return Gone("hang" if lost.is_hang else "crash", str(lost))
