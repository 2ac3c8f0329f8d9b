"""A Hypothesis state machine over the enabled stimuli, for property tests under pytest.

    TestMyLibrary = machine(lambda: MyAdapter()).TestCase

Each rule takes one kind of step and draws one value: a choice among what ``driver`` enables in the
situation the judge has reached. A failure therefore prints as a program a person can read, and
Hypothesis shrinks it, keeps it in its example database and runs it again.

What is enabled is looked up once after each step, so that a precondition is an attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import product
from random import Random
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

from hypothesis import strategies as st
from hypothesis.core import TestFunc
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from kmcl_adapters import Adapter
from kmcl_conformance.oracle import Failure, Judge
from kmcl_conformance.sequence import _Run
from kmcl_model.api import (
    CLOSED,
    COMPLETION_ROUTINE,
    OPENED,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STARTED,
    SUSPEND,
)
from kmcl_model.events import Event
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec import Node, Specification
from kmcl_model.spec.specification import ENDPOINTS
from kmcl_model.status import STATUS_UNSUCCESSFUL
from kmcl_model.stimuli import (
    HOLD,
    Act,
    Arm,
    Environ,
    Invoke,
    Reaction,
    Release,
    Run,
    Settle,
    Step,
    Stimulus,
)
from kmcl_reports.sequence import describe_event

from .driver import control_calls, is_enabled, may_reset, may_send, packet_calls, tags_in_use
from .explorer import _ENABLED_ONLY, _HARMLESS, ANSWERS, MAXIMUM, PACKETS, epilogue, prelude

__all__ = ["ConformanceError", "ConformanceMachine", "machine"]

Choice: TypeAlias = tuple[Any, ...]
M = TypeVar("M", bound="ConformanceMachine")

SHAPES: Final = tuple(product((8, 13, 1, 64, MAXIMUM, 0, MAXIMUM + 8), (True, False)))
"""Length in bytes of a message, and whether to wait for its completion."""

SHORT_SHAPES: Final = tuple(product((8, 13), (True, False)))
"""The same for messages that a reaction sends."""

LAST_EVENTS: Final = 12
"""How many events a failure shows."""

SETTLE: Final = Settle("settle")

_LOOKS: Final = (
    ("VmbChannelGetPointer", ()),
    ("VmbChannelSetPointer", (77,)),
    ("VmbChannelSizeofPacket", ()),
)
_PACKET_LOOKS: Final = (
    ("VmbPacketGetPointer", ()),
    ("VmbPacketSetPointer", (77,)),
    ("VmbPacketGetChannel", ()),
)

HANDLERS: Final = (
    OPENED,
    STARTED,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    SUSPEND,
    CLOSED,
    COMPLETION_ROUTINE,
)
"""The handlers that a reaction can be armed for."""

REACTIONS: Final = (
    ("complete", (PROCESS_PACKET,)),
    ("keep completing", (PROCESS_PACKET,)),
    ("fail", (PROCESS_PACKET,)),
    ("free", (COMPLETION_ROUTINE,)),
    ("send again", (COMPLETION_ROUTINE,)),
    ("refuse", (OPENED,)),
    ("hold", HANDLERS),
    ("complete, hold", (PROCESS_PACKET,)),
    ("hold, complete", (PROCESS_PACKET,)),
    ("send", (STARTED, OPENED, CLOSED)),
    ("complete all", (PROCESSING_COMPLETE, SUSPEND, POST_STARTED)),
)
"""What a handler can be told to do, and which."""

_KEYS: Final = tuple(product(ENDPOINTS, HANDLERS))


class ConformanceError(AssertionError):
    """An implementation did what no explanation allows; ``stimuli`` and ``events`` led there."""

    def __init__(
        self, failure: Failure, stimuli: Sequence[Stimulus], events: Sequence[Event]
    ) -> None:
        self.failure = failure
        self.stimuli = tuple(stimuli)
        self.events = tuple(events)
        super().__init__(_explained(failure, events))


def _explained(failure: Failure, events: Sequence[Event]) -> str:
    lines = [f"{failure.observer} refuses event {failure.number}: {describe_event(failure.event)}"]
    for broken in failure.broken:
        ids = " ".join(r for r in broken.requirements if r)
        lines.append(f"  {broken.rule}: {broken.words}" + (f" [{ids}]" if ids else ""))
    lines += [f"  known before: {state}" for state in failure.state]
    first = max(0, len(events) - LAST_EVENTS)
    lines.append("last events:" if first else "events:")
    lines += [f"  {i:>4}  {describe_event(e)}" for i, e in enumerate(events[first:], first)]
    return "\n".join(lines)


# Choices ----------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _one_of(choices: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(choices)


def _from(attribute: str) -> st.SearchStrategy[Any]:
    """A choice among the values that an attribute of the machine holds at that moment."""
    return st.runner().flatmap(lambda it: _one_of(getattr(it, attribute)))


@lru_cache(maxsize=4096)
def _with(choices: tuple[Choice, ...], more: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """Every choice joined with every other; the simplest, to which Hypothesis shrinks, first."""
    return tuple((*c, *m) for m in more for c in choices)


def _any(attribute: str) -> Callable[[TestFunc], TestFunc]:
    """The rule applies while there is something to choose from."""
    return precondition(lambda it: getattr(it, attribute))


@lru_cache(maxsize=1024)
def _controls(client: tuple[str, ...], server: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Which ends may make a control call."""
    return {
        name: tuple(e for e, calls in (("client", client), ("server", server)) if name in calls)
        for name in {*client, *server}
    }


