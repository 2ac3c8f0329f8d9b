"""Machine and VMBus host together: streams, saved moments, resets."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from kmcl_adapters.host.host import HostState, VmbusHost
from kmcl_lab.frames import FrameError, FrameReader, Kind, frame
from kmcl_lab.problem import UNHEARD
from kmcl_lab.vmm.machine import Machine, Program, Streams
from kmcl_lab.vmm.state import MachineState, go_back, power_on_state, save
from kmcl_lab.watch import AGAIN, STANDS_STILL

from .control import CommandError

__all__ = ["Descriptors", "Hosting", "Moment"]

_QUIET_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.005
_MONITOR_SECONDS: Final = 0.001
_IDLE_SECONDS: Final = 0.05
_STALL_SECONDS: Final = 1.0
_CHUNK: Final = 1 << 16
_LONGEST_LINE: Final = 200


class Descriptors(NamedTuple):
    """Where the guest's agent, and its console, are connected."""

    guest: int
    console: int


class Moment:
    """A moment to go back to. ``changed``: one bit for each page that may differ by now; None: any
    may."""

    def __init__(self, machine: MachineState, host: HostState) -> None:
        self.machine = machine
        self.host = host
        self.changed: int | None = 0


def _both(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one | other


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _whole(work: Callable[[], None]) -> None:
    """Do it, or end the program: a host with a part missing would look like a guest that hangs."""
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)


