"""Random walks of the host and the guest's user, and the course that sequences take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from random import Random
from typing import Final

from kmcl_conformance.generate.setup import RUNS
from kmcl_model import book
from kmcl_model.events import Event
from kmcl_model.stimuli import Post, Stimulus

from .judge import ControlJudge
from .setup import DEVICES, FAILURE, HEARTBEAT, RELIDS, SETTLE, UNKNOWN, happens, offer, post, user
from .situation import Situation, Waiting

__all__ = ["ControlCourse", "HostChooser"]

FAULT_RATE: Final = 0.2
"""How often the host does wrong, per step of a walk with faults."""

HANDOVERS: Final = 0.03
"""How often a handover to another kernel is made when it comes up: a real one boots for it, for as
long as a whole walk takes."""

MOST_REFUSALS: Final = 5
"""Versions that a walk refuses at most before it accepts one."""

ATTEMPTS: Final = 12


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
                yield _answer(waiting[0])
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
            return _answer(waiting)
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


def _answer(waiting: Waiting, status: int = 0) -> Post:
    match waiting.message:
        case "VERSION_RESPONSE":
            return post("VERSION_RESPONSE", not status)
        case "ALLOFFERS_DELIVERED" | "UNLOAD_RESPONSE":
            return post(waiting.message)
        case "GPADL_TORNDOWN":
            return post(waiting.message, waiting.relid)
    return post(waiting.message, waiting.relid, status)


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
            fault = self._enabled(_BUILDERS[name](self))
            if fault is not None:
                return fault
        roll = rng.random()
        if runnable and roll < 0.4:
            return RUNS[int(rng.random() * min(runnable, len(RUNS)))]
        if roll < 0.6:
            return SETTLE
        for _ in range(ATTEMPTS):
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
        return _answer(self.rng.choice(waiting)) if waiting else None

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
        free = [r for r in RELIDS if r not in self.situation.relids() or self._is_released(r)]
        roll = rng.random()
        if roll < 0.5 and free:
            return offer(rng.choice(free[:3]), rng.choice((*DEVICES, HEARTBEAT)))
        if roll < 0.8 and free:
            device = rng.choice(DEVICES)
            primary = self.situation.channel_of(device)
            used = primary is not None and (primary.descriptors or rng.random() < 0.2)
            return offer(rng.choice(free[:3]), device, 1 + rng.randrange(2)) if used else None
        return self._rescind(lambda s: s.life == "offered")

    def _is_released(self, relid: int) -> bool:
        return bool(self.situation.state(relid).life == "released")

    def _rescind(self, fits: Callable[..., bool]) -> Stimulus | None:
        found = [r for r in self.situation.relids() if fits(self.situation.state(r))]
        return post("RESCIND_CHANNELOFFER", self.rng.choice(found)) if found else None

    # Faults -------------------------------------------------------------------------------

    def refuse(self, message: str) -> Stimulus | None:
        """A request of this kind fails."""
        found = [w for w in self.situation.waiting() if w.message == message]
        return _answer(self.rng.choice(found), FAILURE) if found else None

    def rescind_where(self, fits: Callable[..., bool]) -> Stimulus | None:
        """A channel in this situation is rescinded."""
        return self._rescind(lambda s: s.life == "offered" and fits(s))

    def answer_again(self) -> Stimulus | None:
        """A message that nobody waits for, about a channel there is or was."""
        relids = self.situation.relids()
        names = ("GPADL_CREATED", "GPADL_TORNDOWN", "OPENCHANNEL_RESULT", "VERSION_RESPONSE")
        name = self.rng.choice(names)
        if not relids or name == "VERSION_RESPONSE":
            return post("VERSION_RESPONSE", self.rng.random() < 0.5)
        return _answer(Waiting(name, self.rng.choice(relids)))

    def answer_wrongly(self, flaw: str) -> Stimulus | None:
        """The answer to a request bears an id or a relid that is not the request's."""
        names = ["GPADL_CREATED", "OPENCHANNEL_RESULT"]
        if flaw == "wrong id":
            names.append("GPADL_TORNDOWN")
        found = [w for w in self.situation.waiting() if w.message in names]
        return _answer(self.rng.choice(found))._replace(flaw=flaw) if found else None

    def malformed(self, flaw: str) -> Stimulus | None:
        """Some message that the guest cannot understand."""
        relids = self.situation.relids() or [UNKNOWN]
        relid = self.rng.choice(relids)
        messages = (
            offer(UNKNOWN),
            post("RESCIND_CHANNELOFFER", relid),
            post("GPADL_CREATED", relid, 0),
            post("OPENCHANNEL_RESULT", relid, 0),
        )
        return self.rng.choice(messages)._replace(flaw=flaw)

    def offer_again(self) -> Stimulus | None:
        """An offer that the guest has already."""
        alive = [r for r in self.situation.relids() if self.situation.state(r).life == "offered"]
        found = [r for r in alive if r in self.situation.offers]
        if not found:
            return None
        return Post("post", "OFFERCHANNEL", self.situation.offers[self.rng.choice(found)])

    def late(self) -> Stimulus | None:
        """An answer about a channel that was rescinded meanwhile."""
        found = [
            w
            for w in self.situation.waiting()
            if w.relid and self.situation.state(w.relid).life != "offered"
        ]
        return _answer(self.rng.choice(found)) if found else None


