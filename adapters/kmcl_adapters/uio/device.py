"""VMBus devices and the driver ``uio_hv_generic``, as sysfs shows them.

Everything takes the roots of sysfs and of the device nodes, so that it can be tried on a tree of
plain files. Errors are DeviceError, one line that says what to do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

__all__ = [
    "DRIVER",
    "Device",
    "DeviceError",
    "Traits",
    "bind",
    "check_access",
    "find",
    "monitor_of",
    "refusal",
    "ring_size",
]

DRIVER: Final = "uio_hv_generic"
CLASSES: Final = {
    "dynmem": "525074dc-8985-46e2-8057-a307dc18a502",
    "fcopy": "34d14be3-dee4-41c8-9ae7-6b174977c192",
}
"""Names for interface classes that one often wants."""

_GUID: Final = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.IGNORECASE)


class DeviceError(Exception):
    """The device cannot be used: one line for people."""


class Device(NamedTuple):
    """A device of the VMBus; GUIDs in lower case without braces. ``driver`` None: no driver has it.
    ``monitor``: the number of the bit in the monitor page by which the host is signalled; None
    where that is done by a hypercall."""

    instance: str
    class_id: str
    driver: str | None
    uio: str | None
    monitor: int | None = None


class Traits(NamedTuple):
    """How the kernel behaves, as seen and not by its version number.

    ``signals_on_write``: writing to the device signals the host, which a driver that accepts
    unmonitored channels does. ``masks_at_open`` (None: not seen yet): the driver masks interrupts
    itself, at the open and at each interrupt.
    """

    signals_on_write: bool
    masks_at_open: bool | None = None


def find(wanted: str, sysfs: Path = Path("/sys")) -> Device:
    """The device meant by ``/dev/uioN``, an instance GUID, ``class:GUID``, or ``class:NAME`` and
    ``NAME`` of a class that has one. Raises DeviceError."""
    devices = _devices(sysfs)
    if match := re.fullmatch(r"(?:/dev/)?(uio\d+)", wanted):
        found = [device for device in devices if device.uio == match[1]]
        if not found:
            raise DeviceError(f"/dev/{match[1]}: no VMBus device has it; name its instance GUID")
        return found[0]
    kind, colon, rest = wanted.partition(":")
    name = rest if colon and kind == "class" else wanted
    guid = _GUID.fullmatch(CLASSES.get(name, name))
    if guid is None:
        known = ", ".join(CLASSES)
        raise DeviceError(f"{wanted!r}: write /dev/uioN, a GUID, class:GUID, or one of {known}")
    value = guid[1].lower()
    by_class = bool(colon) or name in CLASSES
    found = [d for d in devices if value == (d.class_id if by_class else d.instance)]
    if not found and not by_class:
        found = [d for d in devices if d.class_id == value]
    if not found:
        have = ", ".join(d.instance for d in devices) or "none"
        raise DeviceError(f"{wanted}: no such device on the VMBus; there are: {have}")
    if len(found) > 1:
        several = ", ".join(d.instance for d in found)
        raise DeviceError(f"{wanted}: {len(found)} devices; name one instance: {several}")
    return found[0]


def _devices(sysfs: Path) -> list[Device]:
    folder = sysfs / "bus/vmbus/devices"
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        raise DeviceError(f"{folder}: not there: this is no guest with a VMBus") from None
    return [_read(folder / name) for name in names]


def _read(path: Path) -> Device:
    try:
        class_id = (path / "class_id").read_text().strip().strip("{}").lower()
    except OSError:
        class_id = ""
    driver = path / "driver"
    try:
        uio = sorted(os.listdir(path / "uio"))
    except OSError:
        uio = []
    return Device(
        path.name.lower(),
        class_id,
        os.path.basename(os.readlink(driver)) if driver.is_symlink() else None,
        uio[0] if uio else None,
        _monitor(path),
    )


def monitor_of(instance: str, sysfs: Path = Path("/sys")) -> int | None:
    """The number of the device's bit in the monitor page, None where it has none."""
    return _monitor(sysfs / "bus/vmbus/devices" / instance)


def _monitor(path: Path) -> int | None:
    """Of the primary channel: a file that only a monitored one has."""
    try:
        relid = (path / "id").read_text().strip()
        return int((path / "channels" / relid / "monitor_id").read_text())
    except (OSError, ValueError):
        return None


