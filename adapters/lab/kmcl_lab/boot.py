"""One start of the machines: processes, streams, logs, and somebody who watches."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .channel import Channel
from .images import Images
from .machine import (
    STREAMS,
    HostKind,
    hosting_command,
    inner_command,
    outer_command,
    with_options,
)
from .problem import GuestLost, LabProblem
from .qmp import Monitor, MonitorError
from .watch import AGAIN, LIMITS, Limits, Lost, Stage, Watch

__all__ = ["Boot"]

_LOGS: Final = {"console": "inner-console.log", "host": "host.log"}
_WATCH_SECONDS: Final = 0.5
_PING_SECONDS: Final = 5.0
_ASK_SECONDS: Final = 8.0
"""Longer than whoever waits for a rest keeps the monitor busy."""
_LAST_WORDS_SECONDS: Final = 1.5
_BACKTRACE_SECONDS: Final = 20.0
_LISTEN_SECONDS: Final = 0.02


def _orphans_die() -> list[str]:
    """A command before the emulator's: it must not outlive us, however we end."""
    return ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []


class Boot:
    """The machines of one start; ``folder`` takes their logs. Raises LabProblem if the emulator
    cannot be started.

    ``guest`` is the channel to the agent, ``monitor`` the VMBus host's, ``hello`` what the agent
    has said about itself, ``ready_after`` the seconds until the first was there. ``can_go_back``:
    the host has kept a moment, so that the loss of the inner guest alone is not the end.
    """

    def __init__(
        self,
        images: Images,
        folder: Path,
        *,
        nested: bool,
        host: HostKind = HostKind.QEMU,
        options: Sequence[str] = (),
        limits: Limits = LIMITS,
    ) -> None:
        self.folder = folder
        self._options = options
        self.hello: Mapping[str, Any] = {}
        self.ready_after = 0.0
        self._nested = nested
        self._host = host
        self._started = time.monotonic()
        self._ready = threading.Event()
        self._over = threading.Event()
        self._heard = self._started
        self._printed = self._started
        self.lost: Lost | None = None
        self.can_go_back = False
        self._deciding = threading.Lock()
        self._watch = Watch(nested=nested, now=self._started, limits=limits)
        ours = self._spawn(images)
        self.monitor = Monitor(ours["monitor"], "the VMBus host's monitor")
        self.supervisor = Monitor(ours["supervisor"], "the emulator") if nested else None
        self.guest = Channel(ours["guest"], self._on_hello, self._on_life)
        for stream in _LOGS:
            if stream in ours:
                self._thread(f"lab-{stream}", self._log, stream, ours[stream])
        self._sockets = list(ours.values())
        self._thread("lab-watch", self._watching)

    def wait_until_ready(self) -> None:
        """Return when the agent in the guest has said hello. Raises GuestLost when it will not;
        the time limits are those of the watch."""
        while not self._ready.wait(_WATCH_SECONDS / 2):
            if self.lost is not None:
                raise self.problem()
        self._ready.clear()

    def problem(self) -> GuestLost:
        """What has become of the guests, as an error to raise."""
        lost = self.lost or Lost("the lab was closed", False)
        words = f"{lost.what}; see {self.folder}"
        return GuestLost(words, is_hang=lost.is_hang, is_inner=lost.is_inner)

    def expect_reset(self, *, marked: bool = False) -> None:
        """The inner guest is about to boot again, or to be taken back: its jobs are lost, and its
        next word is hello. ``marked``: see ``Watch.reset``."""
        with self._deciding:
            self._ready.clear()
            self._watch.reset(time.monotonic(), marked=marked)
            if self.is_revivable:
                self.lost = None
            self.guest.forget("the guest was reset")

    @property
    def is_revivable(self) -> bool:
        """Whether the guest is lost, and can be taken back to before that."""
        return self.lost is not None and self.lost.is_inner and self.can_go_back

    def look(self) -> Lost | None:
        """What has become of the guests, by what their consoles have said up to now; who fell
        silent is found out by somebody else."""
        with self._deciding:
            lost = self._watch.verdict(time.monotonic())
            if lost is not None and not lost.is_hang:
                self._lose(lost)
        return self.lost

    def last_words(self) -> bytes:
        """The guest's console in its present life; of one that is lost, to the end of what it has
        to say."""
        if self.lost is not None:
            self.hear_out()
        try:
            said = (self.folder / _LOGS["console"]).read_bytes()
        except OSError:
            return b""
        return said.rpartition(AGAIN.encode())[2].lstrip()

    def hear_out(self) -> None:
        """Return when the inner guest has said its last line, or its console has fallen silent: a
        backtrace takes seconds."""
        deadline = time.monotonic() + _BACKTRACE_SECONDS
        while time.monotonic() < min(deadline, self._printed + _LAST_WORDS_SECONDS):
            if self._watch.has_said_all or self._over.wait(_LISTEN_SECONDS):
                return

    def pause(self, paused: bool) -> None:
        """The host is about to stop the inner guest, or to let it go on."""
        self._watch.pause(paused, time.monotonic())

    def close(self) -> None:
        """End the machines; idempotent, never raises."""
        if not self._over.is_set():
            self._over.set()
            self._end()
            for connection in self._sockets:
                connection.close()

    def _end(self) -> None:
        self.guest.why = self.guest.why or str(self.problem())
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10.0)
        self.guest.close(str(self.problem()))

    def _spawn(self, images: Images) -> dict[str, socket.socket]:
        """Start the emulator; our ends of its streams, by name."""
        names = ["guest", "monitor", "console"] + (["supervisor", "host"] * self._nested)
        assert set(STREAMS) <= {*names, "host"}
        pairs = {name: socket.socketpair() for name in names}
        numbers = {name: theirs.fileno() for name, (_, theirs) in pairs.items()}
        ours_is_host = self._host == HostKind.PROGRAMMABLE
        if self._nested:
            outer = images.hosting if ours_is_host else images.outer
            command = with_options(
                outer_command(images.outer_kernel, outer, numbers), self._options
            )
        else:
            inner = hosting_command if ours_is_host else inner_command
            command = inner(images.kernel, images.inner, nested=False, descriptors=numbers)
            command += self._options
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # What the emulator says itself: on the machine itself it is the VMBus host.
            with (self.folder / ("emulator.log" if self._nested else "host.log")).open("wb") as log:
                self._process = subprocess.Popen(
                    [*_orphans_die(), *command],
                    stdin=subprocess.DEVNULL,
                    env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    stdout=log,
                    stderr=log,
                    pass_fds=tuple(numbers.values()),
                    start_new_session=True,
                )
        except OSError as error:
            for ours, _ in pairs.values():
                ours.close()
            raise LabProblem(
                f"{error.filename}: {error.strerror}; run 'kmcl lab build --install' as root, "
                "or choose a folder that can be written with --out"
            ) from None
        finally:
            for _, theirs in pairs.values():
                theirs.close()
        return {name: ours for name, (ours, _) in pairs.items()}

    def _thread(self, name: str, target: Any, *arguments: Any) -> None:
        threading.Thread(target=target, args=arguments, name=name, daemon=True).start()

    def _log(self, stream: str, connection: socket.socket) -> None:
        with (
            (self.folder / _LOGS[stream]).open("wb", buffering=0) as log,
            contextlib.suppress(OSError),
        ):
            while data := connection.recv(1 << 16):
                with contextlib.suppress(OSError):  # a full disk makes nobody blind
                    log.write(data)
                if stream == "console":
                    self._printed = time.monotonic()
                self._watch.console(stream, data, time.monotonic())

    def _on_hello(self, hello: Mapping[str, Any]) -> None:
        if "moment" not in hello:  # else the machine says it, which was taken back
            self.hello = hello
            self.ready_after = self.ready_after or time.monotonic() - self._started
        self._ready.set()

    def _on_life(self) -> None:
        self._heard = time.monotonic()
        self._watch.alive(self._heard)

    def _watching(self) -> None:
        pinged = self._started
        while not self._over.wait(_WATCH_SECONDS):
            now = time.monotonic()
            if self._nested and self._watch.stage is not Stage.OUTER_BOOTS:
                self.monitor.nudge()
            if (code := self._process.poll()) is not None:
                self._watch.ended(code)
            if self._waits_for_rewind(now) and code is None:
                continue
            if self.lost is not None:
                if code is not None:
                    self.lost = Lost(f"the emulator has ended with code {code}", False)
                if not self._over.wait(_LAST_WORDS_SECONDS):  # a backtrace is still being printed
                    self._end()
                return
            is_silent = now - max(self._heard, pinged) > _PING_SECONDS
            if self._watch.stage is Stage.READY and is_silent:
                pinged = now
                with contextlib.suppress(GuestLost):
                    self.guest.ping()

    def _waits_for_rewind(self, now: float) -> bool:
        """Whether the inner guest is lost, and can be taken back. Sets ``lost``."""
        with self._deciding:
            lost = self._watch.verdict(now)
            if lost is not None and self.lost is None:
                self._lose(self._explained(lost) if lost.is_hang else lost)
            return self.is_revivable

    def _lose(self, lost: Lost) -> None:
        if self.lost is None:
            self.lost = lost
            if self.is_revivable:
                self.guest.forget(str(self.problem()))

    def _explained(self, lost: Lost) -> Lost:
        """Who fell silent: the VMBus host still answers, or it does not, nor the emulator."""
        said = []
        is_inner = False
        try:
            state = self.monitor.execute("query-status", limit=_ASK_SECONDS)
            said.append(f"the VMBus host answers, its guest is {state['status']}")
            is_inner = True
        except MonitorError:
            said.append("the VMBus host does not answer")
        if self.supervisor is not None:
            try:
                for line in ("info status", "info registers", "info lapic"):
                    text = self.supervisor.execute(
                        "human-monitor-command", {"command-line": line}, limit=_ASK_SECONDS
                    )
                    self._keep(f"# {line}\n{text}\n")
                said.append("the emulator does (emulator-state.log)")
            except MonitorError:
                said.append("nor does the emulator")
        return Lost(f"{lost.what}: {', '.join(said)}", lost.is_hang, is_inner)

    def _keep(self, text: str) -> None:
        with contextlib.suppress(OSError), (self.folder / "emulator-state.log").open("a") as log:
            log.write(text)
