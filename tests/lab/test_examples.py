"""The example of the host by itself: on scripted drivers, and on a real one where that is asked
for."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest

from kmcl_adapters.host import ScriptedGuest
from kmcl_lab.hosting.commands import HostCommands
from kmcl_lab.images import Images

FILE = Path(__file__).parents[2] / "adapters/lab/examples/taken_back.py"


@pytest.fixture
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("taken_back", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Driver:
    """A driver without a machine: what comes is handled after each command of the host."""

    def __init__(self) -> None:
        self.guest = ScriptedGuest()
        self.offered: dict[str, int] = {}
        self.handles = iter(range(900, 910))
        self.commands = HostCommands(Mock(host=self.guest.host)).table()
        self.guest.connect()

    def ask(self, command: str, **arguments: Any) -> Any:
        now = {"within": 0} if command == "wait-for" else {}
        answer = self.commands[command](**arguments, **now)
        for message in self.guest.read_all():
            if message.name == "OFFERCHANNEL":
                self.offered[message.fields["if_instance"]] = message.fields["child_relid"]
            elif message.name == "RESCIND_CHANNELOFFER":
                self.rescinded(message.fields["child_relid"])
        return answer

    def rescinded(self, relid: int) -> None:
        self.guest.post("RELID_RELEASED", child_relid=relid)

    def use(self, instance: str) -> None:
        self.guest.open(self.offered[instance], next(self.handles))


class WaitsForItsAnswer(Driver):
    """Whoever opens a channel has a lock until the answer is there, and a rescind wants it."""

    def rescinded(self, relid: int) -> None:
        pass


class ForgetsItsDevice(Driver):
    """A device that was open has gone for good."""

    def use(self, instance: str) -> None:
        if next(self.handles) == 900:
            self.guest.open(self.offered[instance])


class KnowsInstancesForever(Driver):
    """The second offer of an instance is taken for the first."""

    def ask(self, command: str, **arguments: Any) -> Any:
        known = dict(self.offered)
        answer = super().ask(command, **arguments)
        self.offered |= known
        return answer


def test_a_driver_that_lets_go_and_comes_back_is_sound(example: ModuleType) -> None:
    driver = Driver()

    assert example.is_taken_back(driver.ask, driver.use) == [
        "OPENCHANNEL",
        "RELID_RELEASED",
        "GPADL_HEADER",
        "OPENCHANNEL",
    ]


@pytest.mark.parametrize(
    ("make", "missing"),
    [
        (WaitsForItsAnswer, "RELID_RELEASED"),
        (ForgetsItsDevice, "OPENCHANNEL_RESULT"),
        (KnowsInstancesForever, "OPENCHANNEL_RESULT"),
    ],
)
def test_a_driver_that_does_not_is_found(
    example: ModuleType, make: type[Driver], missing: str
) -> None:
    driver = make()
    with pytest.raises(TimeoutError, match=f"^{missing} .* did not come"):
        example.is_taken_back(driver.ask, driver.use)


def test_the_example_is_short() -> None:
    assert len(FILE.read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.lab
def test_linux_lets_go_and_comes_back(example: ModuleType, images: Images, tmp_path: Path) -> None:
    said = example.run(images, tmp_path)

    assert said.count("OPENCHANNEL") == 2
    assert said.index("RELID_RELEASED") < len(said) - 1 - said[::-1].index("OPENCHANNEL")