@lru_cache(maxsize=4096)
def _reactions(
    armed: tuple[bool, ...], sending: frozenset[str], holding: frozenset[str]
) -> tuple[Choice, ...]:
    """What can be armed: end, callback, and what the handler does.

    ``armed`` tells for each end and handler whether a reaction waits for it already, ``sending``
    are the ends with a packet to send, ``holding`` those with packets to complete.
    """
    free = {key for key, taken in zip(_KEYS, armed, strict=True) if not taken}
    return tuple(
        (end, callback, kind)
        for kind, callbacks in REACTIONS
        for end in ENDPOINTS
        for callback in callbacks
        if (end, callback) in free
        if kind != "send" or end in sending
        if kind != "complete all" or end in holding
    )


@cache
def _settings(alive: tuple[str, ...], enabled: tuple[str, ...]) -> tuple[Choice, ...]:
    """Settings to try; an enabled channel must refuse some that would else change it."""
    harmless = _with(tuple((end,) for end in alive), _HARMLESS)
    return harmless + _with(tuple((end,) for end in enabled), _ENABLED_ONLY)


@cache
def _preludes() -> tuple[tuple[Stimulus, ...], ...]:
    """The ways to set up both channels, the plainest first."""
    variants = {tuple(prelude(Random(n))): None for n in range(64)}
    return tuple(sorted(variants, key=lambda v: (len(v), -len(repr(v)), repr(v))))


# The machine ------------------------------------------------------------------------------


