"""What the client says of a device that it cannot have, or that is not as usual."""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kmcl_adapters.interface import AdapterError
from kmcl_adapters.uio.bus import Offer
from kmcl_adapters.uio.descriptor import Kind, encode
from kmcl_adapters.uio.device import DeviceError
from kmcl_adapters.uio.monitorpage import MonitorBit
from kmcl_adapters.uio.refusing import UioLibrary
from kmcl_adapters.uio.serving import UioAdapter
from kmcl_model.api import STATE_CHANGE_CALLBACKS
from kmcl_model.status import STATUS_UNSUCCESSFUL
from kmcl_model.stimuli import Invoke, Settle
from played import Host, Talk, adapter_of, is_unmasked


def test_an_open_that_the_host_refuses_is_a_pnp_failure(host: Host, talk: Talk) -> None:
    talk.invoke("VmbChannelAllocate", False)
    talk.invoke("VmbClientChannelInitSetTargetPnp", "type", None, True)
    talk.invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS)

    def refuse() -> mmap.mmap:
        raise OSError(errno.EAGAIN, "refused")

    host.open = refuse  # type: ignore[method-assign]
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == ["PnpFailure"]
    talk.invoke("VmbChannelDisable")
    assert talk.handlers() == []


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.EACCES, "Permission denied: run as root"),
        (errno.EAGAIN, "the host refuses to open the channel"),
        (errno.EDQUOT, "the host refuses the memory of the rings"),
        (errno.EINVAL, "its driver was unbound while the channel was open; restart the guest"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_why_a_device_could_not_be_opened_is_said(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
    says: str,
) -> None:
    adapter = adapter_of(host)
    session, open_file = adapter.open(), os.open

    def refuse(path: Any, *rest: Any) -> int:
        if path == host.node:
            raise OSError(code, "refused")
        return open_file(path, *rest)

    monkeypatch.setattr(os, "open", refuse)
    for function, arguments in (("VmbChannelAllocate", (False,)), ("VmbChannelEnable", ())):
        session.apply(Invoke("invoke", "client", "t0", function, arguments))
    session.apply(Settle("settle"))
    library = session._implementation
    session.close()

    assert isinstance(library, UioLibrary)
    assert library.channel is not None
    assert library.channel.error.endswith(says)
    assert capsys.readouterr().err == f"uio:{library.channel.error}\n"


def test_a_device_that_may_not_be_opened_is_refused_before_anybody_opens_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != host.node)

    with pytest.raises(AdapterError, match="uio0: no permission; run as root"):
        adapter_of(host)
    assert host.story == []


def test_the_adapter_says_which_kernel_and_which_host_it_has_met(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(sysname="Linux", release="6.12.117"))
    adapter = adapter_of(host)
    assert adapter.describe().surroundings == ("Linux 6.12.117", "a host that no firmware names")

    tables = host.root / "sys/firmware/acpi/tables"
    tables.mkdir(parents=True)
    (tables / "FACP").write_bytes(b"FACP\x14\x01\0\0\x06\0KMCL  KMCLLAB \x01\0\0\0KMCL\x01\0\0\0")
    maker = "a host whose firmware is of KMCL KMCLLAB"
    assert adapter.describe().surroundings == ("Linux 6.12.117", maker)

    firmware = host.root / "sys/class/dmi/id"
    firmware.mkdir(parents=True)
    (firmware / "sys_vendor").write_text("QEMU\n")
    (firmware / "product_version").write_text("pc-q35-10.0\n")
    assert adapter.describe().surroundings == ("Linux 6.12.117", "QEMU pc-q35-10.0")


def test_a_session_finds_its_device_where_it_is_now(host: Host) -> None:
    """It was taken back and offered again, and another device has got its node."""
    adapter = adapter_of(host)
    before = adapter.device
    nodes = host.root / "sys/bus/vmbus/devices" / before.instance / "uio"
    assert before.uio is not None
    (nodes / before.uio).rename(nodes / "uio7")
    shown = host.root / "sys/class/uio"
    (shown / before.uio).rename(shown / "uio7")

    adapter.open().close()

    assert adapter.device == before._replace(uio="uio7")


