"""What a report tells of the machines that were set up for a run."""

from __future__ import annotations

from kmcl_adapters import Adapter
from kmcl_lab.lab import Lab
from kmcl_lab.machine import HostKind
from kmcl_reports.results import Log, Surroundings

__all__ = ["surroundings_of"]


def surroundings_of(adapter: Adapter) -> Surroundings | None:
    """Of an adapter that has a lab, which runs or has run; None where it has none."""
    lab = getattr(adapter, "lab", None)
    if not isinstance(lab, Lab):
        return None
    account = lab.account()
    return Surroundings(
        way=account.way,
        kernel=f"Linux {account.kernel}",
        host=f"QEMU {account.qemu}" if lab.host == HostKind.QEMU else account.qemu,
        starts=account.starts,
        retries=account.retries,
        logs=tuple(Log.of(name, data) for name, data in lab.logs()),
    )
