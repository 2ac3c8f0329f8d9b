"""The guest's user: ``python3 -m kmcl_lab.user`` makes calls for a test, each in its own thread.

A call is a line of JSON, ``{"by":"u0","do":"open","arguments":["GUID"]}``, and so is its return,
``{"by":"u0","do":"open","errno":0}``.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import struct
import sys
import threading
import traceback
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from . import kexec

__all__ = ["User", "main"]

_MODULES: Final = ("hv_vmbus", "hv_utils", "uio_hv_generic")
_FOLDER: Final = Path("/mod")
_BUS: Final = Path("/sys/bus/vmbus")
_DRIVER: Final = _BUS / "drivers/uio_hv_generic"
_FINIT_MODULE, _DELETE_MODULE = 313, 176
"""System calls of x86-64."""


class User:
    """``say`` takes what is to be said, from any thread. ``call`` is ``syscall`` of libc."""

    def __init__(self, say: Callable[[dict[str, Any]], None], call: Callable[..., int]) -> None:
        self._say = say
        self._call = call
        self._descriptors: dict[str, list[int]] = defaultdict(list)
        self._lock = threading.Lock()

    def order(self, order: dict[str, Any]) -> None:
        """Begin what is ordered."""
        threading.Thread(target=self._make, args=(order,), daemon=True).start()

    def _make(self, order: dict[str, Any]) -> None:
        try:
            getattr(self, order["do"])(*order["arguments"])
            number = 0
        except OSError as error:
            number = error.errno or errno.EIO
        except Exception:  # a mistake of ours must not look like a call that never returns
            traceback.print_exc()
            os._exit(1)
        self._say({"by": order["by"], "do": order["do"], "errno": number})

    # The calls; each raises OSError --------------------------------------------------------

    def load(self) -> None:
        """Insert the driver of the bus, then those of its devices."""
        for name in _MODULES:
            descriptor = os.open(_FOLDER / f"{name}.ko", os.O_RDONLY)
            try:
                kexec.checked(self._call, _FINIT_MODULE, descriptor, b"", 0)
            finally:
                os.close(descriptor)

    def unload(self) -> None:
        """Remove all of them."""
        for name in reversed(_MODULES):
            kexec.checked(self._call, _DELETE_MODULE, name.encode(), os.O_NONBLOCK)

    def bind(self, device: str) -> None:
        """Give the device to the driver for programs."""
        _write(_device(device) / "driver_override", "uio_hv_generic")
        _write(_DRIVER / "bind", device)

    def unbind(self, device: str) -> None:
        """Take it away again."""
        _write(_DRIVER / "unbind", device)

    def open(self, device: str) -> None:
        """One more descriptor of the device."""
        nodes = sorted((_device(device) / "uio").glob("uio*"))
        if not nodes:
            raise OSError(errno.ENODEV, "the device is not bound")
        descriptor = os.open(Path("/dev") / nodes[-1].name, os.O_RDWR)
        with self._lock:
            self._descriptors[device].append(descriptor)

    def close(self, device: str) -> None:
        """One less, the newest."""
        os.close(self._taken(device, keep=False))

    def notify(self, device: str) -> None:
        """Signal the host, by the newest descriptor."""
        os.write(self._taken(device, keep=True), struct.pack("<i", 1))

    def move(self, device: str, processor: int) -> None:
        """Interrupts of the primary channel go to that processor."""
        folder = _device(device)
        relid = (folder / "id").read_text().strip()
        _write(folder / "channels" / relid / "cpu", str(processor))

    def kexec(self) -> None:
        """Start the kernel anew, without a reset of the machine; returns only where that fails."""
        kexec.prepare(self._call)
        kexec.leap(self._call)

    def _taken(self, device: str, *, keep: bool) -> int:
        with self._lock:
            if not self._descriptors[device]:
                raise OSError(errno.EBADF, "the device is not open")
            return self._descriptors[device][-1] if keep else self._descriptors[device].pop()


def _device(device: str) -> Path:
    """The device's folder. Raises OSError: a device that is not there gives ENODEV, as a node of it
    would."""
    folder = _BUS / "devices" / device
    if not folder.exists():
        raise OSError(errno.ENODEV, "there is no such device")
    return folder


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def main() -> None:
    """Carry out the orders of standard input."""
    saying = threading.Lock()

    def say(what: dict[str, Any]) -> None:
        with saying:
            os.write(1, json.dumps(what, separators=(",", ":")).encode() + b"\n")

    user = User(say, ctypes.CDLL(None, use_errno=True).syscall)
    say({"ready": True})
    for line in sys.stdin:
        user.order(json.loads(line))


if __name__ == "__main__":
    main()
