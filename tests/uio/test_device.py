"""Devices on a tree of plain files, with a kernel played by the test."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from kmcl_adapters.uio.device import (
    DRIVER,
    Device,
    DeviceError,
    bind,
    find,
    monitor_of,
    ring_size,
)

BALLOON = "1eccfd72-4b41-45ef-b73a-4a6e44c12924"
DYNMEM = "525074dc-8985-46e2-8057-a307dc18a502"
OTHER = "99221fa0-24ad-11e2-be98-001aa01bbf6e"


class Kernel:
    """A VMBus in a folder. ``write`` does to the tree what a kernel would do."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.written: list[tuple[str, str]] = []
        self.bus = root / "bus/vmbus"
        (self.bus / "devices").mkdir(parents=True)
        for driver in (DRIVER, "hv_balloon"):
            (self.bus / "drivers" / driver).mkdir(parents=True)

    def add(self, instance: str, class_id: str, driver: str = "", override: bool = True) -> None:
        path = self.bus / "devices" / instance
        path.mkdir()
        (path / "class_id").write_text("{" + class_id + "}\n")
        if override:
            (path / "driver_override").write_text("(null)\n")
        if driver:
            self.drive(instance, driver)

    def drive(self, instance: str, driver: str) -> None:
        path = self.bus / "devices" / instance
        (path / "driver").symlink_to(f"../../drivers/{driver}")
        if driver == DRIVER:
            (path / "uio/uio3").mkdir(parents=True)

    def maps(self, uio: str, text: str) -> None:
        path = self.root / "class/uio" / uio / "maps/map0"
        path.mkdir(parents=True)
        (path / "size").write_text(text)

    def write(self, path: Path, text: str) -> None:
        name = path.relative_to(self.bus).as_posix()
        self.written.append((name, text))
        if path.name == "unbind":
            (self.bus / "devices" / text / "driver").unlink()
        elif path.name == "bind":
            self.drive(text, path.parent.name)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def refuse(code: int) -> OSError:
    return OSError(code, "refused")


@pytest.mark.parametrize("wanted", [BALLOON, BALLOON.upper(), "dynmem", f"class:{DYNMEM}"])
def test_a_device_is_found_by_instance_class_and_name(kernel: Kernel, wanted: str) -> None:
    kernel.add(BALLOON, DYNMEM, "hv_balloon")
    kernel.add(OTHER, OTHER)

    assert find(wanted, kernel.root) == Device(BALLOON, DYNMEM, "hv_balloon", None)


def test_it_is_found_by_its_node(kernel: Kernel) -> None:
    kernel.add(BALLOON, DYNMEM, DRIVER)

    assert find("/dev/uio3", kernel.root).instance == BALLOON
    assert find("uio3", kernel.root).uio == "uio3"


def test_a_monitored_channel_has_a_number(kernel: Kernel) -> None:
    kernel.add(BALLOON, DYNMEM)
    device = kernel.bus / "devices" / BALLOON
    (device / "id").write_text("7\n")
    for relid in (7, 8):
        (device / "channels" / str(relid)).mkdir(parents=True)
    (device / "channels/8/monitor_id").write_text("12\n")  # a subchannel's
    assert (find(BALLOON, kernel.root).monitor, monitor_of(BALLOON, kernel.root)) == (None, None)
    (device / "channels/7/monitor_id").write_text("37\n")

    assert (find(BALLOON, kernel.root).monitor, monitor_of(BALLOON, kernel.root)) == (37, 37)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (OTHER, "no such device on the VMBus; there are: " + BALLOON),
        ("class:" + OTHER, "no such device"),
        ("/dev/uio7", "no VMBus device has it"),
        ("balloon", "write /dev/uioN, a GUID, class:GUID"),
        ("", "write /dev/uioN"),
    ],
)
def test_a_device_that_is_not_there(kernel: Kernel, wanted: str, says: str) -> None:
    kernel.add(BALLOON, DYNMEM)

    with pytest.raises(DeviceError, match=says.replace("(", r"\(")):
        find(wanted, kernel.root)


def test_a_machine_without_a_vmbus(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="no guest with a VMBus"):
        find("dynmem", tmp_path)


def test_two_devices_of_a_class_must_be_told_apart(kernel: Kernel) -> None:
    kernel.add(BALLOON, DYNMEM)
    kernel.add(OTHER, DYNMEM)

    with pytest.raises(DeviceError, match="2 devices; name one instance"):
        find("dynmem", kernel.root)


def test_a_free_device_is_bound_by_override(kernel: Kernel) -> None:
    kernel.add(BALLOON, DYNMEM)

    bound = bind(find(BALLOON, kernel.root), kernel.root, write=kernel.write)

    assert (bound.driver, bound.uio) == (DRIVER, "uio3")
    assert kernel.written == [
        (f"devices/{BALLOON}/driver_override", DRIVER),
        (f"drivers/{DRIVER}/bind", BALLOON),
    ]


def test_without_the_attribute_the_class_is_announced(kernel: Kernel) -> None:
    kernel.add(BALLOON, DYNMEM, override=False)

    def write(path: Path, text: str) -> None:
        kernel.write(path, text)
        if path.name == "new_id":
            kernel.drive(BALLOON, DRIVER)  # it binds whatever nobody has
            raise refuse(errno.EEXIST)  # and somebody had announced it before

    assert bind(find(BALLOON, kernel.root), kernel.root, write=write).driver == DRIVER
    assert kernel.written == [(f"drivers/{DRIVER}/new_id", DYNMEM)]


