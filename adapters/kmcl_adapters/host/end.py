"""One end of a channel between host and guest, as both sides play it: stamped events.

**The order of events.** The guest reads the time-stamp counter of the very processor that its host
reads, plus an offset that the hypervisor gives it and KVM tells (``KVM_VCPU_TSC_OFFSET``). The host
adds that offset to its own readings, so both ends stamp with one clock: no message, no agreement
and no waiting is needed for it. Neither side scales the counter. Each time is taken inside the
interval in which its event happened (``uio.stamps``), so the merged order is one in which the
events can have happened. It holds on one machine whose processors' counters agree, as those do on
which KVM itself relies; ``kmcl_lab.both`` checks it at every start by asking one end between two
readings of the other.

**Rest.** Neither end can know it, but the machine can: a guest whose processors are halted, and
that has taken its messages, does nothing until a timer wakes it or its host does something. So the
host looks several times, some milliseconds apart, until at each look the guest was halted, and no
call, handler or thread of the server's end was on its way, and nothing has happened between two
looks. Then the client is asked: it must be idle, too, have seen nothing since, and have drawn the
consequences of the last offer or rescind: it sees the channel that is offered, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kmcl_adapters.driver import ThreadedSession
from kmcl_adapters.uio.overbus import OverBus
from kmcl_adapters.uio.stamps import Recorder
from kmcl_model.events import Environment
from kmcl_model.plain import event_record, stimulus_of
from kmcl_model.stimuli import Environ, Stimulus

__all__ = ["MASK", "StampedEnd"]

MASK: Final = (1 << 64) - 1


class StampedEnd:
    """``make`` gives a fresh library, ``clock`` the shared time; ``traffic`` the figures by which
    somebody who asks both ends knows that nothing is on its way. Answers can be written as JSON."""

    def __init__(
        self,
        make: Callable[[], OverBus],
        clock: Callable[[], int],
        traffic: Callable[[], tuple[int, ...]],
    ) -> None:
        self._make = make
        self._clock = clock
        self._traffic = traffic
        self._session: ThreadedSession | None = None
        self._library: OverBus | None = None
        self._recorder = Recorder(clock)

    def request(self, do: str, stimulus: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """``open`` a fresh end, ``apply`` a stimulus or none, ``resume`` the signals that were held
        back, ``close`` it, or tell the ``time``. What a world that has the other end in its hands
        does to it may be applied here, too. Raises ValueError for anything else."""
        match do:
            case "time":
                return {"until": self._clock()}
            case "open":
                self.close()
                self._recorder = Recorder(self._clock)
                library = self._library = self._make()
                self._session = ThreadedSession(
                    library, on_event=self._recorder, on_close=library.Reset
                )
            case "close":
                self.close()
            case "apply":
                if self._session is None:
                    raise ValueError("there is no session")
                if stimulus is not None:
                    self._apply(self._session, stimulus_of(stimulus))
            case "resume":
                if self._library is not None:
                    self._library.Resume()
            case _:
                raise ValueError(f"nothing known as {do!r}")
        return self._answer()

    def _apply(self, session: ThreadedSession, stimulus: Stimulus) -> None:
        library = self._library
        channel = library.channel if library is not None else None
        if library is None or channel is None or not isinstance(stimulus, Environ):
            session.apply(stimulus)
            return
        end, action = stimulus.endpoint, stimulus.action
        if (end == "server") == channel.is_server:
            session.apply(stimulus)
            return
        event = Environment("environment", end, action)
        library.monitor.acquire()
        library.bus.act_on_peer(action, lambda: self._recorder(event))
        library.monitor.release_quietly()

    @property
    def count(self) -> int:
        """How many events there were."""
        return self._recorder.count

    def traffic(self) -> tuple[int, ...]:
        """How many events there were, whether the end is idle, and the figures."""
        is_idle = self._session is None or self._session.is_idle()
        return (self.count, int(is_idle), *self._traffic())

    def _answer(self) -> dict[str, Any]:
        traffic = self.traffic()  # first: what comes after it is among the events
        events, until = self._recorder.drain()
        records = [[stamp, event_record(event)] for stamp, event in events]
        return {"events": records, "until": until, "traffic": traffic}

    def close(self) -> None:
        """Give the session back; idempotent."""
        if self._session is not None:
            self._session.close()
            self._session = self._library = None
