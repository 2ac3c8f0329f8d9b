"""Which way the lab can go on this machine: on its own KVM, or nested under emulation."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Choice", "Facts", "choose", "look"]

_KVM_GET_API_VERSION: Final = 0xAE00
_KVM_CREATE_VM: Final = 0xAE01
_KVM_CHECK_EXTENSION: Final = 0xAE03
_API_VERSION: Final = 12
_WANTED: Final = {"HYPERV": 44, "HYPERV_SYNIC": 123, "HYPERV_SYNIC2": 148}
"""Numbers of KVM's capabilities, from the kernel's ``include/uapi/linux/kvm.h``."""


class Facts(NamedTuple):
    """What was found out about the machine's KVM.

    ``problem`` says why it cannot be opened (empty: it can); ``machine`` whether it makes virtual
    machines; ``missing`` which Hyper-V interfaces it does not have; ``processor`` the vendor and
    its virtualisation flag, for people.
    """

    problem: str
    machine: bool
    missing: tuple[str, ...]
    processor: str


class Choice(NamedTuple):
    """The way to go, and why, in one line."""

    nested: bool
    why: str


def choose(facts: Facts) -> Choice:
    """Direct where KVM offers all that the VMBus host needs, else nested."""
    if facts.problem:
        return Choice(True, f"nested under emulation: {facts.problem}")
    if facts.missing:
        words = ", ".join(facts.missing)
        return Choice(True, f"nested under emulation: this KVM has no {words} ({facts.processor})")
    if not facts.machine:
        why = f"KVM cannot make a virtual machine here ({facts.processor})"
        return Choice(True, f"nested under emulation: {why}")
    return Choice(False, f"direct: KVM with the Hyper-V interfaces ({facts.processor})")


def look(device: Path = Path("/dev/kvm"), processor: Path = Path("/proc/cpuinfo")) -> Facts:
    """Ask KVM itself; what it promises by being there is not enough."""
    described = _describe(processor)
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return Facts(f"{device}: {error.strerror}", False, (), described)
    try:
        if fcntl.ioctl(descriptor, _KVM_GET_API_VERSION, 0) != _API_VERSION:
            return Facts(f"{device} speaks an unknown version", False, (), described)
        missing = tuple(
            name
            for name, number in _WANTED.items()
            if fcntl.ioctl(descriptor, _KVM_CHECK_EXTENSION, number) <= 0
        )
        try:
            os.close(fcntl.ioctl(descriptor, _KVM_CREATE_VM, 0))
        except OSError:
            return Facts("", False, missing, described)
        return Facts("", True, missing, described)
    except OSError as error:
        return Facts(f"{device} is no KVM: {error.strerror}", False, (), described)
    finally:
        os.close(descriptor)


def _describe(path: Path) -> str:
    """``AMD with svm``, ``Intel without vmx``, from the processor's description."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return "processor unknown"
    words = text.split()
    for vendor, name, flag in (("AuthenticAMD", "AMD", "svm"), ("GenuineIntel", "Intel", "vmx")):
        if vendor in words:
            return f"{name} {'with' if flag in words else 'without'} {flag}"
    return "another processor"
