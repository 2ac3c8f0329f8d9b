"""What a report tells of where an implementation ran."""

from __future__ import annotations

from kmcl_adapters import Adapter, AdapterError, Tallying
from kmcl_lab.lab import Lab
from kmcl_reports.results import Certificate, Log, Surroundings

__all__ = ["surroundings_of", "with_surroundings"]


def surroundings_of(adapter: Adapter) -> Surroundings | None:
    """The machines of an adapter that has a lab, which runs or has run; of any other what it tells
    by itself: a kernel, a host, then whatever else. With either what it has counted; None where
    nothing is known."""
    tally = dict(adapter.tally()) if isinstance(adapter, Tallying) else {}
    lab = getattr(adapter, "lab", None)
    if isinstance(lab, Lab):
        account = lab.account()
        kernel, host = lab.surroundings()
        return Surroundings(
            way=account.way,
            kernel=kernel,
            host=host,
            tally=tally,
            starts=account.starts,
            retries=account.retries,
            logs=tuple(Log.of(name, data) for name, data in lab.logs()),
        )
    try:
        told = adapter.describe().surroundings
    except AdapterError:  # it has gone since; what was found counts all the same
        told = ()
    if not told and not tally:
        return None
    words = iter(told)
    return Surroundings(
        kernel=next(words, None), host=next(words, None), others=tuple(words), tally=tally
    )


def with_surroundings(found: Certificate, adapter: Adapter) -> Certificate:
    """The certificate, which tells of the surroundings as well, where anything is known."""
    around = surroundings_of(adapter)
    return found if around is None else found.model_copy(update={"surroundings": around})
