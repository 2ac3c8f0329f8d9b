"""The lab: a guest that runs, what can be done in it, and what its host can be told to do."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from kmcl_adapters.host.channel import TEST_CLASS

from .binding import bind
from .boot import Boot
from .channel import Channel
from .images import Images, hold
from .machine import HostKind
from .probe import Choice, choose, look
from .problem import GuestLost, LabProblem
from .watch import LIMITS, Limits

__all__ = ["DYNAMIC_MEMORY", "Account", "Lab"]

DYNAMIC_MEMORY: Final = "525074dc-8985-46e2-8057-a307dc18a502"
"""The class of the one device that QEMU's VMBus host offers, its Dynamic Memory."""
_DEVICES: Final = {HostKind.QEMU: DYNAMIC_MEMORY, HostKind.PROGRAMMABLE: TEST_CLASS}
ATTEMPTS: Final = 3
_SAVING_SECONDS: Final = 30.0
_MIB: Final = 1 << 20


class Account(NamedTuple):
    """What a report says about the lab: versions, times in seconds, and why machines were started
    again or a lost guest was taken back, each time."""

    way: str
    kernel: str
    qemu: str
    ready_after: float
    starts: int
    retries: tuple[str, ...]
    logs: str


class Lab:
    """Starts with ``start`` or ``with``. ``out`` takes the logs, one folder for each start.

    A start that hangs is tried again, ``attempts`` times in all, and counted; ``tell`` hears of
    it in one line. ``options``: more of the programmable host's. Methods raise LabProblem,
    and GuestLost when a guest is lost.
    """

    def __init__(
        self,
        images: Images,
        out: Path,
        *,
        choice: Choice | None = None,
        host: HostKind = HostKind.QEMU,
        options: Sequence[str] = (),
        attempts: int = ATTEMPTS,
        limits: Limits = LIMITS,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.choice = choice or choose(look())
        self.host = host
        self._options = options
        self.retries: list[str] = []
        self._images = images
        self._out = out
        self._attempts = attempts
        self._limits = limits
        self._tell = tell
        self._starts = 0
        self._boot: Boot | None = None
        self._last: Boot | None = None
        self._qemu = ""
        self._held = -1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Boot; returns when commands can be run in the guest. The images are kept until the lab is
        closed."""
        self._tell(self.choice.why)
        self._held = hold(self._images.folder)
        try:
            self._start()
        except BaseException:
            self._let_go()
            raise

    def restart(self, why: str) -> None:
        """Boot fresh machines because these were lost; counted as a retry."""
        self._note(why)
        self._end()
        self._start()

    def _start(self) -> None:
        for left in reversed(range(self._attempts)):
            self._starts += 1
            folder = self._out / f"boot-{self._starts}"
            boot = Boot(
                self._images,
                folder,
                nested=self.choice.nested,
                host=self.host,
                options=self._options,
                limits=self._limits,
            )
            try:
                boot.wait_until_ready()
            except GuestLost as lost:
                boot.close()
                if not lost.is_hang or not left:
                    raise
                self._note(str(lost))
                continue
            except BaseException:
                boot.close()
                raise
            self._boot = self._last = boot
            return

    def _note(self, why: str) -> None:
        self.retries.append(why)
        self._tell(f"starting again: {why}")

    @property
    def starts(self) -> int:
        """How often machines were started; the present ones are of the last."""
        return self._starts

    @property
    def lost(self) -> GuestLost | None:
        """Why the guest is lost; None while it is not."""
        boot = self._running
        return boot.problem() if boot.look() is not None else None

    def last_words(self) -> bytes:
        """What the guest's console has said in its present life, or in the last one; empty where it
        has said nothing, or nobody listens."""
        boot = self._boot or self._last
        return b"" if boot is None else boot.last_words()

    @property
    def is_revivable(self) -> bool:
        """Whether the guest is lost and ``rewind`` can take it back to before that."""
        return self._running.is_revivable

    @property
    def guest(self) -> Channel:
        """The way into the guest."""
        return self._running.guest

    @property
    def _running(self) -> Boot:
        if self._boot is None:
            raise LabProblem("the lab is not running")
        return self._boot

    def ask_host(self, command: str, *, limit: float = 10.0, **arguments: Any) -> Any:
        """A command of the VMBus host's monitor, and what it returns within ``limit`` seconds."""
        return self._running.monitor.execute(command, arguments, limit=limit)

    def host_events(self) -> list[str]:
        """Names of the events that the host's monitor has reported since the last call."""
        self.ask_host("query-status")
        return [str(event["event"]) for event in self._running.monitor.events()]

    def balloon(self, mebibytes: int) -> None:
        """The host asks the guest, through the Dynamic Memory device, to come to this size."""
        self.ask_host("balloon", value=mebibytes * _MIB)

    def reset(self) -> None:
        """The host resets the guest; returns when it has booted again."""
        boot = self._running
        boot.expect_reset(marked=self.host == HostKind.PROGRAMMABLE)
        self.ask_host("system_reset", limit=_SAVING_SECONDS)
        boot.wait_until_ready()

    def part(self) -> None:
        """The guest is about to start another kernel by itself: its jobs are lost."""
        self._running.expect_reset()

    def meet(self) -> None:
        """Return when that kernel has booted, and commands can be run again."""
        self._running.wait_until_ready()

    def save(self, name: str) -> None:
        """The programmable host keeps this moment, of itself and of its guest: a quiet one, with
        no job running and no channel open."""
        boot = self._running
        boot.pause(True)
        try:
            self.ask_host("save", limit=_SAVING_SECONDS, name=name)
        finally:  # nobody would notice a hang of the guest any more
            boot.pause(False)
        boot.can_go_back = True

    def rewind(self, name: str) -> None:
        """Take guest and host back to a moment that was kept, also from a panic; that is counted
        as a retry."""
        boot = self._running
        if boot.is_revivable:
            boot.hear_out()
            self.retries.append(f"went back to a saved moment: {self.lost}")
            self._tell(self.retries[-1])
        boot.expect_reset(marked=self.host == HostKind.PROGRAMMABLE)
        self.ask_host("rewind", limit=_SAVING_SECONDS, name=name)
        boot.wait_until_ready()

    def stop(self, *, whole: bool = False) -> None:
        """The host stops the guest's processors; ``whole``: host and guest stand still together,
        where both run in an emulated machine. Raises LabProblem where they do not."""
        boot = self._running
        boot.pause(True)
        try:
            self._ask(whole, "stop")
        except BaseException:  # nobody would notice a hang of the guest any more
            boot.pause(False)
            raise

    def go_on(self, *, whole: bool = False) -> None:
        """The opposite."""
        boot = self._running
        try:
            self._ask(whole, "cont")
        finally:
            boot.pause(False)

    def _ask(self, whole: bool, command: str) -> None:
        """Of the host's monitor, or the outer machine's."""
        if not whole:
            self.ask_host(command)
        elif (supervisor := self._running.supervisor) is not None:
            supervisor.execute(command)
        else:
            raise LabProblem("there is no machine around host and guest: they are not nested")

    def bind(self, instance: str = "") -> str:
        """Give a device of the class that the host offers to ``uio_hv_generic``, or that very
        instance; the path of its node, ``/dev/uioN``, as soon as it is there."""
        return bind(self.guest, _DEVICES[self.host], instance)

    def account(self) -> Account:
        """What a report says about this lab, also when its machines are lost and no others could
        be started. Raises LabProblem where there have never been any."""
        boot = self._last or self._running
        with contextlib.suppress(LabProblem):  # a host that is gone has no version any more
            self._qemu = self._qemu or self._ask_version()
        kernel = str(boot.hello.get("kernel", "unknown"))
        seconds = round(boot.ready_after, 1)
        logs = str(self._out)
        return Account(
            self.choice.why,
            kernel,
            self._qemu or "unknown",
            seconds,
            self._starts,
            tuple(self.retries),
            logs,
        )

    def surroundings(self) -> tuple[str, str]:
        """The guest's kernel and its VMBus host, in words. Raises LabProblem as ``account``."""
        account = self.account()
        name = "QEMU " * (self.host == HostKind.QEMU)
        return f"Linux {account.kernel}", f"{name}{account.qemu}"

    def _ask_version(self) -> str:
        return _version_of(self.ask_host("query-version"))

    def close(self) -> None:
        """Keep the guest's kernel log, then end the machines; idempotent, never raises."""
        self._end()
        self._let_go()

    def _let_go(self) -> None:
        held, self._held = self._held, -1
        if held >= 0:
            os.close(held)

    def _end(self) -> None:
        boot, self._boot = self._boot, None
        if boot is None:
            return
        _keep_kernel_log(boot)
        boot.close()

    def logs(self) -> list[tuple[str, bytes]]:
        """The logs of all starts so far, each with its name below ``out``; the guest's kernel log
        is asked for now."""
        if self._boot is not None:
            _keep_kernel_log(self._boot)
        found = []
        for start in range(1, self._starts + 1):
            for path in sorted((self._out / f"boot-{start}").glob("*.log")):
                with contextlib.suppress(OSError):
                    found.append((f"{path.parent.name}/{path.name}", path.read_bytes()))
        return found

    def write_account(self, figures: Mapping[str, Any] | None = None) -> Path:
        """Write ``lab.json`` into the folder of the logs, with ``figures`` if there are any."""
        path = self._out / "lab.json"
        account = self.account()._asdict() | {"images": self._images.inputs}
        account["figures"] = dict(figures or {})
        account["written"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        path.write_text(json.dumps(account, indent=2) + "\n", encoding="utf-8")
        return path


def _version_of(found: Mapping[str, Any]) -> str:
    """What a host has said about itself."""
    if "qemu" not in found:
        return str(found.get("host", "unknown"))
    text = ".".join(str(found["qemu"][n]) for n in ("major", "minor", "micro"))
    return text + f" ({found['package']})" * bool(found["package"])


def _keep_kernel_log(boot: Boot) -> None:
    if boot.lost is None:
        with contextlib.suppress(LabProblem, OSError):
            log = boot.guest.run(["dmesg"], limit=5.0).output
            (boot.folder / "guest-kernel.log").write_bytes(log)
