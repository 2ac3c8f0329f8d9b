"""A device that comes and goes under one instance, in a tree of plain files."""

import os
from pathlib import Path
from typing import Any

import pytest

from kmcl_adapters.host.client import ClientLibrary
from kmcl_adapters.uio.bus import Offer, Opening
from kmcl_adapters.uio.device import Device
from kmcl_adapters.uio.followbus import FollowingBus
from kmcl_adapters.uio.uiobus import UioBus

INSTANCE = "1eccfd72-4b41-45ef-b73a-4a6e44c12924"


class Kernel:
    """Shows the device as sysfs does."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "sys/bus/vmbus/devices" / INSTANCE
        self.dev = root / "dev"
        self.dev.mkdir()
        device = Device(INSTANCE, "", "uio_hv_generic", "uio0")
        self.bus = FollowingBus(device, 69632, sysfs=root / "sys", dev=self.dev)

    def show(self, relid: int, node: str) -> None:
        (self.folder / "uio").mkdir(parents=True)
        (self.folder / "uio" / node).mkdir()
        (self.folder / "id").write_text(f"{relid}\n")
        os.mkfifo(self.dev / node)

    def hide(self) -> None:
        for node in (self.folder / "uio").iterdir():
            (self.dev / node.name).unlink()
            node.rmdir()
        (self.folder / "uio").rmdir()

    def look(self) -> int:
        """The id of the offer that the bus has after a moment."""
        self.bus._looked = 0.0
        offer = self.bus.offer()
        return 0 if offer is None else offer.id


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_a_device_that_is_not_there_is_no_offer(kernel: Kernel) -> None:
    assert (kernel.bus.seen(), kernel.look()) == (0, 0)
    assert kernel.bus.payload_limit == 69632 - 4096 - 8 - 16 - 8
    kernel.bus.close()


def test_every_id_is_an_offer_of_its_own_under_whatever_node(kernel: Kernel) -> None:
    kernel.show(3, "uio0")
    assert (kernel.look(), kernel.bus.node.name) == (3, "uio0")
    kernel.hide()
    assert kernel.look() == 0
    kernel.show(4, "uio7")

    assert (kernel.look(), kernel.bus.node.name) == (4, "uio7")
    kernel.bus.close()


def test_a_device_without_its_node_cannot_be_opened_yet(kernel: Kernel) -> None:
    kernel.show(3, "uio0")
    (kernel.dev / "uio0").unlink()

    assert kernel.look() == 0
    kernel.bus.close()


@pytest.mark.parametrize("lingers", [False, True])
def test_what_dies_leaves_its_channel_open_only_where_its_machine_dies(
    kernel: Kernel, lingers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[object] = []
    kernel.bus._lingers = lingers
    monkeypatch.setattr(kernel.bus, "leave", closed.append)
    link: Any = object()
    kernel.bus._link = link
    kernel.bus.die()
    assert closed == [link] * (not lingers)

    late: Any = object()
    answered = Opening(3)
    answered.link = late
    monkeypatch.setattr(UioBus, "open", lambda *_: answered)
    opening = kernel.bus.open(Offer(3, 100, None), 1, 1)

    assert (opening.link, opening.withdrawn) == (None, True)
    assert closed == [link, late] * (not lingers)
    kernel.bus._link = None
    kernel.bus.close()


def test_an_end_that_waits_for_an_open_is_at_rest(kernel: Kernel) -> None:
    library = ClientLibrary(kernel.bus)
    assert library.AtRest()
    library.monitor.running = 1
    assert not library.AtRest()
    kernel.bus.opening = 1

    assert library.AtRest()
    kernel.bus.close()


def test_what_was_not_looked_at_is_not_known(kernel: Kernel) -> None:
    assert kernel.bus.is_aware(looks=True)
    kernel.show(3, "uio0")
    assert kernel.bus.is_aware(looks=False)
    assert not kernel.bus.is_aware(looks=True)
    kernel.look()

    assert kernel.bus.is_aware(looks=True)
    kernel.bus.close()
