"""The driver is unbound while its channel is open: what nobody should do, done on purpose.

The endpoint must take it like a host that has left: its packets end once each, it closes, and it
touches nothing any more. What the kernel keeps of such a channel is another question, so the
guest is started afresh afterwards. Only where ``--provoke`` asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from kmcl_adapters import Adapter, Description, Session
from kmcl_adapters.uio.device import DRIVER
from kmcl_model.events import Event
from kmcl_model.stimuli import Invoke, Settle, Stimulus

from .adapter import LabAdapter
from .lab import Lab
from .problem import LabProblem

__all__ = ["MARK", "Provoking", "kernel_complaints", "provoked", "provoking"]

MARK: Final = Settle("settle")
"""This very rest is asked for as soon as the driver is unbound."""
_COMPLAINTS: Final = "WARNING: CPU|BUG: |Oops|general protection|refcount_t: "


def provoked(stimuli: Sequence[Stimulus]) -> tuple[Stimulus, ...] | None:
    """The same conversation with the driver unbound just before the client's first Disable; None
    where it makes none."""
    for place, stimulus in enumerate(stimuli):
        if isinstance(stimulus, Invoke) and stimulus.function == "VmbChannelDisable":
            return (*stimuli[:place], MARK, *stimuli[place:])
    return None


class _Session:
    """Unbinds before it asks for that rest."""

    def __init__(self, session: Session, unbind: Callable[[], None]) -> None:
        self._session = session
        self._unbind = unbind
        self.runnable, self.take, self.close = session.runnable, session.take, session.close

    def apply(self, stimulus: Stimulus) -> None:
        """See ``kmcl_adapters.interface``."""
        if stimulus is MARK:
            self._unbind()
        self._session.apply(stimulus)

    runnable: Callable[[], int]
    take: Callable[[], list[Event]]
    close: Callable[[], None]


class Provoking:
    """An adapter whose driver ``unbind`` takes the device from, where a conversation has the
    mark."""

    def __init__(self, adapter: Adapter, unbind: Callable[[], None]) -> None:
        self._adapter = adapter
        self._unbind = unbind

    def describe(self) -> Description:
        """As the adapter does."""
        return self._adapter.describe()

    def open(self) -> Session:
        """See ``kmcl_adapters.interface``."""
        return _Session(self._adapter.open(), self._unbind)

    def close(self) -> None:
        """See ``kmcl_adapters.interface``."""
        self._adapter.close()


def provoking(lab: Lab) -> Provoking:
    """The endpoint in the guest of a running lab, whose host is QEMU. Raises LabProblem."""
    return Provoking(LabAdapter(lab, is_guest=True), lambda: _unbind(lab))


def _unbind(lab: Lab) -> None:
    """Every device that the driver has. Raises LabProblem where it has none."""
    folder = f"/sys/bus/vmbus/drivers/{DRIVER}"
    script = f"cd {folder} && for d in *-*-*-*-*; do echo $d > unbind || exit 1; echo $d; done"
    done = lab.guest.run(["sh", "-c", script])
    if done.code or not done.output:
        words = done.errors.decode("utf-8", "replace").strip()
        raise LabProblem(f"{folder}/unbind: {words or 'the driver has no device'}")


def kernel_complaints(lab: Lab) -> list[str]:
    """What the guest's kernel has found wrong with itself, line by line."""
    done = lab.guest.run(["sh", "-c", f"dmesg | grep -E '{_COMPLAINTS}'"])
    return done.output.decode("utf-8", "replace").splitlines()
