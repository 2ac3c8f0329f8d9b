"""What a report tells of the machines that were set up for a run."""

from __future__ import annotations

from kmcl_adapters import Adapter
from kmcl_lab.lab import Lab
from kmcl_reports.results import Certificate, Log, Surroundings

__all__ = ["surroundings_of", "with_surroundings"]


def surroundings_of(adapter: Adapter) -> Surroundings | None:
    """Of an adapter that has a lab, which runs or has run; None where it has none."""
    lab = getattr(adapter, "lab", None)
    if not isinstance(lab, Lab):
        return None
    account = lab.account()
    kernel, host = lab.surroundings()
    return Surroundings(
        way=account.way,
        kernel=kernel,
        host=host,
        starts=account.starts,
        retries=account.retries,
        logs=tuple(Log.of(name, data) for name, data in lab.logs()),
    )


def with_surroundings(found: Certificate, adapter: Adapter) -> Certificate:
    """The certificate, which tells of the machines as well, where there were any."""
    around = surroundings_of(adapter)
    return found if around is None else found.model_copy(update={"surroundings": around})
