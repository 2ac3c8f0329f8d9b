"""``linux:``: the bus driver of a real Linux guest, judged from the host's side.

The guest runs in a lab with our VMBus host, which is led by hand. Every session begins at one saved
moment: booted, the program there that makes the user's calls, and the bus driver not loaded, so
that what it says first is seen. See ``byhand``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kmcl_adapters import AdapterError, Description, Session
from kmcl_adapters.control import ControlSession
from kmcl_model.events import Event, Lost

from .adapter import Hang, with_loss
from .byhand import LabPort
from .channel import Job
from .images import Images, build, default_cache
from .lab import Lab
from .machine import HostKind
from .packages import OLDEST_KERNEL, kernel_number
from .passing import PassingLab
from .problem import OURS, LabProblem, WrongUsage

__all__ = [
    "CAPABILITIES",
    "MOVING",
    "LinuxAdapter",
    "LinuxSession",
    "build_for_linux",
    "create",
    "name_of",
    "options_for",
]

CAPABILITIES: Final = frozenset({"guest", "kexec", "load", "reset", "busy", "spurious"})
MOVING: Final = "modify"
"""What a guest can besides that has more than one processor: move channels to another."""
_PROCESSORS: Final = "processors="
_MOST_PROCESSORS: Final = 8
_OLDEST: Final = (6, 1)
_MOMENT: Final = "before-contact"
_IDLE_SECONDS: Final = 0.006
_READY_SECONDS: Final = 60.0
_WORDS_SECONDS: Final = 10.0
"""A guest that panics tells the host of it, and its console."""
_LOOK_SECONDS: Final = 0.1


def options_for(processors: int) -> tuple[str, ...]:
    """Of the programmable host, whose guest has so many processors, and memory for two devices that
    are bound and another kernel besides. Each more takes memory, and a nested guest much time: both
    run on one processor of the outer machine."""
    return ("--by-hand", "--memory=384", f"--processors={processors}")


class LinuxSession:
    """A session whose guest can be lost. ``seen`` adds how; it raises Hang where that is no verdict
    on it, and so does ``take``."""

    def __init__(self, session: ControlSession, seen: Callable[[list[Event]], list[Event]]) -> None:
        self._session = session
        self._seen = seen
        self.apply = session.apply
        self.runnable = session.runnable
        self.close = session.close

    def take(self) -> list[Event]:
        """The events since the last call. Raises Hang."""
        return self._seen(self._session.take())


class LinuxAdapter:
    """Of a lab that is running, with ``options_for`` so many ``processors``; both end with
    ``close``. A guest that was lost is taken back to where sessions begin, also from a panic; where
    its host is lost as well, both are replaced. ``resets``: see ``LabPort``.

    A guest that hangs while its host answers is one that is lost; where the host is silent as well,
    or has ended, that is no result.
    """

    def __init__(self, lab: Lab, *, processors: int = 1, resets: bool = False) -> None:
        self.lab = lab
        self._capabilities = CAPABILITIES | ({MOVING} if processors > 1 else frozenset())
        self._resets = resets
        self._job: int | None = None
        self._monitored = kernel_number(lab.account().kernel) < OLDEST_KERNEL

    def describe(self) -> Description:
        """The kernel of the guest."""
        kernel = self.lab.account().kernel
        around = self.lab.surroundings()
        return Description(
            "Linux hv_vmbus", kernel, "linux", self._capabilities, False, _IDLE_SECONDS, around
        )

    def open(self) -> Session:
        """A guest that has never spoken to the host. Raises AdapterError."""
        try:
            if (lost := self.lab.lost) is not None and not self.lab.is_revivable:
                self._replace(str(lost))
            try:
                port = self._begin()
            except LabProblem as problem:
                self._replace(str(problem))
                port = self._begin()
        except LabProblem as problem:
            raise AdapterError(f"linux: {problem}") from None
        return LinuxSession(ControlSession(port, exact=False), self._seen)

    def _replace(self, why: str) -> None:
        """Start other machines."""
        self._job = None
        self.lab.restart(why)

    def _begin(self) -> LabPort:
        if self._job is None:
            self._save()
        return LabPort(
            self.lab, self._again, self._start, resets=self._resets, monitored=self._monitored
        )

    def _seen(self, events: list[Event]) -> list[Event]:
        """What a session shows, and how the guest was lost, where it was. Raises Hang where that is
        no verdict on it; that is counted as a retry."""
        last = events[-1] if events else None
        deadline = time.monotonic() + _WORDS_SECONDS
        while isinstance(last, Lost) and last.reason == "crash" and self.lab.lost is None:
            if time.monotonic() > deadline:
                break
            time.sleep(_LOOK_SECONDS)
        lost = self.lab.lost
        if lost is not None and not lost.is_inner:
            raise Hang(f"linux: {lost}")
        if isinstance(last, Lost) and last.detail.startswith(OURS):
            if lost is None:
                self.lab.retries.append(f"played again: {last.detail}")
            raise Hang(f"linux: {last.detail}")
        return with_loss(events, lost)

    def _save(self) -> None:
        """Keep the moment at which sessions begin."""
        job = self._start()
        self.lab.save(_MOMENT)
        self._job = job.number

    def _start(self) -> Job:
        """The program that makes the user's calls, when it is ready for them."""
        job = self.lab.guest.start(["python3", "-m", "kmcl_lab.user"])
        for _, body in job.parts(_READY_SECONDS):
            if b"ready" in body:
                return job
        raise LabProblem("the program that makes the user's calls has ended")

    def _again(self) -> Job:
        assert self._job is not None
        self.lab.rewind(_MOMENT)
        return self.lab.guest.resume(self._job)

    def close(self) -> None:
        """End the lab."""
        self.lab.close()


