"""One end of a channel between host and guest, as both sides play it: stamped events.

**The order of events.** The guest reads the time-stamp counter of the very processor that its host
reads, plus an offset that the hypervisor gives it and KVM tells (``KVM_VCPU_TSC_OFFSET``). The host
adds that offset to its own readings, so both ends stamp with one clock: no message, no agreement
and no waiting is needed for it. Neither side scales the counter. Each time is taken inside the
interval in which its event happened (``uio.stamps``), so the merged order is one in which the
events can have happened. It holds on one machine whose processors' counters agree, as those do on
which KVM itself relies; ``kmcl_lab.both`` checks it at every start by asking one end between two
readings of the other.

**Rest.** Neither end can know it exactly. An end is at rest when nothing has happened to it for a
while and none of its threads runs; both are when they were so at the same time, the host has sent
and seen nothing meanwhile, and the guest has drawn the consequences of the last offer or rescind:
it sees the channel that is offered, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kmcl_adapters.driver import ThreadedSession
from kmcl_adapters.uio.library import Library
from kmcl_adapters.uio.stamps import Recorder
from kmcl_model.plain import event_record, stimulus_of
from kmcl_model.stimuli import Settle

__all__ = ["IDLE_SECONDS", "MASK", "StampedEnd"]

IDLE_SECONDS: Final = 0.12
"""Everything may be emulated twice; a wake-up takes some milliseconds then."""
MASK: Final = (1 << 64) - 1
_LIMIT: Final = 8.0


class StampedEnd:
    """``make`` gives a fresh library, ``clock`` the shared time; ``traffic`` the figures by which
    somebody who asks both ends knows that nothing is on its way. Answers can be written as JSON."""

    def __init__(
        self,
        make: Callable[[], Library],
        clock: Callable[[], int],
        traffic: Callable[[], tuple[int, ...]],
    ) -> None:
        self._make = make
        self._clock = clock
        self._traffic = traffic
        self._session: ThreadedSession | None = None
        self._recorder = Recorder(clock)

    def request(self, do: str, stimulus: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """``open`` a fresh end, ``apply`` a stimulus, let it come to rest (``settle``), ``close``
        it, or tell the ``time``. Raises ValueError for anything else."""
        match do:
            case "time":
                return {"until": self._clock()}
            case "open":
                self.close()
                self._recorder = Recorder(self._clock)
                library = self._make()
                self._session = ThreadedSession(
                    library,
                    on_event=self._recorder,
                    on_close=library.Reset,
                    idle_seconds=IDLE_SECONDS,
                    limit=_LIMIT,
                )
            case "close":
                self.close()
            case "apply" | "settle":
                if self._session is None:
                    raise ValueError("there is no session")
                if do == "settle":
                    self._session.apply(Settle("settle"))
                elif stimulus is not None:
                    self._session.apply(stimulus_of(stimulus))
            case _:
                raise ValueError(f"nothing known as {do!r}")
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        traffic = (self._recorder.count, *self._traffic())
        events, until = self._recorder.drain()
        records = [[stamp, event_record(event)] for stamp, event in events]
        return {"events": records, "until": until, "traffic": traffic}

    def close(self) -> None:
        """Give the session back; idempotent."""
        if self._session is not None:
            self._session.close()
            self._session = None
