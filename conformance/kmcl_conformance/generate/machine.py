"""A Hypothesis state machine over the enabled stimuli, for property tests under pytest.

    TestMyLibrary = machine(MyAdapter).TestCase

Each rule takes one kind of step and draws one value: a choice among what ``driver`` enables in the
situation the judge has reached. A failure therefore prints as a program that a person can read,
and Hypothesis shrinks it, keeps it in its example database and runs it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from itertools import product
from typing import Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.core import TestFunc
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from kmcl_adapters import Adapter
from kmcl_conformance.failure import Failure
from kmcl_conformance.oracle import Judge
from kmcl_conformance.sequence import SequenceRun
from kmcl_model.events import Event
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec import Specification
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
    Step,
    Stimulus,
)
from kmcl_reports.sequence import describe_event

from .course import DriverCourse
from .driver import is_enabled, tags_in_use
from .menu import NOTHING, Choice, Options, menu_of, preludes, thread
from .setup import ANSWERS, PACKETS, SETTLE

__all__ = ["ConformanceError", "ConformanceMachine", "machine"]

LAST_EVENTS: Final = 12
"""How many events a failure shows."""


RUNNING: Final[tuple[Stimulus, ...]] = (
    Invoke("invoke", "server", "t0", "VmbChannelEnable"),
    Invoke("invoke", "server", "t0", "VmbChannelStart"),
    Invoke("invoke", "client", "t0", "VmbChannelEnable"),
    SETTLE,
)
"""What brings two configured channels to run."""

PACKETS_READY: Final[tuple[Stimulus, ...]] = tuple(
    Invoke("invoke", end, "t0", function, (packet,))
    for end in ENDPOINTS
    for packet in PACKETS[:2]
    for function in ("VmbPacketAllocate", "VmbPacketSetCompletionRoutine")
)
"""What gives both ends packets to send."""

STAGES: Final = ((), RUNNING, (*PACKETS_READY, *RUNNING))
"""How far the set-up of an example goes."""


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
        ids = " ".join(broken.requirements)
        lines.append(f"  {broken.rule}: {broken.words}" + (f" [{ids}]" if ids else ""))
    lines += [f"  known before: {state}" for state in failure.state]
    first = max(0, len(events) - LAST_EVENTS)
    lines.append("last events:" if first else "events:")
    lines += [f"  {i:>4}  {describe_event(e)}" for i, e in enumerate(events[first:], first)]
    return "\n".join(lines)


def _choosing(item: str) -> Callable[[TestFunc], TestFunc]:
    """A rule that draws ``what`` from an item of the menu, and applies while there is one; of an
    implementation with a pace of its own it always applies, and then may do nothing."""

    def there_is_one(it: Any) -> bool:  # not a lambda: Hypothesis describes it at every step
        return it.own_pace or getattr(it.menu, item) is not None

    def decorate(function: Any) -> Any:
        @wraps(function)
        def choose(it: Any, what: Any) -> None:
            if what is not None:
                function(it, what)

        what = st.runner().flatmap(lambda it: it.options(item))
        return precondition(there_is_one)(rule(what=what)(choose))

    return decorate


class ConformanceMachine(RuleBasedStateMachine):
    """Drives a fresh implementation, the ends that the specification observes; ``machine`` makes
    the class to run."""

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
        # What is enabled may hang on who was faster. Hypothesis gives up an example in which other
        # things can be drawn than the first time; so what is drawn then depends on nothing.
        self.own_pace = not cls.adapter.describe().exact_quiescence
        self.judge = Judge(cls.specification)
        self.drivers = DriverCourse(self.judge)
        self.course = SequenceRun(self.session, self.judge, self.drivers)
        self.look()

    def teardown(self) -> None:
        """Give the implementation back."""
        self.session.close()

    def options(self, item: str) -> st.SearchStrategy[Any]:
        """What an item of the menu can be drawn from now."""
        found: Options | None = getattr(self.menu, item)
        if found is None:
            return NOTHING
        return found.numbered if self.own_pace else found.drawn

    def look(self) -> None:
        """Find out what is enabled now."""
        self.menu = menu_of(self.judge, self.drivers.names, self.session.runnable())

    def steps(self, *stimuli: Stimulus) -> None:
        """Apply stimuli and judge what they show, then look; raises ConformanceError."""
        for stimulus in stimuli:
            self._apply(stimulus)
        if self.own_pace:
            self._apply(SETTLE)
        self.look()

    def _apply(self, stimulus: Stimulus) -> None:
        failure = self.course.step(stimulus)
        if failure is not None:
            raise ConformanceError(failure, self.course.stimuli, self.course.events)

    def call(self, end: str, function: str, *arguments: Any) -> None:
        """Make a call from a driver thread that has none in progress, if it is enabled."""
        self._try(Invoke("invoke", end, thread(self.judge, end), function, arguments))

    def _try(self, stimulus: Stimulus) -> None:
        """The menu knows what is enabled but for rare cases; what is not, is not done."""
        if is_enabled(self.judge, self.drivers.names, stimulus):
            self.steps(stimulus)

    def _message(self, end: str, length: int) -> bytes | None:
        """A message unlike every other that is on its way; None if there are too many."""
        if not length:
            return None if -1 in tags_in_use(self.judge, end) else b""
        tag = self.drivers.names.free_tag(self.judge, end)
        return None if tag < 0 else payload_bytes(Payload(tag, length))

    # Lifecycle

    @initialize(
        variation=st.deferred(lambda: st.integers(0, len(preludes()) - 1)),
        stage=st.integers(0, len(STAGES) - 1),
    )
    def set_up(self, variation: int, stage: int) -> None:
        """Allocate and configure the channels; then bring them to run, with packets at hand."""
        both = (*preludes()[variation], *STAGES[stage])
        ends = (None, *self.judge.ends)
        self.steps(*(s for s in both if getattr(s, "endpoint", None) in ends))

    @_choosing("enable")
    def enable(self, what: str) -> None:
        self.call(what, "VmbChannelEnable")

    @_choosing("disable")
    def disable(self, what: str) -> None:
        self.call(what, "VmbChannelDisable")

    @_choosing("pause")
    def pause(self, what: str) -> None:
        self.call(what, "VmbChannelPause")

    @_choosing("start")
    def start(self, what: str) -> None:
        self.call(what, "VmbChannelStart")

    @_choosing("clean_up")
    def clean_up(self, what: str) -> None:
        """Give up a disabled channel, then allocate and configure another one."""
        self.call(what, "VmbChannelCleanup")
        self.steps(*(s for s in preludes()[0] if isinstance(s, Invoke) and s.endpoint == what))

    @_choosing("configure")
    def configure(self, what: Choice) -> None:
        """A setting that changes nothing a walk relies on."""
        end, function, arguments = what
        self.call(end, function, *arguments)

    @_choosing("limit")
    def limit(self, what: Choice) -> None:
        """Set the quota of an end."""
        end, quota = what
        self.call(end, "VmbChannelSetTransactionQuota", quota)

    # Packets

    @_choosing("allocate")
    def allocate(self, what: Choice) -> None:
        end, name = what
        self.call(end, "VmbPacketAllocate", name)

    @_choosing("initialise")
    def initialise(self, what: Choice) -> None:
        """End, packet, and how large its memory is: enough, or too small."""
        end, name, count = what
        self.call(end, "VmbChannelSizeofPacket")
        self.call(end, "VmbPacketInitialize", name, count)

    @_choosing("set_routine")
    def set_routine(self, what: Choice) -> None:
        end, name = what
        self.call(end, "VmbPacketSetCompletionRoutine", name)

    @_choosing("free")
    def free(self, what: Choice) -> None:
        end, name = what
        self.call(end, "VmbPacketFree", name)

    @_choosing("send")
    def send(self, what: Choice) -> None:
        """End, packet, length, and whether to wait for the completion."""
        end, name, length, wait = what
        message = self._message(end, length)
        if message is not None:
            self.call(end, "VmbPacketSend", name, message, int(wait))

    @_choosing("complete")
    def complete(self, what: Choice) -> None:
        """End, context, and the length of the answer."""
        end, context, length = what
        self.call(end, "VmbChannelPacketComplete", context, _answer(length), None)

    @_choosing("look_up")
    def look_up(self, what: Choice) -> None:
        """Pointers, sizes and handles."""
        end, *packet, function, arguments = what
        self.call(end, function, *packet, *arguments)

    # What the tester, the schedule and the world do

    @rule()
    def settle(self) -> None:
        self.steps(SETTLE)

    @_choosing("run")
    def run(self, what: int) -> None:
        """Let the implementation take one of its next steps."""
        self.steps(Run("run", what))

    @_choosing("release")
    def release(self, what: Choice) -> None:
        """Let a handler that is held go on."""
        self.steps(Release("release", *what))

    @_choosing("react")
    def react(self, what: Choice) -> None:
        """Arm the next activation of a handler."""
        end, callback, kind = what
        steps = self._reaction(end, kind)
        status = STATUS_UNSUCCESSFUL if kind == "refuse" else 0
        self._try(Arm("arm", end, callback, Reaction(steps, status, kind == "keep completing")))

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
                mine = (context for owner, context in self.menu.held if owner == end)
                return tuple(Act("VmbChannelPacketComplete", (c, None, None)) for c in mine)
            case "send" | "send again":
                message = self._message(end, 8)
                if message is not None:
                    name = "this"
                    if kind == "send":
                        name = next(packet for owner, packet in self.menu.ready if owner == end)
                    return (Act("VmbPacketSend", (name, message, 1)),)
        return ()


class _FaultyMachine(ConformanceMachine):
    """With a rule by which the world acts."""

    @rule(what=st.runner().flatmap(lambda it: st.sampled_from(it.faults)))
    def fault(self, what: Choice) -> None:
        self._try(Environ("environment", *what))


def _answer(length: int) -> bytes | None:
    return next(a for a in ANSWERS if len(a or b"") == length)


def machine(
    adapter_maker: Callable[[], Adapter],
    specification: Specification | None = None,
    *,
    faults: Sequence[str] = (),
    base: type[ConformanceMachine] = ConformanceMachine,
) -> type[ConformanceMachine]:
    """A state machine class for one kind of implementation.

    Its examples share one adapter and one specification, whose automata grow. Where that observes
    one end (``PROFILES["client-uio"].specification()``), one is driven. An implementation that
    cannot tell when it is at rest is given time to come to rest after every step, and some
    steps do nothing, because what can be drawn must not depend on its pace. ``faults`` are
    environment actions that the adapter declares; ``base`` may be a class of one's own with more
    rules. Raises nothing before it is run; then ConformanceError for a violation, AdapterError
    where no implementation can be had.
    """
    specification = specification or Specification()
    return type(
        base.__name__,
        (_FaultyMachine, base) if faults else (base,),
        {
            "__module__": base.__module__,
            "adapter_maker": staticmethod(adapter_maker),
            "adapter": None,
            "specification": specification,
            "faults": tuple(product(specification.ends, faults)),
        },
    )
