"""``lab-guest:``: the bus driver of a real Linux guest, judged from the host's side alone.

The guest runs on the programmable VMBus host, which is told to answer nothing by itself: every
message of the host is the test's. What the guest's user does are commands in the guest. Each
session begins with a rewinding to the moment at which no driver of the bus was loaded.
"""

from __future__ import annotations

import errno
import os
import queue
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from kmcl_adapters import AdapterError, Description
from kmcl_adapters.control import ControlSession, Field, Gone, Returned, Seen, Sent, seen_of
from kmcl_adapters.host.messages import LAYOUTS, encode
from kmcl_model.control import GUEST, HOST, MESSAGES, version

from .channel import Job
from .frames import Kind
from .images import build, default_cache
from .lab import Lab
from .machine import HostKind
from .problem import GuestLost, LabProblem

__all__ = ["LabGuestAdapter", "LabPort", "create", "errno_of", "payload_of", "script_of"]

IDLE_SECONDS: Final = 0.8
"""So long nothing is seen when a guest that is emulated twice has nothing more to say."""

_REST_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_MOMENT: Final = "no bus driver"
_CONNECTION: Final = 0x2000
"""What is added to a relid to give its connection id."""
_WITH_CONNECTION_ID: Final = version(5, 0)
_UNKNOWN_TYPE: Final = 200
_HEADER: Final = 8

_DEVICES: Final = "/sys/bus/vmbus/devices"
_DRIVER: Final = "/sys/bus/vmbus/drivers/uio_hv_generic"
_OPEN: Final = (
    "n=$(ls {devices}/{device}/uio 2>/dev/null); "
    '[ -n "$n" ] || {{ echo "sh: No such device" >&2; exit 1; }}; '
    "exec 3<>/dev/$n || exit 1; echo open; "
    "while read c; do case $c in "
    "n) printf '\\001\\000\\000\\000' >&3 && echo ok || echo bad;; "
    "c) exec 3>&-; echo closed; exit 0;; esac; done"
)
_SCRIPTS: Final[Mapping[str, str]] = {
    "load": "insmod /mod/hv_vmbus.ko && insmod /mod/uio_hv_generic.ko",
    "unload": "rmmod uio_hv_generic && rmmod hv_vmbus",
    "bind": "echo uio_hv_generic > {devices}/{device}/driver_override && "
    "echo {device} > {driver}/bind",
    "unbind": "echo {device} > {driver}/unbind",
    "open": _OPEN,
}
_ERRORS: Final = {os.strerror(number): number for number in errno.errorcode}


def script_of(function: str, device: str = "") -> str:
    """The shell command in the guest that does what a user's call does."""
    return _SCRIPTS[function].format(devices=_DEVICES, device=device, driver=_DRIVER)


def errno_of(code: int, said: bytes) -> int:
    """The errno that a command has failed with, by its last words; EIO where they do not tell."""
    if not code:
        return 0
    words = said.decode("utf-8", "replace").strip().rpartition(": ")[2]
    return _ERRORS.get(words, errno.EIO)


def payload_of(message: str, fields: Mapping[str, Field], flaw: str, contact: int) -> bytes:
    """The bytes of a message of the host; ``contact`` is the version that was proposed last."""
    more: dict[str, Any] = dict.fromkeys(LAYOUTS[message].fields, 0)
    more |= {"user_def": b"", "is_dedicated_interrupt": 1} if message == "OFFERCHANNEL" else {}
    more |= fields
    if message == "OFFERCHANNEL":
        more["connection_id"] = _CONNECTION + int(fields["child_relid"])
    if message == "VERSION_RESPONSE":
        more["msg_conn_id"] = 4 if contact >= _WITH_CONNECTION_ID else 0
    known = {name: more[name] for name in LAYOUTS[message].fields}
    data = encode(message, {n: int(v) if isinstance(v, bool) else v for n, v in known.items()})
    if flaw == "short":
        return data[: max(_HEADER, len(data) - 4)]
    if flaw == "unknown type":
        return _UNKNOWN_TYPE.to_bytes(4, "little") + data[4:]
    return data


