"""A small x86-64 machine on KVM that a test can hold, save and take back to an earlier moment.

Nothing but ``/dev/kvm`` and Python's standard library: direct boot of Linux, a hardware-reduced
ACPI platform, two serial ports' worth of console, one virtio console port, and the identity and
synthetic interrupt controller (SynIC) of Hyper-V. What Hyper-V does with hypercalls is left to
whoever owns the machine: a VMBus host. From the bottom upwards: ``kvm`` (calls), ``cpuid``,
``acpi`` and ``linux`` (what a guest finds at its start), ``serial`` and ``virtio`` (devices),
``vcpu``, ``machine`` and ``state`` (saving and going back).
"""

from __future__ import annotations

__all__: list[str] = []