class ConformanceMachine(RuleBasedStateMachine):
    """Drives both ends of a fresh implementation; ``machine`` makes the class to run."""

    adapter_maker: ClassVar[Callable[[], Adapter]]
    adapter: ClassVar[Adapter | None] = None
    specification: ClassVar[Specification]
    faults: ClassVar[tuple[Choice, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        cls = type(self)
        if cls.adapter is None:
            cls.adapter = cls.adapter_maker()
        self.session = cls.adapter.open()
        self.judge = Judge(cls.specification)
        self.course = _Run(self.session, self.judge)
        self.names = self.course.names
        self.look()

    def teardown(self) -> None:
        """Give the implementation back."""
        self.session.close()

    def steps(self, *stimuli: Stimulus) -> None:
        """Apply stimuli, judge what they show, look at what is enabled then.

        Raises ConformanceError.
        """
        for stimulus in stimuli:
            self._apply(stimulus)
        self.look()

    def _apply(self, stimulus: Stimulus) -> None:
        failure = self.course.step(stimulus)
        if failure is not None:
            raise ConformanceError(failure, self.course.stimuli, self.course.events)

    def look(self) -> None:
        """Find out what is enabled; rules choose from these attributes."""
        judge = self.judge
        nodes = {end: track.node for end, track in judge.endpoint.items()}
        controls = _controls(
            control_calls(nodes["client"], "client"), control_calls(nodes["server"], "server")
        )
        get = controls.get
        self.enables = get("VmbChannelEnable", ())
        self.disables = get("VmbChannelDisable", ())
        self.pauses = get("VmbChannelPause", ())
        self.starts = get("VmbChannelStart", ())
        self.cleanups = tuple(
            end
            for end in get("VmbChannelCleanup", ())
            if is_enabled(judge, self.names, self._invocation(end, "VmbChannelCleanup"))
        )
        self.alive = tuple([end for end in ENDPOINTS if _is_alive(nodes[end])])
        new, idle, ready, held = [], [], [], []
        for end in self.alive:
            packets, aside = judge.packets[end], self.names.packets(end)
            sends = may_send(nodes[end])
            for name in PACKETS:
                track = packets.get(name)
                use = "new" if track is None else _use(track.node)
                if not use or name in aside:
                    continue
                if use == "new":
                    new.append((end, name))
                else:
                    idle.append((end, name))
                    if sends and use == "ready":
                        ready.append((end, name))
            for name, track in judge.incoming[end].items():
                if _is_held(track.node):
                    held.append((end, name))
        self.new, self.idle, self.ready, self.held = map(tuple, (new, idle, ready, held))
        armed = self.names.armed
        self.reactions = _reactions(
            tuple([armed(*key) for key in _KEYS]),
            frozenset([end for end, _ in ready]),
            frozenset([end for end, _ in held]),
        )
        self.settings = _settings(
            self.alive, tuple([end for end in self.alive if not may_reset(nodes[end])])
        )
        self.handlers = tuple(judge.handlers)
        self.runnable = self.session.runnable()

    def _invocation(self, end: str, function: str, *arguments: Any) -> Invoke:
        calls, n = self.judge.calls, 0
        while (end, f"t{n}") in calls:
            n += 1
        return Invoke("invoke", end, f"t{n}", function, arguments)

    def call(self, end: str, function: str, *arguments: Any) -> None:
        """Make a call from a driver thread that has none in progress."""
        self.steps(self._invocation(end, function, *arguments))

    def _message(self, end: str, length: int) -> bytes | None:
        """A message unlike every other that is on its way; None if there are too many."""
        if not length:
            return None if -1 in tags_in_use(self.judge, end) else b""
        tag = self.names.free_tag(self.judge, end)
        return None if tag < 0 else payload_bytes(Payload(tag, length))

    # Lifecycle

    @initialize(variation=st.deferred(lambda: st.integers(0, len(_preludes()) - 1)))
    def set_up(self, variation: int) -> None:
        """Allocate and configure both channels."""
        self.steps(*_preludes()[variation])

    @_any("enables")
    @rule(end=_from("enables"))
    def enable(self, end: str) -> None:
        self.call(end, "VmbChannelEnable")

    @_any("disables")
    @rule(end=_from("disables"))
    def disable(self, end: str) -> None:
        self.call(end, "VmbChannelDisable")

    @_any("pauses")
    @rule(end=_from("pauses"))
    def pause(self, end: str) -> None:
        self.call(end, "VmbChannelPause")

    @_any("starts")
    @rule(end=_from("starts"))
    def start(self, end: str) -> None:
        self.call(end, "VmbChannelStart")

    @_any("cleanups")
    @rule(end=_from("cleanups"))
    def clean_up(self, end: str) -> None:
        """Clean up a disabled channel, then allocate and configure another one."""
        self._apply(self._invocation(end, "VmbChannelCleanup"))
        self.steps(*(s for s in _preludes()[0] if isinstance(s, Invoke) and s.endpoint == end))

    @_any("settings")
    @rule(what=_from("settings"))
    def configure(self, what: Choice) -> None:
        """A setting that changes nothing a walk relies on."""
        end, function, arguments = what
        self.call(end, function, *arguments)

    # Packets

    @_any("new")
    @rule(packet=_from("new"))
    def allocate(self, packet: Choice) -> None:
        end, name = packet
        self.call(end, "VmbPacketAllocate", name)

    @_any("new")
    @rule(packet=_from("new"))
    def initialise(self, packet: Choice) -> None:
        end, name = packet
        self.call(end, "VmbChannelSizeofPacket")
        self.call(end, "VmbPacketInitialize", name, "sizeof")

    @_any("new")
    @rule(packet=_from("new"))
    def initialise_too_small(self, packet: Choice) -> None:
        end, name = packet
        self.call(end, "VmbPacketInitialize", name, "maximum+pointer")

    @_any("idle")
    @rule(packet=_from("idle"))
    def set_routine(self, packet: Choice) -> None:
        end, name = packet
        self.call(end, "VmbPacketSetCompletionRoutine", name)

    @_any("idle")
    @rule(packet=_from("idle"))
    def free(self, packet: Choice) -> None:
        end, name = packet
        self.call(end, "VmbPacketFree", name)

    @_any("ready")
    @rule(what=st.runner().flatmap(lambda it: _one_of(_with(it.ready, SHAPES))))
    def send(self, what: Choice) -> None:
        """End, packet, length, and whether to wait for the completion."""
        end, name, length, wait = what
        message = self._message(end, length)
        if message is not None:
            self.call(end, "VmbPacketSend", name, message, int(wait))

    @_any("held")
    @rule(
        what=st.runner().flatmap(
            lambda it: _one_of(_with(it.held, tuple((len(a or b""),) for a in ANSWERS)))
        )
    )
    def complete(self, what: Choice) -> None:
        """End, context, and the length of the answer."""
        end, context, length = what
        self.call(end, "VmbChannelPacketComplete", context, _answer(length), None)

    @_any("alive")
    @rule(
        what=st.runner().flatmap(
            lambda it: _one_of(
                _with(tuple((e,) for e in it.alive), _LOOKS) + _with(it.idle, _PACKET_LOOKS)
            )
        )
    )
    def look_up(self, what: Choice) -> None:
        """Pointers, sizes and handles, which must never be in the way."""
        end, *packet, function, arguments = what
        self.call(end, function, *packet, *arguments)

    @_any("alive")
    @rule(
        what=st.runner().flatmap(
            lambda it: _one_of(_with(tuple((e,) for e in it.alive), ((1,), (2,), (3,), (8,))))
        )
    )
    def limit(self, what: Choice) -> None:
        """Set the quota of an end."""
        end, quota = what
        invocation = self._invocation(end, "VmbChannelSetTransactionQuota", quota)
        if is_enabled(self.judge, self.names, invocation):
            self.steps(invocation)

    # What the tester, the schedule and the world do

    @rule()
    def settle(self) -> None:
        self.steps(SETTLE)

    @_any("runnable")
    @rule(choice=st.runner().flatmap(lambda it: st.integers(0, min(it.runnable, 64) - 1)))
    def run(self, choice: int) -> None:
        """Let the implementation take one of its next steps."""
        self.steps(Run("run", choice))

    @_any("handlers")
    @rule(handler=_from("handlers"))
    def release(self, handler: Choice) -> None:
        end, activation = handler
        self.steps(Release("release", end, activation))

    @_any("reactions")
    @rule(what=_from("reactions"))
    def react(self, what: Choice) -> None:
        """Arm the next activation of a handler."""
        end, callback, kind = what
        steps = self._reaction(end, kind)
        status = STATUS_UNSUCCESSFUL if kind == "refuse" else 0
        self.steps(Arm("arm", end, callback, Reaction(steps, status, kind == "keep completing")))

    def _reaction(self, end: str, kind: str) -> tuple[Step, ...]:
        complete = Act("VmbChannelPacketComplete", ("this", _answer(8), None))
        match kind:
            case "hold":
                return (HOLD,)
            case "complete" | "keep completing":
                return (complete,)
            case "complete, hold":
                return (complete, HOLD)
            case "hold, complete":
                return (HOLD, complete)
            case "fail":
                return (Act("VmbChannelPacketFail", ("this",)),)
            case "free":
                return (Act("VmbPacketFree", ("this",)),)
            case "complete all":
                mine = (context for owner, context in self.held if owner == end)
                return tuple(Act("VmbChannelPacketComplete", (c, None, None)) for c in mine)
            case "send" | "send again":
                message = self._message(end, 8)
                if message is not None:
                    name = "this"
                    if kind == "send":
                        name = next(packet for owner, packet in self.ready if owner == end)
                    return (Act("VmbPacketSend", (name, message, 1)),)
        return ()

    @precondition(lambda it: len(it.course.stimuli) > 40)
    @rule()
    def wind_down(self) -> None:
        """Bring everything to an orderly end: no handler held, no packet kept, both disabled."""
        for _ in range(60):
            self._apply(SETTLE)
            stimulus = epilogue(self.judge)
            if stimulus is None:
                break
            self._apply(stimulus)
        self.look()


class _FaultyMachine(ConformanceMachine):
    """The rule that a machine has if the world may act."""

    @rule(what=_from("faults"))
    def fault(self, what: Choice) -> None:
        end, action = what
        if end in self.alive:
            self.steps(Environ("environment", end, action))


def _answer(length: int) -> bytes | None:
    return next(a for a in ANSWERS if len(a or b"") == length)


def _is_alive(node: Node) -> bool:
    """Whether the end has a channel for sure."""
    found: bool | None = node.notes.get("alive")
    if found is None:
        states: Any = node.states
        found = node.notes["alive"] = not any(s.connection in ("none", "crashed") for s in states)
    return found


def _is_held(node: Node) -> bool:
    """Whether the driver holds the packet of a context for sure."""
    found: bool | None = node.notes.get("held")
    if found is None:
        states: Any = node.states
        found = node.notes["held"] = all(s.status != "free" and not s.calls for s in states)
    return found


def _use(node: Node) -> str:
    """What can be done with a packet object: make it (``new``), change or send it (``ready``),
    change it (``idle``), or nothing of these."""
    found: str | None = node.notes.get("use")
    if found is None:
        calls = packet_calls(node)
        if "VmbPacketAllocate" in calls:
            found = "new"
        elif "VmbPacketSend" in calls:
            found = "ready"
        else:
            found = "idle" if "VmbPacketFree" in calls else ""
        node.notes["use"] = found
    return found


def machine(
    adapter_maker: Callable[[], Adapter],
    specification: Specification | None = None,
    *,
    faults: Sequence[str] = (),
    base: type[M] = ConformanceMachine,  # type: ignore[assignment]
) -> type[M]:
    """A state machine class for one kind of implementation.

    Its examples share one adapter and one specification, whose automata grow; ``faults`` are
    environment actions that the adapter declares; ``base`` may be a class of one's own with more
    rules. Raises nothing before it is run; then ConformanceError for a violation, AdapterError
    where no implementation can be had.
    """
    return type(
        base.__name__,
        (_FaultyMachine, base) if faults else (base,),
        {
            "__module__": base.__module__,
            "adapter_maker": staticmethod(adapter_maker),
            "adapter": None,
            "specification": specification or Specification(),
            "faults": tuple(product(ENDPOINTS, faults)),
        },
    )
