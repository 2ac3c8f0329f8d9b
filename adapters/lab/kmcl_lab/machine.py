"""The command lines of the virtual machines.

The *inner* machine is QEMU as the VMBus host: its bridge, its Dynamic Memory device, and the
Hyper-V interfaces that only KVM gives a guest; or it is our own, ``kmcl_lab.hosting``. Where the
machine at hand has no such KVM, an *outer* machine under emulation has it: an AMD processor with
SVM, on which the inner one runs. Either way the lab gets the same four streams.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from kmcl_adapters.host.channel import TEST_CLASS

__all__ = [
    "EMULATOR",
    "STREAMS",
    "HostKind",
    "hosting_command",
    "inner_command",
    "outer_command",
    "shell_command",
    "with_options",
]

EMULATOR: Final = "/usr/bin/qemu-system-x86_64"
"""QEMU, of the machine and in the outer guest."""
STREAMS: Final = ("guest", "monitor", "console", "host")
"""The agent in the inner guest, the inner machine's monitor (QMP), the inner guest's console, and
what the host says: the outer guest's console, or the emulator's standard error."""


class HostKind(StrEnum):
    """Who is the VMBus host."""

    QEMU = "qemu"
    """Its bridge and its Dynamic Memory device, which cannot be steered."""
    PROGRAMMABLE = "programmable"
    """Ours: ``kmcl_lab.hosting``."""


_INNER_MEMORY: Final = 512  # MiB
_OUTER_MEMORY: Final = 2048
# With KVM's own leaves shown, Linux prefers them and never starts VMBus: kvm=off.
_PROCESSOR: Final = (
    "host,kvm=off,hv-relaxed,hv-vpindex,hv-time,hv-synic,hv-runtime,hv-stimer,hv-vapic,hv-reset,"
    "hv-frequencies"
)
_BARE: Final = ("-machine", "q35", "-nodefaults", "-no-user-config", "-display", "none")
# A panicked guest stays as it is: the monitor can still look at it.
_INNER_KERNEL: Final = "console=ttyS0 quiet panic=0 oops=panic"
# QEMU's emulated SVM can lose a timer interrupt at a nested exit; with a periodic tick the next
# one wakes the guest, with a one-shot timer it would sleep for ever. Nobody but us runs there, and
# what is done against attackers is dear where every return of a function is emulated. Large pages
# are for the inner guest's memory, which asks for them: given unasked, they look like a leak.
_OUTER_KERNEL: Final = (
    "console=ttyS0 quiet panic=-1 nohz=off highres=off mitigations=off transparent_hugepage=madvise"
)


def inner_command(
    kernel: Path,
    image: Path,
    *,
    nested: bool,
    descriptors: Mapping[str, int] | None = None,
) -> list[str]:
    """QEMU as the VMBus host. Nested, its streams are virtio ports of the outer guest; otherwise
    sockets that it inherits, by number."""
    command = [EMULATOR, "-enable-kvm", "-m", str(_INNER_MEMORY), "-smp", "1", *_BARE]
    if nested:
        command += ["-L", "/usr/share/qemu"]
    for stream in ("guest", "monitor", "console"):
        if nested:
            back_end = f"pipe,id={stream},path=/ports/kmcl.{stream}"
        else:
            assert descriptors is not None
            back_end = f"socket,id={stream},fd={descriptors[stream]}"
        command += ["-chardev", back_end]
    command += ["-mon", "chardev=monitor,mode=control", "-serial", "chardev:console"]
    command += ["-device", "virtio-serial-pci"]
    command += ["-device", "virtserialport,chardev=guest,name=kmcl.guest"]
    command += ["-cpu", _PROCESSOR]
    command += ["-device", "vmbus-bridge", "-device", "hv-balloon,id=balloon"]
    return [*command, "-kernel", str(kernel), "-initrd", str(image), "-append", _INNER_KERNEL]


def hosting_command(
    kernel: Path,
    image: Path,
    *,
    nested: bool,
    descriptors: Mapping[str, int] | None = None,
) -> list[str]:
    """Our own machine and VMBus host; it offers one device of our test class. Its streams are as
    for ``inner_command``."""
    python = "/usr/bin/python3" if nested else sys.executable
    command = [python, "-u", "-m", "kmcl_lab.hosting", "--memory", str(_INNER_MEMORY)]
    command += ["--kernel", str(kernel), "--initrd", str(image), "--offer", TEST_CLASS]
    for stream in ("guest", "monitor", "console"):
        if nested:
            place = f"/ports/kmcl.{stream}"
        else:
            assert descriptors is not None
            place = str(descriptors[stream])
        command += [f"--{stream}", place]
    return command


def with_options(command: Sequence[str], options: Sequence[str]) -> list[str]:
    """An outer machine's command with more options of our own VMBus host: the outer guest's first
    program finds them among its variables."""
    if not options:
        return list(command)
    *rest, kernels = command
    return [*rest, f'{kernels} kmcl_hosting="{" ".join(options)}"']


def outer_command(kernel: Path, image: Path, descriptors: Mapping[str, int]) -> list[str]:
    """QEMU emulating a machine that can run virtual machines; its streams are sockets that it
    inherits. ``supervisor`` is its own monitor."""
    command = [EMULATOR, "-accel", "tcg,thread=multi", "-cpu", "EPYC,+svm,+npt", "-smp", "1"]
    command += ["-m", str(_OUTER_MEMORY), *_BARE, "-no-reboot"]
    for stream, number in descriptors.items():
        command += ["-chardev", f"socket,id={stream},fd={number}"]
    command += ["-mon", "chardev=supervisor,mode=control", "-serial", "chardev:host"]
    command += ["-device", "virtio-serial-pci"]
    for stream in ("guest", "monitor", "console"):
        command += ["-device", f"virtserialport,chardev={stream},name=kmcl.{stream}"]
    return [*command, "-kernel", str(kernel), "-initrd", str(image), "-append", _OUTER_KERNEL]


def shell_command(command: Sequence[str]) -> str:
    """The command as a line for a shell."""
    return shlex.join(command)
