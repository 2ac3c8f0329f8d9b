"""Random walks of the host and the guest's user, and the course that sequences take."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from random import Random
from typing import Final

from kmcl_conformance.generate.setup import RUNS
from kmcl_model import book
from kmcl_model.events import Event
from kmcl_model.stimuli import Post, Stimulus

from .faults import ODD_OFFERS, offer_fault
from .judge import ControlJudge
from .setup import DEVICES, HEARTBEAT, SETTLE, offer, post, user
from .situation import Situation
from .wrongs import BUILDERS, answer, rescind_where

__all__ = ["ControlCourse", "HostChooser"]

FAULT_RATE: Final = 0.2
"""How often the host does wrong, per step of a walk with faults."""

HANDOVERS: Final = 0.03
"""How often a handover to another kernel is made when it comes up: a real one boots for it, for as
long as a whole walk takes."""

MOST_REFUSALS: Final = 5
"""Versions that a walk refuses at most before it accepts one."""

ATTEMPTS: Final = 12
ATTEMPTS_AT_REST: Final = 200
"""Another rest would show nothing then, so it is worth while to look for the one thing that can be
done: a guest without a bus driver can only load it."""


class ControlCourse:
    """Where a sequence of the control protocol can go."""

    def __init__(self, judge: ControlJudge) -> None:
        self.situation = Situation(judge)

    def limit(self, capabilities: frozenset[str]) -> None:
        """What is not among them is not asked for."""
        self.situation.capabilities = capabilities

    def prelude(self, rng: Random) -> Iterable[Stimulus]:
        """A guest in contact, with one or two devices. Some walks begin with nothing at all."""
        yield user("load")
        if rng.random() < 0.1:
            return
        yield SETTLE
        for _ in range(rng.choice((0, 0, 0, 1, 2, 3, MOST_REFUSALS))):
            yield post("VERSION_RESPONSE", False)
            yield SETTLE
        yield post("VERSION_RESPONSE", True)
        yield SETTLE
        yield offer(1)
        if rng.random() < 0.5:
            yield offer(2, DEVICES[1])
        if rng.random() < 0.4:
            yield offer(3, HEARTBEAT)
        yield post("ALLOFFERS_DELIVERED")
        yield SETTLE
        for function in ("bind", "open"):
            if rng.random() < 0.3:
                return
            call = user(function, DEVICES[0])
            if not self.situation.is_enabled(call):
                return
            yield call
            yield SETTLE
            while (waiting := self.situation.waiting()) and rng.random() < 0.95:
                yield answer(waiting[0])
                yield SETTLE

    def chooser(
        self,
        rng: Random,
        *,
        holds: bool,
        faults: tuple[str, ...],
        expected: bool,
        strategy: str,
    ) -> HostChooser:
        """Who picks the stimuli of a walk; there is nothing to hold and nothing to expect."""
        return HostChooser(self.situation, rng, faults)

    def epilogue(self) -> Stimulus | None:
        """Answer what waits, close what is open."""
        for waiting in self.situation.waiting():
            return answer(waiting)
        for device in DEVICES:
            s = self.situation.channel_of(device)
            close = user("close", device, by=self.situation.idle_thread())
            if s is not None and s.descriptors and self.situation.is_enabled(close):
                return close
        return None

    def is_enabled(self, stimulus: Stimulus) -> bool:
        """Whether the host and the user may do this now."""
        return self.situation.is_enabled(stimulus)

    def follows_freely(self, stimulus: Stimulus, after: Stimulus) -> bool:
        """Never: what the guest says comes in between."""
        return False

    def note(self, stimulus: Stimulus) -> None:
        """A stimulus is about to be applied."""
        self.situation.note(stimulus)

    def see(self, event: Event) -> None:
        """An event was accepted."""
        self.situation.see(event)


class HostChooser:
    """Picks what the host or the user does next. ``faults`` are those that it may commit."""

    def __init__(self, situation: Situation, rng: Random, faults: tuple[str, ...] = ()) -> None:
        self.situation = situation
        self.rng = rng
        self.faults = faults
        self.weights = [_weights()[name] for name in faults]

    def choose(self, runnable: int) -> Stimulus:
        """The next stimulus; ``runnable`` as the session tells."""
        rng = self.rng
        if self.situation.unsettled:
            return SETTLE
        if self.faults and rng.random() < FAULT_RATE:
            name = rng.choices(self.faults, self.weights)[0]
            fault = self._enabled(BUILDERS[name](self))
            if fault is not None:
                return fault
        roll = rng.random()
        if runnable and roll < 0.4:
            return RUNS[int(rng.random() * min(runnable, len(RUNS)))]
        calm = self.situation.calm
        if roll < 0.6 and not calm:
            return SETTLE
        for _ in range(ATTEMPTS_AT_REST if calm else ATTEMPTS):
            roll = rng.random()
            made = self._answer() if roll < 0.45 else self._use() if roll < 0.85 else self._host()
            stimulus = self._enabled(made)
            if stimulus is not None:
                return stimulus
        return SETTLE

    def _enabled(self, stimulus: Stimulus | None) -> Stimulus | None:
        if stimulus is None or not self.situation.is_enabled(stimulus):
            return None
        return stimulus

    # Each of these gives None where there is nothing of its sort --------------------------

    def _answer(self) -> Stimulus | None:
        waiting = self.situation.waiting()
        return answer(self.rng.choice(waiting)) if waiting else None

    def _use(self) -> Stimulus | None:
        rng = self.rng
        function = rng.choice(_USES)
        by = self.situation.idle_thread()
        if function in ("load", "unload"):
            wanted = rng.random() < 0.15 or self.situation.connection.phase in ("down", "gone")
            return user(function, by=by) if wanted else None
        if function == "kexec":
            return user(function, by=by) if rng.random() < HANDOVERS else None
        arguments = (rng.choice(DEVICES), *((rng.randrange(2),) if function == "move" else ()))
        return user(function, *arguments, by=by)

    def _host(self) -> Stimulus | None:
        rng = self.rng
        free = self.situation.free_relids()
        roll = rng.random()
        if roll < 0.5 and free:
            return self._proper(offer(rng.choice(free[:3]), rng.choice((*DEVICES, HEARTBEAT))))
        if roll < 0.8 and free:
            device = rng.choice(DEVICES)
            primary = self.situation.channel_of(device)
            used = primary is not None and (primary.descriptors or rng.random() < 0.2)
            sub = offer(rng.choice(free[:3]), device, 1 + rng.randrange(2))
            return self._proper(sub) if used else None
        return rescind_where(self, lambda s: s.life == "offered")

    def _proper(self, made: Post) -> Post | None:
        """An offer that a host makes every day: the others are faults, and have weights."""
        return None if offer_fault(self.situation.judge, made.fields) in ODD_OFFERS else made


_USES: Final = (
    *("bind", "bind", "open", "open", "open", "close", "close", "unbind"),
    *("move", "notify", "load", "unload", "kexec"),
)
"""What the user does, each as often as it stands here."""


@cache
def _weights() -> dict[str, int]:
    return {fault.name: fault.weight for fault in book.vmbus().faults.values()}