def test_the_adapter_tells_what_only_the_safety_net_has_noticed(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.masks_at_open = host.masks_at_interrupt = True
    adapter = adapter_of(host)
    assert adapter.tally() == {"times only the safety net noticed what had come": 0}
    talk = Talk(host)
    talk.session = session = adapter.open()
    assert isinstance(session._implementation, UioLibrary)
    talk.library = session._implementation
    talk.open()
    host.interrupt()
    assert is_unmasked(talk)
    assert host.outgoing.put(encode(Kind.IN_BAND, 7, b"request!"))
    assert host.outgoing.publish()  # and the host forgets to signal
    handlers = next(filter(None, (talk.handlers() for _ in range(50))))
    assert handlers == ["ProcessPacket", "ProcessingComplete"]
    session.close()

    assert adapter.tally() == {
        "times only the safety net noticed what had come": 1,
        "sessions in which the driver masked signals at the open": 1,
        "times the driver was found to have masked signals again": 1,
    }
    adapter.open().close()
    assert adapter.tally()["times only the safety net noticed what had come"] == 1
    adapter.close()
    told = "; ".join(f"{count} {words}" for words, count in adapter.tally().items())
    assert capsys.readouterr().err == f"uio:{told}\n"


def test_a_device_that_comes_later_is_opened_then(host: Host, talk: Talk) -> None:
    host.node.rename(host.root / "away")
    talk.invoke("VmbChannelAllocate", False)
    talk.invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS)
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == []
    (host.root / "away").rename(host.node)
    handlers = next(filter(None, (talk.handlers() for _ in range(50))))
    assert handlers == ["Opened", "Started", "PostStarted"]


def test_a_device_that_nobody_drives_is_refused(host: Host) -> None:
    with pytest.raises(DeviceError, match="not bound"):
        host.bus(host.device._replace(uio=None))


def test_pages_of_another_size_are_refused(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header of a ring takes a whole page of the kernel's."""
    monkeypatch.setattr(mmap, "PAGESIZE", 65536)

    with pytest.raises(DeviceError, match="pages have 65536 bytes"):
        host.bus(host.device)


def test_a_monitored_channel_needs_a_processor_with_known_locked_instructions(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")

    with pytest.raises(DeviceError, match="known for x86_64, not riscv64; use a channel that is"):
        host.bus(host.device._replace(monitor=3))


def test_the_host_of_a_monitored_channel_is_signalled_by_its_bit(host: Host, talk: Talk) -> None:
    host.be_monitored(37)
    others = host.pending(1)[0] = 1 << 3  # of another channel, and it stays
    talk.open()
    talk.send("p0", b"question")
    talk.rest()

    assert [payload for _, _, payload in host.receive()] == [b"question"]
    assert [host.pending(group)[0] for group in range(4)] == [0, others | 1 << 37 % 32, 0, 0]


def test_a_monitor_page_that_cannot_be_mapped_leaves_nothing_mapped(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.be_monitored(37)
    bus = host.bus(host.device)
    guests: list[mmap.mmap] = []
    open_host = host.open

    def keep() -> mmap.mmap:
        guests.append(open_host())
        return guests[-1]

    monkeypatch.setattr(host, "open", keep)
    monkeypatch.setattr(host, "map_monitor", lambda: os.open(host.root / "no page", os.O_RDWR))
    opening = bus.open(Offer(1, 0, None), 0, 0)

    assert (opening.link, opening.failure) == (None, STATUS_UNSUCCESSFUL)
    assert [mapped.closed for mapped in guests] == [True]
    bus.close()


def test_a_bit_that_was_released_is_set_no_more(host: Host) -> None:
    host.be_monitored(0)
    bit = MonitorBit(host.map_monitor(), 0)
    bit.release()
    bit.set()

    assert host.pending(0)[0] == 0


def test_the_adapter_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="no guest with a VMBus"):
        UioAdapter("dynmem", sysfs=tmp_path)