def build_for_linux(
    cache: Path, kernel: str | None, *, tell: Callable[[str], object] = lambda _: None
) -> Images:
    """Images as ``images.build`` makes them, also of kernels that QEMU as the host has no device
    for. Raises LabProblem, WrongUsage for a kernel that has the driver of the bus in itself."""
    images = build(cache, kernel, oldest=_OLDEST, tell=tell)
    if not images.has_module("hv_vmbus"):
        raise WrongUsage(
            f"--kernel {images.inputs['kernel']}: hv_vmbus is a part of it: what it says first "
            "is said before anybody looks; choose a kernel that has it as a module"
        )
    return images


def _tell(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr)


def create(argument: str) -> LinuxAdapter:
    """``linux:``, ``linux:VERSION``, a kernel as in ``kmcl lab build --kernel``, and
    ``linux:processors=2`` or ``linux:VERSION,processors=2``, for a guest that can move channels.
    Raises AdapterError."""
    try:
        kernel, processors = _read(argument)
        images = build_for_linux(default_cache(), kernel or None, tell=_tell)
        options = options_for(processors)
        lab = PassingLab(images, host=HostKind.PROGRAMMABLE, options=options)
        lab.start()
    except LabProblem as problem:
        raise AdapterError(f"linux: {problem}") from None
    return LinuxAdapter(lab, processors=processors)


def name_of(kernel: str | None, processors: int) -> str:
    """What ``create`` would be asked for, as a name of the adapter."""
    words = [kernel] if kernel else []
    return "linux:" + ",".join(words + [f"{_PROCESSORS}{processors}"] * (processors > 1))


def _read(argument: str) -> tuple[str, int]:
    """The kernel, empty where none is named, and the number of processors. Raises LabProblem."""
    words = argument.split(",") if argument else []
    kernels = [word for word in words if not word.startswith(_PROCESSORS)]
    numbers = [word.removeprefix(_PROCESSORS) for word in words if word.startswith(_PROCESSORS)]
    if len(kernels) > 1 or len(numbers) > 1 or "" in kernels:
        raise LabProblem(f"{argument}: a kernel, {_PROCESSORS}N, or both with a comma are wanted")
    number = numbers[0] if numbers else "1"
    if number not in map(str, range(1, _MOST_PROCESSORS + 1)):
        raise LabProblem(f"{_PROCESSORS}{number}: a number from 1 to {_MOST_PROCESSORS} is wanted")
    return "".join(kernels), int(number)
