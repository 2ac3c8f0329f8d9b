"""A device is given to the driver and waited for; a folder plays the guest's /sys and /dev."""

import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from kmcl_lab.binding import bind, script
from kmcl_lab.channel import Outcome
from kmcl_lab.problem import LabProblem

CLASS = "1Eccfd72-4b41-45ef-b73a-4a6e44c12924"
OTHER = "525074dc-8985-46e2-8057-a307dc18a502"
ONE, TWO = (f"00000000-0000-0000-0000-00000000000{n}" for n in (1, 2))


class Guest:
    """Its folder, and a shell over it; ``runs`` are the scripts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.id = root / "sys/bus/vmbus/drivers/uio_hv_generic/new_id"
        self.id.parent.mkdir(parents=True)
        (root / "dev").mkdir()

    def offer(self, instance: str, device_class: str = CLASS) -> Path:
        device = self.root / "sys/bus/vmbus/devices" / instance
        device.mkdir(parents=True)
        (device / "class_id").write_text(f"{{{device_class.lower()}}}\n")
        return device

    def take(self, instance: str, node: str, device_class: str = CLASS) -> None:
        """The driver has it; the node is there as well."""
        (self.offer(instance, device_class) / "uio" / node).mkdir(parents=True)
        (self.root / "dev" / node).touch()

    def start(self, instance: str = "", seconds: float = 20) -> "subprocess.Popen[str]":
        text = script(CLASS, instance, seconds=seconds, root=str(self.root))
        return subprocess.Popen(["sh", "-c", text], stdout=subprocess.PIPE, text=True)

    def run(self, argv: list[str]) -> Outcome:
        done = subprocess.run(argv, capture_output=True, check=False)
        return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path)


def found(process: "subprocess.Popen[str]") -> tuple[str, int]:
    said, _ = process.communicate(timeout=30)
    return said.strip(), process.returncode


def test_the_driver_hears_of_the_class_and_the_node_is_told(guest: Guest) -> None:
    guest.take(TWO, "uio3")

    assert found(guest.start()) == ("/dev/uio3", 0)
    assert guest.id.read_text() == f"{CLASS.lower()}\n"


def test_a_device_of_another_class_is_none(guest: Guest) -> None:
    guest.take(ONE, "uio0", OTHER)
    guest.take(TWO, "uio1")

    assert found(guest.start()) == ("/dev/uio1", 0)


def test_the_very_instance_is_found_among_several(guest: Guest) -> None:
    guest.take(ONE, "uio0")
    guest.take(TWO, "uio1")

    assert found(guest.start(TWO)) == ("/dev/uio1", 0)


def test_what_comes_late_is_waited_for_up_to_its_node(guest: Guest) -> None:
    device = guest.offer(ONE)
    process = guest.start()
    (device / "uio/uio0").mkdir(parents=True)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)
    (guest.root / "dev/uio0").touch()

    assert found(process) == ("/dev/uio0", 0)


def test_a_device_that_never_comes_is_given_up(guest: Guest) -> None:
    guest.take(ONE, "uio0", OTHER)

    assert found(guest.start(seconds=0.1)) == ("", 1)


def test_the_lab_says_which_device_there_is_not(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*wanted: str) -> str:
        return script(*wanted, seconds=0, root=str(guest.root))

    monkeypatch.setattr("kmcl_lab.binding.script", short)
    with pytest.raises(LabProblem, match=f"^no VMBus device of class {CLASS} in the guest"):
        bind(cast(Any, guest), CLASS)
    with pytest.raises(LabProblem, match=f"^no VMBus device of instance {ONE} in the guest"):
        bind(cast(Any, guest), CLASS, ONE)
    guest.take(ONE, "uio0")

    assert bind(cast(Any, guest), CLASS, ONE) == "/dev/uio0"
