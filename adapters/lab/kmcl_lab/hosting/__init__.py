"""The program that is machine and VMBus host at once, and does what its control connection says.

``python3 -m kmcl_lab.hosting`` runs where KVM is: in the nested lab's outer guest, or on the
machine itself. Its streams are those of QEMU as the host, and its control connection speaks as
QEMU's monitor does, so that one lab serves both.
"""

from __future__ import annotations

__all__: list[str] = []
