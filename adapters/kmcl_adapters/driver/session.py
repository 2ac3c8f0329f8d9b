"""A session over an implementation whose callbacks may come from any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from kmcl_model.api import CALLBACKS, FUNCTIONS
from kmcl_model.events import (
    Argument,
    Call,
    Enter,
    Environment,
    Event,
    Exit,
    Lost,
    Quiescence,
    Return,
)
from kmcl_model.stimuli import Act, Arm, Environ, Invoke, Reaction, Release, Settle, Step, Stimulus

from .calls import Prepared, prepare
from .end import UNKNOWN, Activation, End
from .thread import DriverThread, quietly

__all__ = ["ACTIONS", "ENDPOINTS", "ThreadedSession"]

ENDPOINTS: Final = ("server", "client")
ACTIONS: Final = frozenset({"crash", "malformed", "spurious"})

_BLOCKING_PATIENCE = 0.002
_PATIENCE = 0.1
"""Seconds for a call to return before the next stimulus comes; one that may block: the first."""
_WORLD = ("", "world")
_WAIT_IDLE_MILLISECONDS = 100
_CLOSING_SECONDS = 1.0
_BURIAL_SECONDS = 0.5  # so long a handler of a dead end is kept, if the library does not yet know


class ThreadedSession:
    """One fresh implementation with the driver around it.

    ``on_event`` gets each event as it is recorded, under the lock; events are then not kept
    for ``take``. ``idle_seconds`` counts where the implementation has no ``WaitIdle``, but no
    time does while one that has ``AtRest() -> bool`` says that its own threads work.
    ``is_idle`` asks one that has ``Inside() -> (calls, callbacks) or None``, which is ``WaitIdle``
    without waiting. ``Signals`` has the faults of signals that ``Act`` can play besides others.
    ``Unasked`` has functions that it refuses though no page lets it: a session passes over them.
    ``limit`` is the longest time ``Settle`` may take, in seconds, before the implementation
    counts as hanging. ``on_close`` ends what the implementation runs.
    """

    def __init__(
        self,
        implementation: Any,
        *,
        on_event: Callable[[Event], None] | None = None,
        on_close: Callable[[], object] | None = None,
        idle_seconds: float = 0.02,
        limit: float = 5.0,
    ) -> None:
        self._implementation = implementation
        self._on_close = on_close
        self._idle_seconds = idle_seconds
        self._limit = limit
        self._wait_idle = getattr(implementation, "WaitIdle", None)
        self._signals: frozenset[str] = getattr(implementation, "Signals", frozenset())
        self._unasked: frozenset[str] = getattr(implementation, "Unasked", frozenset())
        self._entered: Callable[[], object] = getattr(implementation, "Entered", lambda: None)
        self._at_rest: Callable[[], bool] = getattr(implementation, "AtRest", lambda: True)
        self._events: list[Event] = []
        self._emit = on_event or self._keep
        self._lock = threading.Condition(threading.Lock())
        self._threads: dict[tuple[str, str], DriverThread] = {}
        self._ends = {
            name: End(name, {c: partial(self._handle, name, c) for c in CALLBACKS})
            for name in ENDPOINTS
        }
        # Under the lock:
        self._over = False
        self._changes = 0  # counts everything that happens
        self._calls = 0  # inside the implementation
        self._callbacks = 0  # handlers entered and not yet left
        self._running = 0  # handlers that go on by themselves: not held, not in a call
        self._holding: set[int] = set()  # threads that stand in a held handler

    # The session --------------------------------------------------------------------------

    def apply(self, stimulus: Stimulus) -> None:
        """Start a stimulus, which a Run is not: threads choose for themselves. See
        ``kmcl_adapters.interface``."""
        match stimulus:
            case Invoke():
                self._invoke(stimulus)
            case Settle():
                self._settle()
            case Arm():
                with self._lock:
                    if (end := self._ends.get(stimulus.endpoint)) is not None:
                        end.arm(stimulus.callback, stimulus.reaction)
            case Release():
                self._release(stimulus)
            case Environ():
                self._act(stimulus)

    def runnable(self) -> int:
        """Not schedulable: threads choose for themselves."""
        return 0

    def take(self) -> list[Event]:
        """The events since the last call."""
        with self._lock:
            events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Let every held handler go and the threads end. A thread that does not come back from the
        implementation is left behind: it is a daemon."""
        with self._lock:
            self._over = True
            on_close, self._on_close = self._on_close, None
            self._lock.notify_all()
        for thread in self._threads.values():
            thread.jobs.put(None)
        if on_close is not None:
            last = threading.Thread(target=quietly, args=(on_close,), name="closing", daemon=True)
            last.start()
            last.join(_CLOSING_SECONDS)

    # Recording ----------------------------------------------------------------------------

    def _keep(self, event: Event) -> None:
        self._events.append(event)

    def _record(self, event: Event) -> None:
        self._changes += 1
        self._emit(event)

    def _lose(self, reason: str, detail: str) -> None:
        if not self._over:
            self._record(Lost("lost", reason, detail))
            self._over = True
            self._lock.notify_all()

    # Calls --------------------------------------------------------------------------------

    def _invoke(self, stimulus: Invoke) -> None:
        key = stimulus.endpoint, stimulus.by
        with self._lock:
            end = self._ends.get(stimulus.endpoint)
            thread = self._threads.get(key)
            if end is None or (thread is not None and thread.busy):
                return
            prepared = self._begin(end, stimulus.by, stimulus.function, stimulus.arguments, None)
            if prepared is None:
                return
            if thread is None:
                thread = self._threads[key] = DriverThread(stimulus.by)
            thread.busy = True
        thread.jobs.put(partial(self._call, end, stimulus.by, stimulus.function, prepared, thread))
        self._wait_for(
            thread, _BLOCKING_PATIENCE if FUNCTIONS[stimulus.function].waits else _PATIENCE
        )

    def _wait_for(self, thread: DriverThread, patience: float) -> None:
        """Give a thread the time to finish, unless it stands in a handler that is held."""
        with self._lock:
            self._lock.wait_for(
                lambda: not thread.busy or self._over or thread.ident in self._holding, patience
            )

    def _begin(
        self, end: End, by: str, function: str, arguments: tuple[Argument, ...], this: str | None
    ) -> Prepared | None:
        """Record a call that is about to be made; None where there is nothing to call."""
        if self._over or function in self._unasked:
            return None
        if getattr(self._implementation, function, None) is None:
            return None
        if (prepared := prepare(end, function, arguments, this)) is not None:
            end.calls += 1
            self._calls += 1
            self._record(Call("call", end.endpoint, by, function, prepared.shown))
        return prepared

    def _call(
        self,
        end: End,
        by: str,
        function: str,
        prepared: Prepared,
        thread: DriverThread | None = None,
    ) -> None:
        """Make the call and record its return; a ``thread`` is free again then."""
        problem: Exception | None = None
        result = None
        try:
            result = getattr(self._implementation, function)(*prepared.passed)
        except Exception as error:
            problem = error
        with self._lock:
            end.calls -= 1
            self._calls -= 1
            if thread is None:
                self._running += 1
            else:
                thread.busy = False
            if not self._over and problem is None and not end.dead:
                try:
                    status, outputs = prepared.finish(result)
                    self._record(Return("return", end.endpoint, by, function, status, outputs))
                except Exception as error:
                    problem = error
            if problem is not None:
                self._lose("crash", f"{function}: {type(problem).__name__}: {problem}")
            self._lock.notify_all()

    # Callbacks ----------------------------------------------------------------------------

    def _handle(self, endpoint: str, callback: str, *passed: Any) -> int:
        """The handler of one callback at one end; runs on whatever thread calls it."""
        end = self._ends[endpoint]
        with self._lock:
            if self._over or end.dead:
                return 0
            try:
                arguments, this = end.entered(callback, passed, self._endpoint_of)
            except Exception as error:
                self._lose("crash", f"{callback} was called with unfit arguments: {error}")
                return 0
            name = end.activation_name(callback)
            self._record(Enter("enter", endpoint, name, callback, arguments))
            self._entered()
            reaction = end.reaction(callback)
            if not reaction.steps:
                return self._leave(end, name, callback, reaction)
            activation = end.activations[name] = Activation(name)
            self._callbacks += 1
            self._running += 1
        for step in reaction.steps:
            self._take_step(end, activation, step, this)
        with self._lock:
            del end.activations[name]
            self._callbacks -= 1
            self._running -= 1
            status = self._leave(end, name, callback, reaction)
            self._lock.notify_all()
        return status

    def _leave(self, end: End, name: str, callback: str, reaction: Reaction) -> int:
        status = reaction.status if CALLBACKS[callback].returns == "status" else None
        end.left(callback, status)
        if not self._over and not end.dead:
            self._record(Exit("exit", end.endpoint, name, callback, status))
        return status or 0

    def _take_step(self, end: End, activation: Activation, step: Step, this: str | None) -> None:
        if isinstance(step, Act):
            with self._lock:
                prepared = self._begin(end, activation.name, step.function, step.arguments, this)
                if prepared is None:
                    return
                self._running -= 1
                self._lock.notify_all()
            self._call(end, activation.name, step.function, prepared)
            return
        with self._lock:
            if self._over:
                return
            activation.held = True
            self._running -= 1
            self._changes += 1
            self._holding.add(activation.thread)
            self._lock.notify_all()
            self._lock.wait_for(lambda: not activation.held or self._over or end.buried)
            self._holding.discard(activation.thread)
            if activation.held:  # let go because there is nobody to release it
                activation.held = False
                self._running += 1

    def _release(self, stimulus: Release) -> None:
        with self._lock:
            end = self._ends.get(stimulus.endpoint)
            activation = end.activations.get(stimulus.activation) if end else None
            if activation is not None and activation.held:
                activation.held = False
                self._running += 1
                self._changes += 1
                self._lock.notify_all()

    def _endpoint_of(self, channel: Any) -> str:
        """The end whose handle this is; known once VmbChannelAllocate has returned."""
        for end in self._ends.values():
            if end.allocated and end.channel == channel:
                return end.endpoint
        return UNKNOWN

    # The world ------------------------------------------------------------------------------

    def _act(self, stimulus: Environ) -> None:
        act = getattr(self._implementation, "Act", None)
        with self._lock:
            end = self._ends.get(stimulus.endpoint)
            if end is None or not end.allocated or end.dead or self._over:
                return
            if act is None or not end.can_suffer(stimulus.action, ACTIONS | self._signals):
                return
            end.dead = stimulus.action == "crash"
            self._record(Environment("environment", end.endpoint, stimulus.action))
            self._lock.notify_all()
            if (world := self._threads.get(_WORLD)) is None:
                world = self._threads[_WORLD] = DriverThread("world")
            world.busy = True
        world.jobs.put(partial(self._let_act, world, partial(act, end.channel, stimulus.action)))
        self._wait_for(world, _BURIAL_SECONDS if end.dead else _PATIENCE)
        with self._lock:
            end.buried = end.dead
            self._lock.notify_all()

    def _let_act(self, world: DriverThread, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as error:
            with self._lock:
                self._lose("crash", f"Act: {type(error).__name__}: {error}")
        with self._lock:
            world.busy = False
            self._lock.notify_all()

    # Quiescence -----------------------------------------------------------------------------

    def _settle(self) -> None:
        end_of_patience = time.monotonic() + self._limit
        while not self._settled():
            if time.monotonic() >= end_of_patience:
                with self._lock:
                    self._lose("hang", f"no rest within {self._limit:g} s")

    def _settled(self) -> bool:
        wait_idle = self._wait_idle
        try:
            return self._settled_idle() if wait_idle is None else self._settled_exactly(wait_idle)
        except Exception as error:
            asked = "AtRest" if wait_idle is None else "WaitIdle"
            with self._lock:
                self._lose("crash", f"{asked}: {type(error).__name__}: {error}")
            return True

    def _settled_exactly(self, wait_idle: Callable[[int], tuple[int, int] | None]) -> bool:
        """Ask the implementation, and believe it only if it counts the same calls and callbacks
        as we do: otherwise one is just on its way in or out."""
        with self._lock:
            if self._over:
                return True
            if self._running:
                self._lock.wait_for(lambda: not self._running or self._over, 0.1)
            before = self._changes
        inside = wait_idle(_WAIT_IDLE_MILLISECONDS)
        with self._lock:
            if self._over:
                return True
            agrees = inside == (self._calls, self._callbacks) and before == self._changes
            if agrees and not self._running:
                self._record(Quiescence("quiescence", True))
                return True
            if before == self._changes:
                self._lock.wait(0.001)
            return False

    def is_idle(self) -> bool:
        """Whether nobody does anything in here, at this moment: no handler runs, and no call is on
        its way in or out."""
        before = self._changes
        inside = self._implementation.Inside()
        with self._lock:
            agrees = inside == (self._calls, self._callbacks) and before == self._changes
            return self._over or (agrees and not self._running)

    def _settled_idle(self) -> bool:
        """Whether the idle time passes without anything happening."""
        with self._lock:
            before = self._changes
            moved = self._lock.wait_for(
                lambda: self._over or self._changes != before, self._idle_seconds
            )
            if moved or self._running:
                return self._over
        resting = self._at_rest()
        with self._lock:
            if resting and before == self._changes and not self._over:
                self._record(Quiescence("quiescence", False))
                return True
            if not resting and before == self._changes:
                self._lock.wait(0.005)
            return self._over