class _Posted(NamedTuple):
    """A message on its way to the guest."""

    data: str
    sent: Sent


class _Holder:
    """A device that a program in the guest holds open."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.waiting: deque[tuple[str, str]] = deque()
        """Who has asked for what, oldest first."""


class LabPort:
    """One session with the guest of a lab, at the moment without a bus driver."""

    offers = frozenset({"load", "unload", "bind", "unbind", "open", "close", "notify"})

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._returns: queue.SimpleQueue[Seen] = queue.SimpleQueue()
        self._posted: deque[_Posted] = deque()
        self._holders: dict[str, list[_Holder]] = {}
        self._contact = 0
        self._seen: list[Seen] = []
        self._is_lost = False
        lab.ask_host("clear-rules")
        for name, kind in MESSAGES.items():
            if kind.sender == GUEST and name != "INITIATE_CONTACT":
                lab.ask_host("rule", name=name, action="drop", times=0)
        lab.ask_host("rule", name="VERSION_RESPONSE", action="drop", times=0)
        self._next = int(lab.ask_host("figures")["trace"])

    # The host

    def post(self, message: str, fields: Mapping[str, Field], flaw: str) -> None:
        """Send a message."""

        def send() -> None:
            data = payload_of(message, fields, flaw, self._contact).hex()
            self._posted.append(_Posted(data, Sent(HOST, message, fields, flaw)))
            self._lab.ask_host("send", hex=data)

        self._attempt(send)

    def act(self, endpoint: str, action: str) -> None:
        """Nothing of the sort is offered."""

    def ready(self) -> tuple[int, ...]:
        """Nobody chooses for a real kernel."""
        return ()

    def step(self, choice: int) -> None:
        """See ``ready``."""

    # The guest's user

    def call(self, by: str, function: str, arguments: tuple[Field, ...]) -> None:
        """Begin a call of the guest's user."""
        device = str(arguments[0]) if arguments else ""
        if function in ("close", "notify"):
            holders = self._holders.get(device, [])
            if not holders:
                self._returns.put(Returned(by, function, errno.ENODEV))
                return
            holder = holders.pop() if function == "close" else holders[-1]
            holder.waiting.append((by, function))
            self._attempt(lambda: holder.job.write(b"c\n" if function == "close" else b"n\n"))
            return
        script = script_of(function, device)
        self._attempt(lambda: self._start(by, function, device, script))

    def _start(self, by: str, function: str, device: str, script: str) -> None:
        job = self._lab.guest.start(["sh", "-c", script])
        target = self._hold if function == "open" else self._wait
        threading.Thread(target=target, args=(job, by, function, device), daemon=True).start()

    def _wait(self, job: Job, by: str, function: str, _device: str) -> None:
        said = b""
        try:
            for kind, body in job.parts():
                said += body if kind == Kind.ERRORS else b""
        except GuestLost as lost:
            self._lose(lost)
            return
        self._returns.put(Returned(by, function, errno_of(job.code or 0, said)))

    def _hold(self, job: Job, by: str, function: str, device: str) -> None:
        holder = _Holder(job)
        said, text, is_open = b"", b"", False
        try:
            for kind, body in job.parts():
                if kind == Kind.ERRORS:
                    said += body
                    continue
                *lines, text = (text + body).split(b"\n")
                for line in lines:
                    if line == b"open":
                        is_open = True
                        self._holders.setdefault(device, []).append(holder)
                        self._returns.put(Returned(by, function, 0))
                    else:
                        who, what = holder.waiting.popleft()
                        failed = 0 if line in (b"ok", b"closed") else errno.EIO
                        self._returns.put(Returned(who, what, failed))
        except GuestLost as lost:
            self._lose(lost)
            return
        if not is_open:
            self._returns.put(Returned(by, function, errno_of(job.code or 1, said)))

    # What is seen

    def settle(self) -> None:
        """Until nothing was seen for a while."""
        now = time.monotonic()
        deadline, quiet_since = now + _REST_SECONDS, now
        while not self._is_lost and time.monotonic() - quiet_since < IDLE_SECONDS:
            time.sleep(_POLL_SECONDS)
            if self._gather() or self._posted:
                quiet_since = time.monotonic()
            if time.monotonic() > deadline:
                self._lose(GuestLost("the guest does not come to rest", is_hang=True))

    def take(self) -> list[Seen]:
        """What was seen: what a call has done on the bus comes before its return."""
        self._gather()
        seen, self._seen = self._seen, []
        return seen

    def _gather(self) -> bool:
        """Fetch what is new; whether there was anything."""
        before = len(self._seen)
        returns = []
        while not self._returns.empty():
            returns.append(self._returns.get())
        self._attempt(self._read_trace)
        self._seen += returns
        return len(self._seen) > before

    def _read_trace(self) -> None:
        while entries := self._lab.ask_host("trace", since=self._next):
            for number, _, sender, name, fields, note in entries:
                self._next = number + 1
                seen = self._entry(sender, name, fields, note)
                if seen is not None:
                    self._seen.append(seen)

    def _entry(self, sender: str, name: str, fields: dict[str, Any], note: str) -> Seen | None:
        if sender == HOST:
            if name != "BYTES" or not self._posted or self._posted[0].data != fields["bytes"]:
                return None
            return self._posted.popleft().sent
        if note.startswith(("refused", "posted")):
            return None  # the hypercall has failed: nothing was sent
        if name == "SIGNAL" and not fields["child_relid"]:
            fields = {"child_relid": int(fields.get("connection_id", 0)) - _CONNECTION}
        if name == "INITIATE_CONTACT":
            self._contact = int(fields["vmbus_version_requested"])
        return seen_of(sender, name, fields)

    def _attempt(self, action: Callable[[], object]) -> None:
        if self._is_lost:
            return
        try:
            action()
        except GuestLost as lost:
            self._lose(lost)
        except LabProblem as problem:
            self._lose(GuestLost(f"the host: {problem}", is_hang=False))

    def _lose(self, lost: GuestLost) -> None:
        self._is_lost = True
        self._returns.put(Gone("hang" if lost.is_hang else "crash", str(lost)))

    def close(self) -> None:
        """The next session's rewinding ends everything."""
        self._is_lost = True