class _Lines:
    """Gathers a console's bytes: each write costs, and a line is what people read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._line = bytearray()

    def __call__(self, data: bytes) -> None:
        self._line += data
        if data == b"\n" or len(self._line) >= _LONGEST_LINE:
            _write(self._descriptor, bytes(self._line))
            self._line.clear()

    def mark(self) -> None:
        """The guest begins again: what it has said so far is of before."""
        self.tell(AGAIN)

    def tell(self, words: str) -> None:
        """A line of our own."""
        _write(self._descriptor, bytes(self._line) + f"\n{words}\n".encode())
        self._line.clear()


class Hosting:
    """Both, connected; ``start`` runs them. ``memory``: of the guest, in MiB; ``shown``: see
    ``Machine``."""

    def __init__(
        self,
        program: Program,
        descriptors: Descriptors,
        *,
        memory: int,
        processors: int,
        shown: Sequence[mmap.mmap] = (),
    ) -> None:
        self._descriptors = descriptors
        self._console = _Lines(descriptors.console)
        streams = Streams(self._console, self._from_guest)
        self.machine = Machine(program, streams, memory=memory, processors=processors, shown=shown)
        self.host = VmbusHost(self.machine)
        self.machine.owner = self.host
        self.moments: dict[str, Moment] = {}
        self.resets = 0
        self.running = False
        self.stalls: list[float] = []
        """Seconds during which no thread of ours ran, as far as they are longer than they may be:
        the machine below has lost an interrupt."""
        self.feeding = threading.Lock()
        """Nothing reaches the guest's queues while it is held: a moment whose memory is of before
        a frame, and whose device of after it, would tear the agent's stream when it comes back."""
        self._switching = threading.RLock()
        """Held, before ``feeding``, by who stops the processors, until they may go on: the guest
        resets itself when it likes, and that is seen to by a thread of its own."""
        self._power_on = power_on_state(self.machine)
        self._job = 0
        self._said = FrameReader()
        self._line = self._errors = b""
        self._greeting: FrameReader | None = None

    def expect_hello(self) -> None:
        """Another kernel will take over without a reset; the hello of its agent is an entry of the
        trace."""
        self._greeting = FrameReader()
        with self._switching:
            self.stop()
            self.machine.unwatch()
            self.go_on()

    def _greet(self, data: bytes) -> None:
        with contextlib.suppress(FrameError, ValueError):
            for kind, _, body in self._greeting.feed(data) if self._greeting else ():
                if kind == Kind.HELLO:
                    self._greeting = None
                    with self.host.changed:
                        self.host.note("guest", "HELLO", json.loads(body))
                    return

    def hear(self, job: int) -> None:
        """Each line of JSON that this job of the agent says is an entry of the trace, in the exact
        order of all else that the guest does."""
        self._said, self._job = FrameReader(seeking=False), job
        self._line = self._errors = b""

    def _from_guest(self, data: bytes) -> None:
        _write(self._descriptors.guest, data)
        self._greet(data)
        if not self._job:
            return
        try:
            for kind, job, body in self._said.feed(data):
                if job == self._job:
                    self._hear(kind, body)
        except (FrameError, ValueError) as error:
            self._unheard(str(error))

    def _hear(self, kind: Kind, body: bytes) -> None:
        """A frame of the job that is heard. Raises ValueError where it makes no sense."""
        if kind == Kind.OUTPUT:
            *lines, self._line = (self._line + body).split(b"\n")
            said = [json.loads(line) for line in lines]
            if not all(isinstance(one, dict) for one in said):
                raise ValueError(f"no object: {lines}")
            with self.host.changed:
                for one in said:
                    self.host.note("guest", "SAID", one)
        elif kind == Kind.ERRORS:
            self._errors = (self._errors + body)[-_LONGEST_LINE:]
        elif kind == Kind.EXIT:
            words = self._errors.decode("utf-8", "replace").strip().splitlines()[-1:]
            self._unheard(" ".join(["it has ended", *words]))

    def _unheard(self, why: str) -> None:
        """From now on nobody knows what the guest's user does; the trace says so."""
        self._job = 0
        with self.host.changed:
            self.host.note("guest", "SAID", {}, f"{UNHEARD}: {why}")

    def tell(self, data: bytes) -> None:
        """Input for the job that is heard."""
        self.machine.console.feed(frame(Kind.INPUT, self._job, data))

    def is_at_rest(self) -> bool:
        """Whether the guest has taken all that it was given, and does nothing."""
        with self.host.changed:
            is_empty = self.host.slot.is_empty
        return is_empty and self.machine.is_idle()

    def start(self) -> None:
        """Boot, and serve the streams."""
        for name, work in (
            ("guest stream", self._pass_on),
            ("monitor pages", self._scan),
            ("resets", self._watch),
        ):
            threading.Thread(target=_whole, args=(work,), name=name, daemon=True).start()
        self.go_on()

    def stop(self) -> None:
        """Stop the processors."""
        with self._switching:
            self.running = False
            self.machine.pause()

    def go_on(self) -> None:
        """Let them go on."""
        with self._switching:
            self.running = True
            self.machine.start()

    def tsc_offset(self) -> int:
        """What the guest's time-stamp counter is ahead of ours, modulo 2**64. The processors stop
        for it: KVM would let us wait until one leaves the guest by itself."""
        with self._switching:
            running = self.running
            self.stop()
            try:
                return self.machine.tsc_offset()
            finally:
                if running:
                    self.go_on()

    def reset(self) -> None:
        """As if the power had been off. Raises CommandError where the guest cannot begin again."""
        with self._switching:
            self.stop()
            self._tell_end()
            self._job = 0
            self.resets += 1
            self.host.machine_reset()
            self._await_release()
            with self.feeding:
                go_back(self.machine, self._power_on)
            self._console.mark()
            self.machine.unwatch()
            self.go_on()

    def _await_release(self) -> None:
        """Until nobody here uses memory of the guest's: it is about to be another's. Where somebody
        does not let it go, the guest stands still, its console tells, and CommandError is raised:
        nothing else is the matter with the host."""
        try:
            self.host.await_release()
        except TimeoutError as why:
            self._console.tell(f"{STANDS_STILL} {why}")
            raise CommandError(f"the guest stands still: {why}") from None

    def save(self, name: str) -> None:
        """Keep this moment, as soon as it is a quiet one. Raises CommandError."""
        deadline = time.monotonic() + _QUIET_SECONDS
        while True:
            with self._switching:
                self.stop()
                try:
                    with self.feeding:
                        self._keep(name)
                    return
                except ValueError as why:
                    if time.monotonic() > deadline:
                        raise CommandError(str(why)) from None
                finally:
                    self.go_on()
            time.sleep(_POLL_SECONDS)

    def _keep(self, name: str) -> None:
        """Of a guest that stands still. Raises ValueError where something is on its way."""
        if not self.machine.console.idle():
            raise ValueError("the guest has not taken what it was sent")
        self._note_changes()
        self.moments[name] = Moment(save(self.machine), self.host.save())

    def rewind(self, name: str) -> None:
        """Go back to a moment that was kept, also from a panic or after a reset.

        Whoever talks to the agent hears a hello first: what was said before is void. Raises
        CommandError.
        """
        moment = self.moments.get(name)
        if moment is None:
            raise CommandError(f"no moment is called {name!r}; there are: {list(self.moments)}")
        with self._switching:
            self.stop()
            self._tell_end()
            with self.feeding:
                self._note_changes()
                changed = moment.changed
                for other in self.moments.values():
                    other.changed = _both(other.changed, changed) if other is not moment else 0
                self._job = 0
                self.host.restore(moment.host)
                self._await_release()
                go_back(self.machine, moment.machine, changed)
            self._console.mark()
            hello = {"moment": name}
            _write(self._descriptors.guest, frame(Kind.HELLO, 0, json.dumps(hello).encode()))
            self.go_on()

    def _note_changes(self) -> None:
        """What guest and host have written since the last time differs from every moment."""
        pages = self.machine.changed_pages()
        for moment in self.moments.values():
            moment.changed = _both(_both(moment.changed, pages), self.host.written.bits)

    # Threads

    def _pass_on(self) -> None:
        """From the lab to the agent, in whole frames: a rewinding must not cut one in two."""
        reader = FrameReader(seeking=False)
        while data := os.read(self._descriptors.guest, _CHUNK):
            for kind, job, body in reader.feed(data):
                with self.feeding:
                    self.machine.console.feed(frame(kind, job, body))

    def _scan(self) -> None:
        while True:
            monitored = any(
                channel.offer.monitor is not None for channel in [*self.host.channels.values()]
            )
            started = time.monotonic()
            time.sleep(_MONITOR_SECONDS if monitored else _IDLE_SECONDS)
            if (slept := time.monotonic() - started) > _STALL_SECONDS:
                self.stalls.append(round(slept, 3))
            if monitored:
                self.host.scan_monitor()

    def _watch(self) -> None:
        """A guest that resets itself boots again."""
        while True:
            self.machine.ended.wait()
            self._ended()

    def _ended(self) -> None:
        """Unless somebody has taken the guest back meanwhile."""
        with self._switching:
            if self._tell_end() and self.running:
                with contextlib.suppress(CommandError):  # the console has told
                    self.reset()

    def _tell_end(self) -> bool:
        """Whether the guest has ended by itself. Whoever follows the trace learns that nobody has
        asked for it."""
        if not self.machine.ended.is_set():
            return False
        self.machine.ended.clear()
        print(f"kmcl-lab: {self.machine.why}", flush=True)
        with self.host.changed:
            self.host.note("guest", "ENDED", {}, self.machine.why)
        return True