def test_a_device_is_taken_from_its_driver_only_when_told(kernel: Kernel) -> None:
    kernel.add(BALLOON, DYNMEM, "hv_balloon")
    device = find(BALLOON, kernel.root)

    with pytest.raises(DeviceError, match="driver hv_balloon has it"):
        bind(device, kernel.root, write=kernel.write)
    assert kernel.written == []

    assert bind(device, kernel.root, take=True, write=kernel.write).driver == DRIVER
    assert [name for name, _ in kernel.written] == [
        f"devices/{BALLOON}/driver_override",
        "drivers/hv_balloon/unbind",
        f"drivers/{DRIVER}/bind",
    ]


def test_a_device_that_is_bound_already_stays_as_it_is(kernel: Kernel) -> None:
    kernel.add(BALLOON, DYNMEM, DRIVER)
    device = find(BALLOON, kernel.root)

    assert bind(device, kernel.root, write=kernel.write) is device
    assert kernel.written == []


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.EACCES, "no permission; run as root"),
        (errno.ENODEV, "use Linux 6.10 or newer; or the kernel log says why"),
        (524, "use Linux 6.10 or newer"),
        (errno.ENOMEM, "no contiguous memory"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_what_the_kernel_refuses_is_explained(kernel: Kernel, code: int, says: str) -> None:
    kernel.add(BALLOON, DYNMEM)

    def write(path: Path, text: str) -> None:
        if path.name == "bind":
            raise refuse(code)

    with pytest.raises(DeviceError, match=says):
        bind(find(BALLOON, kernel.root), kernel.root, write=write)


@pytest.mark.parametrize(
    ("monitored", "there", "says"),
    [
        (False, True, "drives monitored channels only"),
        (True, True, f"{DRIVER} did not take it; the kernel log says why"),
        (False, False, "is gone, or nobody drives it"),
    ],
)
def test_an_old_kernel_says_of_every_failed_probe_that_there_is_no_device(
    kernel: Kernel, monitored: bool, there: bool, says: str
) -> None:
    """Since Linux 5.14 the one who binds hears what the driver's probe has said."""
    kernel.add(BALLOON, DYNMEM)
    device = find(BALLOON, kernel.root)._replace(monitor=7 if monitored else None)

    def write(path: Path, text: str) -> None:
        if path.name == "bind":
            if not there:
                shutil.rmtree(kernel.bus / "devices" / BALLOON)
            raise refuse(errno.ENODEV)

    with pytest.raises(DeviceError, match=says):
        bind(device, kernel.root, write=write)


def test_a_device_that_has_gone_before_its_driver_is_unbound(kernel: Kernel) -> None:
    kernel.add(BALLOON, DYNMEM, "hv_balloon")

    def write(path: Path, text: str) -> None:
        if path.name == "unbind":
            raise refuse(errno.ENODEV)

    with pytest.raises(DeviceError, match="is gone, or nobody drives it"):
        bind(find(BALLOON, kernel.root), kernel.root, take=True, write=write)


def test_a_device_that_ours_cannot_take_goes_back_to_its_driver(kernel: Kernel) -> None:
    kernel.add(BALLOON, DYNMEM, "hv_balloon")

    def write(path: Path, text: str) -> None:
        if path.parent.name == DRIVER:
            kernel.written.append((f"drivers/{DRIVER}/{path.name}", text))
            raise refuse(524)
        kernel.write(path, text)

    with pytest.raises(DeviceError, match="this kernel's"):
        bind(find(BALLOON, kernel.root), kernel.root, take=True, write=write)
    assert kernel.written == [
        (f"devices/{BALLOON}/driver_override", DRIVER),
        ("drivers/hv_balloon/unbind", BALLOON),
        (f"drivers/{DRIVER}/bind", BALLOON),
        (f"devices/{BALLOON}/driver_override", "\n"),
        ("drivers/hv_balloon/bind", BALLOON),
    ]
    assert find(BALLOON, kernel.root).driver == "hv_balloon"


def test_a_driver_that_does_not_take_it(kernel: Kernel) -> None:
    kernel.add(BALLOON, DYNMEM)

    with pytest.raises(DeviceError, match="did not take it"):
        bind(find(BALLOON, kernel.root), kernel.root, write=lambda path, text: None)


def test_a_kernel_without_the_driver(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    kernel.add(BALLOON, DYNMEM)
    (kernel.bus / "drivers" / DRIVER).rmdir()

    with pytest.raises(DeviceError, match=f"modprobe {DRIVER}"):
        bind(find(BALLOON, kernel.root), kernel.root)


def test_the_size_of_the_rings_is_what_the_driver_says(kernel: Kernel) -> None:
    kernel.maps("uio0", "0x0000000000022000\n")
    kernel.maps("uio1", "0x1001\n")

    assert ring_size("uio0", kernel.root) == 0x11000
    with pytest.raises(DeviceError, match="no pair of rings"):
        ring_size("uio1", kernel.root)
    with pytest.raises(DeviceError, match="cannot be read"):
        ring_size("uio2", kernel.root)
