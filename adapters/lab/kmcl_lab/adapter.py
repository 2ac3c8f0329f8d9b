"""``lab:``: an implementation that runs in the guest of a lab of its own.

The lab is started with the first use and ended with ``close``. What stands behind the colon is
the command that speaks the line protocol in the guest; without it, the endpoint over
``/dev/uioN`` on the device of QEMU's VMBus host.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from typing import Final

from kmcl_adapters import AdapterError, Description, Doubted, Session
from kmcl_adapters.process import ProcessAdapter
from kmcl_model.events import Environment, Event, Lost, Quiescence
from kmcl_model.stimuli import Environ, Settle, Stimulus

from .door import Door
from .images import build, default_cache
from .lab import Lab
from .passing import PassingLab
from .problem import GuestLost, LabProblem

__all__ = ["RESETS", "UIO_COMMAND", "Hang", "LabAdapter", "LabSession", "create", "with_loss"]

UIO_COMMAND: Final = ("python3", "-m", "kmcl_adapters.uio", "--device", "dynmem", "--bind")
_LIMIT_SECONDS: Final = 60.0
"""For one request; everything is emulated twice."""
RESETS: Final = "times the guest was reset in a conversation, where an end was to die"
_ENDS: Final = frozenset({"client", "server"})


class Hang(Doubted):
    """The machines fell silent. The emulator itself can be the cause, so this is no verdict on
    anybody: the session has to be played again."""


def with_loss(events: list[Event], lost: GuestLost | None) -> list[Event]:
    """What a session shows where its guest is ``lost``: that as well, in the words of its console.
    A kernel fault need not end anything that the session looks at; whether it comes back is for
    those to find out who judge. That a guest hangs is only told where it has ended the session."""
    ends = bool(events) and isinstance(events[-1], Lost)
    if lost is None or (lost.is_hang and not ends):
        return events
    loss = Lost("lost", "hang" if lost.is_hang else "crash", str(lost))
    return [*(events[:-1] if ends else events), loss]


class LabSession:
    """A session in the guest. Where its process is lost because the machines hang, ``take`` raises
    Hang instead of showing the loss as the implementation's.

    ``resets``: an end that is to die without a word does so by a reset of the guest, which costs
    a boot; whoever plays the next session finds the guest fresh. ``tell`` hears of each.
    """

    def __init__(
        self,
        lab: Lab,
        session: Session,
        *,
        resets: bool = False,
        tell: Callable[[], object] = lambda: None,
    ) -> None:
        self._lab = lab
        self._session = session
        self._resets = resets
        self._tell = tell
        self._is_reset = False
        self._shown: list[Event] = []

    def apply(self, stimulus: Stimulus) -> None:
        """See ``kmcl_adapters.interface``."""
        if self._is_reset:
            if isinstance(stimulus, Settle):
                self._shown.append(Quiescence("quiescence", False))
        elif self._resets and isinstance(stimulus, Environ) and stimulus.action == "crash":
            self._reset(stimulus.endpoint)
        else:
            self._session.apply(stimulus)

    def _reset(self, endpoint: str) -> None:
        """The host resets the guest. Raises Hang where it does not come back."""
        self._shown = self.take()
        if self._shown and isinstance(self._shown[-1], Lost):
            return
        self._shown.append(Environment("environment", endpoint, "crash"))
        self._is_reset = True
        self._tell()
        try:
            self._lab.reset()
        except LabProblem as problem:
            raise Hang(f"lab: {problem}") from None
        finally:
            self._session.close()

    def runnable(self) -> int:
        """See ``kmcl_adapters.interface``."""
        return self._session.runnable()

    def take(self) -> list[Event]:
        """The events since the last call. Raises Hang."""
        events, self._shown = self._shown, []
        if not self._is_reset:
            events += self._session.take()
        lost = self._lab.lost
        if lost is not None and lost.is_hang and events and isinstance(events[-1], Lost):
            raise Hang(f"lab: {lost}")
        return with_loss(events, lost)

    def close(self) -> None:
        """See ``kmcl_adapters.interface``."""
        self._session.close()


class LabAdapter:
    """``command`` in the guest of ``lab``, which is running; both end with ``close``, the command
    alone if somebody else has the lab (``is_guest``). ``resets``: see ``LabSession``; it holds for
    an end alone, since both would be gone. ``in_walks``: ends may die in walks as well, which costs
    a boot for many of them, and not only in conversations that are about that.

    A guest that was lost is replaced before the next session.
    """

    def __init__(
        self,
        lab: Lab,
        command: tuple[str, ...] = UIO_COMMAND,
        *,
        is_guest: bool = False,
        resets: bool = False,
        in_walks: bool = False,
    ) -> None:
        self.lab = lab
        self._resets = resets
        self._in_walks = in_walks
        self._reset_count = 0
        self._is_guest = is_guest
        self._door = Door(lambda: lab.guest)
        path = os.pathsep.join(p for p in sys.path if p)
        self._process = ProcessAdapter(
            [sys.executable, "-m", "kmcl_lab.bridge", str(self._door.path), *command],
            "lab",
            limit=_LIMIT_SECONDS,
            environment=os.environ | {"PYTHONPATH": path},
        )

    def describe(self) -> Description:
        """What the implementation in the guest said in its hello, and that an end can die."""
        self._revive()
        described = self._process.describe()
        more = {"crash"} if self._dies_by_reset(described) and self._in_walks else set()
        return described._replace(
            capabilities=described.capabilities | more, surroundings=self.lab.surroundings()
        )

    def open(self) -> Session:
        """A session with a fresh implementation. Raises AdapterError."""
        self._revive()
        session = self._process.open()
        resets = self._dies_by_reset(self._process.describe())
        return LabSession(self.lab, session, resets=resets, tell=self._count_reset)

    def _dies_by_reset(self, described: Description) -> bool:
        """Whether the guest is, where an end dies."""
        return self._resets and not described.capabilities >= _ENDS

    def _count_reset(self) -> None:
        self._reset_count += 1

    def tally(self) -> Mapping[str, int]:
        """What the implementation in the guest has counted, and our resets, if there may be any."""
        return {**self._process.tally(), **({RESETS: self._reset_count} if self._resets else {})}

    def close(self) -> None:
        """End the implementation and, if it is ours, the lab."""
        self._process.close()
        self._door.close()
        if not self._is_guest:
            self.lab.close()

    def _revive(self) -> None:
        if (lost := self.lab.lost) is not None:
            self._process.kill()
            try:
                self.lab.restart(str(lost))
            except LabProblem as problem:
                raise AdapterError(f"lab: {problem}") from None


def create(argument: str) -> LabAdapter:
    """The command in the guest, split as a shell would. Raises AdapterError."""
    try:
        command = tuple(shlex.split(argument)) or UIO_COMMAND
        images = build(default_cache())
        lab = PassingLab(images)
        lab.start()
    except ValueError as error:
        raise AdapterError(f"lab:{argument}: {error}") from None
    except LabProblem as problem:
        raise AdapterError(f"lab: {problem}") from None
    return LabAdapter(lab, command, resets=True)