_USES: Final = (
    *("bind", "bind", "open", "open", "open", "close", "close", "unbind"),
    *("move", "notify", "load", "unload", "kexec"),
)
"""What the user does, each as often as it stands here."""


def _phases(s: object) -> set[str]:
    return {phase for _, phase in getattr(s, "gpadls", ())}


_BUILDERS: Final[dict[str, Callable[[HostChooser], Stimulus | None]]] = {
    "refuse-version": lambda c: c.refuse("VERSION_RESPONSE"),
    "refuse-gpadl": lambda c: c.refuse("GPADL_CREATED"),
    "refuse-open": lambda c: c.refuse("OPENCHANNEL_RESULT"),
    "refuse-move": lambda c: c.refuse("MODIFYCHANNEL_RESPONSE"),
    "rescind-idle": lambda c: c.rescind_where(lambda s: s.link == "closed" and not s.gpadls),
    "rescind-bound": lambda c: c.rescind_where(lambda s: s.bound and s.link == "closed"),
    "rescind-creating": lambda c: c.rescind_where(lambda s: "asked" in _phases(s)),
    "rescind-opening": lambda c: c.rescind_where(lambda s: s.link == "opening"),
    "rescind-open": lambda c: c.rescind_where(lambda s: s.link == "open" and not s.sub),
    "rescind-tearing-down": lambda c: c.rescind_where(lambda s: "leaving" in _phases(s)),
    "rescind-moving": lambda c: c.rescind_where(lambda s: s.moving),
    "rescind-subchannel": lambda c: c.rescind_where(lambda s: s.sub),
    "rescind-again": lambda c: c._rescind(lambda s: s.life != "offered"),
    "rescind-unknown": lambda _c: post("RESCIND_CHANNELOFFER", UNKNOWN),
    "offer-again": HostChooser.offer_again,
    "answer-again": HostChooser.answer_again,
    "answer-unasked": lambda _c: post("OPENCHANNEL_RESULT", UNKNOWN, 0),
    "answer-late": HostChooser.late,
    "answer-wrong-relid": lambda c: c.answer_wrongly("wrong relid"),
    "answer-wrong-id": lambda c: c.answer_wrongly("wrong id"),
    "short-message": lambda c: c.malformed("short"),
    "unknown-message": lambda c: c.malformed("unknown type"),
    "busy": lambda _c: happens("busy"),
    "spurious": lambda _c: happens("spurious"),
    "reset": lambda _c: happens("reset"),
}
"""How each fault of the vocabulary is committed."""


@cache
def _weights() -> dict[str, int]:
    return {fault.name: fault.weight for fault in book.vmbus().faults.values()}