class LabGuestAdapter:
    """Of a lab that is running with the programmable host; it ends with ``close``."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._has_moment = False

    def describe(self) -> Description:
        """A guest whose rest is known by idle time."""
        kernel = str(self.lab.account().kernel)
        plays = frozenset({"guest", "load"})
        return Description("Linux", kernel, "lab-guest", plays, False, IDLE_SECONDS)

    def open(self) -> ControlSession:
        """The guest without a driver of the bus. Raises AdapterError."""
        try:
            if (lost := self.lab.lost) is not None:
                self.lab.restart(str(lost))
                self._has_moment = False
            if self._has_moment:
                self.lab.rewind(_MOMENT)
            else:
                self._prepare()
            return ControlSession(LabPort(self.lab), exact=False)
        except LabProblem as problem:
            raise AdapterError(f"lab-guest: {problem}") from None

    def _prepare(self) -> None:
        done = self.lab.guest.run(["sh", "-c", script_of("unload")])
        if done.code:
            raise LabProblem(f"the bus driver stays loaded: {done.errors.decode(errors='replace')}")
        self.lab.save(_MOMENT)
        self._has_moment = True

    def close(self) -> None:
        """End the machines."""
        self.lab.close()


def create(argument: str) -> LabGuestAdapter:
    """``lab-guest:[KERNEL]``. Raises AdapterError."""
    try:
        tell: Callable[[str], None] = lambda text: print(f"lab: {text}", file=sys.stderr)  # noqa: E731
        images = build(default_cache(), argument or None, tell=tell)
        lab = Lab(
            images, Path(tempfile.mkdtemp(prefix="kmcl-lab-logs-")), host=HostKind.PROGRAMMABLE
        )
        lab.start()
    except LabProblem as problem:
        raise AdapterError(f"lab-guest: {problem}") from None
    return LabGuestAdapter(lab)
