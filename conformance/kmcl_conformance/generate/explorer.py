"""The explorer: a seeded walk over the enabled stimuli, made for speed.

One walk is one *sequence*: a fresh implementation, both channels configured, then steps chosen at
random among what ``driver`` enables, then an orderly end that leaves nothing going on. The same
seed gives the same sequence as long as the implementation answers the same.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

from kmcl_conformance.oracle import Judge
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
from kmcl_model.book import kmcl
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec.specification import peer_of
from kmcl_model.stimuli import (
    HOLD,
    Act,
    Arm,
    Environ,
    Invoke,
    Reaction,
    Release,
    Step,
    Stimulus,
)

from .driver import (
    control_calls,
    has_initialized,
    is_enabled,
    may_reset,
    may_send,
    packet_calls,
    surely_enabled,
)
from .expected import EXPECTED_ACTS, OBJECTS, act_on
from .names import Names
from .setup import LENGTHS, MAXIMUM, PACKETS, RUNS, SETTLE, answer, setting

__all__ = ["STRATEGIES", "Chooser", "epilogue"]

STRATEGIES: Final = ("uniform", "random", "pct")
"""How schedules are chosen: each step among all that are ready, with a rest often (``uniform``) or
rarely (``random``), or by priorities with a rest rarely (``pct``)."""

FAULT_RATE: Final = 0.04
"""How often the environment acts, per step of a walk with faults."""

OFTEN, RARELY = 0.12, 0.02
"""How often a walk settles; one that is about schedules does it rarely, because all that is on
its way comes to an end then."""

QUESTIONS: Final = 0.6
"""How much of what is sent to a known host is a question."""

RARE_WAITS: Final = 0.2
"""How often a known host is asked for a completion; one that never completes keeps the packet."""

FIRST_CRASH: Final = 40
"""The steps of a walk before an end may crash."""


class Chooser:
    """Picks the next stimulus of a walk. ``faults`` are those of the book that may be committed,
    by their weights; ``expected``: callbacks also make calls that are only expected to work in
    them. ``strategy`` is one of ``STRATEGIES``."""

    def __init__(
        self,
        judge: Judge,
        names: Names,
        rng: Random,
        *,
        holds: bool = True,
        faults: tuple[str, ...] = (),
        expected: bool = False,
        strategy: str = "uniform",
    ) -> None:
        self.judge = judge
        self.names = names
        self.rng = rng
        self.holds = holds
        self.faults = faults
        self.weights = [kmcl().faults[name].weight for name in faults]
        self.expected = expected
        self.settle_rate = RARELY if strategy != "uniform" else OFTEN
        self._settled = False
        self._busy = rng.random() < 0.5
        self._step = 0

    def choose(self, runnable: int) -> Stimulus:
        """The next stimulus; ``runnable`` as the session tells."""
        rng = self.rng
        if self.faults:
            self._step += 1
            fault = self._fault() if rng.random() < FAULT_RATE else None
            if fault is not None:
                self._settled = False
                return fault
        roll = rng.random()
        if runnable and roll < 0.5:
            self._settled = False
            return RUNS[int(rng.random() * min(runnable, 64))]
        if roll < 0.5 + self.settle_rate and not self._settled:
            self._settled = True
            return SETTLE
        if self.judge.handlers and rng.random() < 0.15:
            self._settled = False
            endpoint, activation = rng.choice(list(self.judge.handlers))
            return Release("release", endpoint, activation)
        endpoint = self._end()
        for _ in range(12):
            roll = rng.random()
            if roll < 0.24:
                stimulus = self._control(endpoint)
            elif roll < 0.56:
                stimulus = self._packet(endpoint)
            elif roll < 0.80:
                stimulus = self._give_back(endpoint)
            elif roll < 0.94:
                stimulus = self._arm(endpoint)
            else:
                stimulus = self._rare(endpoint)
            if stimulus is not None:
                self._settled = False
                return stimulus
            if len(self.judge.ends) > 1:
                endpoint = peer_of(endpoint)
        self._settled = True
        return SETTLE

    # Each of these gives None where nothing of its sort is enabled ------------------------

    def _thread(self, endpoint: str) -> str:
        calls = self.judge.calls
        return next(t for t in ("t0", "t1", "t2", "t3", "t4") if (endpoint, t) not in calls)

    def _control(self, endpoint: str) -> Stimulus | None:
        rng, judge = self.rng, self.judge
        node = judge.endpoint[endpoint].node
        calls = control_calls(node, endpoint)
        if not calls:
            return None
        if "VmbChannelEnable" in calls and may_reset(node) and rng.random() < 0.6:
            function = "VmbChannelEnable"
        else:
            function = calls[int(rng.random() * len(calls))]
            if function == "VmbChannelDisable" and rng.random() < 0.4:
                return None
            if function in ("VmbChannelCleanup", "VmbChannelAllocate") and rng.random() < 0.9:
                return None
        invoke = Invoke("invoke", endpoint, self._thread(endpoint), function, ())
        if function == "VmbChannelAllocate":
            return None
        if function == "VmbChannelCleanup" and not is_enabled(judge, self.names, invoke):
            return None
        return invoke

    def _buffer(self, endpoint: str) -> bytes | None:
        host = self.judge.host
        if host is not None and self.rng.random() < QUESTIONS:
            return host.question(int(self.rng.random() * 16))
        tag = self.names.free_tag(self.judge, endpoint)
        if tag < 0:
            return None
        length = LENGTHS[int(self.rng.random() * len(LENGTHS))]
        if length in (0, MAXIMUM + 8) and self.rng.random() < 0.8:
            length = 8
        return payload_bytes(Payload(tag, length))

    def _packet(self, endpoint: str) -> Stimulus | None:
        rng, judge = self.rng, self.judge
        name = PACKETS[int(rng.random() * 4)]
        if name in self.names.packets(endpoint):
            return None
        track = judge.packets[endpoint].get(name)
        if track is None:
            if any(
                s.connection in ("none", "crashed") for s in judge.endpoint[endpoint].node.states
            ):
                return None
            calls: tuple[str, ...] = ("VmbPacketAllocate", "VmbPacketInitialize")
        else:
            calls = packet_calls(track.node)
        if not calls:
            return None
        by = self._thread(endpoint)
        states: Any = () if track is None else track.node.states
        idle = bool(states) and all(s.status == "idle" for s in states)
        if idle and rng.random() < 0.8:
            if not all(s.routine for s in states) and rng.random() < 0.8:
                function = "VmbPacketSetCompletionRoutine"
            elif "VmbPacketSend" in calls and may_send(judge.endpoint[endpoint].node):
                buffer = self._buffer(endpoint)
                if buffer is None:
                    return None
                waits = 0.6 if judge.host is None else RARE_WAITS
                flags = 1 if rng.random() < waits else 0
                return Invoke("invoke", endpoint, by, "VmbPacketSend", (name, buffer, flags))
            else:
                return None
        else:
            function = calls[int(rng.random() * len(calls))]
        if function == "VmbPacketSend":
            return None
        if function == "VmbPacketInitialize":
            if self.names.frees(endpoint):
                return None
            count = "sizeof" if rng.random() < 0.8 else "maximum+pointer"
            return Invoke("invoke", endpoint, by, function, (name, count))
        if function == "VmbPacketSetPointer":
            return Invoke("invoke", endpoint, by, function, (name, rng.choice((0, 1, 77))))
        return Invoke("invoke", endpoint, by, function, (name,))

    def _live_contexts(self, endpoint: str) -> list[str]:
        return [
            name
            for name, track in self.judge.incoming[endpoint].items()
            if all(s.status != "free" and not s.calls for s in track.node.states)
        ]

    def _give_back(self, endpoint: str) -> Stimulus | None:
        contexts = self._live_contexts(endpoint)
        if not contexts:
            return None
        context = contexts[int(self.rng.random() * len(contexts))]
        arguments = (context, answer(self.rng), None)
        by = self._thread(endpoint)
        return Invoke("invoke", endpoint, by, "VmbChannelPacketComplete", arguments)

    def _rare(self, endpoint: str) -> Stimulus | None:
        rng = self.rng
        node = self.judge.endpoint[endpoint].node
        if any(s.connection in ("none", "crashed") for s in node.states):
            return None
        by = self._thread(endpoint)
        roll = rng.random()
        if roll < 0.3:
            if self.names.limits(endpoint) or any(
                s.quota_calls for s in self.judge.flow[endpoint].node.states
            ):
                return None
            quota = (1, 1, 2, 3, 8)[int(rng.random() * 5)]
            return Invoke("invoke", endpoint, by, "VmbChannelSetTransactionQuota", (quota,))
        if roll < 0.4:
            return Invoke("invoke", endpoint, by, "VmbChannelSetPointer", (rng.choice((0, 5, 77)),))
        if roll < 0.5:
            return Invoke("invoke", endpoint, by, "VmbChannelGetPointer", ())
        if roll < 0.55:
            return Invoke("invoke", endpoint, by, "VmbChannelSizeofPacket", ())
        if roll < 0.95:
            return Invoke("invoke", endpoint, by, *setting(rng, not surely_enabled(node)))
        return SETTLE

    def _end(self) -> str:
        first, *others = self.judge.ends
        return others[0] if others and self.rng.random() >= 0.5 else first

    def _fault(self) -> Stimulus | None:
        """What the world does; an end dies late in the walk, since little can follow it."""
        (action,) = self.rng.choices(self.faults, self.weights)
        endpoint = self._end()
        if action == "crash" and self._step < FIRST_CRASH:
            return None
        fault = Environ("environment", endpoint, action)
        return fault if is_enabled(self.judge, self.names, fault) else None

    # Reactions ----------------------------------------------------------------------------

    def _arm(self, endpoint: str) -> Stimulus | None:
        rng = self.rng
        callback = _ARMED[int(rng.random() * len(_ARMED))]
        if self.names.armed(endpoint, callback):
            return None
        if self.expected and rng.random() < 0.5:
            return self._arm_call(endpoint, callback, EXPECTED_ACTS[callback])
        if callback in (STARTED, POST_STARTED) and rng.random() < 0.3:
            return self._arm_call(endpoint, callback, OBJECTS)
        steps: list[Step] = []
        status, sticky = 0, False
        hold = self.holds and rng.random() < 0.3
        if callback == PROCESS_PACKET:
            roll = rng.random()
            if roll < 0.7:
                steps.append(Act("VmbChannelPacketComplete", ("this", answer(rng), None)))
                sticky = not hold and self._busy and rng.random() < 0.5
            elif roll < 0.8:
                steps.append(Act("VmbChannelPacketFail", ("this",)))
        elif callback == COMPLETION_ROUTINE:
            roll = rng.random()
            initialized = has_initialized(self.judge, endpoint) or self.names.initializes(endpoint)
            if roll < 0.4 and not initialized:
                steps.append(Act("VmbPacketFree", ("this",)))
            elif roll < 0.6:
                steps.append(Act("VmbChannelPacketComplete", ("c0", answer(rng), None)))
            else:
                buffer = self._buffer(endpoint)
                if buffer is not None and len(buffer) <= MAXIMUM and buffer:
                    steps.append(Act("VmbPacketSend", ("this", buffer, int(rng.random() < 0.5))))
        elif callback in (OPENED, STARTED, CLOSED):
            if callback == OPENED and rng.random() < 0.15:
                status = 0xC0000001
            packet = self._idle_packet(endpoint)
            buffer = self._buffer(endpoint) if packet is not None else None
            if packet is not None and buffer is not None and 0 < len(buffer) <= MAXIMUM:
                steps.append(Act("VmbPacketSend", (packet, buffer, int(rng.random() < 0.6))))
        else:
            contexts = self._live_contexts(endpoint) or ["c0", "c1"]
            steps += [Act("VmbChannelPacketComplete", (c, answer(rng), None)) for c in contexts]
        if hold:
            steps.insert(0 if rng.random() < 0.5 else len(steps), HOLD)
        if not steps and not status:
            return None
        return Arm("arm", endpoint, callback, Reaction(tuple(steps), status, sticky))

    def _arm_call(self, endpoint: str, callback: str, functions: frozenset[str]) -> Stimulus | None:
        """A handler that makes one call of one of the functions."""
        buffer = self._buffer(endpoint)
        act = act_on(
            self.rng,
            functions,
            self._idle_packet(endpoint),
            buffer if buffer and len(buffer) <= MAXIMUM else None,
            not self.names.frees(endpoint),
        )
        if act is None:
            return None
        arm = Arm("arm", endpoint, callback, Reaction((act,)))
        return arm if is_enabled(self.judge, self.names, arm) else None

    def _idle_packet(self, endpoint: str) -> str | None:
        for name in PACKETS:
            track = self.judge.packets[endpoint].get(name)
            if (
                track is not None
                and name not in self.names.packets(endpoint)
                and "VmbPacketSend" in packet_calls(track.node)
                and all(s.routine and not s.initialized for s in track.node.states)
            ):
                return name
        return None


_ARMED = (
    PROCESS_PACKET,
    PROCESS_PACKET,
    OPENED,
    STARTED,
    POST_STARTED,
    SUSPEND,
    CLOSED,
    PROCESSING_COMPLETE,
    COMPLETION_ROUTINE,
    COMPLETION_ROUTINE,
)


def epilogue(judge: Judge) -> Stimulus | None:
    """The next stimulus that brings a walk to its end, None when nothing is left to do.

    Lets handlers go on, gives packets back, disables both ends, and settles in between.
    """
    for endpoint, activation in judge.handlers:
        if all(s.connection != "crashed" for s in judge.endpoint[endpoint].node.states):
            return Release("release", endpoint, activation)
    for endpoint in judge.ends:
        for name, track in judge.incoming[endpoint].items():
            if all(s.status != "free" and not s.calls for s in track.node.states):
                by = next(t for t in ("t0", "t1", "t2", "t3") if (endpoint, t) not in judge.calls)
                arguments = (name, None, None)
                return Invoke("invoke", endpoint, by, "VmbChannelPacketComplete", arguments)
    for endpoint in judge.ends:
        calls = control_calls(judge.endpoint[endpoint].node, endpoint)
        connected = any(
            s.connection not in ("none", "disabled", "crashed")
            for s in judge.endpoint[endpoint].node.states
        )
        if connected and "VmbChannelDisable" in calls:
            by = next(t for t in ("t0", "t1", "t2", "t3") if (endpoint, t) not in judge.calls)
            return Invoke("invoke", endpoint, by, "VmbChannelDisable", ())
    return None
