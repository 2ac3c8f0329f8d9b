"""The guest's user, with the test as its kernel."""

import ctypes
import errno
import os
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from kmcl_lab import kexec
from kmcl_lab import user as module
from kmcl_lab.user import User
from kmcl_lab.vmm import shown

GUID = "00000000-0000-0000-0000-0000000000d0"


class Kernel:
    """Folders that look like sysfs, and what was called."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self.calls: list[tuple[Any, ...]] = []
        self.result = 0
        self.user = User(self.said.put, self.call)
        self.bus = root / "bus"
        self.driver = self.bus / "drivers/uio_hv_generic"
        self.modules = root / "mod"
        for folder in (self.driver, self.modules, self.bus / "devices"):
            folder.mkdir(parents=True)
        for name in ("hv_vmbus", "hv_utils", "uio_hv_generic"):
            (self.modules / f"{name}.ko").write_text(name)
        for name in ("bind", "unbind"):
            (self.driver / name).touch()
        monkeypatch.setattr(module, "_BUS", self.bus)
        monkeypatch.setattr(module, "_DRIVER", self.driver)
        monkeypatch.setattr(module, "_FOLDER", self.modules)

    def call(self, *arguments: Any) -> int:
        inserts = arguments[0] == 313
        self.calls.append((arguments[0], os.read(arguments[1], 99) if inserts else arguments[1]))
        return self.result

    def device(self, *nodes: str) -> Path:
        folder = self.bus / "devices" / GUID
        for node in nodes:
            (folder / "uio" / node).mkdir(parents=True)
        (folder / "channels/7").mkdir(parents=True)
        (folder / "id").write_text("7\n")
        (folder / "driver_override").touch()
        (folder / "channels/7/cpu").touch()
        return folder

    def make(self, do: str, *arguments: Any) -> int:
        self.user.order({"by": "u1", "do": do, "arguments": arguments})
        told = self.said.get(timeout=60)
        assert (told["by"], told["do"]) == ("u1", do)
        return int(told["errno"])


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(tmp_path, monkeypatch)


class Ended(BaseException):
    """What ``os._exit`` does in these tests."""


def test_a_mistake_of_ours_ends_the_program_and_is_no_call_that_hangs(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr("kmcl_lab.user.os._exit", end)
    with pytest.raises(Ended, match="1"):
        kernel.user._make({"by": "u1", "do": "open", "arguments": []})
    assert kernel.said.empty()


def test_the_bus_is_loaded_before_its_drivers_and_unloaded_after_them(kernel: Kernel) -> None:
    assert [kernel.make("load"), kernel.make("unload")] == [0, 0]

    names = [b"hv_vmbus", b"hv_utils", b"uio_hv_generic"]
    assert kernel.calls == [(313, n) for n in names] + [(176, n) for n in reversed(names)]


def test_a_failure_of_the_kernel_is_told_by_its_number(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.result = -1
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.ETIMEDOUT)

    assert kernel.make("load") == errno.ETIMEDOUT
    assert len(kernel.calls) == 1


def test_a_device_is_given_to_the_driver_and_taken_away(kernel: Kernel) -> None:
    folder = kernel.device()

    assert [kernel.make("bind", GUID), kernel.make("unbind", GUID)] == [0, 0]
    assert (folder / "driver_override").read_text() == "uio_hv_generic"
    assert [(kernel.driver / name).read_text() for name in ("bind", "unbind")] == [GUID, GUID]


def test_a_device_that_is_not_there_or_not_bound_is_none(kernel: Kernel) -> None:
    missing = [kernel.make(do, GUID) for do in ("bind", "open")]
    kernel.device()

    assert [*missing, kernel.make("open", GUID)] == [errno.ENODEV] * 3


def test_the_newest_descriptor_is_used_and_closed_first(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.device("uio0")
    opened = iter((50, 51))
    written: list[tuple[int, bytes]] = []
    closed: list[int] = []
    monkeypatch.setattr(os, "open", lambda path, flags: next(opened))
    monkeypatch.setattr(os, "write", lambda *arguments: written.append(arguments))
    monkeypatch.setattr(os, "close", closed.append)
    done = [kernel.make(do, GUID) for do in ("open", "open", "notify", "close", "close")]

    assert done == [0] * 5
    assert (written, closed) == ([(51, b"\1\0\0\0")], [51, 50])
    assert kernel.make("close", GUID) == errno.EBADF


def test_interrupts_of_the_primary_channel_are_moved(kernel: Kernel) -> None:
    folder = kernel.device()

    assert kernel.make("move", GUID, 1) == 0
    assert (folder / "channels/7/cpu").read_text() == "1"


def test_another_kernel_is_loaded_and_then_started(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(kexec, "prepare", lambda call: done.append("loaded"))
    monkeypatch.setattr(kexec, "leap", lambda call: done.append("started"))

    assert (kernel.make("kexec"), done) == (0, ["loaded", "started"])


def test_a_machine_that_shows_nothing_has_no_other_kernel(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(shown.SIZES, raising=False)

    assert (kernel.make("kexec"), kernel.calls) == (errno.ENODEV, [])