def _write_text(path: Path, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def bind(
    device: Device,
    sysfs: Path = Path("/sys"),
    *,
    take: bool = False,
    write: Callable[[Path, str], None] = _write_text,
) -> Device:
    """See that ``uio_hv_generic`` has the device, and give it as it is then.

    ``take``: take it away from another driver. The override keeps that one from coming back; where
    there is none (a kernel without the attribute), the class is made known to our driver instead.
    It gets the device back where ours does not take it. ``write`` writes a text into a file of
    sysfs. Raises DeviceError.
    """
    if device.driver == DRIVER and device.uio:
        return device
    if device.driver not in (None, DRIVER) and not take:
        raise DeviceError(
            f"{device.instance}: driver {device.driver} has it; "
            "unbind it, or let it be taken away: python3 -m kmcl_adapters.uio --device "
            f"{device.instance} --bind, as an adapter: process:COMMAND"
        )
    bus = sysfs / "bus/vmbus"
    if not (bus / "drivers" / DRIVER).is_dir():
        raise DeviceError(f"{DRIVER}: no such driver in this kernel; try modprobe {DRIVER}")
    override = bus / "devices" / device.instance / "driver_override"
    if override.exists():
        _write(write, override, DRIVER, device)
    else:
        new_id = bus / "drivers" / DRIVER / "new_id"
        _write(write, new_id, device.class_id, device, good=(errno.EEXIST,))
    if device.driver not in (None, DRIVER):
        _write(write, bus / "drivers" / str(device.driver) / "unbind", device.instance, device)
    try:
        return _bound(device, sysfs, write)
    except DeviceError:
        if device.driver not in (None, DRIVER):
            _give_back(device, override, bus / "drivers" / str(device.driver), write)
        raise


def _bound(device: Device, sysfs: Path, write: Callable[[Path, str], None]) -> Device:
    now = find(device.instance, sysfs)
    if now.driver != DRIVER:
        _write(write, sysfs / "bus/vmbus/drivers" / DRIVER / "bind", device.instance, device)
        now = find(device.instance, sysfs)
    if now.driver != DRIVER or now.uio is None:
        raise DeviceError(f"{device.instance}: {DRIVER} did not take it; the kernel log says why")
    return now


def _give_back(
    device: Device, override: Path, driver: Path, write: Callable[[Path, str], None]
) -> None:
    """To the driver that had it, as far as that goes: why ours has not is what is told."""
    with contextlib.suppress(DeviceError):
        if override.exists():
            _write(write, override, "\n", device)
        _write(write, driver / "bind", device.instance, device)


def _write(
    write: Callable[[Path, str], None],
    path: Path,
    text: str,
    device: Device,
    good: tuple[int, ...] = (),
) -> None:
    try:
        write(path, text)
    except OSError as error:
        if error.errno in good:
            return
        raise DeviceError(_explained(path, error, device)) from error


def _explained(path: Path, error: OSError, device: Device) -> str:
    too_old = (
        f"{device.instance}: this kernel's {DRIVER} drives monitored channels only, and "
        "this one is not; use Linux 6.10 or newer"
    )
    # Before 5.14 whatever the driver's probe says is ENODEV to who binds.
    is_there = (path.parents[2] / "devices" / device.instance).exists()
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return f"{path}: no permission; run as root"
        case errno.EOPNOTSUPP | 524:  # ENOTSUPP, a name of the kernel's own
            return too_old
        case errno.ENODEV if path.name == "bind" and is_there and device.monitor is None:
            return f"{too_old}; or the kernel log says why its driver did not take it"
        case errno.ENODEV if path.name == "bind" and is_there:
            return f"{device.instance}: {DRIVER} did not take it; the kernel log says why"
        case errno.ENOENT | errno.ENODEV:
            return f"{path}: {device.instance} is gone, or nobody drives it"
        case errno.ENOMEM:
            return f"{device.instance}: no contiguous memory for its rings; give the guest more"
    return f"{path}: {os.strerror(error.errno or 0)}"


def check_access(node: Path) -> None:
    """See that the node may be opened, without opening it: that would open the channel. Raises
    DeviceError."""
    if node.exists() and not os.access(node, os.R_OK | os.W_OK):
        raise DeviceError(f"{node}: no permission; run as root")


_REFUSALS: Final = {
    errno.EACCES: "run as root",
    errno.EPERM: "run as root",
    errno.EAGAIN: "the host refuses to open the channel",
    errno.EDQUOT: "the host refuses the memory of the rings",
    errno.EINVAL: "its driver was unbound while the channel was open; restart the guest",
    errno.ENOMEM: "give the guest more memory",
}
"""What the driver means by an error of ``open``, or what to do about it."""


def refusal(node: Path, error: OSError) -> str:
    """Why the device cannot be opened, in one line."""
    words = f"{node}: {os.strerror(error.errno or 0)}"
    hint = _REFUSALS.get(error.errno or 0)
    return f"{words}: {hint}" if hint else words


def ring_size(uio: str, sysfs: Path = Path("/sys")) -> int:
    """Bytes of each of the two rings, header page included. Raises DeviceError."""
    path = sysfs / "class/uio" / uio / "maps/map0/size"
    try:
        size = int(path.read_text(), 0)
    except (OSError, ValueError):
        raise DeviceError(f"{path}: cannot be read; is {uio} a VMBus device?") from None
    if size % 8192 or size < 16384:
        raise DeviceError(f"{path}: {size} bytes are no pair of rings")
    return size // 2
